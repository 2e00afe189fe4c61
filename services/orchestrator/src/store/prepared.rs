//! What a preparation writes: the intent, its steps, the first row of its audit.

use alloy::primitives::U256;
use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use ids::{Address, ChainId, IntentId, StepId, TokenId};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{
    model::{Act, Intent, Problem, Step, StepStatus, Transaction},
    store::{decode, word},
};

/// Stores a new intent; false when its user has one under the same key.
pub(crate) async fn insert_intent(tx: &mut PgConnection, intent: &Intent) -> Result<bool, sqlx::Error> {
    let token_ids: Vec<String> = intent.token_ids.iter().map(TokenId::to_string).collect();
    let inserted = sqlx::query!(
        "insert into tx_intents (intent_id, kind, chain_id, preview_address, status, created_by, req_payload_json,
                                 auth_session_id, deadline_at, created_at, updated_at, request_id, request_hash,
                                 revision, from_address, contract_address, salt, required_confirmations, next_look_at,
                                 order_id, awaits_catalog, token_ids, contract_account)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13, $14, $15, $16, $17, $9, $18, $19, $20, $21)
         on conflict on constraint tx_intents_created_by_request_id_key do nothing",
        intent.intent_id.0,
        intent.kind.as_str(),
        intent.chain_id.to_string(),
        intent.preview_address.map(|address| address.to_lower()),
        intent.status.as_str(),
        intent.created_by.0,
        intent.payload,
        intent.session_id,
        intent.deadline_at,
        intent.created_at,
        intent.request_id,
        intent.request_hash,
        intent.revision,
        intent.from.to_lower(),
        intent.contract.map(|address| address.to_lower()),
        intent.salt.map(|salt| salt.to_string()),
        intent.required_confirmations.cast_signed(),
        intent.order_id,
        intent.awaits_catalog,
        &token_ids,
        intent.is_contract_account,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Stores a step.
pub(crate) async fn insert_step(
    tx: &mut PgConnection,
    intent: &Intent,
    position: i32,
    step: &Step,
) -> Result<(), sqlx::Error> {
    let (kind, typed_data) = match &step.act {
        Act::Send(_) => ("TRANSACTION", None),
        Act::Sign(typed_data) => ("SIGNATURE", Some(typed_data)),
    };
    let transaction = step.transaction();
    let whole = |number: fn(&Transaction) -> U256| transaction.map(number).map(amounts::to_decimal);
    sqlx::query!(
        "insert into tx_intent_steps (step_id, intent_id, position, kind, title, description, chain_id, from_address,
                                      to_address, data, value, gas, max_fee_per_gas, max_priority_fee_per_gas,
                                      typed_data_json, simulated)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        step.step_id.0,
        intent.intent_id.0,
        position,
        kind,
        step.title,
        step.description,
        intent.chain_id.to_string(),
        transaction.map(|transaction| transaction.from.to_lower()),
        transaction.map(|transaction| transaction.to.to_lower()),
        transaction.map(|transaction| transaction.data.as_slice()),
        whole(|transaction| transaction.value),
        whole(|transaction| transaction.gas),
        whole(|transaction| transaction.max_fee_per_gas),
        whole(|transaction| transaction.max_priority_fee_per_gas),
        typed_data,
        step.is_simulated,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Whether a transaction is on its way that makes a collection at this address.
pub(crate) async fn is_being_made(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    address: Address,
) -> Result<bool, sqlx::Error> {
    let found = sqlx::query_scalar!(
        r#"select exists(select from tx_intents where chain_id = $1 and preview_address = $2
                         and status in ('SUBMITTED', 'MINED', 'CONFIRMED')) as "is_found!""#,
        chain_id.to_string(),
        address.to_lower(),
    );
    found.fetch_one(db).await
}

/// An intent's steps, in order.
pub(crate) async fn list_steps(
    db: impl PgExecutor<'_>,
    intent_id: IntentId,
) -> Result<Vec<Step>, sqlx::Error> {
    let rows = sqlx::query!(
        "select step_id, title, description, chain_id, from_address, to_address, data, value, gas, max_fee_per_gas,
                max_priority_fee_per_gas, typed_data_json, simulated, status, tx_hash, error, error_code, signature
         from tx_intent_steps where intent_id = $1 order by position",
        intent_id.0
    )
    .fetch_all(db)
    .await?;
    let whole = |number: Option<BigDecimal>| -> Result<U256, sqlx::Error> {
        number.map_or(Ok(U256::ZERO), |number| amounts::from_decimal(&number).map_err(decode))
    };
    rows.into_iter()
        .map(|row| {
            let act = match (row.typed_data_json, row.from_address, row.to_address) {
                (Some(typed_data), ..) => Act::Sign(typed_data),
                (None, from, to) => Act::Send(Transaction {
                    chain_id: row.chain_id.parse().map_err(decode)?,
                    from: from.unwrap_or_default().parse().map_err(decode)?,
                    to: to.unwrap_or_default().parse().map_err(decode)?,
                    data: row.data.unwrap_or_default(),
                    value: whole(row.value)?,
                    gas: whole(row.gas)?,
                    max_fee_per_gas: whole(row.max_fee_per_gas)?,
                    max_priority_fee_per_gas: whole(row.max_priority_fee_per_gas)?,
                }),
            };
            Ok(Step {
                step_id: StepId(row.step_id),
                title: row.title,
                description: row.description,
                act,
                is_simulated: row.simulated,
                status: word(StepStatus::from_word(&row.status), "status")?,
                tx_hash: row.tx_hash.map(|hash| hash.parse()).transpose().map_err(decode)?,
                problem: row.error_code.map(|code| Problem { code, message: row.error.unwrap_or_default() }),
                signature: row.signature,
            })
        })
        .collect()
}

/// Notes a change with the session that it belongs to.
pub(crate) async fn insert_audit(
    tx: &mut PgConnection,
    intent: &Intent,
    data: Value,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into session_intent_audit (audit_id, session_id, intent_id, user_id, correlation_timestamp, audit_data)
         values ($1, $2, $3, $4, $5, $6)",
        Uuid::now_v7(),
        intent.session_id,
        intent.intent_id.0,
        intent.created_by.0,
        now,
        data
    )
    .execute(tx)
    .await?;
    Ok(())
}
