//! Tracking, listing and cancelling over the door.

use std::sync::atomic::Ordering;

use proto::{
    common::v1::TokenStandard,
    orchestrator::v1::{CancelIntentRequest, IntentStatus, ListIntentsRequest},
};
use rpc::{Code, Problem};
use serde_json::json;

use crate::rig::{Rig, User, WITHIN, wallet_form};

const NOWHERE: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

async fn page(rig: &Rig, user: &User, size: i32, token: String, statuses: Vec<i32>) -> (Vec<String>, String) {
    let request = user.says(ListIntentsRequest { statuses, page_size: size, page_token: token });
    let answer = rig.intents("gateway").list_intents(request).await.unwrap().into_inner();
    let next = answer.cursors.last().filter(|_| answer.has_next).cloned().unwrap_or_default();
    (answer.intents.into_iter().map(|intent| intent.intent_id).collect(), next)
}

#[tokio::test]
async fn a_hash_that_nobody_has_seen_is_accepted_and_a_pending_collection_appears() {
    let rig = Rig::start().await;
    let (user, stranger) = (rig.user(1).await, rig.user(2).await);
    let intent =
        rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap().intent.unwrap();
    let tracked = rig.track(&user, &intent, NOWHERE).await.unwrap();
    assert_eq!((tracked.status(), tracked.tx_hash.as_str()), (IntentStatus::Submitted, NOWHERE));
    assert_eq!(rig.world.pending.lock().unwrap().iter().collect::<Vec<_>>(), [&intent.intent_id]);
    // The same again is the same; somebody else's intent is nobody's.
    assert_eq!(rig.track(&user, &intent, NOWHERE).await.unwrap().revision, tracked.revision);
    let problem = Problem::from(&rig.track(&stranger, &intent, NOWHERE).await.unwrap_err());
    assert_eq!(problem.code, Code::NotFound);
    // A stranger who names the same hash for an intent of their own blocks nobody, and is not blocked.
    let theirs = rig.create(&stranger, stranger.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    assert!(rig.track(&stranger, &theirs.intent.unwrap(), NOWHERE).await.is_ok());
    rig.end().await;
}

#[tokio::test]
async fn a_step_takes_five_hashes_that_nobody_has_seen() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let prepared = rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    let intent = prepared.intent.unwrap();
    for n in 1..=5 {
        rig.track(&user, &intent, &format!("0x{n:064x}")).await.unwrap();
    }
    let problem = Problem::from(&rig.track(&user, &intent, &format!("0x{:064x}", 6)).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "CONFLICT"));
    // One that is there to see is taken all the same.
    let hash = rig.send(&prepared.steps[0]).await;
    rig.track(&user, &intent, &hash).await.unwrap();
    rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    rig.end().await;
}

#[tokio::test]
async fn a_transaction_that_is_not_the_prepared_one_is_refused_and_the_right_one_still_counts() {
    let rig = Rig::start().await;
    let (user, stranger) = (rig.user(1).await, rig.user(2).await);
    let prepared = rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    let intent = prepared.intent.unwrap();
    let mut changed = wallet_form(&prepared.steps[0]);
    changed["from"] = json!(stranger.address);
    let theirs = rig.chain.rpc("eth_sendTransaction", json!([changed])).await.as_str().unwrap().to_owned();
    let plain = json!([{ "from": user.address, "to": stranger.address, "value": "0x1" }]);
    let other = rig.chain.rpc("eth_sendTransaction", plain).await.as_str().unwrap().to_owned();
    let problem = Problem::from(&rig.track(&user, &intent, &other).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "TX_MISMATCH"));
    let problem = Problem::from(&rig.track(&user, &intent, &theirs).await.unwrap_err());
    assert_eq!(problem.reason, "TX_MISMATCH");
    let hash = rig.send(&prepared.steps[0]).await;
    rig.track(&user, &intent, &hash).await.unwrap();
    rig.reaches(&user, &intent, IntentStatus::Confirmed).await;

    // What carries one intent carries no other one.
    let again =
        rig.create(&user, user.wants_collection("b", TokenStandard::Erc721)).await.unwrap().intent.unwrap();
    let problem = Problem::from(&rig.track(&user, &again, &hash).await.unwrap_err());
    assert_eq!(problem.reason, "TX_MISMATCH");
    rig.end().await;
}

#[tokio::test]
async fn a_cancelled_intent_stays_cancelled_and_a_sent_one_cannot_be() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let intent =
        rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap().intent.unwrap();
    let cancel = async |intent_id: &str| {
        let request = user.says(CancelIntentRequest { intent_id: intent_id.to_owned() });
        rig.intents("gateway").cancel_intent(request).await
    };
    let cancelled = cancel(&intent.intent_id).await.unwrap().into_inner().intent.unwrap();
    assert_eq!((cancelled.status(), cancelled.revision), (IntentStatus::Cancelled, 2));
    assert_eq!(cancel(&intent.intent_id).await.unwrap().into_inner().intent.unwrap(), cancelled);
    let problem = Problem::from(&rig.track(&user, &intent, NOWHERE).await.unwrap_err());
    assert_eq!(problem.reason, "CONFLICT");

    let sent =
        rig.create(&user, user.wants_collection("b", TokenStandard::Erc721)).await.unwrap().intent.unwrap();
    rig.track(&user, &sent, NOWHERE).await.unwrap();
    let problem = Problem::from(&cancel(&sent.intent_id).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "CONFLICT"));
    rig.end().await;
}

#[tokio::test]
async fn an_unsigned_intent_expires_and_its_hash_comes_too_late() {
    let rig = Rig::start_with(|config| config.intent_ttl_secs = 1).await;
    let user = rig.user(1).await;
    let intent =
        rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap().intent.unwrap();
    rig.reaches(&user, &intent, IntentStatus::Expired).await;
    let problem = Problem::from(&rig.track(&user, &intent, NOWHERE).await.unwrap_err());
    assert_eq!(problem.reason, "INTENT_EXPIRED");
    rig.end().await;
}

#[tokio::test]
async fn a_signature_that_came_late_is_followed_all_the_same_once_it_is_seen() {
    let rig = Rig::start_with(|config| config.intent_ttl_secs = 1).await;
    let user = rig.user(1).await;
    let prepared = rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap();
    let intent = prepared.intent.unwrap();
    rig.reaches(&user, &intent, IntentStatus::Expired).await;
    let hash = rig.send(&prepared.steps[0]).await;
    rig.track(&user, &intent, &hash).await.unwrap();
    rig.reaches(&user, &intent, IntentStatus::Confirmed).await;
    rig.end().await;
}

#[tokio::test]
async fn a_catalog_that_is_away_fails_no_tracking_and_hears_of_it_later() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    rig.world.is_catalog_down.store(true, Ordering::SeqCst);
    let intent =
        rig.create(&user, user.wants_collection("a", TokenStandard::Erc721)).await.unwrap().intent.unwrap();
    rig.track(&user, &intent, NOWHERE).await.unwrap();
    assert!(rig.world.pending.lock().unwrap().is_empty());
    rig.world.is_catalog_down.store(false, Ordering::SeqCst);
    testkit::eventually(WITHIN, "the catalog hears of the collection", async || {
        rig.world.pending.lock().unwrap().contains(&intent.intent_id).then_some(())
    })
    .await;
    rig.end().await;
}

#[tokio::test]
async fn a_users_intents_are_listed_page_by_page_newest_first_and_nobody_elses() {
    let rig = Rig::start().await;
    let (user, other) = (rig.user(1).await, rig.user(2).await);
    let mut made = Vec::new();
    for key in ["a", "b", "c"] {
        let intent = rig
            .create(&user, user.wants_collection(key, TokenStandard::Erc721))
            .await
            .unwrap()
            .intent
            .unwrap();
        made.insert(0, intent.intent_id);
    }
    let (first, token) = page(&rig, &user, 2, String::new(), vec![]).await;
    let (second, end) = page(&rig, &user, 2, token, vec![]).await;
    assert_eq!([first, second].concat(), made);
    assert_eq!(end, "");
    let expired = vec![IntentStatus::Expired.into()];
    assert_eq!(page(&rig, &user, 2, String::new(), expired).await.0, Vec::<String>::new());
    assert_eq!(page(&rig, &other, 2, String::new(), vec![]).await.0, Vec::<String>::new());
    let request = user.says(ListIntentsRequest { statuses: vec![], page_size: 2, page_token: "x".into() });
    let problem = Problem::from(&rig.intents("gateway").list_intents(request).await.unwrap_err());
    assert_eq!(problem.reason, "BAD_CURSOR");
    rig.end().await;
}
