//! Sends what is in the outbox: claim, publish outside any transaction, mark. Any number of relays may run at once.
//!
//! Rows are found by "not sent", never by "id above the last": a transaction with a lower id may commit later.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sqlx::{PgPool, Row, postgres::PgListener};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    connect::{Bus, pause},
    inbox, metrics, outbox,
    publish::{Parcel, PublishError},
};

const BATCH: i64 = 500;
/// Longer than a batch takes, except where the broker stalls; after it another relay takes the rows of one that died. Rows
/// that two relays send at once are sent twice, which their consumers' inboxes know.
const CLAIM_SECS: f64 = 10.0;
const POLL_EVERY: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_ROWS: i64 = 5_000;
/// How long a row that no queue takes waits: trying it more often would only fill the log.
const UNROUTABLE_AGAIN_SECS: f64 = 30.0;
const FAILED_AGAIN_SECS: f64 = 1.0;
/// At a stop, what was just written still goes out, within this.
const LAST_PASS: Duration = Duration::from_secs(5);

/// Relays the outbox of this database until told to stop. No failure of a store ends it.
pub async fn relay(db: PgPool, bus: Bus, stopping: CancellationToken) -> anyhow::Result<()> {
    let relay = Relay { db, bus, woken: Arc::new(Notify::new()) };
    tokio::select! {
        () = relay.send(&stopping) => {}
        () = relay.listen() => {}
        () = relay.look_after() => {}
    }
    let last = async {
        while relay.pass().await? == BATCH as usize {}
        Ok::<_, sqlx::Error>(())
    };
    if relay.bus.publisher().link().is_up() {
        let _ = tokio::time::timeout(LAST_PASS, last).await;
    }
    Ok(())
}

struct Relay {
    db: PgPool,
    bus: Bus,
    woken: Arc<Notify>,
}

impl Relay {
    /// Turns notifications into wake-ups. Losing some costs a poll's second, nothing else.
    async fn listen(&self) {
        let mut failures = 0;
        loop {
            let listening = async {
                let mut listener = PgListener::connect_with(&self.db).await?;
                listener.listen(outbox::CHANNEL).await?;
                failures = 0;
                loop {
                    listener.recv().await?;
                    self.woken.notify_one();
                }
            };
            let ended: Result<(), sqlx::Error> = listening.await;
            if let Err(err) = ended {
                failures += 1;
                warn!(error = %err, "outbox notifications are interrupted, polling goes on");
            }
            tokio::time::sleep(pause(failures)).await;
        }
    }

    /// Sends until told to stop; a batch that is under way is finished, so that none of its rows stays claimed.
    async fn send(&self, stopping: &CancellationToken) {
        let mut failures = 0;
        while !stopping.is_cancelled() {
            // Without a broker nothing is claimed: rows stay as they are and cost nothing.
            let link = self.bus.publisher().link();
            if stopping.run_until_cancelled(link.connected()).await.is_none() {
                return;
            }
            match self.pass().await {
                Ok(sent) if sent == BATCH as usize => failures = 0,
                Ok(_) => {
                    failures = 0;
                    let woken = tokio::time::timeout(POLL_EVERY, self.woken.notified());
                    let _ = stopping.run_until_cancelled(woken).await;
                }
                Err(err) => {
                    failures += 1;
                    warn!(failures, error = %err, "cannot relay the outbox");
                    let _ = stopping.run_until_cancelled(tokio::time::sleep(pause(failures))).await;
                }
            }
        }
    }

    /// One batch; says how many rows were sent.
    async fn pass(&self) -> Result<usize, sqlx::Error> {
        let (ids, parcels) = self.claim().await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let written = || launch::failpoint("relay.published_unconfirmed");
        let results = self.bus.publisher().publish(&parcels, written).await;
        launch::failpoint("relay.confirmed_unmarked");

        let mut sent = Vec::with_capacity(ids.len());
        let mut failed = Failed::default();
        let mut unroutable: HashMap<(&str, &str), usize> = HashMap::new();
        for ((id, parcel), result) in ids.iter().zip(&parcels).zip(results) {
            match result {
                Ok(()) => sent.push(*id),
                Err(err) => {
                    if err == PublishError::Unroutable {
                        metrics::UNROUTABLE.with_label_values(&[parcel.exchange.as_str()]).inc();
                        *unroutable.entry((&parcel.exchange, &parcel.key)).or_default() += 1;
                    }
                    failed.push(*id, &err);
                }
            }
        }
        for ((exchange, key), rows) in unroutable {
            error!(
                exchange,
                routing.key = key,
                rows,
                "no queue takes these messages, they stay in the outbox"
            );
        }
        if !sent.is_empty() {
            sqlx::query(
                "update outbox set sent_at = now(), claimed_until = null, last_error = null
                 from unnest($1::bigint[]) as sent (row_id) where id = sent.row_id",
            )
            .bind(&sent)
            .execute(&self.db)
            .await?;
        }
        failed.keep(&self.db).await?;
        Ok(sent.len())
    }

    async fn claim(&self) -> Result<(Vec<i64>, Vec<Parcel>), sqlx::Error> {
        let mut rows = sqlx::query(
            "update outbox set claimed_until = now() + make_interval(secs => $2), attempts = attempts + 1
             where id in (
                 select id from outbox
                 where sent_at is null and (claimed_until is null or claimed_until < now())
                 order by id limit $1 for update skip locked
             )
             returning id, message_id, exchange, routing_key, body::text as body, body ->> 'traceparent' as traceparent",
        )
        .bind(BATCH)
        .bind(CLAIM_SECS)
        .fetch_all(&self.db)
        .await?;
        rows.sort_by_key(|row| row.get::<i64, _>("id"));
        let parcel = |row: &sqlx::postgres::PgRow| Parcel {
            exchange: row.get("exchange"),
            key: row.get("routing_key"),
            id: row.get("message_id"),
            body: row.get::<String, _>("body").into_bytes(),
            headers: row
                .get::<Option<String>, _>("traceparent")
                .map(|parent| ("traceparent", parent))
                .into_iter()
                .collect(),
        };
        Ok((rows.iter().map(|row| row.get("id")).collect(), rows.iter().map(parcel).collect()))
    }

    /// Keeps the gauges current and the tables small.
    async fn look_after(&self) {
        let mut next_sweep = Instant::now();
        loop {
            if let Err(err) = self.look().await {
                warn!(error = %err, "cannot look at the outbox");
            }
            if Instant::now() >= next_sweep {
                next_sweep = Instant::now() + SWEEP_EVERY;
                match self.sweep().await {
                    Ok(0) => {}
                    Ok(rows) => info!(rows, "swept the outbox and the inbox"),
                    Err(err) => warn!(error = %err, "cannot sweep the outbox"),
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn look(&self) -> Result<(), sqlx::Error> {
        let row = sqlx::query(
            "select count(*) as rows, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as age
             from outbox where sent_at is null",
        )
        .fetch_one(&self.db)
        .await?;
        metrics::UNSENT.set(row.get("rows"));
        metrics::OLDEST_UNSENT_SECONDS.set(row.get("age"));
        Ok(())
    }

    async fn sweep(&self) -> Result<u64, sqlx::Error> {
        let outbox = sqlx::query(
            "delete from outbox where id in
                 (select id from outbox where sent_at < now() - interval '1 day' limit $1)",
        )
        .bind(SWEEP_ROWS)
        .execute(&self.db)
        .await?;
        let inbox = sqlx::query(
            "delete from processed_events where event_id in
                 (select event_id from processed_events where processed_at < now() - make_interval(days => $2) limit $1)",
        )
        .bind(SWEEP_ROWS)
        .bind(inbox::KEPT_DAYS)
        .execute(&self.db)
        .await?;
        Ok(outbox.rows_affected() + inbox.rows_affected())
    }
}

/// Rows that were not sent, with the reason and the time after which they are tried again.
#[derive(Default)]
struct Failed {
    ids: Vec<i64>,
    errors: Vec<String>,
    again_secs: Vec<f64>,
}

impl Failed {
    fn push(&mut self, id: i64, err: &PublishError) {
        let is_lasting = matches!(err, PublishError::Unroutable | PublishError::TooLong);
        self.ids.push(id);
        self.errors.push(err.to_string());
        self.again_secs.push(if is_lasting { UNROUTABLE_AGAIN_SECS } else { FAILED_AGAIN_SECS });
    }

    async fn keep(&self, db: &PgPool) -> Result<(), sqlx::Error> {
        if self.ids.is_empty() {
            return Ok(());
        }
        warn!(rows = self.ids.len(), error = self.errors[0], "messages stay in the outbox");
        sqlx::query(
            "update outbox set last_error = failed.why, claimed_until = now() + make_interval(secs => failed.again)
             from unnest($1::bigint[], $2::text[], $3::float8[]) as failed (row_id, why, again) where id = failed.row_id",
        )
        .bind(&self.ids)
        .bind(&self.errors)
        .bind(&self.again_secs)
        .execute(db)
        .await?;
        Ok(())
    }
}
