//! A file of chains that a registry starts with. It adds what is missing and never undoes what an operator changed.

use std::{io::ErrorKind, path::Path};

use anyhow::Context;
use chrono::Utc;
use ids::{Address, ChainId};
use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::PgPool;

use crate::{
    blobs::Blobs,
    chain_state::ChainState,
    endpoint::Endpoint,
    model::{Chain, Contract, GasPolicy},
    store,
    upsert_chain::{ChainAsk, upsert_chain},
    upsert_contract::{ContractAsk, upsert_contract},
};

const ACTOR: &str = "seed";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    chains: Vec<SeedChain>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedChain {
    chain_id: ChainId,
    name: String,
    native_symbol: String,
    #[serde(default = "eighteen")]
    decimals: i32,
    #[serde(default)]
    explorer_url: Option<String>,
    #[serde(default = "yes")]
    enabled: bool,
    confirmations: i32,
    reorg_depth: i32,
    #[serde(default)]
    block_time_millis: i32,
    #[serde(default)]
    finality_blocks: i32,
    #[serde(default)]
    features: Map<String, Value>,
    endpoints: Vec<SeedEndpoint>,
    #[serde(default)]
    contracts: Vec<SeedContract>,
    #[serde(default)]
    gas_policy: Option<SeedGasPolicy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedEndpoint {
    url: String,
    #[serde(default)]
    priority: i32,
    #[serde(default = "one")]
    weight: i32,
    #[serde(default = "none")]
    auth_type: String,
    #[serde(default)]
    rate_limit: i32,
    #[serde(default = "yes")]
    active: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedContract {
    name: String,
    address: Address,
    #[serde(default)]
    start_block: i64,
    standard: String,
    #[serde(default)]
    impl_address: Option<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedGasPolicy {
    #[serde(default)]
    max_fee_gwei: Option<String>,
    #[serde(default)]
    priority_fee_gwei: Option<String>,
    multiplier: String,
}

/// Takes over the chains and contracts of the file that the registry does not have. A file that is not there is fine.
pub(crate) async fn sow(db: &PgPool, blobs: &Blobs, path: &Path) -> anyhow::Result<()> {
    let text = match tokio::fs::read_to_string(path).await {
        Ok(text) => text,
        Err(err) if err.kind() == ErrorKind::NotFound => {
            tracing::info!(path = %path.display(), "no seed file");
            return Ok(());
        }
        Err(err) => return Err(err).with_context(|| format!("seed: cannot read {}", path.display())),
    };
    let seed: Seed = serde_json::from_str(&text).with_context(|| format!("seed: {}", path.display()))?;
    let known = store::list_chains(&mut *db.acquire().await?, None).await?;
    for chain in seed.chains {
        let chain_id = chain.chain_id;
        let before = known.iter().find(|known| known.chain_id == chain_id);
        let (chain, endpoints, contracts) = chain.split();
        if before.is_none() {
            let ask = ChainAsk { state: ChainState { chain, endpoints }, expected_version: 0 };
            upsert_chain(db, ACTOR, ask).await.with_context(|| format!("seed: chain {chain_id}"))?;
        }
        for contract in contracts {
            let is_known =
                before.is_some_and(|chain| chain.contracts.iter().any(|k| k.address == contract.address));
            if !is_known {
                let ask = ContractAsk {
                    chain_id,
                    contract,
                    abi_json: None,
                    compiler: None,
                    source: None,
                    expected_version: 0,
                };
                upsert_contract(db, blobs, ACTOR, ask)
                    .await
                    .with_context(|| format!("seed: a contract of {chain_id}"))?;
            }
        }
    }
    Ok(())
}

impl SeedChain {
    fn split(self) -> (Chain, Vec<Endpoint>, Vec<Contract>) {
        let chain = Chain {
            chain_id: self.chain_id,
            name: self.name,
            native_symbol: self.native_symbol,
            decimals: self.decimals,
            explorer_url: self.explorer_url.filter(|url| !url.is_empty()),
            enabled: self.enabled,
            confirmations: self.confirmations,
            reorg_depth: self.reorg_depth,
            block_time_millis: self.block_time_millis,
            finality_blocks: self.finality_blocks,
            features: self.features,
            contracts: Vec::new(),
            gas_policy: self.gas_policy.map(|policy| GasPolicy {
                max_fee_gwei: policy.max_fee_gwei,
                priority_fee_gwei: policy.priority_fee_gwei,
                multiplier: policy.multiplier,
                updated_at: Utc::now(),
            }),
        };
        let endpoint = |seed: SeedEndpoint| {
            let SeedEndpoint { url, priority, weight, auth_type, rate_limit, active } = seed;
            Endpoint { url, priority, weight, auth_type, rate_limit, active }
        };
        let contract = |seed: SeedContract| {
            let SeedContract { name, address, start_block, standard, impl_address } = seed;
            let (abi_sha256, first_seen_at) = (None, Utc::now());
            Contract { name, address, start_block, standard, impl_address, abi_sha256, first_seen_at }
        };
        let endpoints = self.endpoints.into_iter().map(endpoint).collect();
        (chain, endpoints, self.contracts.into_iter().map(contract).collect())
    }
}

fn eighteen() -> i32 {
    18
}

fn one() -> i32 {
    1
}

fn yes() -> bool {
    true
}

fn none() -> String {
    "none".to_owned()
}
