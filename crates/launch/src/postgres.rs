//! A service's pool of PostgreSQL connections: bounded in number, in waiting and in how long one statement may run.
use std::{str::FromStr, time::Duration};

use anyhow::Context;
use futures::FutureExt;
use prometheus::{IntGaugeVec, Opts};
use serde_json::json;
use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Process, Secret, migrations};

const WAIT_FOR_SERVER: Duration = Duration::from_secs(30);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than any call's deadline is of no use to anybody.
const STATEMENT_TIMEOUT: &str = "15s";
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "15s";

/// Waits a bounded time for the server, verifies that the migrations are applied (and never applies them), and makes
/// the process ready only while the server answers.
pub async fn postgres(
    url: &Secret,
    size: u32,
    migrator: &'static Migrator,
    process: &mut Process,
) -> anyhow::Result<PgPool> {
    let service = process.name();
    let options = options(url, service)?
        .options([("statement_timeout", STATEMENT_TIMEOUT)])
        .options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT)]);
    let database = options.get_database().unwrap_or(service).to_owned();
    let pool = PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(Duration::from_secs(1800))
        .connect_lazy_with(options);

    let mut connection = patiently(|| pool.acquire()).await?;
    migrations::verify(&mut connection, migrator, service, &database).await?;
    drop(connection);

    let asked = pool.clone();
    process.ready("postgres", move || {
        let pool = asked.clone();
        async move {
            let answer = sqlx::query("select 1").execute(&pool).await;
            answer.map_err(|err| err.to_string())?;
            Ok(json!({ "connections": pool.size(), "idle": pool.num_idle() }))
        }
        .boxed()
    });
    gauges(&pool, size, process);
    Ok(pool)
}

pub(crate) fn options(url: &Secret, service: &str) -> anyhow::Result<PgConnectOptions> {
    // The parser's message may quote the URL, and with it the password.
    let options = PgConnectOptions::from_str(url.expose())
        .map_err(|_| anyhow::anyhow!("database_url is not a PostgreSQL URL"))?;
    Ok(options.application_name(service))
}

/// The server may come up after us. What is wrong for good (a refused password, a database that is not there) is told
/// at once.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, sqlx::Error>>>(
    mut connect: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let began = tokio::time::Instant::now();
    let mut pause = Duration::from_millis(100);
    loop {
        match connect().await {
            Ok(connected) => return Ok(connected),
            Err(err) if is_temporary(&err) && began.elapsed() < WAIT_FOR_SERVER => {
                tracing::warn!(error = %err, "waiting for the database server");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            Err(err) => return Err(err).context("connecting to the database"),
        }
    }
}

fn is_temporary(err: &sqlx::Error) -> bool {
    match err {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        // 57P03: starting up or shutting down. 53300: too many connections.
        sqlx::Error::Database(err) => matches!(err.code().as_deref(), Some("57P03" | "53300")),
        _ => false,
    }
}

fn gauges(pool: &PgPool, size: u32, process: &mut Process) {
    let help = "Connections of the PostgreSQL pool by state; max is its bound.";
    let Ok(gauge) = IntGaugeVec::new(Opts::new("db_pool_connections", help), &["state"]) else { return };
    // A second pool of one process (tests) finds the name taken; the first one's figures stay.
    if prometheus::register(Box::new(gauge.clone())).is_err() {
        return;
    }
    let pool = pool.clone();
    process.on_scrape(move || {
        let idle = i64::try_from(pool.num_idle()).unwrap_or(i64::MAX);
        gauge.with_label_values(&["idle"]).set(idle);
        gauge.with_label_values(&["in_use"]).set(i64::from(pool.size()).saturating_sub(idle));
        gauge.with_label_values(&["max"]).set(i64::from(size));
    });
}
