//! Approvals as pages, newest first, each by an index of its own order.

use ids::{Address, ChainId};
use sqlx::PgExecutor;

use crate::{model::Approval, page::Position};

/// The approvals in force of an owner on a chain, after a position.
pub(crate) async fn list_approvals(
    db: impl PgExecutor<'_>,
    owner: Address,
    chain_id: ChainId,
    after: Position,
    limit: i64,
) -> Result<Vec<Approval>, sqlx::Error> {
    sqlx::query_as!(
        Approval,
        r#"select id, chain_id, contract, owner, operator, token_id::text, is_approved, 'approval' as "cause!",
                  block_number, block_hash, block_time, tx_hash, log_index
           from approvals
           where owner = $1 and chain_id = $2 and is_approved and (block_number, log_index, id) < ($3, $4, $5)
           order by block_number desc, log_index desc, id desc limit $6"#,
        owner.to_lower(),
        chain_id.to_string(),
        after.block_number,
        after.log_index,
        after.id,
        limit,
    )
    .fetch_all(db)
    .await
}

/// The approvals in force of an operator on a chain, after a position.
pub(crate) async fn list_grantors(
    db: impl PgExecutor<'_>,
    operator: Address,
    chain_id: ChainId,
    after: Position,
    limit: i64,
) -> Result<Vec<Approval>, sqlx::Error> {
    sqlx::query_as!(
        Approval,
        r#"select id, chain_id, contract, owner, operator, token_id::text, is_approved, 'approval' as "cause!",
                  block_number, block_hash, block_time, tx_hash, log_index
           from approvals
           where operator = $1 and chain_id = $2 and is_approved and (block_number, log_index, id) < ($3, $4, $5)
           order by block_number desc, log_index desc, id desc limit $6"#,
        operator.to_lower(),
        chain_id.to_string(),
        after.block_number,
        after.log_index,
        after.id,
        limit,
    )
    .fetch_all(db)
    .await
}

/// What an owner gave and took back on a chain, and what transfers took, after a position.
pub(crate) async fn list_history(
    db: impl PgExecutor<'_>,
    owner: Address,
    chain_id: ChainId,
    after: Position,
    limit: i64,
) -> Result<Vec<Approval>, sqlx::Error> {
    sqlx::query_as!(
        Approval,
        r#"select id, chain_id, contract, owner, operator, token_id::text, is_approved, cause,
                  block_number, block_hash, block_time, tx_hash, log_index
           from approvals_history
           where owner = $1 and chain_id = $2 and is_shown and (block_number, log_index, id) < ($3, $4, $5)
           order by block_number desc, log_index desc, id desc limit $6"#,
        owner.to_lower(),
        chain_id.to_string(),
        after.block_number,
        after.log_index,
        after.id,
        limit,
    )
    .fetch_all(db)
    .await
}
