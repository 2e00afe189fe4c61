//! Reading and rewriting rows of `tx_intents`.

use chrono::{DateTime, Utc};
use ids::{ChainId, Hash32, IntentId, TokenId, UserId};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{
    model::{Intent, Kind, PendingCollection, Problem, Status},
    page::Position,
    store::{decode, word},
};

struct Row {
    intent_id: Uuid,
    kind: String,
    chain_id: String,
    preview_address: Option<String>,
    tx_hash: Option<String>,
    status: String,
    created_by: Uuid,
    req_payload_json: Value,
    error: Option<String>,
    auth_session_id: Option<String>,
    deadline_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    request_id: String,
    request_hash: Vec<u8>,
    error_code: Option<String>,
    revision: i64,
    from_address: String,
    contract_address: Option<String>,
    salt: Option<String>,
    token_ids: Vec<String>,
    confirmations: Option<i32>,
    required_confirmations: i32,
    mined_block: Option<i64>,
    mined_block_hash: Option<String>,
    unseen_since: Option<DateTime<Utc>>,
    catalogued_at: Option<DateTime<Utc>>,
    pending_collection: String,
    order_id: Option<Uuid>,
    awaits_catalog: bool,
    order_due: bool,
    contract_account: Option<bool>,
}

impl TryFrom<Row> for Intent {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Intent, sqlx::Error> {
        let address = |text: Option<String>| text.map(|text| text.parse()).transpose().map_err(decode);
        let hash = |text: Option<String>| text.map(|text| text.parse()).transpose().map_err(decode);
        let ids: Result<Vec<TokenId>, _> = row.token_ids.iter().map(|id| id.parse()).collect();
        Ok(Intent {
            intent_id: IntentId(row.intent_id),
            kind: word(Kind::from_word(&row.kind), "kind")?,
            chain_id: row.chain_id.parse().map_err(decode)?,
            created_by: UserId(row.created_by),
            session_id: row.auth_session_id,
            from: row.from_address.parse().map_err(decode)?,
            preview_address: address(row.preview_address)?,
            salt: hash(row.salt)?,
            request_id: row.request_id,
            request_hash: row.request_hash,
            payload: row.req_payload_json,
            required_confirmations: row.required_confirmations.unsigned_abs(),
            deadline_at: row.deadline_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            revision: row.revision,
            status: word(Status::from_word(&row.status), "status")?,
            tx_hash: hash(row.tx_hash)?,
            problem: row.error_code.map(|code| Problem { code, message: row.error.unwrap_or_default() }),
            contract: address(row.contract_address)?,
            token_ids: ids.map_err(decode)?,
            confirmations: row.confirmations.map(i32::unsigned_abs),
            block: match (row.mined_block, hash(row.mined_block_hash)?) {
                (Some(number), Some(hash)) => Some((number.unsigned_abs(), hash)),
                _ => None,
            },
            unseen_since: row.unseen_since,
            catalogued_at: row.catalogued_at,
            pending: word(PendingCollection::from_word(&row.pending_collection), "pending_collection")?,
            order_id: row.order_id,
            awaits_catalog: row.awaits_catalog,
            is_order_due: row.order_due,
            is_contract_account: row.contract_account,
        })
    }
}

/// The one list of columns; every way to an intent leads through it.
async fn list_by_ids(db: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<Vec<Intent>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "select intent_id, kind, chain_id, preview_address, tx_hash, status, created_by, req_payload_json, error,
                auth_session_id, deadline_at, created_at, updated_at, request_id, request_hash, error_code, revision,
                from_address, contract_address, salt, token_ids, confirmations, required_confirmations, mined_block,
                mined_block_hash, unseen_since, catalogued_at, pending_collection, order_id, awaits_catalog, order_due,
                contract_account
         from tx_intents where intent_id = any($1) order by created_at desc, intent_id desc",
        ids
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Intent::try_from).collect()
}

/// An intent.
pub(crate) async fn find_intent(
    db: impl PgExecutor<'_>,
    intent_id: IntentId,
) -> Result<Option<Intent>, sqlx::Error> {
    Ok(list_by_ids(db, &[intent_id.0]).await?.pop())
}

/// An intent of this user.
pub(crate) async fn find_of_user(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    intent_id: IntentId,
) -> Result<Option<Intent>, sqlx::Error> {
    Ok(find_intent(db, intent_id).await?.filter(|intent| intent.created_by == user_id))
}

/// What a user prepared under a key.
pub(crate) async fn find_by_request(
    db: &sqlx::PgPool,
    user_id: UserId,
    request_id: &str,
) -> Result<Option<Intent>, sqlx::Error> {
    let id = sqlx::query_scalar!(
        "select intent_id from tx_intents where created_by = $1 and request_id = $2",
        user_id.0,
        request_id
    )
    .fetch_optional(db)
    .await?;
    match id {
        Some(id) => find_intent(db, IntentId(id)).await,
        None => Ok(None),
    }
}

/// Locks an intent's row until the end of the transaction, and reads it as it is then.
pub(crate) async fn lock_intent(
    tx: &mut PgConnection,
    intent_id: IntentId,
) -> Result<Option<Intent>, sqlx::Error> {
    sqlx::query_scalar!("select intent_id from tx_intents where intent_id = $1 for update", intent_id.0)
        .fetch_optional(&mut *tx)
        .await?;
    find_intent(tx, intent_id).await
}

/// The database's clock: whatever is written to rows is told by one clock, whichever process writes it.
pub(crate) async fn clock(db: impl PgExecutor<'_>) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(db).await
}

/// A page of a user's intents, newest first.
pub(crate) async fn list_page(
    db: &sqlx::PgPool,
    user_id: UserId,
    statuses: &[Status],
    after: Position,
    limit: i64,
) -> Result<Vec<Intent>, sqlx::Error> {
    let statuses: Vec<String> = statuses.iter().map(|status| status.as_str().to_owned()).collect();
    let ids = sqlx::query_scalar!(
        "select intent_id from tx_intents
         where created_by = $1 and (created_at, intent_id) < ($2, $3)
           and (cardinality($4::text[]) = 0 or status = any($4))
         order by created_at desc, intent_id desc limit $5",
        user_id.0,
        after.created_at,
        after.id,
        &statuses,
        limit
    )
    .fetch_all(db)
    .await?;
    list_by_ids(db, &ids).await
}

/// The intents whose creates have these salts.
pub(crate) async fn list_by_salts(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    salts: &[Hash32],
) -> Result<Vec<IntentId>, sqlx::Error> {
    let salts: Vec<String> = salts.iter().map(Hash32::to_string).collect();
    let ids = sqlx::query_scalar!(
        "select intent_id from tx_intents where chain_id = $1 and salt = any($2)",
        chain_id.to_string(),
        &salts
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(IntentId).collect())
}

/// Writes what may change of an intent; the caller holds the row's lock.
pub(crate) async fn update_intent(tx: &mut PgConnection, intent: &Intent) -> Result<(), sqlx::Error> {
    let token_ids: Vec<String> = intent.token_ids.iter().map(TokenId::to_string).collect();
    let problem = intent.problem.as_ref();
    sqlx::query!(
        "update tx_intents set tx_hash = $2, status = $3, error = $4, error_code = $5, revision = $6, updated_at = $7,
                contract_address = $8, token_ids = $9, confirmations = $10, mined_block = $11, mined_block_hash = $12,
                unseen_since = $13, catalogued_at = $14, pending_collection = $15, order_id = $16, order_due = $17
         where intent_id = $1",
        intent.intent_id.0,
        intent.tx_hash.map(|hash| hash.to_string()),
        intent.status.as_str(),
        problem.map(|problem| problem.message.as_str()),
        problem.map(|problem| problem.code.as_str()),
        intent.revision,
        intent.updated_at,
        intent.contract.map(|address| address.to_lower()),
        &token_ids,
        intent.confirmations.map(u32::cast_signed),
        intent.block.map(|(number, _)| number.cast_signed()),
        intent.block.map(|(_, hash)| hash.to_string()),
        intent.unseen_since,
        intent.catalogued_at,
        intent.pending.as_str(),
        intent.order_id,
        intent.is_order_due,
    )
    .execute(tx)
    .await?;
    Ok(())
}
