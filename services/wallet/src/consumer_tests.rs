//! Sign-ins that come twice, late, or from a contract.

use events::auth::logged_in;
use ids::{LoginEventId, SessionId, UserId};

use super::*;
use crate::{MIGRATOR, unlink_wallet::unlink_wallet, upsert_link::upsert_link};

fn login(user_id: UserId) -> LoggedIn {
    LoggedIn {
        user_id,
        session_id: SessionId::new(),
        account_type: "eoa".to_owned(),
        account_id: "eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap(),
        chain_id: "eip155:1".parse().unwrap(),
        is_new_user: true,
        login_event_id: LoginEventId::new(),
        at: Utc::now(),
    }
}

fn outbox(db: &PgPool) -> impl Future<Output = i64> {
    let db = db.clone();
    async move { sqlx::query_scalar("select count(*) from outbox").fetch_one(&db).await.unwrap() }
}

#[tokio::test]
async fn a_sign_in_heals_the_link_that_was_not_made() {
    let db = testkit::database(&MIGRATOR).await;
    let fact = login(UserId::new());
    let (wallet, at) = on_logged_in(&db.pool, &logged_in(&fact).envelope).await.unwrap().unwrap();
    assert_eq!((wallet.user_id, at, wallet.is_primary), (fact.user_id, fact.at, true));
    let seen: Option<DateTime<Utc>> =
        sqlx::query_scalar("select last_seen_at from wallet_links").fetch_one(&db.pool).await.unwrap();
    assert_eq!(seen.map(|at| at.timestamp_micros()), Some(fact.at.timestamp_micros()));
}

#[tokio::test]
async fn a_sign_in_delivered_twice_heals_once() {
    let db = testkit::database(&MIGRATOR).await;
    let message = logged_in(&login(UserId::new()));
    assert!(on_logged_in(&db.pool, &message.envelope).await.unwrap().is_some());
    assert!(on_logged_in(&db.pool, &message.envelope).await.unwrap().is_none());
    assert_eq!(outbox(&db.pool).await, 1);
}

#[tokio::test]
async fn a_sign_in_never_takes_an_account_from_its_owner() {
    let db = testkit::database(&MIGRATOR).await;
    let (owner, other) = (login(UserId::new()), login(UserId::new()));
    let ask = LinkAsk::of_login(owner.user_id, owner.account_id, Kind::Eoa, None);
    upsert_link(&db.pool, &ask).await.unwrap();
    let (wallet, _) = on_logged_in(&db.pool, &logged_in(&other).envelope).await.unwrap().unwrap();
    assert_eq!(wallet.user_id, owner.user_id);
    assert_eq!(outbox(&db.pool).await, 1);
}

#[tokio::test]
async fn no_sign_in_undoes_an_unlinking_however_new_it_is() {
    let db = testkit::database(&MIGRATOR).await;
    let fact = login(UserId::new());
    let other = "eip155:1:0x0202020202020202020202020202020202020202".parse().unwrap();
    let link = |account| LinkAsk::of_login(fact.user_id, account, Kind::Eoa, None);
    upsert_link(&db.pool, &link(other)).await.unwrap();
    let (wallet, _) = upsert_link(&db.pool, &link(fact.account_id)).await.unwrap();
    unlink_wallet(&db.pool, fact.user_id, wallet.wallet_id).await.unwrap();
    let told = outbox(&db.pool).await;

    let late = LoggedIn { at: Utc::now() - chrono::TimeDelta::minutes(1), ..fact.clone() };
    assert!(on_logged_in(&db.pool, &logged_in(&late).envelope).await.unwrap().is_none());
    let fresh = LoggedIn {
        at: Utc::now() + chrono::TimeDelta::minutes(1),
        login_event_id: LoginEventId::new(),
        ..fact.clone()
    };
    assert!(on_logged_in(&db.pool, &logged_in(&fresh).envelope).await.unwrap().is_none());
    assert_eq!(outbox(&db.pool).await, told);

    // Somebody else who signs in with it has it.
    let other = LoggedIn { user_id: UserId::new(), login_event_id: LoginEventId::new(), ..fact };
    let (wallet, _) = on_logged_in(&db.pool, &logged_in(&other).envelope).await.unwrap().unwrap();
    assert_eq!(wallet.user_id, other.user_id);
}

#[tokio::test]
async fn a_contract_that_signed_in_is_linked_as_one() {
    let db = testkit::database(&MIGRATOR).await;
    let key = login(UserId::new());
    on_logged_in(&db.pool, &logged_in(&key).envelope).await.unwrap();
    // The same address as a contract is somebody else.
    let fact = LoggedIn { account_type: "contract".to_owned(), ..login(UserId::new()) };
    let (wallet, _) = on_logged_in(&db.pool, &logged_in(&fact).envelope).await.unwrap().unwrap();
    assert_eq!((wallet.user_id, wallet.kind.as_str()), (fact.user_id, "contract"));
    assert_eq!(wallet.identity, fact.account_id.to_lower());

    let odd = LoggedIn { account_type: "robot".to_owned(), ..login(UserId::new()) };
    let failure = on_logged_in(&db.pool, &logged_in(&odd).envelope).await.unwrap_err();
    assert!(matches!(failure, Failure::Never { reason: "malformed", .. }));
}

#[tokio::test]
async fn a_sign_in_never_changes_the_primary_wallet() {
    let db = testkit::database(&MIGRATOR).await;
    let first = login(UserId::new());
    on_logged_in(&db.pool, &logged_in(&first).envelope).await.unwrap();
    let second = LoggedIn {
        account_id: "eip155:1:0x0202020202020202020202020202020202020202".parse().unwrap(),
        login_event_id: LoginEventId::new(),
        ..first.clone()
    };
    let (wallet, _) = on_logged_in(&db.pool, &logged_in(&second).envelope).await.unwrap().unwrap();
    assert!(!wallet.is_primary);
    let wallets = store::list_by_users(&db.pool, &[first.user_id.0]).await.unwrap();
    assert_eq!(wallets.iter().filter(|wallet| wallet.is_primary).count(), 1);
    assert_eq!(wallets[0].identity, Kind::Eoa.identity(&first.account_id));
}
