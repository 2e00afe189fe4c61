//! Facts that come twice, late and in any order.

use events::{Finality, Message, auth::logged_in, wallets::approval_changed};
use ids::{Address, BlockHash, LoginEventId, SessionId, TokenId, TxHash, UserId};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::json;

use super::*;
use crate::{MIGRATOR, upsert_link::upsert_link};

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
    let ask = LinkAsk { user_id: owner.user_id, account: owner.account_id, kind: Kind::Eoa, connector: None };
    upsert_link(&db.pool, &ask).await.unwrap();
    let (wallet, _) = on_logged_in(&db.pool, &logged_in(&other).envelope).await.unwrap().unwrap();
    assert_eq!(wallet.user_id, owner.user_id);
    assert_eq!(outbox(&db.pool).await, 1);
}

#[tokio::test]
async fn a_sign_in_that_comes_after_the_unlinking_does_not_undo_it() {
    let db = testkit::database(&MIGRATOR).await;
    let fact = login(UserId::new());
    let ask = LinkAsk { user_id: fact.user_id, account: fact.account_id, kind: Kind::Eoa, connector: None };
    let (wallet, _) = upsert_link(&db.pool, &ask).await.unwrap();
    let mut tx = db.pool.begin().await.unwrap();
    store::insert_activity(&mut tx, &wallet, "unlinked").await.unwrap();
    sqlx::query("delete from wallet_links").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();

    let late = LoggedIn { at: Utc::now() - chrono::TimeDelta::minutes(1), ..fact.clone() };
    assert!(on_logged_in(&db.pool, &logged_in(&late).envelope).await.unwrap().is_none());
    let fresh = LoggedIn {
        at: Utc::now() + chrono::TimeDelta::minutes(1),
        login_event_id: LoginEventId::new(),
        ..fact
    };
    assert!(on_logged_in(&db.pool, &logged_in(&fresh).envelope).await.unwrap().is_some());
}

const OWNER: Address = Address::new([1; 20]);
const CONTRACT: Address = Address::new([9; 20]);

/// A block of the approvals that `changes` say: operator, token or all, given or not.
fn block(
    number: u64,
    fork: u8,
    generation: u32,
    removed: bool,
    changes: &[(u8, Option<u8>, bool)],
) -> Message {
    let (chain_id, hash) = ("eip155:31337".parse().unwrap(), BlockHash::new([fork; 32]));
    let events = changes.iter().enumerate().map(|(at, (operator, token, is_approved))| {
        let tx_hash = TxHash::new([at as u8; 32]);
        ChainEvent {
            id: events::chain::event_id(chain_id, hash, tx_hash, at as u32, 0),
            contract: CONTRACT,
            standard: None,
            tx_hash,
            tx_from: OWNER,
            log_index: at as u32,
            batch_index: 0,
            finality: Finality::Latest,
            fact: ApprovalChanged {
                owner: OWNER,
                operator: Address::new([*operator; 20]),
                token_id: token.map(|token| TokenId::new(amounts::U256::from(token))),
                is_approved: *is_approved,
            },
        }
    });
    let batch = ChainBatch {
        chain_id,
        block: Block { number, hash, parent_hash: BlockHash::new([0; 32]), time: Utc::now() },
        generation,
        removed,
        fork_block: removed.then_some(number - 1),
        events: events.collect(),
    };
    approval_changed(&batch, 0)
}

/// Who may move what, as a page would show it: operator and token.
async fn in_force(db: &PgPool) -> Vec<(String, Option<String>)> {
    sqlx::query_as("select operator, token_id::text from approvals where is_approved order by 1, 2")
        .fetch_all(db)
        .await
        .unwrap()
}

fn operator(n: u8) -> String {
    Address::new([n; 20]).to_lower()
}

/// A chain that goes A1 A2 A3, back to A1, on with B2 B3, back again, and on with A2 and A3 once more.
fn flips() -> Vec<Message> {
    let a2: &[(u8, Option<u8>, bool)] = &[(2, None, true), (3, Some(7), true)];
    let a3: &[(u8, Option<u8>, bool)] = &[(4, Some(7), true), (2, None, false)];
    let b2: &[(u8, Option<u8>, bool)] = &[(5, None, true), (0, Some(7), false)];
    vec![
        block(1, 1, 0, false, &[(6, None, true)]),
        block(2, 2, 0, false, a2),
        block(3, 3, 0, false, a3),
        block(3, 3, 0, true, a3),
        block(2, 2, 0, true, a2),
        block(2, 4, 0, false, b2),
        block(2, 4, 0, true, b2),
        block(2, 2, 1, false, a2),
        block(3, 3, 1, false, a3),
    ]
}

#[tokio::test]
async fn approvals_follow_the_chain_through_its_flips() {
    let db = testkit::database(&MIGRATOR).await;
    let steps = flips();
    let apply = async |range: std::ops::Range<usize>| {
        for message in &steps[range] {
            assert!(on_approvals(&db.pool, &message.envelope).await.unwrap().dead.is_empty());
        }
        in_force(&db.pool).await
    };
    let token = Some("7".to_owned());
    assert_eq!(apply(0..2).await, [(operator(2), None), (operator(3), token.clone()), (operator(6), None)]);
    assert_eq!(apply(2..3).await, [(operator(4), token.clone()), (operator(6), None)]);
    assert_eq!(apply(3..5).await, [(operator(6), None)]);
    assert_eq!(apply(5..6).await, [(operator(5), None), (operator(6), None)]);
    assert_eq!(apply(6..9).await, [(operator(4), token), (operator(6), None)]);
}

#[tokio::test]
async fn whatever_the_order_and_repetition_approvals_end_the_same() {
    for seed in 0..20 {
        let db = testkit::database(&MIGRATOR).await;
        let mut steps: Vec<Message> =
            flips().into_iter().flat_map(|message| [message.clone(), message]).collect();
        steps.shuffle(&mut StdRng::seed_from_u64(seed));
        // Four at once, as four replicas would.
        for four in steps.chunks(4) {
            let applied =
                futures::future::join_all(four.iter().map(|m| on_approvals(&db.pool, &m.envelope))).await;
            assert!(applied.into_iter().all(|applied| applied.unwrap().dead.is_empty()));
        }
        let end = [(operator(4), Some("7".to_owned())), (operator(6), None)];
        assert_eq!(in_force(&db.pool).await, end, "seed {seed}");
    }
}

#[tokio::test]
async fn a_bad_element_goes_to_the_dead_queue_alone() {
    let db = testkit::database(&MIGRATOR).await;
    let mut message = block(1, 1, 0, false, &[(2, None, true), (3, None, true), (4, None, true)]);
    message.envelope.data["events"][1]["operator"] = json!("0xnobody");
    let handled = on_approvals(&db.pool, &message.envelope).await.unwrap();
    assert_eq!(
        handled.dead.iter().map(|dead| (dead.index, dead.reason)).collect::<Vec<_>>(),
        [(1, "malformed")]
    );
    assert_eq!(in_force(&db.pool).await, [(operator(2), None), (operator(4), None)]);

    message.envelope.kind = "vitrine.wallets.approval.v9".to_owned();
    let failure = on_approvals(&db.pool, &message.envelope).await.unwrap_err();
    assert!(matches!(failure, Failure::Never { reason: "unknown_type", .. }));
}
