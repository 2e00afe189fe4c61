//! Facts that come twice, late and in any order.

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    Message, Standard,
    auth::logged_in,
    collections::{CollectionSnapshot, CollectionUpserted},
    mints::{TokensUpserted, upserted_batch},
    wallets::{linked, unlinked},
};
use ids::{AccountId, Address, BlockHash, CollectionId, LoginEventId, SessionId, UserId, WalletId};

use super::*;
use crate::{MIGRATOR, ensure_user::ensure_user};

/// Nobody listens there: a miss each time.
fn cache() -> Cache {
    Cache::open(&"redis://127.0.0.1:1".into()).unwrap()
}

fn account() -> AccountId {
    "eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap()
}

fn login(user_id: UserId, at: DateTime<Utc>) -> Message {
    logged_in(&LoggedIn {
        user_id,
        session_id: SessionId::new(),
        account_type: "eoa".to_owned(),
        account_id: account(),
        chain_id: "eip155:1".parse().unwrap(),
        is_new_user: true,
        login_event_id: LoginEventId::new(),
        at,
    })
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

async fn owner(db: &PgPool) -> Option<UserId> {
    let user = store::find_by_identities(db, &[Account::eoa(&account()).identity]).await.unwrap();
    user.map(|user| user.user_id)
}

#[tokio::test]
async fn a_sign_in_delivered_twice_and_an_older_one_leave_the_newest_time() {
    let db = testkit::database(&MIGRATOR).await;
    let (user, _) = ensure_user(&db.pool, &Account::eoa(&account())).await.unwrap();
    let now = Utc::now();
    let newest = login(user.user_id, now);
    for message in [&newest, &newest, &login(user.user_id, now - TimeDelta::hours(1))] {
        on_logged_in(&db.pool, &message.envelope).await.unwrap();
    }
    let at: DateTime<Utc> =
        sqlx::query_scalar("select last_login_at from users").fetch_one(&db.pool).await.unwrap();
    assert_eq!(at.timestamp_micros(), now.timestamp_micros());
    assert_eq!(owner(&db.pool).await, Some(user.user_id));
}

#[tokio::test]
async fn a_user_whom_auth_let_in_exists_afterwards() {
    let db = testkit::database(&MIGRATOR).await;
    let user_id = UserId::new();
    let message = login(user_id, Utc::now());
    for _ in 0..2 {
        on_logged_in(&db.pool, &message.envelope).await.unwrap();
    }
    assert_eq!(owner(&db.pool).await, Some(user_id));
    let (user, created) = ensure_user(&db.pool, &Account::eoa(&account())).await.unwrap();
    assert_eq!((user.user_id, created), (user_id, false));
}

#[tokio::test]
async fn in_whatever_order_links_are_told_the_last_word_counts() {
    // Linked to one user, unlinked, linked to another: every order of the three facts, each told twice.
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
}

#[tokio::test]
async fn an_unlinked_account_gets_a_user_of_its_own_and_a_late_sign_in_does_not_bring_the_old_one_back() {
    let db = testkit::database(&MIGRATOR).await;
    let (user, _) = ensure_user(&db.pool, &Account::eoa(&account())).await.unwrap();
    let wallet_id = WalletId::new();
    let late = login(user.user_id, Utc::now());
    on_wallet_changed(&db.pool, &link(user.user_id, wallet_id).envelope).await.unwrap();
    on_wallet_changed(&db.pool, &unlink(user.user_id, wallet_id).envelope).await.unwrap();
    on_logged_in(&db.pool, &late.envelope).await.unwrap();
    assert_eq!(owner(&db.pool).await, None);

    let (new, created) = ensure_user(&db.pool, &Account::eoa(&account())).await.unwrap();
    assert!(created);
    assert_ne!(new.user_id, user.user_id);
    // The same end told under another id: it is known to be past.
    let mut again = unlink(user.user_id, wallet_id);
    again.envelope.id += "/again";
    on_wallet_changed(&db.pool, &again.envelope).await.unwrap();
    assert_eq!(owner(&db.pool).await, Some(new.user_id));
}

#[tokio::test]
async fn wallets_word_corrects_what_a_sign_in_made() {
    let db = testkit::database(&MIGRATOR).await;
    ensure_user(&db.pool, &Account::eoa(&account())).await.unwrap();
    let other = UserId::new();
    on_wallet_changed(&db.pool, &link(other, WalletId::new()).envelope).await.unwrap();
    assert_eq!(owner(&db.pool).await, Some(other));
}

#[tokio::test]
async fn a_link_whose_end_came_first_takes_nothing_from_who_signed_in_since() {
    let db = testkit::database(&MIGRATOR).await;
    let former = UserId::new();
    let (first, second) = (WalletId::new(), WalletId::new());
    let (user, _) = ensure_user(&db.pool, &Account::eoa(&account())).await.unwrap();
    for wallet_id in [first, second] {
        on_wallet_changed(&db.pool, &unlink(former, wallet_id).envelope).await.unwrap();
        on_wallet_changed(&db.pool, &link(former, wallet_id).envelope).await.unwrap();
        assert_eq!(owner(&db.pool).await, Some(user.user_id));
    }
    // The owner's own link comes after both.
    on_wallet_changed(&db.pool, &link(user.user_id, WalletId::new()).envelope).await.unwrap();
    assert_eq!(owner(&db.pool).await, Some(user.user_id));
}

fn collection(creator: Address) -> Message {
    let snapshot = CollectionSnapshot {
        id: CollectionId::new(),
        chain_id: "eip155:1".parse().unwrap(),
        contract: Address::new([9; 20]),
        slug: "a".into(),
        name: "A".into(),
        symbol: None,
        description: None,
        standard: Standard::Erc721,
        creator,
        owner: None,
        royalty_bps: 0,
        max_supply: None,
        total_supply: "0".into(),
        is_verified: false,
        status: "LIVE".into(),
        created_at: Utc::now(),
    };
    events::collections::upserted(&CollectionUpserted {
        collection: snapshot,
        revision: 1,
        changed: vec!["created".into()],
        tx_hashes: vec![],
        salts: vec![],
        removed: false,
        fork_block: None,
        block_number: 1,
        block_hash: BlockHash::new([1; 32]),
    })
}

async fn dirty(db: &PgPool) -> Vec<DateTime<Utc>> {
    sqlx::query_scalar("select dirty_at from user_stats where dirty_at is not null")
        .fetch_all(db)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_changed_collection_marks_its_creator_once_however_often_it_is_told() {
    let db = testkit::database(&MIGRATOR).await;
    ensure_user(&db.pool, &Account::eoa(&account())).await.unwrap();
    on_stats_changed(&db.pool, &cache(), &collection(Address::new([5; 20])).envelope).await.unwrap();
    assert!(dirty(&db.pool).await.is_empty(), "a stranger's collection");

    let message = collection(account().address);
    on_stats_changed(&db.pool, &cache(), &message.envelope).await.unwrap();
    let marked = dirty(&db.pool).await;
    assert_eq!(marked.len(), 1);
    let creators = "select count(*) from user_roles where role = 'creator'";
    assert_eq!(sqlx::query_scalar::<_, i64>(creators).fetch_one(&db.pool).await.unwrap(), 1);
    on_stats_changed(&db.pool, &cache(), &message.envelope).await.unwrap();
    assert_eq!(dirty(&db.pool).await, marked, "a repetition");
    on_stats_changed(&db.pool, &cache(), &collection(account().address).envelope).await.unwrap();
    assert!(dirty(&db.pool).await > marked, "a new change renews the mark");
    let told: i64 =
        sqlx::query_scalar("select count(*) from outbox where routing_key = 'user.roles_changed'")
            .fetch_one(&db.pool)
            .await
            .unwrap();
    assert_eq!(told, 1, "a creator is made once");
}

#[tokio::test]
async fn only_a_live_collection_makes_a_creator_and_only_of_whose_account_it_is() {
    let db = testkit::database(&MIGRATOR).await;
    let elsewhere: AccountId = account().to_lower().replace("eip155:1:", "eip155:137:").parse().unwrap();
    let (contract, _) = ensure_user(&db.pool, &Account::contract(&account())).await.unwrap();
    ensure_user(&db.pool, &Account::contract(&elsewhere)).await.unwrap();
    let mut pending = collection(account().address);
    pending.envelope.data["collection"]["status"] = "PENDING".into();
    let mut removed = collection(account().address);
    removed.envelope.data["removed"] = true.into();
    for message in [pending, removed] {
        on_stats_changed(&db.pool, &cache(), &message.envelope).await.unwrap();
    }
    let creators = async || -> Vec<uuid::Uuid> {
        let query = sqlx::query_scalar("select user_id from user_roles where role = 'creator'");
        query.fetch_all(&db.pool).await.unwrap()
    };
    assert!(creators().await.is_empty());
    on_stats_changed(&db.pool, &cache(), &collection(account().address).envelope).await.unwrap();
    assert_eq!(creators().await, [contract.user_id.0], "not the contract's namesake on another chain");

    // Taken away by a person: the chain's next word does not bring it back.
    sqlx::query("delete from user_roles where role = 'creator'").execute(&db.pool).await.unwrap();
    sqlx::query("update users set creator_withheld = true").execute(&db.pool).await.unwrap();
    on_stats_changed(&db.pool, &cache(), &collection(account().address).envelope).await.unwrap();
    assert!(creators().await.is_empty());
}

#[tokio::test]
async fn a_contract_account_that_signed_in_is_not_the_key_of_the_same_address() {
    let db = testkit::database(&MIGRATOR).await;
    let user_id = UserId::new();
    let mut message = login(user_id, Utc::now());
    message.envelope.data["accountType"] = "contract".into();
    on_logged_in(&db.pool, &message.envelope).await.unwrap();
    assert_eq!(owner(&db.pool).await, None);
    let (user, created) = ensure_user(&db.pool, &Account::contract(&account())).await.unwrap();
    assert_eq!((user.user_id, created), (user_id, false));
}

#[tokio::test]
async fn a_batch_that_names_nobody_is_kept_for_later() {
    let db = testkit::database(&MIGRATOR).await;
    let fact = TokensUpserted {
        collection_id: CollectionId::new(),
        chain_id: "eip155:1".parse().unwrap(),
        contract: Address::new([9; 20]),
        token_ids: vec![],
        tx_hashes: vec![],
        block_number: 1,
    };
    let message = upserted_batch(&fact, "cause");
    for _ in 0..2 {
        on_stats_changed(&db.pool, &cache(), &message.envelope).await.unwrap();
    }
    let kept: Vec<uuid::Uuid> =
        sqlx::query_scalar("select collection_id from dirty_collections").fetch_all(&db.pool).await.unwrap();
    assert_eq!(kept, [fact.collection_id.0]);

    let mut strange = message.envelope;
    strange.kind = "vitrine.orders.upserted.v1".to_owned();
    let failure = on_stats_changed(&db.pool, &cache(), &strange).await.unwrap_err();
    assert!(matches!(failure, Failure::Never { reason: "unknown_type", .. }));
}
