//! Intents are followed to the end that their transactions have, though the orchestrator is killed between any two steps.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use e2e::Stage;
use sqlx::{Connection, PgConnection};

use crate::{count::note, led::Led, operator, replay::free_port};

/// So that what is dropped and what expires does so while the story lasts.
const SHORT: [(&str, &str); 2] =
    [("ORCHESTRATOR__DROP_AFTER_SECS", "10"), ("ORCHESTRATOR__INTENT_TTL_SECS", "30")];
const MAIN: &str = "orchestrator";
const TWIN: &str = "orchestrator-twin";

pub(crate) fn intents_end_as_their_transactions_do(stage: &Stage) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let fleet = stage.fleet();
    runtime.block_on(operator::confirmations(stage, 3))?;
    fleet.stop(MAIN)?;
    fleet.start(MAIN, &SHORT)?;
    fleet.start_another(MAIN, TWIN, free_port()?, free_port()?)?;
    let outcome = walk(stage);
    fleet.room().stop(TWIN, 15, Duration::from_secs(30))?;
    fleet.start("catalog", &[])?;
    fleet.restart(MAIN)?;
    runtime.block_on(operator::confirmations(stage, 1))?;
    runtime.block_on(blocks_come_by_themselves(stage))?;
    outcome?;
    runtime.block_on(nothing_is_told_twice(stage))
}

/// Where the client waits to see the orchestrator killed, and where in its own code the next one dies by itself.
const PLACES: [(&str, Option<&str>); 12] = [
    ("prepared", None),
    ("sent", Some("orch.track_uncommitted:4")),
    ("tracked", Some("orch.tracked:1")),
    ("replaced", Some("orch.look_uncommitted:3")),
    ("mined", Some("orch.look_unwritten:3")),
    ("reorganised", Some("orch.look_committed:3")),
    ("included again", None),
    ("ended", Some("orch.tracked:1")),
    ("expired", None),
    ("reorganised deeply", None),
    ("approved, the catalog too", Some("orch.order_signed:1")),
    ("signed", Some("orch.order_told:1")),
];

/// Every other time the one that only follows is killed too.
fn walk(stage: &Stage) -> anyhow::Result<()> {
    let (fleet, begun) = (stage.fleet(), Instant::now());
    let mut client = Led::begin(stage, "follow.mjs")?;
    let (hands, is_over, deaths) = (Mutex::new(()), AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                std::thread::park_timeout(Duration::from_millis(50));
                let _mine = hands.lock();
                if !fleet.room().is_alive(MAIN) && fleet.start(MAIN, &SHORT).is_ok() {
                    deaths.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let outcome = PLACES.iter().enumerate().try_for_each(|(turn, (place, dies_at))| {
            let reached = client.next("barrier")?;
            anyhow::ensure!(reached.as_deref() == Some(*place), "{reached:?} in place of {place}");
            let _mine = hands.lock();
            if place.ends_with("the catalog too") {
                fleet.kill("catalog")?;
            }
            fleet.kill(MAIN)?;
            if turn % 2 == 1 {
                fleet.kill(TWIN)?;
            }
            client.go_on()?;
            let dying = dies_at.map(|name| ("VITRINE_FAILPOINT", name));
            let variables: Vec<_> = SHORT.into_iter().chain(dying).collect();
            // What is due at once may be enough for it to die before it says that it is ready.
            let started = fleet.start(MAIN, &variables);
            if fleet.room().is_alive(MAIN) {
                started?;
            }
            if turn % 2 == 1 {
                fleet.start_another(MAIN, TWIN, free_port()?, free_port()?)?;
            }
            if *place == "signed" {
                fleet.start("catalog", &[])?;
            }
            note(begun, &format!("killed when they were {place}"));
            Ok(())
        });
        let outcome = outcome.and_then(|()| client.next("barrier").map(drop));
        is_over.store(true, Ordering::SeqCst);
        outcome
    })?;
    let deaths = deaths.into_inner();
    note(begun, &format!("it died {deaths} times by itself"));
    anyhow::ensure!(deaths >= 5, "it died {deaths} times only");
    Ok(())
}

/// Two processes and their successors have written each change once, and have told each once.
async fn nothing_is_told_twice(stage: &Stage) -> anyhow::Result<()> {
    let mut db = PgConnection::connect(stage.variable("ORCHESTRATOR_DATABASE_URL")?).await?;
    let (intents, wrong): (i64, i64) = sqlx::query_as(
        "select count(*), count(*) filter (where i.revision <> told.count or i.revision <> audited.count)
         from tx_intents i,
              lateral (select count(*) from outbox o where o.body #>> '{data,intentId}' = i.intent_id::text) told,
              lateral (select count(*) from session_intent_audit a where a.intent_id = i.intent_id) audited",
    )
    .fetch_one(&mut db)
    .await?;
    anyhow::ensure!(
        intents > 0 && wrong == 0,
        "{wrong} of {intents} intents have another number of facts or audit rows"
    );
    Ok(())
}

/// A client that failed may have left the chain still.
async fn blocks_come_by_themselves(stage: &Stage) -> anyhow::Result<()> {
    let asked =
        serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "evm_setIntervalMining", "params": [1] });
    let http = reqwest::Client::builder().no_proxy().build()?;
    http.post(stage.variable("RPC_URL")?).json(&asked).send().await?.error_for_status()?;
    Ok(())
}
