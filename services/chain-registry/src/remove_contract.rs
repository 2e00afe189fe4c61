//! Forgets a contract with its history. Its interface stays: others may have the same.

use ids::{Address, ChainId};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    change::{Change, Note},
    error::Error,
    store,
};

pub(crate) async fn remove_contract(
    db: &PgPool,
    actor: &str,
    chain_id: ChainId,
    address: Address,
    expected_version: u64,
) -> Result<i64, Error> {
    let mut change = Change::begin(db, expected_version).await?;
    let found = store::find_contract(&mut *change.tx, chain_id, address).await?;
    let (id, contract) = found.ok_or(Error::ContractUnknown)?;
    store::delete_contract(&mut change.tx, id).await?;
    let subject = format!("{chain_id}/{}", address.to_lower());
    let (before, after) = (Some(json!({ "contract": contract })), json!({}));
    change.commit(Note { actor, action: "contract.removed", subject: &subject, before, after }).await
}
