//! How long a block takes at the head, from the node having mined it until the broker has confirmed all its messages.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::ensure;
use rand::Rng;

use crate::{
    crowd::{Crowd, Shape},
    operator,
    ours::Ours,
    table::Table,
    variable,
};

/// Between two blocks, in milliseconds: never in step with anybody's polling.
const PAUSE: std::ops::Range<u64> = 150..350;
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// How much to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// Blocks
    #[arg(long, default_value_t = 500)]
    blocks: u64,
}

pub(crate) async fn latency(wish: &Wish) -> anyhow::Result<()> {
    let fleet = variable::fleet()?;
    let mut crowd = Crowd::start(&fleet).await?;
    let shape = Shape { blocks: 100, transactions: 5, transfers: 10 };
    crowd.extend(shape).await?;
    let ours = Ours::register(&fleet, &crowd).await?;
    ours.read_up_to(shape.events()).await?;
    ours.stop()?;
    print!("{}", at_head(&ours, &mut crowd, wish.blocks).await?);
    Ok(())
}

/// By polling, and then with a socket beside it. The services must not run.
pub(crate) async fn at_head(ours: &Ours<'_>, crowd: &mut Crowd, blocks: u64) -> anyhow::Result<Table> {
    ours.start()?;
    let mut table = Table::default();
    let polling = measure(ours, crowd, blocks).await?;
    rows(&mut table, "polling", &polling);
    operator::add_socket(crowd).await?;
    operator::is_subscribed().await?;
    let socket = measure(ours, crowd, blocks).await?;
    rows(&mut table, "with a socket", &socket);
    ours.stop()?;
    Ok(table)
}

fn rows(table: &mut Table, how: &str, sorted: &[f64]) {
    let at = |share: f64| {
        let place = (sorted.len() as f64 * share) as usize;
        sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    table.row(
        format!("block to outbox confirmed, {how}, {} blocks: p50, p90, p99, most", sorted.len()),
        format!("{:.0}, {:.0}, {:.0}, {:.0} ms", at(0.5) * 1e3, at(0.9) * 1e3, at(0.99) * 1e3, at(1.0) * 1e3),
    );
}

/// Seconds, sorted.
async fn measure(ours: &Ours<'_>, crowd: &mut Crowd, blocks: u64) -> anyhow::Result<Vec<f64>> {
    let unix = || SystemTime::now().duration_since(UNIX_EPOCH);
    let first = crowd.head().await? + 1;
    let mut mined: BTreeMap<i64, f64> = BTreeMap::new();
    for block in first..first + blocks {
        crowd.stir(1, 10).await?;
        crowd.mine().await?;
        mined.insert(i64::try_from(block)?, unix()?.as_secs_f64());
        let pause = rand::rng().random_range(PAUSE);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    let began = std::time::Instant::now();
    loop {
        let rows: Vec<(i64, Option<f64>)> = sqlx::query_as(
            "select (body #>> '{data,block,number}')::bigint,
                 case when bool_and(sent_at is not null) then extract(epoch from max(sent_at))::float8 end
             from outbox where (body #>> '{data,block,number}')::bigint >= $1 group by 1",
        )
        .bind(i64::try_from(first)?)
        .fetch_all(&ours.indexer)
        .await?;
        let sent = rows.iter().filter_map(|(block, sent)| Some(((*sent)?) - mined.get(block)?));
        let mut took: Vec<f64> = sent.collect();
        if took.len() == mined.len() {
            took.sort_by(f64::total_cmp);
            return Ok(took);
        }
        ensure!(began.elapsed() < SETTLES_WITHIN, "{} of {blocks} blocks were told", took.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
