//! Registers a contract of a chain, with its interface if that is given. What is there already makes no new version.

use ids::ChainId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::{
    error::Error,
    model::{ABI_MAX_BYTES, Contract},
    store,
};

/// A contract as it should be.
pub(crate) struct ContractAsk {
    pub(crate) chain_id: ChainId,
    pub(crate) contract: Contract,
    /// The interface as JSON; empty to leave it as it is.
    pub(crate) abi_json: String,
}

pub(crate) async fn upsert_contract(db: &PgPool, actor: &str, ask: &ContractAsk) -> Result<i64, Error> {
    let ContractAsk { chain_id, contract, abi_json } = ask;
    let abi = parse_abi(abi_json)?;
    let violations = contract.violations();
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    let sha256 = abi.as_ref().map(|_| hex::encode(Sha256::digest(abi_json.as_bytes())));

    let address = contract.address.to_lower();
    let mut tx = db.begin().await?;
    let version = store::lock_version(&mut tx).await?;
    let before = store::find_contract(&mut tx, *chain_id, &address).await?;
    if let Some((was, was_sha256)) = &before
        && was == contract
        && (sha256.is_none() || sha256 == *was_sha256)
    {
        return Ok(version);
    }

    if let (Some(abi), Some(sha256)) = (&abi, &sha256) {
        let size = i32::try_from(abi_json.len()).unwrap_or(i32::MAX);
        store::upsert_abi(&mut tx, sha256, size, contract, abi).await?;
    }
    let written = store::upsert_contract(&mut tx, *chain_id, contract, sha256.as_deref()).await?;
    let id = written.ok_or(Error::ChainUnknown(*chain_id))?;
    let impl_before = before.as_ref().and_then(|(was, _)| was.impl_address);
    if let Some(now) = contract.impl_address.filter(|now| impl_before != Some(*now)) {
        let was = impl_before.map(|was| was.to_lower());
        store::insert_impl_history(&mut tx, id, &now.to_lower(), was.as_deref()).await?;
    }
    let subject = format!("{chain_id}/{address}");
    let was = before.map(|(was, sha256)| json!({ "contract": was, "abiSha256": sha256 }));
    let is = json!({ "contract": contract, "abiSha256": sha256 });
    let version = store::insert_audit(&mut tx, actor, "contract.upserted", &subject, was, is).await?;
    tx.commit().await?;
    Ok(version)
}

fn parse_abi(text: &str) -> Result<Option<Value>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > ABI_MAX_BYTES {
        return Err(Error::field("abi_json", format!("must be at most {ABI_MAX_BYTES} bytes")));
    }
    match serde_json::from_str::<Value>(text) {
        Ok(abi @ Value::Array(_)) => Ok(Some(abi)),
        Ok(_) => Err(Error::field("abi_json", "must be a JSON array")),
        Err(err) => Err(Error::field("abi_json", err)),
    }
}
