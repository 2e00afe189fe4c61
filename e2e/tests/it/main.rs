//! Stories of the whole fleet, one after the other on one fleet, each with clients or faults from outside.
//!
//! A harness of its own because the fleet is brought up once and must go down whatever happens.

mod awkward;
mod client;
mod count;
mod crash;
mod endpoints;
mod examples;
mod frontend;
mod half_login;
mod intents;
mod led;
mod load;
mod loopback;
mod market;
mod once;
mod operator;
mod outside;
mod permissions;
mod replay;
mod rights;
mod stolen;
mod stores;

use std::{process::ExitCode, time::Instant};

use e2e::Stage;

type Story = fn(&Stage) -> anyhow::Result<()>;

const STORIES: &[(&str, Story)] = &[
    ("nothing_listens_beyond_loopback", loopback::nothing_listens_beyond_loopback),
    ("each_database_role_sees_its_own_database_only", rights::each_database_role_sees_its_own_database_only),
    (
        "an_outside_client_logs_in_creates_mints_and_resumes",
        client::an_outside_client_logs_in_creates_mints_and_resumes,
    ),
    ("outside_clients_log_in", outside::outside_clients_log_in),
    ("outside_clients_trade", market::outside_clients_trade),
    ("intents_end_as_their_transactions_do", intents::intents_end_as_their_transactions_do),
    (
        "a_request_is_one_intent_however_often_it_is_asked",
        once::a_request_is_one_intent_however_often_it_is_asked,
    ),
    (
        "mints_are_ready_though_the_first_endpoint_misbehaves",
        endpoints::mints_are_ready_though_the_first_endpoint_misbehaves,
    ),
    ("permissions", permissions::permissions),
    (
        "one_message_opens_one_session_over_four_processes",
        replay::one_message_opens_one_session_over_four_processes,
    ),
    ("a_stolen_refresh_token_ends_the_session", stolen::a_stolen_refresh_token_ends_the_session),
    ("awkward_logins", awkward::awkward_logins),
    (
        "no_login_half_happens_when_services_are_killed",
        half_login::no_login_half_happens_when_services_are_killed,
    ),
    (
        "no_mint_is_lost_or_doubled_when_each_service_is_killed",
        crash::no_mint_is_lost_or_doubled_when_each_service_is_killed,
    ),
    (
        "no_mint_is_lost_or_doubled_when_the_stores_fail",
        stores::no_mint_is_lost_or_doubled_when_the_stores_fail,
    ),
    (
        "a_flushed_redis_costs_a_refetch_and_nothing_else",
        stores::a_flushed_redis_costs_a_refetch_and_nothing_else,
    ),
];

fn main() -> ExitCode {
    // Several are compiled in; whoever speaks TLS first would have to choose.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        STORIES.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen: Vec<&(&str, Story)> = STORIES
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())))
        .collect();
    println!("\nrunning {} tests", chosen.len());
    if chosen.is_empty() {
        println!(
            "\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; {} filtered out",
            STORIES.len()
        );
        return ExitCode::SUCCESS;
    }

    let begun = Instant::now();
    let stage = match Stage::up() {
        Ok(stage) => stage,
        Err(err) => {
            println!("the fleet did not come up: {err:#}\n\ntest result: FAILED. 0 passed; 1 failed");
            return ExitCode::FAILURE;
        }
    };
    println!("the fleet is up after {:.1} s", begun.elapsed().as_secs_f64());
    let mut failed = 0;
    for (name, story) in &chosen {
        let begun = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| story(&stage)));
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("test {name} ... ok ({seconds:.1} s)"),
            Err(err) => {
                failed += 1;
                println!("test {name} ... FAILED ({seconds:.1} s)\n{err:#}");
            }
        }
    }
    let (passed, filtered) = (chosen.len() - failed, STORIES.len() - chosen.len());
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out; \
         finished in {:.2}s",
        begun.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
