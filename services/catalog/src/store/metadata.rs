//! What is to be asked of media, and what it answered.

use std::time::Duration;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use ids::Address;
use serde_json::Value;
use sqlx::{PgConnection, PgPool, postgres::types::PgInterval};
use uuid::Uuid;

/// A document to resolve.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) collection_id: Uuid,
    pub(crate) attempts: i32,
    pub(crate) requested_at: DateTime<Utc>,
    pub(crate) chain_id: i64,
    pub(crate) contract: Address,
    pub(crate) standard: String,
    pub(crate) token_number: Option<String>,
}

/// Asks for the metadata of new tokens. One that came back after a reorganisation is asked for anew.
pub(crate) async fn request_tokens(
    conn: &mut PgConnection,
    tokens: &[(Uuid, Uuid, BigDecimal)],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = tokens.iter().map(|t| t.0).collect();
    let collections: Vec<Uuid> = tokens.iter().map(|t| t.1).collect();
    let numbers: Vec<BigDecimal> = tokens.iter().map(|t| t.2.clone()).collect();
    sqlx::query!(
        "insert into metadata_jobs (id, kind, collection_id, token_number)
         select n.id, 'token', n.collection_id, n.number
         from unnest($1::uuid[], $2::uuid[], $3::numeric[]) as n (id, collection_id, number)
         order by n.id
         on conflict on constraint metadata_jobs_pkey do update
         set state = 'DUE', attempts = 0, next_try_at = now(), requested_at = clock_timestamp()",
        &ids,
        &collections,
        &numbers,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Asks for the metadata of collections.
pub(crate) async fn request_collections(conn: &mut PgConnection, ids: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into metadata_jobs (id, kind, collection_id)
         select n.id, 'collection', n.id from unnest($1::uuid[]) as n (id)
         order by n.id
         on conflict on constraint metadata_jobs_pkey do update
         set state = 'DUE', attempts = 0, next_try_at = now(), requested_at = clock_timestamp()",
        ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Asks again for the known tokens of these ranges, both ends included. Tokens that are due already stay so; one that
/// was just asked for waits, so that a contract cannot make media busy by saying so again and again.
pub(crate) async fn request_ranges(
    conn: &mut PgConnection,
    ranges: &[(Uuid, BigDecimal, BigDecimal)],
    not_again_within: Duration,
) -> Result<(), sqlx::Error> {
    let collections: Vec<Uuid> = ranges.iter().map(|r| r.0).collect();
    let first: Vec<BigDecimal> = ranges.iter().map(|r| r.1.clone()).collect();
    let last: Vec<BigDecimal> = ranges.iter().map(|r| r.2.clone()).collect();
    sqlx::query!(
        "update metadata_jobs j
         set state = 'DUE', attempts = 0, requested_at = clock_timestamp(),
             next_try_at = greatest(now(), coalesce(j.finished_at, now() - $4::interval) + $4::interval)
         from unnest($1::uuid[], $2::numeric[], $3::numeric[]) as n (collection_id, first, last)
         where j.kind = 'token' and j.state <> 'DUE' and j.collection_id = n.collection_id
             and j.token_number between n.first and n.last",
        &collections,
        &first,
        &last,
        interval(not_again_within),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes due jobs for a while. A worker that dies lets them fall due again by itself.
pub(crate) async fn claim(db: &PgPool, most: i64, lease: Duration) -> Result<Vec<Job>, sqlx::Error> {
    sqlx::query_as!(
        Job,
        r#"with due as (
               select id from metadata_jobs
               where state = 'DUE' and next_try_at <= now() and (claimed_until is null or claimed_until < now())
               order by next_try_at
               limit $1
               for update skip locked)
           update metadata_jobs j
           set claimed_until = now() + $2::interval, attempts = j.attempts + 1
           from due, collections c
           where j.id = due.id and c.id = j.collection_id
           returning j.id, j.kind, j.collection_id, j.attempts, j.requested_at, c.chain_id,
               c.contract_address as "contract: Address", c.collection_type as standard,
               j.token_number::text as token_number"#,
        most,
        interval(lease),
    )
    .fetch_all(db)
    .await
}

/// How a job ended.
pub(crate) struct End<'a> {
    pub(crate) state: &'a str,
    pub(crate) error_class: Option<&'a str>,
    pub(crate) next_try_in: Duration,
    /// Whether it counts as an attempt: where nobody could be asked it does not.
    pub(crate) is_counted: bool,
}

/// Notes how a job ended; one that was asked for again meanwhile stays due.
pub(crate) async fn finish(conn: &mut PgConnection, job: &Job, end: &End<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update metadata_jobs
         set state = case when requested_at = $2 then $3 else 'DUE' end, last_error_class = $4,
             next_try_at = case when requested_at = $2 then now() + $5::interval else next_try_at end,
             claimed_until = null, finished_at = now(), attempts = attempts - case when $6 then 0 else 1 end
         where id = $1",
        job.id,
        job.requested_at,
        end.state,
        end.error_class,
        interval(end.next_try_in),
        end.is_counted,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What media found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) image_url: Option<String>,
    pub(crate) metadata_url: Option<String>,
    pub(crate) json: Option<Value>,
}

/// Stores a token's document; whether there is such a token.
pub(crate) async fn update_token(
    conn: &mut PgConnection,
    id: Uuid,
    found: &Document,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update tokens
         set name = $2, description = $3, image_url = $4, metadata_url = coalesce($5, metadata_url),
             metadata_json = $6, metadata_status = 'READY', revision = revision + 1, updated_at = now()
         where id = $1 and not is_removed",
        id,
        found.name,
        found.description,
        found.image_url,
        found.metadata_url,
        found.json,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Stores a collection's document. Its name stays what the contract says.
pub(crate) async fn update_collection(
    conn: &mut PgConnection,
    id: Uuid,
    found: &Document,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update collections
         set description = $2, image_url = $3, metadata_url = coalesce($4, metadata_url), metadata_json = $5,
             metadata_status = 'READY', revision = revision + 1, updated_at = now()
         where id = $1",
        id,
        found.description,
        found.image_url,
        found.metadata_url,
        found.json,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes that a first document could not be had; whether that is news. One that was had before stays.
pub(crate) async fn fail_token(conn: &mut PgConnection, id: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update tokens set metadata_status = 'FAILED', revision = revision + 1, updated_at = now()
         where id = $1 and metadata_status = 'PENDING' and not is_removed",
        id
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The same for a collection, whose snapshot does not show it.
pub(crate) async fn fail_collection(conn: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update collections set metadata_status = 'FAILED' where id = $1 and metadata_status = 'PENDING'",
        id
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
