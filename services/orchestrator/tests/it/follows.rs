//! The tracker on a real chain: to READY, to FAILED, back after a reorganisation, and on after a lost process.

use abi::launchpad::VitrineCollection;
use alloy::{primitives::Bytes, sol_types::SolCall};
use ids::IntentId;
use proto::{
    common::v1::{ContractRef, TokenStandard},
    orchestrator::v1::{
        Intent, IntentStatus, PrepareMint721Request, PrepareMint1155Request, ResolveIntentRequest, Step,
    },
};
use serde_json::json;

use crate::rig::{CHAIN, Rig, User, WITHIN};

async fn told(
    rig: &Rig,
    event_id: &str,
    tx_hash: &str,
    contract: &str,
    tokens: &[&str],
    removed: bool,
) -> Vec<String> {
    let request = ResolveIntentRequest {
        chain_id: CHAIN.into(),
        tx_hashes: vec![tx_hash.into()],
        event_id: event_id.into(),
        collection: Some(ContractRef { chain_id: CHAIN.into(), address: contract.into() }),
        token_ids: tokens.iter().map(|id| (*id).to_owned()).collect(),
        removed,
        salts: vec![],
    };
    rig.intents("subs-worker").resolve_intent(request).await.unwrap().into_inner().intent_ids
}

async fn mint721(rig: &Rig, user: &User, collection: &ContractRef, quantity: u32) -> (Intent, Step) {
    let request = PrepareMint721Request {
        request_id: IntentId::new().to_string(),
        collection: Some(collection.clone()),
        minter: user.address.clone(),
        recipient: String::new(),
        quantity,
        proof: vec![],
        ..PrepareMint721Request::default()
    };
    let mut prepared = rig.mints().prepare_mint721(user.says(request)).await.unwrap().into_inner();
    (prepared.intent.unwrap(), prepared.steps.remove(0))
}

#[tokio::test]
async fn a_create_and_mints_of_both_standards_are_followed_to_ready() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    for standard in [TokenStandard::Erc721, TokenStandard::Erc1155] {
        let prepared =
            rig.create(&user, user.wants_collection(standard.as_str_name(), standard)).await.unwrap();
        let intent = prepared.intent.unwrap();
        let hash = rig.send(&prepared.steps[0]).await;
        rig.track(&user, &intent, &hash).await.unwrap();
        let confirmed = rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
        let contract = confirmed.contract.unwrap();
        assert_eq!(contract.address, intent.preview_address);
        assert_eq!((confirmed.confirmations, confirmed.tx_hash.as_str()), (1, hash.as_str()));
        let event = format!("collection/{}/1", standard.as_str_name());
        let found = told(&rig, &event, &hash, &contract.address, &[], false).await;
        assert_eq!(found, [intent.intent_id.as_str()]);
        rig.reaches(&user, &intent, IntentStatus::Ready).await;

        let (intent, step) = if standard == TokenStandard::Erc721 {
            mint721(&rig, &user, &contract, 3).await
        } else {
            let request = PrepareMint1155Request {
                request_id: "1155".into(),
                collection: Some(contract.clone()),
                minter: user.address.clone(),
                recipient: String::new(),
                token_id: "7".into(),
                quantity: "2".into(),
                proof: vec![],
                ..PrepareMint1155Request::default()
            };
            let mut prepared = rig.mints().prepare_mint1155(user.says(request)).await.unwrap().into_inner();
            (prepared.intent.unwrap(), prepared.steps.remove(0))
        };
        let tokens: &[&str] = if standard == TokenStandard::Erc721 { &["1", "2", "3"] } else { &["7"] };
        let hash = rig.send(&step).await;
        // The catalog's word may come before the hash is known: all but one token now, the last one later.
        for id in &tokens[1..] {
            told(&rig, &format!("token/{id}/1"), &hash, &contract.address, &[*id], false).await;
        }
        rig.track(&user, &intent, &hash).await.unwrap();
        let confirmed = rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
        let minted: Vec<&str> = confirmed.tokens.iter().map(|token| token.token_id.as_str()).collect();
        assert_eq!(minted, tokens);
        // The last word is a batch's: many tokens of many transactions, under an id that has no revision.
        let batch = ResolveIntentRequest {
            chain_id: CHAIN.into(),
            tx_hashes: vec![format!("0x{}", "11".repeat(32)), hash.clone()],
            event_id: format!("tokens/{}/eip155:31337/0xab/minted/0", standard.as_str_name()),
            collection: Some(contract.clone()),
            token_ids: vec![tokens[0].into(), "99".into()],
            ..ResolveIntentRequest::default()
        };
        rig.intents("subs-worker").resolve_intent(batch).await.unwrap();
        let ready = rig.reaches(&user, &intent, IntentStatus::Ready).await;

        // Each change is one revision, one audit row, one message.
        let id: uuid::Uuid = intent.intent_id.parse().unwrap();
        let audited: i64 = sqlx::query_scalar(
            "select count(*) from session_intent_audit where intent_id = $1 and session_id = $2",
        )
        .bind(id)
        .bind(&user.caller.session_id)
        .fetch_one(&rig.db.pool)
        .await
        .unwrap();
        assert_eq!(u64::try_from(audited).unwrap(), ready.revision);
        let written: i64 = sqlx::query_scalar("select count(*) from outbox where routing_key = $1")
            .bind(format!("upserted.{}", intent.intent_id))
            .fetch_one(&rig.db.pool)
            .await
            .unwrap();
        assert_eq!(u64::try_from(written).unwrap(), ready.revision);
    }
    testkit::eventually(WITHIN, "the broker has the messages", async || {
        (rig.vhost.depth("subs.intents.upserted").await >= 16).then_some(())
    })
    .await;
    rig.end().await;
}

#[tokio::test]
async fn a_create_that_nobody_reported_is_found_by_its_salt() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let prepared = rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    let intent = prepared.intent.unwrap();
    let hash = rig.send(&prepared.steps[0]).await;
    let receipt = rig.receipt(&hash).await;
    // CollectionCreated is the first log; its salt the fourth topic.
    let salt = receipt["logs"].as_array().unwrap().iter().find_map(|log| {
        let topics = log["topics"].as_array().unwrap();
        (topics.len() == 4 && log["address"] == format!("{:#x}", rig.deployed.factory))
            .then(|| topics[3].clone())
    });
    let request = ResolveIntentRequest {
        chain_id: CHAIN.into(),
        tx_hashes: vec![hash.clone()],
        event_id: "collection/0190/1".into(),
        collection: Some(ContractRef { chain_id: CHAIN.into(), address: intent.preview_address.clone() }),
        token_ids: vec![],
        removed: false,
        salts: vec![salt.unwrap().as_str().unwrap().to_owned()],
    };
    let mut worker = rig.intents("subs-worker");
    let found = worker.resolve_intent(request.clone()).await.unwrap().into_inner().intent_ids;
    assert_eq!(found, [intent.intent_id.as_str()]);
    let ready = rig.reaches(&user, &intent, IntentStatus::Ready).await;
    assert_eq!(ready.tx_hash, hash);
    // The same word again changes nothing.
    worker.resolve_intent(request).await.unwrap();
    testkit::eventually(WITHIN, "the tracker has looked again", async || {
        let due: i64 = sqlx::query_scalar(
            "select count(*) from tx_intents where next_look_at < now() + interval '2 seconds'",
        )
        .fetch_one(&rig.db.pool)
        .await
        .unwrap();
        (due == 0).then_some(())
    })
    .await;
    assert_eq!(rig.get(&user, &intent.intent_id).await.revision, ready.revision);
    rig.end().await;
}

#[tokio::test]
async fn a_reverted_transaction_fails_with_the_decoded_reason() {
    let rig = Rig::start().await;
    let (creator, minter) = (rig.user(1).await, rig.user(2).await);
    let collection = rig.collection(&creator, creator.wants_collection("a", TokenStandard::Erc721)).await;
    let (intent, step) = mint721(&rig, &minter, &collection, 1).await;
    // Between the preparation and the signature the creator pauses the collection.
    let pause = Bytes::from(VitrineCollection::pauseCall {}.abi_encode());
    let transaction = json!([{ "from": creator.address, "to": collection.address, "data": pause }]);
    let paused = rig.chain.rpc("eth_sendTransaction", transaction).await;
    rig.receipt(paused.as_str().unwrap()).await;
    let hash = rig.send(&step).await;
    rig.track(&minter, &intent, &hash).await.unwrap();
    let failed = rig.reaches(&minter, &intent, IntentStatus::Failed).await;
    assert_eq!(
        (failed.error_code.as_str(), failed.error_message.as_str()),
        ("MINT_PAUSED", "minting is paused")
    );
    rig.end().await;
}

#[tokio::test]
async fn a_reorganisation_steps_back_and_the_next_block_brings_it_forward_again() {
    let rig = Rig::start_deep(3).await;
    let user = rig.user(1).await;
    let collection = rig.collection(&user, user.wants_collection("a", TokenStandard::Erc721)).await;
    let (intent, step) = mint721(&rig, &user, &collection, 1).await;
    let snapshot = rig.chain.rpc("evm_snapshot", json!([])).await;
    let hash = rig.send(&step).await;
    rig.track(&user, &intent, &hash).await.unwrap();
    let mined = rig.reaches(&user, &intent, IntentStatus::Mined).await;
    assert_eq!((mined.confirmations, mined.tokens.len()), (1, 1));

    // The block is taken back, and another one without the transaction comes in its place.
    rig.chain.rpc("evm_revert", json!([snapshot])).await;
    rig.chain.rpc("evm_increaseTime", json!([7])).await;
    rig.chain.mine(1).await;
    let back = rig.reaches(&user, &intent, IntentStatus::Submitted).await;
    assert_eq!((back.confirmations, back.tokens.len(), back.tx_hash.as_str()), (0, 0, hash.as_str()));

    let again = rig.send(&step).await;
    assert_eq!(again, hash, "the same wallet signs the same transaction");
    rig.reaches(&user, &intent, IntentStatus::Mined).await;
    rig.chain.mine(2).await;
    rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    told(&rig, "token/1/4", &hash, &collection.address, &["1"], false).await;
    rig.reaches(&user, &intent, IntentStatus::Ready).await;
    // A retraction that is older than what was said changes nothing; a newer one takes READY back.
    told(&rig, "token/1/3", &hash, &collection.address, &["1"], true).await;
    told(&rig, "token/1/5", &hash, &collection.address, &["1"], true).await;
    rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    told(&rig, "token/1/6", &hash, &collection.address, &["1"], false).await;
    rig.reaches(&user, &intent, IntentStatus::Ready).await;
    rig.end().await;
}

#[tokio::test]
async fn a_transaction_waits_as_submitted_and_a_speed_up_goes_on_under_its_new_hash() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let prepared = rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    let intent = prepared.intent.unwrap();
    rig.chain.rpc("evm_setAutomine", json!([false])).await;
    let first = rig.send(&prepared.steps[0]).await;
    let waiting = rig.track(&user, &intent, &first).await.unwrap();
    assert_eq!(waiting.status(), IntentStatus::Submitted);
    let sent = rig.chain.rpc("eth_getTransactionByHash", json!([first])).await;
    let mut faster = crate::rig::wallet_form(&prepared.steps[0]);
    faster["nonce"] = sent["nonce"].clone();
    faster["maxFeePerGas"] = json!("0x2540be40000");
    faster["maxPriorityFeePerGas"] = json!("0x2540be4000");
    let second = rig.chain.rpc("eth_sendTransaction", json!([faster])).await.as_str().unwrap().to_owned();
    assert_ne!(first, second);
    rig.track(&user, &intent, &second).await.unwrap();
    rig.chain.mine(1).await;
    let confirmed = rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    assert_eq!(confirmed.tx_hash, second);
    rig.end().await;
}

#[tokio::test]
async fn a_lost_process_leaves_nothing_stuck_and_doubles_nothing() {
    let mut rig = Rig::start().await;
    let user = rig.user(1).await;
    let prepared = rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    let intent = prepared.intent.clone().unwrap();
    rig.chain.rpc("evm_setAutomine", json!([false])).await;
    let hash = rig.send(&prepared.steps[0]).await;
    rig.track(&user, &intent, &hash).await.unwrap();
    rig.down().await;
    rig.chain.mine(1).await;
    // The row may still be claimed by the process that is gone; here the claim's time is over.
    sqlx::query("update tx_intents set claimed_until = now() - interval '1 second'")
        .execute(&rig.db.pool)
        .await
        .unwrap();
    rig.up();
    let again = testkit::eventually(WITHIN, "the service answers again", async || {
        rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.ok()
    })
    .await;
    assert_eq!(again.intent.unwrap().intent_id, intent.intent_id);
    assert_eq!(again.steps[0].transaction, prepared.steps[0].transaction);
    rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    rig.end().await;
}
