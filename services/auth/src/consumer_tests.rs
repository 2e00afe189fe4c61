//! Facts that come twice, late and in any order.

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    Message,
    users::{roles_changed, status_changed},
    wallets::{linked, unlinked},
};
use ids::{AccountId, SessionId, UserId, WalletId};

use super::*;
use crate::{
    MIGRATOR,
    model::{Client, Kind, Session},
    store::{self, NewSession},
};

fn account() -> AccountId {
    "eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap()
}

/// A session that was opened at a time, as a sign-in writes it.
async fn session(db: &PgPool, user_id: UserId, at: DateTime<Utc>) -> SessionId {
    let session = Session::open(user_id, &account(), Kind::Eoa, &Client::default(), at);
    let new = NewSession {
        session: &session,
        identity: &Kind::Eoa.identity(&account()),
        kind: Kind::Eoa,
        chain_id: account().chain_id,
        refresh_hash: &session.session_id.to_string(),
        absolute_expires_at: at,
        method: "eoa",
        proof: None,
    };
    let mut tx = db.begin().await.unwrap();
    store::lock_standing(&mut tx, user_id, None).await.unwrap();
    store::insert_session(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    session.session_id
}

fn status(user_id: UserId, status: &str, revision: i64) -> Message {
    status_changed(&StatusChanged { user_id, status: status.to_owned(), revision })
}

fn roles(user_id: UserId, roles: &[&str], is_reduced: bool, revision: i64) -> Message {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    roles_changed(&RolesChanged { user_id, roles, is_reduced, revision })
}

fn link(user_id: UserId, wallet_id: WalletId) -> Message {
    linked(&WalletLinked { user_id, wallet_id, account_id: account(), kind: "eoa".into(), is_primary: true })
}

fn unlink(user_id: UserId, wallet_id: WalletId) -> Message {
    unlinked(&WalletUnlinked {
        user_id,
        wallet_id,
        account_id: account(),
        kind: "eoa".into(),
        is_primary: true,
    })
}

async fn told(db: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from outbox where routing_key = 'session.revoked'")
        .fetch_one(db)
        .await
        .unwrap()
}

async fn alive(db: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from sessions where revoked_at is null").fetch_one(db).await.unwrap()
}

async fn owner(db: &PgPool) -> Option<UserId> {
    store::find_link(db, &Kind::Eoa.identity(&account())).await.unwrap().and_then(|link| link.owner)
}

#[tokio::test]
async fn a_suspension_delivered_twice_ends_sessions_once() {
    let db = testkit::database(&MIGRATOR).await;
    let user_id = UserId::new();
    let (one, other) =
        (session(&db.pool, user_id, Utc::now()).await, session(&db.pool, user_id, Utc::now()).await);
    session(&db.pool, UserId::new(), Utc::now()).await;
    let message = status(user_id, "suspended", 1);
    let mut ended = on_user_changed(&db.pool, &message.envelope).await.unwrap().session_ids;
    ended.sort();
    assert_eq!(ended, [one, other]);
    assert!(on_user_changed(&db.pool, &message.envelope).await.unwrap().session_ids.is_empty());
    assert_eq!((told(&db.pool).await, alive(&db.pool).await), (1, 1));
}

#[tokio::test]
async fn a_suspension_that_was_lifted_before_it_came_ends_what_was_open_then() {
    let db = testkit::database(&MIGRATOR).await;
    let user_id = UserId::new();
    let (mut suspended, lifted) = (status(user_id, "suspended", 1), status(user_id, "active", 2));
    suspended.envelope.time = Utc::now() - TimeDelta::minutes(5);
    let old = session(&db.pool, user_id, Utc::now() - TimeDelta::minutes(10)).await;
    on_user_changed(&db.pool, &lifted.envelope).await.unwrap();
    let new = session(&db.pool, user_id, Utc::now()).await;
    assert_eq!(on_user_changed(&db.pool, &suspended.envelope).await.unwrap().session_ids, [old]);
    let (found, standing, _) = store::find_session(&db.pool, new).await.unwrap().unwrap();
    assert!(found.revoked_at.is_none() && standing.is_active());
}

#[tokio::test]
async fn a_role_given_ends_nothing_and_a_role_taken_ends_what_was_open_then() {
    let db = testkit::database(&MIGRATOR).await;
    let user_id = UserId::new();
    let id = session(&db.pool, user_id, Utc::now()).await;
    let given = roles(user_id, &["user", "moderator"], false, 1);
    for _ in 0..2 {
        assert!(on_user_changed(&db.pool, &given.envelope).await.unwrap().session_ids.is_empty());
    }
    let (_, standing, _) = store::find_session(&db.pool, id).await.unwrap().unwrap();
    assert_eq!(standing.roles, ["user", "moderator"]);

    let taken = roles(user_id, &["user"], true, 2);
    assert_eq!(on_user_changed(&db.pool, &taken.envelope).await.unwrap().session_ids, [id]);
    assert!(on_user_changed(&db.pool, &taken.envelope).await.unwrap().session_ids.is_empty());
    // An older fact that comes late does not bring the role back.
    let late = roles(user_id, &["user", "admin"], false, 0);
    on_user_changed(&db.pool, &late.envelope).await.unwrap();
    let (_, standing, _) = store::find_session(&db.pool, id).await.unwrap().unwrap();
    assert_eq!(standing.roles, ["user"]);
    assert_eq!(told(&db.pool).await, 1);
}

#[tokio::test]
async fn in_whatever_order_links_are_told_the_last_word_counts() {
    let (one, other) = (UserId::new(), UserId::new());
    let (first, second) = (WalletId::new(), WalletId::new());
    let facts = [link(one, first), unlink(one, first), link(other, second)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let db = testkit::database(&MIGRATOR).await;
        for at in order.into_iter().chain(order) {
            on_wallet_changed(&db.pool, &facts[at].envelope).await.unwrap();
        }
        assert_eq!(owner(&db.pool).await, Some(other), "{order:?}");
    }
    let db = testkit::database(&MIGRATOR).await;
    for at in [1, 0, 1] {
        on_wallet_changed(&db.pool, &facts[at].envelope).await.unwrap();
    }
    assert_eq!(owner(&db.pool).await, None, "the end came before the beginning");
}

#[tokio::test]
async fn an_unlinking_delivered_twice_ends_the_sessions_of_its_time_once() {
    let db = testkit::database(&MIGRATOR).await;
    let (user_id, wallet_id) = (UserId::new(), WalletId::new());
    on_wallet_changed(&db.pool, &link(user_id, wallet_id).envelope).await.unwrap();
    let old = session(&db.pool, user_id, Utc::now()).await;
    let message = unlink(user_id, wallet_id);
    // Linked and used again before the end of the first link was heard.
    on_wallet_changed(&db.pool, &link(user_id, WalletId::new()).envelope).await.unwrap();
    session(&db.pool, user_id, Utc::now() + TimeDelta::minutes(1)).await;
    assert_eq!(on_wallet_changed(&db.pool, &message.envelope).await.unwrap().session_ids, [old]);
    assert!(on_wallet_changed(&db.pool, &message.envelope).await.unwrap().session_ids.is_empty());
    assert_eq!((told(&db.pool).await, alive(&db.pool).await), (1, 1));
}

#[tokio::test]
async fn a_session_that_was_opened_before_the_end_of_its_link_was_heard_ends_too() {
    let db = testkit::database(&MIGRATOR).await;
    let (user_id, wallet_id) = (UserId::new(), WalletId::new());
    on_wallet_changed(&db.pool, &link(user_id, wallet_id).envelope).await.unwrap();
    let mut message = unlink(user_id, wallet_id);
    message.envelope.time = Utc::now() - TimeDelta::minutes(10);
    // Ten minutes on the way, and in between the copy still let the account in.
    let late = session(&db.pool, user_id, Utc::now()).await;
    assert_eq!(on_wallet_changed(&db.pool, &message.envelope).await.unwrap().session_ids, [late]);

    // Taken over by somebody else before the end of the first link was heard: that somebody's sessions are not meant.
    let (other, second) = (UserId::new(), WalletId::new());
    on_wallet_changed(&db.pool, &link(user_id, second).envelope).await.unwrap();
    let late = session(&db.pool, user_id, Utc::now()).await;
    on_wallet_changed(&db.pool, &link(other, WalletId::new()).envelope).await.unwrap();
    session(&db.pool, other, Utc::now()).await;
    let mut message = unlink(user_id, second);
    message.envelope.time = Utc::now() - TimeDelta::minutes(10);
    assert_eq!(on_wallet_changed(&db.pool, &message.envelope).await.unwrap().session_ids, [late]);
    assert_eq!((told(&db.pool).await, alive(&db.pool).await), (2, 1));
}

#[tokio::test]
async fn a_session_with_the_roles_of_a_copy_that_lagged_ends_when_the_loss_is_heard() {
    let db = testkit::database(&MIGRATOR).await;
    let user_id = UserId::new();
    on_user_changed(&db.pool, &roles(user_id, &["user", "admin"], false, 1).envelope).await.unwrap();
    let mut taken = roles(user_id, &["user"], true, 2);
    taken.envelope.time = Utc::now() - TimeDelta::minutes(10);
    let late = session(&db.pool, user_id, Utc::now()).await;
    assert_eq!(on_user_changed(&db.pool, &taken.envelope).await.unwrap().session_ids, [late]);

    // The same when a later change of roles overtook the loss.
    let mut taken = roles(user_id, &["user"], true, 3);
    taken.envelope.time = Utc::now() - TimeDelta::minutes(10);
    let late = session(&db.pool, user_id, Utc::now() - TimeDelta::minutes(1)).await;
    on_user_changed(&db.pool, &roles(user_id, &["user", "creator"], false, 4).envelope).await.unwrap();
    session(&db.pool, user_id, Utc::now() + TimeDelta::minutes(1)).await;
    assert_eq!(on_user_changed(&db.pool, &taken.envelope).await.unwrap().session_ids, [late]);
}

#[tokio::test]
async fn a_deleted_user_loses_all_sessions_and_gets_none() {
    let db = testkit::database(&MIGRATOR).await;
    let user_id = UserId::new();
    let id = session(&db.pool, user_id, Utc::now()).await;
    let ended = on_user_changed(&db.pool, &status(user_id, "deleted", 1).envelope).await.unwrap();
    assert_eq!(ended.session_ids, [id]);
    let (_, standing, _) = store::find_session(&db.pool, id).await.unwrap().unwrap();
    assert!(!standing.is_active());
}

#[tokio::test]
async fn a_sign_in_and_a_suspension_at_the_same_moment_leave_no_session() {
    let db = testkit::database(&MIGRATOR).await;
    for _ in 0..20 {
        let user_id = UserId::new();
        let message = status(user_id, "suspended", 1);
        let sign_in = async {
            let open = Session::open(user_id, &account(), Kind::Eoa, &Client::default(), Utc::now());
            let mut tx = db.pool.begin().await.unwrap();
            if !store::lock_standing(&mut tx, user_id, None).await.unwrap().is_active() {
                return;
            }
            let new = NewSession {
                session: &open,
                identity: &Kind::Eoa.identity(&account()),
                kind: Kind::Eoa,
                chain_id: account().chain_id,
                refresh_hash: &open.session_id.to_string(),
                absolute_expires_at: open.expires_at,
                method: "eoa",
                proof: None,
            };
            store::insert_session(&mut tx, &new).await.unwrap();
            tx.commit().await.unwrap();
        };
        let (told, ()) = tokio::join!(on_user_changed(&db.pool, &message.envelope), sign_in);
        told.unwrap();
        assert_eq!(alive(&db.pool).await, 0);
    }
}
