//! Writes a chain, its gas policy and its endpoints as one version. What is there already makes no new version.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    endpoint::{Endpoint, endpoint_violations},
    error::Error,
    model::{Chain, Violation},
    store,
};

/// A chain as it should be. Its contracts are left alone, and so is a gas policy that is not given.
pub(crate) struct ChainAsk {
    pub(crate) chain: Chain,
    pub(crate) endpoints: Vec<Endpoint>,
    /// The version that the caller has read; zero for "whatever it is".
    pub(crate) expected_version: u64,
}

pub(crate) async fn upsert_chain(db: &PgPool, actor: &str, mut ask: ChainAsk) -> Result<(Chain, i64), Error> {
    let mut violations: Vec<Violation> = ask.chain.violations();
    violations.extend(endpoint_violations(&ask.endpoints));
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    let chain_id = ask.chain.chain_id;
    let mut tx = db.begin().await?;
    let version = store::lock_version(&mut tx).await?;
    check_version(ask.expected_version, version)?;
    let before = store::list_chains(&mut tx, Some(chain_id)).await?.pop();
    let mut endpoints_before = match store::find_endpoints(&mut *tx, chain_id).await? {
        Some((_, endpoints)) => endpoints,
        None => Vec::new(),
    };
    if let Some(before) = &before {
        ask.chain.keep(before);
    }
    endpoints_before.sort();
    ask.endpoints.sort();
    if before.as_ref() == Some(&ask.chain) && endpoints_before == ask.endpoints {
        return Ok((ask.chain, version));
    }

    let id = store::upsert_chain(&mut tx, &ask.chain).await?;
    if let Some(policy) = &ask.chain.gas_policy {
        store::upsert_gas_policy(&mut tx, id, policy).await?;
    }
    store::replace_endpoints(&mut tx, id, &ask.endpoints).await?;
    let picture = |chain: &Chain, endpoints: &[Endpoint]| -> Value {
        json!({ "chain": chain, "endpoints": endpoints.iter().map(Endpoint::redacted).collect::<Vec<_>>() })
    };
    let was = before.as_ref().map(|before| picture(before, &endpoints_before));
    let is = picture(&ask.chain, &ask.endpoints);
    let version =
        store::insert_audit(&mut tx, actor, "chain.upserted", &chain_id.to_string(), was, is).await?;
    tx.commit().await?;
    Ok((ask.chain, version))
}

impl Chain {
    /// Takes over what a chain's writer does not decide, so that an equal chain compares equal.
    fn keep(&mut self, before: &Chain) {
        self.contracts.clone_from(&before.contracts);
        match (&mut self.gas_policy, &before.gas_policy) {
            (Some(policy), Some(before)) => {
                if policy.last_observed_base_fee_gwei.is_none() {
                    policy.last_observed_base_fee_gwei.clone_from(&before.last_observed_base_fee_gwei);
                }
                let written_at = std::mem::replace(&mut policy.updated_at, before.updated_at);
                if *policy != *before {
                    policy.updated_at = written_at;
                }
            }
            (policy @ None, Some(before)) => *policy = Some(before.clone()),
            _ => {}
        }
    }
}

/// A writer that names a version must have read the newest one.
pub(crate) fn check_version(expected: u64, current: i64) -> Result<(), Error> {
    let current = u64::try_from(current).unwrap_or_default();
    match expected {
        0 => Ok(()),
        expected if expected == current => Ok(()),
        expected => Err(Error::Stale { expected, current }),
    }
}
