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
/// Of these in one batch, rows that were tried before: however many there are, they hold up none that is new.
const AGAIN: i64 = 50;
/// As the rows are stored; the bodies of one batch are in memory at once. A row that is larger goes alone.
const BATCH_BYTES: i64 = 4 << 20;
/// The same for rows that were tried before, beside the new ones and not instead of them.
const AGAIN_BYTES: i64 = 512 << 10;
/// Longer than a batch takes, except where the broker stalls; after it another relay takes the rows of one that died. Rows
/// that two relays send at once are sent twice, which their consumers' inboxes know.
const CLAIM_SECS: f64 = 10.0;
const POLL_EVERY: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_ROWS: i64 = 5_000;
/// How long a row waits that no queue takes or the broker rejects: trying it more often would only fill the log.
const LASTING_AGAIN_SECS: f64 = 30.0;
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
        while relay.pass().await? {}
        Ok::<_, sqlx::Error>(())
    };
    if relay.bus.publisher().link().is_up() {
        let _ = tokio::time::timeout(LAST_PASS, last).await;
    }
    Ok(())
}

/// A batch that is ours for a while.
struct Claimed {
    ids: Vec<i64>,
    parcels: Vec<Parcel>,
    /// Whether there were more rows than it holds.
    is_more: bool,
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
                Ok(true) => failures = 0,
                Ok(false) => {
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

    /// One batch; says whether there is more that can be sent now.
    async fn pass(&self) -> Result<bool, sqlx::Error> {
        let Claimed { ids, parcels, is_more } = claim(&self.db).await?;
        if ids.is_empty() {
            return Ok(false);
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
        // Where the broker takes nothing, the rest waits with those that it did not take.
        Ok(is_more && (!sent.is_empty() || failed.are_lasting()))
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

/// Takes rows for a while. New rows are taken in the order of their ids, so a row that was tried before stands below them:
/// where there are more new ones than a batch holds, nobody looks above these for one, and a long backlog is not walked.
async fn claim(db: &PgPool) -> Result<Claimed, sqlx::Error> {
    let mut rows = sqlx::query(
        "with fresh as materialized (
             select id, pg_column_size(body)::bigint as bytes, false as is_again from outbox
             where sent_at is null and claimed_until is null
             order by id limit $1 for update skip locked
         ), again as materialized (
             select id, pg_column_size(body)::bigint as bytes, true as is_again from outbox
             where sent_at is null and claimed_until < now()
                 and id < (select case when count(*) < $1 then 9223372036854775807 else max(id) end from fresh)
             order by id limit $2 for update skip locked
         ), open as (select * from fresh union all select * from again), chosen as (
             select id from (
                 select id, is_again, (sum(bytes) over (partition by is_again order by id))::bigint - bytes as before
                 from open) as summed
             where before < case when is_again then $5 else $3 end
         )
         update outbox set claimed_until = now() + make_interval(secs => $4), attempts = attempts + 1
         where id = any (array(select id from chosen))
         returning id, message_id, exchange, routing_key, body::text as body, body ->> 'traceparent' as traceparent,
             (select count(*) from fresh) as fresh, (select count(*) from again) as again",
    )
    .bind(BATCH)
    .bind(AGAIN)
    .bind(BATCH_BYTES)
    .bind(CLAIM_SECS)
    .bind(AGAIN_BYTES)
    .fetch_all(db)
    .await?;
    let (fresh, again) = rows.first().map_or((0, 0), |row| (row.get("fresh"), row.get("again")));
    let is_cut = (rows.len() as i64) < fresh + again;
    let is_more = is_cut || fresh == BATCH || again == AGAIN;
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
    Ok(Claimed {
        ids: rows.iter().map(|row| row.get("id")).collect(),
        parcels: rows.iter().map(parcel).collect(),
        is_more,
    })
}

/// Rows that were not sent, with the reason and the time after which they are tried again.
#[derive(Default)]
struct Failed {
    ids: Vec<i64>,
    errors: Vec<String>,
    again_secs: Vec<f64>,
}

impl Failed {
    /// Whether each of them fails by itself, which says nothing of other messages.
    fn are_lasting(&self) -> bool {
        self.again_secs.iter().all(|secs| *secs == LASTING_AGAIN_SECS)
    }

    fn push(&mut self, id: i64, err: &PublishError) {
        let is_lasting =
            matches!(err, PublishError::Unroutable | PublishError::TooLong | PublishError::Rejected(_));
        self.ids.push(id);
        self.errors.push(err.to_string());
        self.again_secs.push(if is_lasting { LASTING_AGAIN_SECS } else { FAILED_AGAIN_SECS });
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

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
