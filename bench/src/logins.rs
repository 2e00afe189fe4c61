//! Sign-ins per CPU-second: the real programs end to end, what each of them takes, what the recovery of the signature is
//! of it, and the peers' check beside it in the same run.

use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, ensure};
use futures::future::try_join_all;

use crate::{
    cpu::{self, Processes, Used},
    login::{Gateway, Signed},
    peer::{self, Checked},
    recovery,
    table::Table,
    variable::{run_folder, variable},
};

/// Those a sign-in goes through, and those where its facts end up.
const SERVICES: [&str; 4] = ["gateway", "auth", "user", "wallet"];
const STORES: [&str; 3] = ["postgres", "redis", "rabbitmq"];
/// Facts travel on after the answer; what that takes counts too.
const SETTLES_WITHIN: Duration = Duration::from_secs(3);
const PER_CPU_SECOND: f64 = 1_500.0;
const RECOVERY_MICROS: f64 = 60.0;

/// How much to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// Sign-ins of a round
    #[arg(long, default_value_t = 2_000)]
    logins: usize,
    /// Clients at once
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Accounts that sign in
    #[arg(long, default_value_t = 200)]
    accounts: usize,
    /// Rounds, the peers in between; of each figure the best counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// One round.
struct Round {
    logins: usize,
    took: Duration,
    latencies: Vec<Duration>,
    used: Used,
    signed: Vec<Signed>,
}

pub(crate) async fn logins(wish: &Wish) -> anyhow::Result<()> {
    ensure!(wish.clients > 0 && wish.rounds > 0 && wish.accounts >= wish.clients, "too few of something");
    let gateway = Gateway::at(variable("VITRINE_GRAPHQL_URL")?)?;
    let processes = Processes::of(&run_folder()?)?;
    let signers: Vec<PrivateKeySigner> = (0..wish.accounts).map(|_| PrivateKeySigner::random()).collect();

    let first = round(&gateway, &processes, &signers, wish.accounts, wish.clients).await?;
    let (mut rounds, mut peers) = (Vec::new(), Vec::<Checked>::new());
    for _ in 0..wish.rounds {
        let one = round(&gateway, &processes, &signers, wish.logins, wish.clients).await?;
        let bad = refused(&gateway, &signers).await?;
        peers.extend(peer::peers(&one.signed, &bad)?);
        rounds.push(one);
    }
    let best = rounds.iter().min_by_key(|round| all_of(round)).context("there was a round")?;
    print!("{}", table(wish, &first, best, &peers)?);
    Ok(())
}

async fn round(
    gateway: &Gateway,
    processes: &Processes,
    signers: &[PrivateKeySigner],
    logins: usize,
    clients: usize,
) -> anyhow::Result<Round> {
    let (before, began) = (processes.used()?, Instant::now());
    let client = async |turn: usize| -> anyhow::Result<Vec<(Signed, Duration)>> {
        let mut done = Vec::new();
        for login in (turn..logins).step_by(clients) {
            done.push(gateway.sign_in(&signers[login % signers.len()]).await?);
        }
        Ok(done)
    };
    let done = try_join_all((0..clients).map(client)).await?.concat();
    let took = began.elapsed();
    tokio::time::sleep(SETTLES_WITHIN).await;
    let used = cpu::between(&before, &processes.used()?);
    let (signed, mut latencies): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    latencies.sort_unstable();
    Ok(Round { logins, took, latencies, used, signed })
}

/// Messages that somebody else signed; the gateway refuses them all, and so must the peers.
async fn refused(gateway: &Gateway, signers: &[PrivateKeySigner]) -> anyhow::Result<Vec<Signed>> {
    let mut bad = Vec::new();
    for pair in signers.windows(2).take(5) {
        let (theirs, ours) = (gateway.sign(&pair[0]).await?, gateway.sign(&pair[1]).await?);
        let forged = Signed { signature: theirs.signature, ..ours };
        ensure!(!gateway.verify(&forged).await?, "a forged signature was accepted");
        bad.push(forged);
    }
    Ok(bad)
}

fn of(round: &Round, names: &[&str]) -> Duration {
    names.iter().filter_map(|name| round.used.get(*name)).sum()
}

/// Everything that runs, whether a sign-in needs it or not.
fn all_of(round: &Round) -> Duration {
    round.used.values().sum()
}

fn micros(each: Duration) -> String {
    format!("{:.0} us", each.as_secs_f64() * 1e6)
}

fn table(wish: &Wish, first: &Round, best: &Round, peers: &[Checked]) -> anyhow::Result<Table> {
    let count = u32::try_from(best.logins)?;
    let each = |names: &[&str]| micros(of(best, names) / count);
    let rate = |used: Duration| best.logins as f64 / used.as_secs_f64().max(f64::EPSILON);
    let latency = |share: f64| {
        let at = (best.latencies.len() as f64 * share) as usize;
        best.latencies.get(at).copied().unwrap_or_default()
    };
    let mut table = Table::default();
    table.row(
        "sign-ins of a round, clients at once, rounds",
        format!("{count}, {}, {}", wish.clients, wish.rounds),
    );
    table.row("time of the best round", format!("{:.2} s", best.took.as_secs_f64()));
    table.row("latency p50, p99 (both calls)", format!("{:.1?}, {:.1?}", latency(0.5), latency(0.99)));
    for name in SERVICES.iter().chain(&STORES) {
        table.row(format!("CPU a sign-in, {name}"), each(&[name]));
    }
    let both = of(best, &SERVICES) + of(best, &STORES);
    let others = all_of(best).saturating_sub(both);
    table.row("CPU of the same time, everything else that runs", micros(others / count));
    table.row("sign-ins per CPU-second of the four services", format!("{:.0}", rate(of(best, &SERVICES))));
    let all = rate(both);
    let bar = format!(">= {PER_CPU_SECOND}");
    table.bar(
        "**sign-ins per CPU-second of the four services and their stores**",
        format!("{all:.0}"),
        &bar,
        all >= PER_CPU_SECOND,
    );
    let accounts = u32::try_from(first.logins)?;
    table.row(
        "CPU of an account's first sign-in, services and stores",
        micros((of(first, &SERVICES) + of(first, &STORES)) / accounts),
    );

    let recovery = recovery::recovery(&best.signed)?;
    let took = recovery.libsecp256k1.as_secs_f64() * 1e6;
    let bar = format!("<= {RECOVERY_MICROS} us");
    table.bar(
        "**recovery of a signature, libsecp256k1**",
        format!("{took:.1} us"),
        &bar,
        took <= RECOVERY_MICROS,
    );
    table.row("recovery of a signature, k256", micros(recovery.k256));
    let share = |of: Duration| {
        format!("{:.1} %", 100.0 * recovery.libsecp256k1.as_secs_f64() * f64::from(count) / of.as_secs_f64())
    };
    table.row(
        "share of recovery in auth, in all of a sign-in",
        format!("{}, {}", share(of(best, &["auth"])), share(both)),
    );
    for name in ["viem", "siwe"] {
        let of_peer = peers.iter().filter(|peer| peer.name == name).map(Checked::each).min();
        let check = of_peer.with_context(|| format!("{name} was not measured"))?;
        table.row(format!("peer: Node with {name}, the check alone"), micros(check));
        let times = check.as_secs_f64() * f64::from(count) / both.as_secs_f64();
        table.row(format!("whole sign-ins of ours for one check of {name}"), format!("{times:.2}"));
    }
    Ok(table)
}
