//! What a preparation writes: the intent, its steps, the first row of its audit.

use alloy::primitives::U256;
use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use ids::{IntentId, StepId};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{
    model::{Intent, Step, Transaction},
    store::decode,
};

/// Stores a new intent; false when its user has one under the same key.
pub(crate) async fn insert_intent(tx: &mut PgConnection, intent: &Intent) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "insert into tx_intents (intent_id, kind, chain_id, preview_address, status, created_by, req_payload_json,
                                 auth_session_id, deadline_at, created_at, updated_at, request_id, request_hash,
                                 revision, from_address, contract_address, salt, required_confirmations, next_look_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13, $14, $15, $16, $17, $9)
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
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Stores a step.
pub(crate) async fn insert_step(
    tx: &mut PgConnection,
    intent_id: IntentId,
    position: i32,
    step: &Step,
) -> Result<(), sqlx::Error> {
    let transaction = &step.transaction;
    sqlx::query!(
        "insert into tx_intent_steps (step_id, intent_id, position, kind, title, description, chain_id, from_address,
                                      to_address, data, value, gas, max_fee_per_gas, max_priority_fee_per_gas, simulated)
         values ($1, $2, $3, 'TRANSACTION', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        step.step_id.0,
        intent_id.0,
        position,
        step.title,
        step.description,
        transaction.chain_id.to_string(),
        transaction.from.to_lower(),
        transaction.to.to_lower(),
        transaction.data,
        amounts::to_decimal(transaction.value),
        amounts::to_decimal(transaction.gas),
        amounts::to_decimal(transaction.max_fee_per_gas),
        amounts::to_decimal(transaction.max_priority_fee_per_gas),
        step.is_simulated,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An intent's transactions, in order.
pub(crate) async fn list_steps(
    db: impl PgExecutor<'_>,
    intent_id: IntentId,
) -> Result<Vec<Step>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select step_id, title, description, chain_id, from_address as "from_address!", to_address as "to_address!",
                  data as "data!", value as "value!", gas, max_fee_per_gas, max_priority_fee_per_gas, simulated
           from tx_intent_steps where intent_id = $1 and kind = 'TRANSACTION' order by position"#,
        intent_id.0
    )
    .fetch_all(db)
    .await?;
    let whole = |number: Option<BigDecimal>| -> Result<U256, sqlx::Error> {
        number.map_or(Ok(U256::ZERO), |number| amounts::from_decimal(&number).map_err(decode))
    };
    rows.into_iter()
        .map(|row| {
            Ok(Step {
                step_id: StepId(row.step_id),
                title: row.title,
                description: row.description,
                transaction: Transaction {
                    chain_id: row.chain_id.parse().map_err(decode)?,
                    from: row.from_address.parse().map_err(decode)?,
                    to: row.to_address.parse().map_err(decode)?,
                    data: row.data,
                    value: whole(Some(row.value))?,
                    gas: whole(row.gas)?,
                    max_fee_per_gas: whole(row.max_fee_per_gas)?,
                    max_priority_fee_per_gas: whole(row.max_priority_fee_per_gas)?,
                },
                is_simulated: row.simulated,
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
