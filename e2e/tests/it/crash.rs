//! Each service is killed with -9 while mints run, at seeded moments between the first and the last.

use std::time::{Duration, Instant};

use e2e::Stage;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{
    count::{all_agree, catalogued, free_collection, minted, note},
    load::Load,
};

const SERVICES: [&str; 9] = [
    "auth",
    "user",
    "wallet",
    "orchestrator",
    "media",
    "chain-registry",
    "catalog",
    "indexer",
    "subs-worker",
];
const MINTS: u32 = 200;
const SEED: u64 = 31_337;

pub(crate) fn no_mint_is_lost_or_doubled_when_each_service_is_killed(stage: &Stage) -> anyhow::Result<()> {
    let contract = free_collection(stage)?;
    let before = minted(stage, &contract)?;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut victims = SERVICES;
    victims.shuffle(&mut random);

    let begun = Instant::now();
    let mut load = Load::begin(stage, &contract, MINTS, Duration::from_millis(180))?;
    load.sent(1)?;
    note(begun, "first mint sent");
    // Strictly between the first and the last: the ten gaps share the mints, each kill somewhere in its own.
    let share = MINTS / (victims.len() as u32 + 1);
    for (turn, victim) in victims.iter().enumerate() {
        let at = turn as u32 * share + random.random_range(5..=share);
        load.sent(at)?;
        stage.fleet().kill(victim)?;
        note(begun, &format!("{victim} killed after {at} mints"));
        stage.fleet().start(victim, &[])?;
    }
    // The gateway holds the client's socket: the client has to come back after its last cursor.
    let at = MINTS - share / 2;
    load.sent(at)?;
    stage.fleet().kill("gateway")?;
    note(begun, &format!("gateway killed after {at} mints"));
    stage.fleet().start("gateway", &[])?;

    load.sent(MINTS)?;
    note(begun, "last mint sent");
    load.settled()?;
    catalogued(stage, &contract, before + u64::from(MINTS), Duration::from_secs(120))?;
    note(begun, "all catalogued");
    let seen = load.end()?;
    anyhow::ensure!(
        seen.breaks >= 1,
        "the client's socket never broke: the kill of the gateway was not felt"
    );
    all_agree(stage, &contract, before, u64::from(MINTS), &seen)
}
