//! Steps before the last one are followed too; a signed order reaches the catalog whatever is away or lost.

use std::sync::atomic::Ordering;

use proto::orchestrator::v1::{GetIntentRequest, Intent, IntentStatus, Step, StepStatus, TrackTxRequest};
use rpc::Problem;
use serde_json::json;

use crate::{
    market::{ETHER, Market, listing, sign},
    rig::{User, WITHIN, wallet_form},
};

async fn report(market: &Market, user: &User, intent: &Intent, step: &Step, tx_hash: &str) -> Intent {
    let (intent_id, step_id) = (intent.intent_id.clone(), step.step_id.clone());
    let request = user.says(TrackTxRequest { intent_id, step_id, tx_hash: tx_hash.to_owned() });
    market.rig.intents("gateway").track_tx(request).await.unwrap().into_inner().intent.unwrap()
}

async fn reaches(market: &Market, user: &User, intent: &Intent, status: StepStatus) -> (Intent, Step) {
    testkit::eventually(WITHIN, "the step moves", async || {
        let request = user.says(GetIntentRequest { intent_id: intent.intent_id.clone() });
        let answer = market.rig.intents("gateway").get_intent(request).await.unwrap().into_inner();
        let step = answer.steps[0].clone();
        (step.status() == status).then(|| (answer.intent.unwrap(), step))
    })
    .await
}

#[tokio::test]
async fn an_approval_is_followed_and_ends_nothing_when_it_fails() {
    let market = Market::start().await;
    *market.rig.world.confirmations.lock().unwrap() = 2;
    let seller = market.rig.user(1).await;
    let token = market.foreign_token(&seller).await;
    let (intent, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    assert_eq!(steps.len(), 2);
    market.rig.chain.rpc("evm_setAutomine", json!([false])).await;

    // Too little gas: the approval fails, and another one may be sent.
    let mut poor = wallet_form(&steps[0]);
    poor["gas"] = json!("0x5800");
    let poor = market.rig.chain.rpc("eth_sendTransaction", json!([poor])).await;
    let sent = report(&market, &seller, &intent, &steps[0], poor.as_str().unwrap()).await;
    assert_eq!((sent.status(), sent.revision), (IntentStatus::Prepared, intent.revision + 1));
    market.rig.chain.mine(1).await;
    let (failed, step) = reaches(&market, &seller, &intent, StepStatus::Failed).await;
    assert_eq!((failed.status(), step.error_code.as_str()), (IntentStatus::Prepared, "TX_WILL_FAIL"));

    let hash = market.rig.send(&steps[0]).await;
    report(&market, &seller, &intent, &steps[0], &hash).await;
    market.rig.chain.mine(1).await;
    let (mined, step) = reaches(&market, &seller, &intent, StepStatus::Mined).await;
    assert_eq!((step.tx_hash.as_str(), step.error_code.as_str()), (hash.as_str(), ""));
    market.rig.chain.mine(1).await;
    let (done, _) = reaches(&market, &seller, &intent, StepStatus::Done).await;
    assert!(done.revision > mined.revision && done.status() == IntentStatus::Prepared);
    // Another hash takes nothing back.
    let nowhere = format!("0x{}", "11".repeat(32));
    report(&market, &seller, &intent, &steps[0], &nowhere).await;
    testkit::eventually(WITHIN, "the tracker has looked since", async || {
        let due: i64 = sqlx::query_scalar("select count(*) from tx_intents where next_look_at < now()")
            .fetch_one(&market.rig.db.pool)
            .await
            .unwrap();
        (due == 0).then_some(())
    })
    .await;
    let (same, step) = reaches(&market, &seller, &intent, StepStatus::Done).await;
    assert_eq!((same.revision, step.tx_hash.as_str()), (done.revision, hash.as_str()));

    // A signature has no transaction.
    let (intent_id, step_id) = (intent.intent_id.clone(), steps[1].step_id.clone());
    let request = seller.says(TrackTxRequest { intent_id, step_id, tx_hash: hash });
    let problem = Problem::from(&market.rig.intents("gateway").track_tx(request).await.unwrap_err());
    assert_eq!(problem.reason, "VALIDATION_FAILED");
    market.rig.end().await;
}

#[tokio::test]
async fn a_signed_order_reaches_a_catalog_that_was_away_through_a_process_that_was_lost() {
    let mut market = Market::start().await;
    let seller = market.rig.user(1).await;
    let token = market.foreign_token(&seller).await;
    let (intent, steps) = market.list(&seller, listing(&seller, &token, ETHER)).await.unwrap();
    market.send(&steps).await;
    market.rig.world.is_catalog_down.store(true, Ordering::SeqCst);
    let (signed, _) = market.submit(&seller, &intent, sign(&steps, seller.n)).await.unwrap();
    assert_eq!(signed.status(), IntentStatus::Submitted);
    market.rig.restart().await;
    market.rig.world.is_catalog_down.store(false, Ordering::SeqCst);
    let ready = market.rig.reaches(&seller, &intent, IntentStatus::Ready).await;
    assert_eq!(market.order(&ready.order_id).maker, seller.address);
    market.rig.end().await;
}
