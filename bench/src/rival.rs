//! The peer of the indexer's benchmark: Ponder on a PostgreSQL of its own, the same server with the same settings.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;
use sqlx::{PgPool, postgres::PgPoolOptions};
use url::Url;
use xtask::{
    fleet::Fleet,
    ports::{Port, Ports},
    process::Room,
    repository,
    stores::{Place, Store, postgres},
};

use crate::{
    cpu::{self, Processes, Used},
    crowd::{Crowd, Owners},
    ours::LOOK_EVERY,
    variable::variable,
};

const NODE: &str = "ponder";
const SCHEMA: &str = "bench";
const COMPLETE_WITHIN: Duration = Duration::from_secs(900);

/// What Ponder took for a chain, from nothing.
pub(crate) struct Indexed {
    pub(crate) took: Duration,
    pub(crate) used: Used,
    pub(crate) mib: f64,
    pub(crate) owners: Owners,
}

impl Indexed {
    /// Its process and its database's.
    pub(crate) fn cpu(&self) -> Duration {
        self.used.values().sum()
    }
}

struct Rival {
    place: Place,
    folder: PathBuf,
}

impl Drop for Rival {
    fn drop(&mut self) {
        let ended = self.end();
        if let Err(err) = ended {
            eprintln!("the peer could not be stopped: {err:#}");
        }
    }
}

impl Rival {
    fn open(fleet: &Fleet) -> anyhow::Result<Rival> {
        let folder = fleet.place().data.join("ponder");
        let room = Room { run: folder.join("run"), logs: folder.join("logs") };
        let ports = Ports::free_block(26_000)?;
        let place = Place { data: folder.join("data"), room, ports, purpose: fleet.place().purpose.clone() };
        let rival = Rival { place, folder };
        rival.end()?;
        Ok(rival)
    }

    fn end(&self) -> anyhow::Result<()> {
        self.place.room.stop(NODE, libc::SIGTERM, Duration::from_secs(5))?;
        Store::Postgres.stop(&self.place)?;
        postgres::erase(&self.place)?;
        for part in ["data", "run"] {
            let _ = std::fs::remove_dir_all(self.folder.join(part));
        }
        Ok(())
    }
}

/// Lets Ponder read the chain from the collection's block on until it has so many events.
pub(crate) async fn index(fleet: &Fleet, crowd: &Crowd, events: u64) -> anyhow::Result<Indexed> {
    let rival = Rival::open(fleet)?;
    let place = &rival.place;
    Store::Postgres.start(place)?;
    postgres::script(place, "create database ponder")?;
    let mut url: Url = variable("VITRINE_POSTGRES_URL")?.parse()?;
    let _ = url.set_port(Some(place.ports.of(Port::Postgres)));
    url.set_path("ponder");
    let db = PgPoolOptions::new().max_connections(1).connect(url.as_str()).await?;

    let processes = || Processes::of(&place.room.run)?.used();
    let (before, began) = (processes()?, Instant::now());
    let folder = repository().join("bench/peers/ponder");
    let mut node = Command::new("node");
    node.current_dir(&folder).arg("node_modules/ponder/dist/esm/bin/ponder.js");
    let port = place.ports.of(Port::GatewayHttp).to_string();
    node.args(["start", "--schema", SCHEMA, "--hostname", "127.0.0.1", "--port", &port]);
    node.env("PONDER_TELEMETRY_DISABLED", "1").env("DATABASE_URL", url.as_str());
    node.env("PONDER_RPC_URL", &crowd.url).env("PONDER_CROWD", crowd.collection.to_string());
    node.env("PONDER_FROM", crowd.created.to_string());
    place.room.spawn(NODE, node)?;
    let head = i64::try_from(crowd.head().await?)?;
    while !is_complete(&db, head, i64::try_from(events)?).await? {
        ensure!(place.room.is_alive(NODE), "Ponder ended: {}", place.room.last_words(NODE));
        ensure!(began.elapsed() < COMPLETE_WITHIN, "Ponder has not read {events} in {COMPLETE_WITHIN:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let took = began.elapsed();
    let used = cpu::between(&before, &processes()?);
    let mib = place.room.pid(NODE).map_or(Ok(0.0), cpu::peak_mib)?;
    let rows: Vec<(i64, String)> =
        sqlx::query_as("select id::bigint, owner from bench.token").fetch_all(&db).await?;
    let owners = rows.into_iter().map(|(token, owner)| Ok((u64::try_from(token)?, owner.parse()?)));
    let owners = owners.collect::<anyhow::Result<Owners>>()?;
    db.close().await;
    Ok(Indexed { took, used, mib, owners })
}

/// Counts only when the last block is there: counting costs its database something.
async fn is_complete(db: &PgPool, head: i64, events: i64) -> anyhow::Result<bool> {
    let (is_there,): (bool,) = sqlx::query_as(
        "select to_regclass('bench._ponder_checkpoint') is not null
        and to_regclass('bench.transfer_event') is not null",
    )
    .fetch_one(db)
    .await?;
    if !is_there {
        return Ok(false);
    }
    let (rows,): (f32,) = sqlx::query_as(
        "select coalesce((select n_live_tup from pg_stat_user_tables
            where schemaname = 'bench' and relname = 'transfer_event'), 0)::real",
    )
    .fetch_one(db)
    .await?;
    if f64::from(rows) < events as f64 * 0.9 {
        return Ok(false);
    }
    let (count, last): (i64, Option<i64>) =
        sqlx::query_as("select count(*), max(block)::bigint from bench.transfer_event").fetch_one(db).await?;
    ensure!(count <= events, "Ponder has {count} events of {events}");
    Ok(count == events && last == Some(head))
}
