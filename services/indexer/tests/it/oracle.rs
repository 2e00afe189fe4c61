//! Random chains, reorganisations, deaths and lies: what is told equals a clean scan, the logs, and what the contracts
//! say of themselves. Everything is decided by a seed.

mod check;
mod compare;
mod fleet;
mod forks;
mod rng;
mod story;
mod truth;
mod world;

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use story::Outcome;

/// Steps of a story in the ordinary tests.
const SHORT: u64 = 14;

async fn holds(seed: u64) -> Outcome {
    let outcome = story::tell(seed, SHORT).await;
    println!("{}", report(seed, &outcome));
    assert!(outcome.divergences.is_empty(), "{}", complaint(seed, SHORT, &outcome));
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_random_chain_is_told_as_it_is() {
    let outcome = holds(1).await;
    let at_an_edge = outcome.deaths.iter().filter(|(of, _)| *of != "signal").map(|(_, count)| count);
    assert!(at_an_edge.sum::<u64>() > 0, "nobody died at an edge: {:?}", outcome.deaths);
    assert!(outcome.reorgs["12"] + outcome.reorgs["64"] > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_random_chain_is_told_as_it_is() {
    let outcome = holds(2).await;
    assert!(outcome.lies.values().sum::<u64>() > 0, "nobody was lied to");
    assert!(outcome.reorgs["flip"] > 0);
}

/// Runs as many seeds as the soak asks for, and none otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn every_random_chain_of_a_soak_is_told_as_it_is() {
    let Some(soak) = testkit::soak() else { return };
    let mut failed = Vec::new();
    for seed in soak.seeds() {
        // A story that panics is a divergence of its own.
        let told = AssertUnwindSafe(story::tell(seed, soak.steps)).catch_unwind().await;
        let outcome = told.unwrap_or_else(|_| Outcome {
            divergences: vec!["the story broke off with the panic above".to_owned()],
            ..Outcome::nothing()
        });
        println!("{}", report(seed, &outcome));
        if !outcome.divergences.is_empty() {
            println!("{}", complaint(seed, soak.steps, &outcome));
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "seeds that diverge: {failed:?}");
}

/// One line that `cargo xtask soak` reads.
fn report(seed: u64, outcome: &Outcome) -> String {
    let list = |counts: &std::collections::BTreeMap<String, u64>| {
        let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{name}:{count}")).collect();
        if counts.is_empty() { "-".to_owned() } else { counts.join(",") }
    };
    format!(
        "oracle seed={seed} blocks={} reorgs={} deaths={} lies={} events={} retractions={} orphans={} divergences={}",
        outcome.blocks,
        list(&outcome.reorgs),
        list(&outcome.deaths),
        list(&outcome.lies),
        outcome.events,
        outcome.retractions,
        outcome.orphans,
        outcome.divergences.len(),
    )
}

fn complaint(seed: u64, steps: u64, outcome: &Outcome) -> String {
    format!(
        "seed {seed} with {steps} steps diverges:\n{}\nthe story:\n{}\nwhat the indexers said last:\n{}",
        outcome.divergences.join("\n"),
        outcome.steps.join("\n"),
        outcome.last_words,
    )
}
