//! The stores fail while mints run: nothing is lost, nothing has its effect twice.

use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::Stage;

use crate::{
    count::{all_agree, catalogued, free_collection, minted, note},
    load::Load,
};

const MINTS: u32 = 60;
const SIGQUIT: i32 = 3;

pub(crate) fn no_mint_is_lost_or_doubled_when_the_stores_fail(stage: &Stage) -> anyhow::Result<()> {
    let contract = free_collection(stage)?;
    let before = minted(stage, &contract)?;
    let begun = Instant::now();
    let mut load = Load::begin(stage, &contract, MINTS, Duration::from_millis(400))?;
    let fleet = stage.fleet();

    load.sent(5)?;
    fleet.kill("rabbitmq")?;
    note(begun, "broker killed with -9");
    fleet.start("rabbitmq", &[])?;
    note(begun, "broker back");

    load.sent(20)?;
    // SIGQUIT is what `pg_ctl stop -m immediate` sends.
    fleet.room().stop("postgres", SIGQUIT, Duration::from_secs(10))?;
    note(begun, "PostgreSQL stopped with immediate");
    fleet.start("postgres", &[])?;
    note(begun, "PostgreSQL back");

    load.sent(35)?;
    fleet.kill("mongo")?;
    note(begun, "the Mongo server killed");
    fleet.start("mongo", &[])?;
    note(begun, "the Mongo server back");

    load.sent(45)?;
    // Ten minutes of a real outage, scaled like the retries of a test: longer than every wait of ours.
    fleet.stop("rabbitmq")?;
    note(begun, "broker away");
    load.sent(MINTS)?;
    std::thread::park_timeout(Duration::from_secs(10));
    fleet.start("rabbitmq", &[])?;
    note(begun, "broker back");

    load.settled()?;
    catalogued(stage, &contract, before + u64::from(MINTS), Duration::from_secs(120))?;
    note(begun, "all catalogued");
    let seen = load.end()?;
    ensure!(seen.breaks == 0, "the client's socket has nothing to do with the stores: {seen:?}");
    all_agree(stage, &contract, before, u64::from(MINTS), &seen)
}

/// Redis holds nothing that matters: when it loses everything, clients are told to load anew, and rows are complete.
pub(crate) fn a_flushed_redis_costs_a_refetch_and_nothing_else(stage: &Stage) -> anyhow::Result<()> {
    const FEW: u32 = 30;
    let contract = free_collection(stage)?;
    let before = minted(stage, &contract)?;
    let begun = Instant::now();
    let mut load = Load::begin(stage, &contract, FEW, Duration::from_millis(300))?;
    load.sent(10)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let client = redis::Client::open(stage.variable("REDIS_URL")?)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("FLUSHALL").exec_async(&mut connection).await?;
        anyhow::Ok(())
    })?;
    note(begun, "Redis flushed");
    load.sent(FEW)?;
    catalogued(stage, &contract, before + u64::from(FEW), Duration::from_secs(120))?;
    note(begun, "all catalogued");
    let seen = load.end()?;
    ensure!(seen.breaks >= 1, "the client was not told that the delivery log is gone: {seen:?}");
    ensure!(seen.cursors_twice == 0 && seen.tokens.len() as u32 > FEW / 3, "{seen:?}");
    Ok(())
}
