//! The rows of interfaces; the bytes of large ones are in the object store.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};

/// An interface as it is stored.
pub(crate) struct Abi {
    pub(crate) size_bytes: i32,
    pub(crate) source: Option<String>,
    pub(crate) compiler: Option<String>,
    pub(crate) contract_name: Option<String>,
    pub(crate) standard: Option<String>,
    pub(crate) abi_json: Option<Value>,
    pub(crate) abi_text: Option<String>,
    pub(crate) s3_key: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

/// Where the bytes of a new interface are.
pub(crate) enum AbiPlace<'a> {
    /// In the row: the bytes, and what they mean.
    Row(&'a str, &'a Value),
    /// In the object store under this key.
    Blob(&'a str),
}

/// The interface with this hash.
pub(crate) async fn find_abi(db: impl PgExecutor<'_>, sha256: &str) -> Result<Option<Abi>, sqlx::Error> {
    sqlx::query_as!(
        Abi,
        "select size_bytes, source, compiler, contract_name, standard, abi_json, abi_text, s3_key, created_at
         from abi_blobs where sha256 = $1",
        sha256
    )
    .fetch_optional(db)
    .await
}

/// Stores an interface once. Where it comes from and what made it are taken over when they are said for the first time.
#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
pub(crate) async fn upsert_abi(
    tx: &mut PgConnection,
    sha256: &str,
    size_bytes: i32,
    place: AbiPlace<'_>,
    source: Option<&str>,
    compiler: Option<&str>,
    contract_name: &str,
    standard: &str,
) -> Result<(), sqlx::Error> {
    let (abi_text, abi_json, s3_key) = match place {
        AbiPlace::Row(text, value) => (Some(text), Some(value), None),
        AbiPlace::Blob(key) => (None, None, Some(key)),
    };
    sqlx::query!(
        "insert into abi_blobs (sha256, size_bytes, source, compiler, contract_name, standard, abi_json, abi_text, s3_key)
         values ($1, $2, coalesce($3, 'operator'), $4, $5, $6, $7, $8, $9)
         on conflict (sha256) do update set source = coalesce($3, abi_blobs.source),
             compiler = coalesce(excluded.compiler, abi_blobs.compiler)",
        sha256,
        size_bytes,
        source,
        compiler,
        contract_name,
        standard,
        abi_json,
        abi_text,
        s3_key
    )
    .execute(tx)
    .await?;
    Ok(())
}
