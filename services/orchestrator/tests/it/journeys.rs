//! What happens to transactions on a real chain after they are sent: replaced, cancelled, dropped, reorganised away; and
//! a tracker that is lost between any two of its steps.

use alloy::primitives::{Bytes, keccak256};
use proto::{
    common::v1::{ContractRef, TokenStandard},
    orchestrator::v1::{Intent, IntentStatus, ResolveIntentRequest, Step},
};
use rpc::Problem;
use serde_json::{Value, json};

use crate::rig::{CHAIN, Rig, User, WITHIN, wallet_form};

/// A create that is prepared, on a chain that mines when it is told to.
async fn prepared(rig: &Rig, user: &User) -> (Intent, Step) {
    let mut prepared = rig.create(user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    rig.chain.rpc("evm_setAutomine", json!([false])).await;
    (prepared.intent.unwrap(), prepared.steps.remove(0))
}

/// The same nonce again, for more money.
async fn outbid(rig: &Rig, first: &str, mut transaction: Value) -> String {
    let sent = rig.chain.rpc("eth_getTransactionByHash", json!([first])).await;
    transaction["nonce"] = sent["nonce"].clone();
    transaction["maxFeePerGas"] = json!("0x2540be40000");
    transaction["maxPriorityFeePerGas"] = json!("0x2540be4000");
    let hash = rig.chain.rpc("eth_sendTransaction", json!([transaction])).await.as_str().unwrap().to_owned();
    assert_ne!(hash, first);
    hash
}

async fn catalogued(rig: &Rig, tx_hash: &str, contract: &str) {
    let request = ResolveIntentRequest {
        chain_id: CHAIN.into(),
        tx_hashes: vec![tx_hash.into()],
        event_id: "collection/0190/1".into(),
        collection: Some(ContractRef { chain_id: CHAIN.into(), address: contract.into() }),
        ..ResolveIntentRequest::default()
    };
    rig.intents("subs-worker").resolve_intent(request).await.unwrap();
}

fn is_pending(rig: &Rig, intent: &Intent) -> bool {
    rig.world.pending.lock().unwrap().contains(&intent.intent_id)
}

async fn stops_pending(rig: &Rig, intent: &Intent) {
    testkit::eventually(WITHIN, "the pending collection is gone", async || {
        (!is_pending(rig, intent)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_speed_up_that_nobody_reported_is_found_and_followed() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let (intent, step) = prepared(&rig, &user).await;
    let first = rig.send(&step).await;
    rig.track(&user, &intent, &first).await.unwrap();
    let second = outbid(&rig, &first, wallet_form(&step)).await;
    rig.chain.mine(3).await;
    let confirmed = rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    assert_eq!(confirmed.tx_hash, second);
    let sources: Vec<(String, String)> =
        sqlx::query_as("select source, state from tx_candidates order by reported_at")
            .fetch_all(&rig.db.pool)
            .await
            .unwrap();
    assert_eq!(sources, [("REPORTED".into(), "VERIFIED".into()), ("NONCE".into(), "VERIFIED".into())]);
    rig.end().await;
}

#[tokio::test]
async fn a_wallets_own_cancellation_is_cancelled_and_any_other_call_is_replaced() {
    let rig = Rig::start_deep(2).await;
    let users = [rig.user(1).await, rig.user(2).await];
    let ends = [IntentStatus::Cancelled, IntentStatus::Replaced];
    for (user, end) in users.iter().zip(ends) {
        let (intent, step) = prepared(&rig, user).await;
        let first = rig.send(&step).await;
        rig.track(user, &intent, &first).await.unwrap();
        assert!(is_pending(&rig, &intent));
        let value = if end == IntentStatus::Cancelled { "0x0" } else { "0x1" };
        let instead = json!({ "from": user.address, "to": user.address, "value": value, "gas": "0x5208" });
        outbid(&rig, &first, instead).await;
        rig.chain.mine(1).await;
        let shallow = rig.get(user, &intent.intent_id).await;
        assert_eq!(shallow.status(), IntentStatus::Submitted, "one block is not deep");
        rig.chain.mine(1).await;
        rig.reaches(user, &intent, end).await;
        stops_pending(&rig, &intent).await;
        rig.chain.rpc("evm_setAutomine", json!([true])).await;
    }
    rig.end().await;
}

#[tokio::test]
async fn a_dropped_transaction_is_dropped_and_revives_with_its_pending_collection() {
    let rig = Rig::start_with(|config| config.drop_after_secs = 1).await;
    let user = rig.user(1).await;
    let (intent, step) = prepared(&rig, &user).await;
    let hash = rig.send(&step).await;
    rig.track(&user, &intent, &hash).await.unwrap();
    assert!(is_pending(&rig, &intent));
    rig.chain.rpc("anvil_dropTransaction", json!([hash])).await;
    rig.reaches(&user, &intent, IntentStatus::Dropped).await;
    stops_pending(&rig, &intent).await;

    assert_eq!(rig.send(&step).await, hash, "the same wallet signs the same transaction");
    rig.reaches(&user, &intent, IntentStatus::Submitted).await;
    testkit::eventually(WITHIN, "the pending collection is back", async || {
        is_pending(&rig, &intent).then_some(())
    })
    .await;
    rig.chain.mine(1).await;
    rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    rig.end().await;
}

#[tokio::test]
async fn what_was_ready_steps_back_when_the_chain_takes_it_back_and_is_ready_again_when_it_returns() {
    let rig = Rig::start().await;
    *rig.world.reorg_depth.lock().unwrap() = 20;
    let user = rig.user(1).await;
    let (intent, step) = prepared(&rig, &user).await;
    let hash = rig.send(&step).await;
    rig.track(&user, &intent, &hash).await.unwrap();
    rig.chain.mine(2).await;
    let confirmed = rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    catalogued(&rig, &hash, &confirmed.contract.unwrap().address).await;
    let ready = rig.reaches(&user, &intent, IntentStatus::Ready).await;

    rig.chain.rpc("anvil_reorg", json!([2, []])).await;
    rig.chain.rpc("anvil_dropTransaction", json!([hash])).await;
    let back = rig.reaches(&user, &intent, IntentStatus::Submitted).await;
    assert!(back.contract.is_none() && back.revision > ready.revision);
    assert_eq!(rig.send(&step).await, hash);
    rig.chain.mine(1).await;
    rig.reaches(&user, &intent, IntentStatus::Ready).await;
    rig.end().await;
}

#[tokio::test]
async fn a_reverted_transaction_fails_only_when_it_is_deep_and_a_rollback_takes_it_back() {
    let rig = Rig::start_deep(3).await;
    *rig.world.reorg_depth.lock().unwrap() = 20;
    let user = rig.user(1).await;
    let (intent, step) = prepared(&rig, &user).await;
    // Too little gas to do it, and enough to be included.
    let mut transaction = wallet_form(&step);
    transaction["gas"] = json!("0xea60");
    let hash = rig.chain.rpc("eth_sendTransaction", json!([transaction])).await;
    let hash = hash.as_str().unwrap().to_owned();
    rig.track(&user, &intent, &hash).await.unwrap();
    rig.chain.mine(1).await;
    let mined = rig.reaches(&user, &intent, IntentStatus::Mined).await;
    assert_eq!(mined.error_code, "TX_WILL_FAIL");
    rig.chain.mine(2).await;
    rig.reaches(&user, &intent, IntentStatus::Failed).await;
    stops_pending(&rig, &intent).await;

    rig.chain.rpc("anvil_reorg", json!([3, []])).await;
    rig.chain.rpc("anvil_dropTransaction", json!([hash])).await;
    let back = rig.reaches(&user, &intent, IntentStatus::Submitted).await;
    assert_eq!(back.error_code, "");
    rig.end().await;
}

#[tokio::test]
async fn a_stranger_who_reports_the_hash_first_blocks_nobody() {
    let rig = Rig::start().await;
    let (user, stranger) = (rig.user(1).await, rig.user(2).await);
    let (intent, step) = prepared(&rig, &user).await;
    let (theirs, _) = prepared(&rig, &stranger).await;
    let mut transaction = wallet_form(&step);
    transaction["nonce"] = rig.chain.rpc("eth_getTransactionCount", json!([user.address, "latest"])).await;
    let raw = rig.chain.rpc("eth_signTransaction", json!([transaction])).await;
    let bytes: Bytes = raw.as_str().unwrap().parse().unwrap();
    let hash = keccak256(&bytes).to_string();
    rig.track(&stranger, &theirs, &hash).await.unwrap();
    rig.track(&user, &intent, &hash).await.unwrap();
    rig.chain.rpc("eth_sendRawTransaction", json!([raw])).await;
    rig.chain.mine(1).await;
    rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    let refused = rig.reaches(&stranger, &theirs, IntentStatus::Prepared).await;
    assert_eq!((refused.error_code.as_str(), refused.tx_hash.as_str()), ("TX_MISMATCH", ""));
    assert!(refused.error_message.contains("it is sent by"), "{}", refused.error_message);
    rig.end().await;
}

#[tokio::test]
async fn a_mismatch_says_what_differs() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let (intent, step) = prepared(&rig, &user).await;
    let changes = [
        ("value", json!("0x1"), "it pays 1 wei, not 0"),
        ("data", json!("0x01"), "its data is not the prepared data"),
        ("to", json!(user.address), "it goes to"),
    ];
    for (field, value, words) in changes {
        let mut changed = wallet_form(&step);
        changed[field] = value;
        let hash = rig.chain.rpc("eth_sendTransaction", json!([changed])).await;
        let problem = Problem::from(&rig.track(&user, &intent, hash.as_str().unwrap()).await.unwrap_err());
        assert_eq!(problem.reason, "TX_MISMATCH");
        assert!(problem.message.contains(words), "{}", problem.message);
    }
    rig.end().await;
}

#[tokio::test]
async fn a_tracker_that_is_lost_between_any_two_steps_loses_nothing() {
    let mut rig = Rig::start_deep(2).await;
    let user = rig.user(1).await;
    let (intent, step) = prepared(&rig, &user).await;
    rig.restart().await;
    let hash = rig.send(&step).await;
    rig.restart().await;
    rig.track(&user, &intent, &hash).await.unwrap();
    rig.restart().await;
    rig.chain.mine(1).await;
    rig.restart().await;
    rig.reaches(&user, &intent, IntentStatus::Mined).await;
    rig.restart().await;
    rig.chain.mine(1).await;
    let confirmed = rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    rig.restart().await;
    catalogued(&rig, &hash, &confirmed.contract.unwrap().address).await;
    rig.restart().await;
    rig.reaches(&user, &intent, IntentStatus::Ready).await;
    let path: Vec<String> = sqlx::query_scalar(
        "select audit_data->>'to' from session_intent_audit order by (audit_data->>'revision')::int",
    )
    .fetch_all(&rig.db.pool)
    .await
    .unwrap();
    assert_eq!(path, ["PREPARED", "SUBMITTED", "MINED", "CONFIRMED", "READY"]);
    rig.end().await;
}

#[tokio::test]
async fn a_nonce_that_was_used_in_a_state_that_no_node_keeps_is_replaced_all_the_same() {
    let mut rig = Rig::start_deep(2).await;
    let liar = testkit::Liar::before(&rig.chain.url).await;
    rig.world.through.lock().unwrap().clone_from(&liar.url);
    let user = rig.user(1).await;
    let (intent, step) = prepared(&rig, &user).await;
    let first = rig.send(&step).await;
    rig.track(&user, &intent, &first).await.unwrap();
    testkit::eventually(WITHIN, "the hash is verified", async || {
        let verified = "select count(*) from tx_candidates where state = 'VERIFIED'";
        let count: i64 = sqlx::query_scalar(verified).fetch_one(&rig.db.pool).await.unwrap();
        (count == 1).then_some(())
    })
    .await;
    rig.down().await;
    let instead = json!({ "from": user.address, "to": user.address, "value": "0x1", "gas": "0x5208" });
    outbid(&rig, &first, instead).await;
    rig.chain.mine(20).await;
    liar.set(testkit::Lie::Forgets(4));
    rig.up();
    rig.restart().await;
    rig.reaches(&user, &intent, IntentStatus::Replaced).await;
    rig.end().await;
}

#[tokio::test]
async fn who_took_a_nonce_is_searched_for_once() {
    let rig = Rig::start_deep(2).await;
    let user = rig.user(1).await;
    let (intent, step) = prepared(&rig, &user).await;
    let first = rig.send(&step).await;
    rig.track(&user, &intent, &first).await.unwrap();
    let instead = json!({ "from": user.address, "to": user.address, "value": "0x1", "gas": "0x5208" });
    let second = outbid(&rig, &first, instead).await;
    rig.chain.mine(2).await;
    rig.reaches(&user, &intent, IntentStatus::Replaced).await;
    let taker: Option<String> =
        sqlx::query_scalar("select taker_hash from tx_candidates").fetch_one(&rig.db.pool).await.unwrap();
    assert_eq!(taker, Some(second));
    rig.end().await;
}

#[tokio::test]
async fn a_collection_that_the_catalog_will_never_take_is_not_told_for_ever() {
    let rig = Rig::start().await;
    rig.world.is_pending_refused.store(true, std::sync::atomic::Ordering::SeqCst);
    let user = rig.user(1).await;
    let (intent, step) = prepared(&rig, &user).await;
    let hash = rig.send(&step).await;
    rig.track(&user, &intent, &hash).await.unwrap();
    let noted: String = sqlx::query_scalar("select pending_collection from tx_intents")
        .fetch_one(&rig.db.pool)
        .await
        .unwrap();
    assert_eq!(noted, "none");
    rig.end().await;
}
