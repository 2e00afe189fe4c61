//! Two orchestrators on one database share the work, and double none of it; a chain that does not answer delays no other.

use std::{net::TcpListener, time::Duration};

use futures::{StreamExt, stream};
use proto::{common::v1::TokenStandard, orchestrator::v1::IntentStatus};

use crate::rig::{Rig, WITHIN};

#[tokio::test]
async fn two_orchestrators_share_a_hundred_intents_without_doubling_one() {
    let rig = Rig::start().await;
    let other = rig.up_beside();
    let user = rig.user(1).await;
    let mut sent = Vec::new();
    for n in 0..100 {
        let wanted = user.wants_collection(&format!("n{n}"), TokenStandard::Erc721);
        let prepared = rig.create(&user, wanted).await.unwrap();
        let hash = rig.send(&prepared.steps[0]).await;
        sent.push((prepared.intent.unwrap(), hash));
    }
    stream::iter(&sent)
        .for_each_concurrent(8, async |(intent, hash)| drop(rig.track(&user, intent, hash).await.unwrap()))
        .await;
    for (intent, _) in &sent {
        rig.reaches(&user, intent, IntentStatus::Confirmed).await;
    }
    let doubled: i64 = sqlx::query_scalar(
        "select count(*) from (select intent_id, audit_data->>'revision' from session_intent_audit
         group by 1, 2 having count(*) > 1) d",
    )
    .fetch_one(&rig.db.pool)
    .await
    .unwrap();
    assert_eq!(doubled, 0, "one revision, one audit row");
    let incomplete: i64 = sqlx::query_scalar(
        "select count(*) from tx_intents i where revision <>
            (select count(*) from session_intent_audit a where a.intent_id = i.intent_id)
         or revision <> (select count(*) from outbox o where o.message_id like 'intent/' || i.intent_id || '/%')",
    )
    .fetch_one(&rig.db.pool)
    .await
    .unwrap();
    assert_eq!(incomplete, 0, "each revision has its audit row and its fact");
    let sessions: i64 = sqlx::query_scalar("select count(distinct session_id) from session_intent_audit")
        .fetch_one(&rig.db.pool)
        .await
        .unwrap();
    assert_eq!(sessions, 1);
    drop(other);
    rig.end().await;
}

#[tokio::test]
async fn a_chain_that_does_not_answer_keeps_no_other_waiting() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    // Its node takes calls and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    *rig.world.silent_url.lock().unwrap() = format!("http://{}", silent.local_addr().unwrap());
    let wanted = user.wants_collection("first", TokenStandard::Erc721);
    let first = rig.create(&user, wanted).await.unwrap().intent.unwrap();
    sqlx::query(
        "with made as (
             insert into tx_intents select (jsonb_populate_record(i, jsonb_build_object(
                 'intent_id', gen_random_uuid(), 'chain_id', 'eip155:5', 'request_id', 'copy ' || n, 'salt', null,
                 'status', 'SUBMITTED', 'tx_hash', '0x' || repeat('1', 64), 'next_look_at', now()))).*
             from tx_intents i, generate_series(1, 60) n where i.intent_id::text = $1
             returning intent_id),
         steps as (
             insert into tx_intent_steps select (jsonb_populate_record(s, jsonb_build_object(
                 'intent_id', made.intent_id, 'step_id', made.intent_id, 'chain_id', 'eip155:5'))).*
             from made, tx_intent_steps s where s.intent_id::text = $1
             returning step_id)
         insert into tx_candidates (step_id, tx_hash, intent_id, chain_id, source, state)
         select step_id, '0x' || repeat('1', 64), step_id, 'eip155:5', 'REPORTED', 'UNSEEN' from steps",
    )
    .bind(&first.intent_id)
    .execute(&rig.db.pool)
    .await
    .unwrap();
    testkit::eventually(WITHIN, "the silent chain is looked at", async || {
        let claimed: i64 = sqlx::query_scalar(
            "select count(*) from tx_intents where chain_id = 'eip155:5' and claimed_until > now()",
        )
        .fetch_one(&rig.db.pool)
        .await
        .unwrap();
        (claimed > 0).then_some(())
    })
    .await;
    let wanted = user.wants_collection("second", TokenStandard::Erc721);
    let prepared = rig.create(&user, wanted).await.unwrap();
    let intent = prepared.intent.unwrap();
    let hash = rig.send(&prepared.steps[0]).await;
    rig.track(&user, &intent, &hash).await.unwrap();
    testkit::eventually(Duration::from_secs(5), "the other chain is followed", async || {
        let now = rig.get(&user, &intent.intent_id).await;
        (now.status() == IntentStatus::Confirmed).then_some(())
    })
    .await;
    rig.end().await;
}
