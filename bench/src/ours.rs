//! Our side of the indexer's benchmark: indexer and catalog with the stores they need, from a cold start until the
//! catalog's rows are complete.

use std::time::{Duration, Instant};

use alloy::primitives::Address;
use anyhow::{Context, ensure};
use sqlx::{PgPool, postgres::PgPoolOptions};
use xtask::fleet::Fleet;

use crate::{
    cpu::{self, Used},
    crowd::{Crowd, Owners},
    operator,
    variable::variable,
};

/// Whose CPU time counts as ours, but for the document store's, which is told apart.
pub(crate) const COUNTED: [&str; 7] =
    ["indexer", "catalog", "chain-registry", "postgres", "rabbitmq", "epmd", "redis"];
pub(crate) const DOCUMENTS: &str = "mongo";
const COMPLETE_WITHIN: Duration = Duration::from_secs(600);
/// Between two looks whether all is read, on either side.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The services under measurement.
pub(crate) struct Ours<'a> {
    fleet: &'a Fleet,
    pub(crate) indexer: PgPool,
    catalog: PgPool,
}

/// What a stretch of the chain took.
pub(crate) struct Stretch {
    pub(crate) took: Duration,
    pub(crate) used: Used,
    /// The most memory that the indexer had at once since it was started, in MiB.
    pub(crate) indexer_mib: f64,
    pub(crate) catalog_mib: f64,
}

impl Stretch {
    /// Everything that is ours, with the document store.
    pub(crate) fn cpu(&self) -> Duration {
        self.of(&COUNTED) + self.of(&[DOCUMENTS])
    }

    pub(crate) fn of(&self, names: &[&str]) -> Duration {
        names.iter().filter_map(|name| self.used.get(*name)).sum()
    }
}

impl Ours<'_> {
    /// Registers the chain; nothing reads it yet.
    pub(crate) async fn register<'a>(fleet: &'a Fleet, crowd: &Crowd) -> anyhow::Result<Ours<'a>> {
        fleet.start("chain-registry", &[])?;
        operator::register(crowd).await?;
        let pool = |name: &str| -> anyhow::Result<PgPool> {
            Ok(PgPoolOptions::new().max_connections(1).connect_lazy(&variable(name)?)?)
        };
        Ok(Ours {
            fleet,
            indexer: pool("VITRINE_INDEXER_DATABASE_URL")?,
            catalog: pool("VITRINE_CATALOG_DATABASE_URL")?,
        })
    }

    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        self.fleet.stop("indexer")?;
        self.fleet.stop("catalog")
    }

    pub(crate) fn start(&self) -> anyhow::Result<()> {
        self.fleet.start("catalog", &[])?;
        self.fleet.start("indexer", &[])
    }

    /// From the start of the services until the catalog has so many events in all, and nothing is on its way.
    pub(crate) async fn read_up_to(&self, events: u64) -> anyhow::Result<Stretch> {
        let (before, began) = (cpu::now()?, Instant::now());
        self.start()?;
        self.complete(events, before, began).await
    }

    /// The same processes read on, from the moment that the chain is enabled again.
    pub(crate) async fn read_on_to(&self, crowd: &Crowd, events: u64) -> anyhow::Result<Stretch> {
        let (before, began) = (cpu::now()?, Instant::now());
        operator::enable(crowd, true).await?;
        self.complete(events, before, began).await
    }

    async fn complete(&self, events: u64, before: Used, began: Instant) -> anyhow::Result<Stretch> {
        loop {
            let known = self.events().await?;
            if known >= events && self.unsent().await? == 0 {
                ensure!(known == events, "the catalog has {known} events of {events}");
                break;
            }
            ensure!(
                began.elapsed() < COMPLETE_WITHIN,
                "the catalog has {known} of {events} events after {COMPLETE_WITHIN:?}"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let took = began.elapsed();
        let used = cpu::between(&before, &cpu::now()?);
        let mib = |name: &str| -> anyhow::Result<f64> {
            let pid = self.fleet.room().pid(name).with_context(|| format!("{name} does not run"))?;
            cpu::peak_mib(pid)
        };
        Ok(Stretch { took, used, indexer_mib: mib("indexer")?, catalog_mib: mib("catalog")? })
    }

    /// What a start takes when there is nothing to read: CPU time until the indexer follows the chain at its head.
    pub(crate) async fn restart(&self, crowd: &Crowd) -> anyhow::Result<(Duration, Duration)> {
        let head = crowd.head().await?;
        self.fleet.stop("indexer")?;
        let began = Instant::now();
        self.fleet.start("indexer", &[])?;
        operator::is_at_head(head).await?;
        let took = began.elapsed();
        let used = cpu::now()?.get("indexer").copied().context("the indexer runs")?;
        Ok((used, took))
    }

    async fn events(&self) -> anyhow::Result<u64> {
        // Counting all of them each time would be a cost of its own; the newest block says when it is worth while.
        let (newest,): (Option<i64>,) = sqlx::query_as(
            "select block_number from chain_ledger where stands and kind in ('created', 'minted', 'transferred', 'burned')
             order by block_time desc, block_number desc limit 1",
        )
        .fetch_optional(&self.catalog)
        .await?
        .unwrap_or_default();
        let (indexed,): (Option<i64>,) = sqlx::query_as("select max(last_block) from indexer_checkpoints")
            .fetch_one(&self.indexer)
            .await?;
        if newest.is_none() || newest < indexed {
            return Ok(0);
        }
        let (count,): (i64,) = sqlx::query_as(
            "select count(*) from chain_ledger where stands and kind in ('minted', 'transferred', 'burned')",
        )
        .fetch_one(&self.catalog)
        .await?;
        Ok(u64::try_from(count)?)
    }

    /// Messages that the relays have not sent, of both services.
    async fn unsent(&self) -> anyhow::Result<i64> {
        let mut unsent = 0;
        for db in [&self.indexer, &self.catalog] {
            let (rows,): (i64,) =
                sqlx::query_as("select count(*) from outbox where sent_at is null").fetch_one(db).await?;
            unsent += rows;
        }
        Ok(unsent)
    }

    /// Who owns each token, as the catalog says.
    pub(crate) async fn owners(&self) -> anyhow::Result<Owners> {
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "select token_number::bigint, owner_address from tokens where owner_address is not null",
        )
        .fetch_all(&self.catalog)
        .await?;
        rows.into_iter()
            .map(|(token, owner)| Ok((u64::try_from(token)?, Address::try_from(owner.as_slice())?)))
            .collect()
    }
}
