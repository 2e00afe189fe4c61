//! Events per CPU-second, from log to catalog row: our programs and stores beside Ponder's, on the same chain in one run,
//! and both compared with the contract first. Then the chain doubles under the same processes, and the indexer starts once more
//! at its head.

use std::time::Duration;

use anyhow::ensure;

use crate::{
    crowd::{Crowd, Owners, Shape},
    latency, operator,
    ours::{COUNTED, DOCUMENTS, Ours, Stretch},
    rival::{self, Indexed},
    table::Table,
    variable,
};

const TIMES_PONDER: f64 = 4.0;
const INDEXER_MIB: f64 = 64.0;
const PER_DOUBLING: f64 = 1.05;
/// Peak memory over both halves against that of the first: flat, but for what an allocator does.
const PEAK_PER_DOUBLING: f64 = 1.15;
const RESTART: Duration = Duration::from_secs(1);

/// How much to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    #[command(flatten)]
    shape: Shape,
    /// Leave the peer out; nothing is compared then
    #[arg(long)]
    alone: bool,
    /// Leave the doubled chain out
    #[arg(long)]
    once: bool,
    /// Blocks at the head whose latency is measured; 0 for none
    #[arg(long, default_value_t = 0)]
    head_blocks: u64,
}

/// What was found on the way.
struct Found {
    first: Stretch,
    second: Option<Stretch>,
    /// At the head of all that was read: CPU time and time.
    restart: Option<(Duration, Duration)>,
    ponder: Option<Indexed>,
    ponder_doubled: Option<Indexed>,
}

pub(crate) async fn indexer(wish: &Wish) -> anyhow::Result<()> {
    let fleet = variable::fleet()?;
    let mut crowd = Crowd::start(&fleet).await?;
    crowd.extend(wish.shape).await?;
    let events = wish.shape.events();
    let ours = Ours::register(&fleet, &crowd).await?;

    let first = ours.read_up_to(events).await?;
    let truth = crowd.owners().await?;
    same("the catalog", &ours.owners().await?, &truth)?;
    let mut found = Found { first, second: None, restart: None, ponder: None, ponder_doubled: None };
    if wish.once {
        found.restart = Some(ours.restart(&crowd).await?);
        ours.stop()?;
    } else {
        // The same processes read the second half, as fast as they can: else a peak would say nothing of length.
        operator::enable(&crowd, false).await?;
    }
    if !wish.alone {
        let ponder = rival::index(&fleet, &crowd, events).await?;
        same("Ponder", &ponder.owners, &truth)?;
        found.ponder = Some(ponder);
    }
    if !wish.once {
        crowd.extend(wish.shape).await?;
        let truth = crowd.owners().await?;
        found.second = Some(ours.read_on_to(&crowd, 2 * events).await?);
        same("the catalog", &ours.owners().await?, &truth)?;
        found.restart = Some(ours.restart(&crowd).await?);
        ours.stop()?;
        if !wish.alone {
            let doubled = rival::index(&fleet, &crowd, 2 * events).await?;
            same("Ponder", &doubled.owners, &truth)?;
            found.ponder_doubled = Some(doubled);
        }
    }
    print!("{}", table(wish.shape, &found));
    if wish.head_blocks > 0 {
        print!("{}", latency::at_head(&ours, &mut crowd, wish.head_blocks).await?);
    }
    Ok(())
}

fn same(who: &str, said: &Owners, truth: &Owners) -> anyhow::Result<()> {
    let wrong = truth.iter().filter(|(token, owner)| said.get(token) != Some(owner)).count();
    ensure!(
        wrong == 0 && said.len() == truth.len(),
        "{who} has {} tokens of {} and {wrong} other owners: nothing is compared",
        said.len(),
        truth.len(),
    );
    Ok(())
}

fn micros(used: Duration, events: u64) -> f64 {
    used.as_secs_f64() * 1e6 / events as f64
}

fn table(shape: Shape, found: &Found) -> Table {
    let events = shape.events();
    let mut table = Table::default();
    table.row(
        "blocks, transactions a block, transfers a transaction, events",
        format!("{}, {}, {}, {events}", shape.blocks, shape.transactions, shape.transfers),
    );
    table.row("states of the contract and of all that read it", "equal");
    let secs = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    table.row("ours, cold: time until the catalog is complete", secs(found.first.took));
    for name in COUNTED.iter().chain(&[DOCUMENTS]) {
        let each = micros(found.first.of(&[name]), events);
        table.row(format!("CPU an event, {name}"), format!("{each:.1} us"));
    }
    let all = found.first.cpu();
    table.row("CPU an event, all of ours", format!("{:.1} us", micros(all, events)));
    let documents = found.first.of(&[DOCUMENTS]);
    table.row(
        "the document store's share of it",
        format!("{:.0} %", 100.0 * documents.as_secs_f64() / all.as_secs_f64()),
    );
    table.row(
        "CPU an event, the chain's node for us",
        format!("{:.1} us", micros(found.first.of(&["anvil"]), events)),
    );
    let rate = events as f64 / all.as_secs_f64();
    let without = events as f64 / (all - documents).as_secs_f64();
    if let Some(ponder) = &found.ponder {
        compare(&mut table, ponder, events, rate);
    } else {
        table.row("**events per CPU-second, ours**", format!("{rate:.0}"));
    }
    table.row("events per CPU-second without the document store", format!("{without:.0}"));
    let mib = found.first.indexer_mib;
    table.bar("**peak memory of the indexer**", format!("{mib:.0} MiB"), "<= 64 MiB", mib <= INDEXER_MIB);
    table.row("peak memory of the catalog", format!("{:.0} MiB", found.first.catalog_mib));
    if let Some(second) = &found.second {
        doubled(&mut table, found, second, events);
    }
    if let Some((used, took)) = found.restart {
        table.bar(
            "restart at the head of all that was read: CPU until it follows with no lag, time",
            format!("{:.2} s, {:.2} s", used.as_secs_f64(), took.as_secs_f64()),
            "<= 1 s",
            used <= RESTART,
        );
    }
    table
}

fn compare(table: &mut Table, ponder: &Indexed, events: u64, rate: f64) {
    table.row("Ponder, cold: time until it is complete", format!("{:.1} s", ponder.took.as_secs_f64()));
    for (name, used) in &ponder.used {
        table.row(format!("CPU an event, Ponder's {name}"), format!("{:.1} us", micros(*used, events)));
    }
    table.row("peak memory of Ponder", format!("{:.0} MiB", ponder.mib));
    let theirs = events as f64 / ponder.cpu().as_secs_f64();
    table.row("events per CPU-second, Ponder", format!("{theirs:.0}"));
    let times = rate / theirs;
    table.bar(
        "**events per CPU-second, ours**",
        format!("{rate:.0} ({times:.2} x)"),
        ">= 4 x Ponder",
        times >= TIMES_PONDER,
    );
}

/// The doubled chain as a whole against its first half.
fn doubled(table: &mut Table, found: &Found, second: &Stretch, events: u64) {
    let growth = |first: Duration, both: Duration| both.as_secs_f64() / 2.0 / first.as_secs_f64();
    let ours = growth(found.first.cpu(), found.first.cpu() + second.cpu());
    table.row("CPU an event, second half", format!("{:.1} us", micros(second.cpu(), events)));
    table.bar(
        "**cost of an event when the chain doubles**",
        format!("{ours:.2} x"),
        "<= 1.05 x",
        ours <= PER_DOUBLING,
    );
    let mib = second.indexer_mib;
    table.bar(
        "peak memory of the indexer, the same process over both halves",
        format!("{mib:.0} MiB"),
        "<= 64 MiB",
        mib <= INDEXER_MIB,
    );
    let peaks = mib / found.first.indexer_mib;
    table.bar(
        "**that peak against the first half's**",
        format!("{peaks:.2} x"),
        "<= 1.15 x",
        peaks <= PEAK_PER_DOUBLING,
    );
    table.row("peak memory of the catalog, over both halves", format!("{:.0} MiB", second.catalog_mib));
    if let (Some(one), Some(two)) = (&found.ponder, &found.ponder_doubled) {
        let theirs = growth(one.cpu(), two.cpu());
        table.row("Ponder: cost of an event when the chain doubles", format!("{theirs:.2} x"));
        table.row("peak memory of Ponder on the doubled chain", format!("{:.0} MiB", two.mib));
        let rate = 2.0 * events as f64 / (found.first.cpu() + second.cpu()).as_secs_f64();
        let peer = 2.0 * events as f64 / two.cpu().as_secs_f64();
        table.row(
            "events per CPU-second on the doubled chain, ours and Ponder",
            format!("{rate:.0}, {peer:.0}"),
        );
    }
}
