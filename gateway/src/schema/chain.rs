//! Chains, and how far each is read.

use async_graphql::{Context, ID, Json, Object, Result, SimpleObject};
use proto::{
    chainregistry::v1::{self as pb, ListChainsRequest},
    indexer::v1::ListCheckpointsRequest,
};

use super::{
    index_status::IndexStatus,
    node,
    scalar::{
        Address, BigInt, ChainId, ChainNumber, DateTime, Uri, moment, moment_of, ours, ours_or_none, text,
    },
};
use crate::{error::failed, loaders::Loaders, peers::Peers};

/// A chain that the launchpad works with.
#[derive(Clone)]
pub(crate) struct Chain(pub(crate) pb::Chain);

/// A currency.
#[derive(SimpleObject, Clone)]
pub(crate) struct Currency {
    /// `ETH`.
    symbol: String,
    /// How many decimals its smallest unit has.
    pub(crate) decimals: u32,
    /// The token contract; null for the native currency.
    address: Option<Address>,
}

impl Currency {
    /// What accounts pay in where no chain is named.
    pub(crate) fn ether() -> Currency {
        Currency { symbol: "ETH".to_owned(), decimals: 18, address: None }
    }
}

/// A contract that the launchpad knows by name.
#[derive(SimpleObject, Clone)]
pub(crate) struct ChainContract {
    /// What it is known as.
    name: String,
    /// Where it is.
    address: Address,
    /// What it is.
    standard: Option<String>,
    /// The block that it is read from.
    start_block: BigInt,
    /// Where its code is, if it is a proxy.
    impl_address: Option<Address>,
    /// The SHA-256 of its interface as JSON, where one is registered: 64 hexadecimal digits.
    abi_sha256: Option<String>,
    /// When it was registered.
    first_seen_at: Option<DateTime>,
}

/// What a transaction offers for gas on a chain.
#[derive(SimpleObject, Clone)]
pub(crate) struct GasPolicy {
    /// The most that is offered for a unit of gas, in gwei; null where nothing caps it.
    max_fee_gwei: Option<String>,
    /// What is offered to who builds the block, in gwei; null where the chain is asked.
    priority_fee_gwei: Option<String>,
    /// The observed base fee times this is offered.
    multiplier: String,
    /// The base fee that was seen last, in gwei.
    last_observed_base_fee_gwei: Option<String>,
    /// When the policy was last changed.
    updated_at: DateTime,
}

#[Object]
impl Chain {
    pub(crate) async fn id(&self) -> ID {
        node::id("Chain", &self.0.chain_id)
    }

    /// As CAIP-2 names it.
    async fn chain_id(&self) -> Result<ChainId> {
        ours(&self.0.chain_id)
    }

    /// As the chain calls itself.
    async fn chain_numeric(&self) -> ChainNumber {
        ChainNumber(self.0.chain_numeric)
    }

    /// As people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn native_currency(&self) -> Currency {
        Currency { symbol: self.0.native_symbol.clone(), decimals: self.0.decimals, address: None }
    }

    async fn explorer_url(&self) -> Option<Uri> {
        text(&self.0.explorer_url).map(Uri)
    }

    /// Whether it can be used.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    async fn contracts(&self) -> Result<Vec<ChainContract>> {
        self.0.contracts.iter().map(contract).collect()
    }

    /// Blocks that make a transaction confirmed.
    async fn confirmations(&self) -> u32 {
        self.0.confirmations
    }

    /// How long a block usually takes, in milliseconds; null where nobody said.
    async fn block_time_ms(&self) -> Option<BigInt> {
        (self.0.block_time_millis > 0).then(|| BigInt(amounts::U256::from(self.0.block_time_millis)))
    }

    /// After so many blocks nothing is taken back any more; null where nobody said.
    async fn finality_blocks(&self) -> Option<u32> {
        (self.0.finality_blocks > 0).then_some(self.0.finality_blocks)
    }

    /// Switches of this chain: an object.
    async fn features(&self) -> Result<Json<serde_json::Value>> {
        match self.0.features_json.as_str() {
            "" => Ok(Json(serde_json::Value::Object(serde_json::Map::new()))),
            features => ours(features).map(Json),
        }
    }

    /// What transactions offer for gas; null where nothing was set.
    async fn gas_policy(&self) -> Option<GasPolicy> {
        self.0.gas_policy.as_ref().map(gas_policy)
    }

    /// Grows with every change of the registry.
    async fn registry_version(&self) -> BigInt {
        BigInt(amounts::U256::from(self.0.version))
    }

    /// How far it is read; null with an error while the indexer is away.
    async fn index_status(&self, context: &Context<'_>) -> Option<Result<IndexStatus>> {
        let asked = ListCheckpointsRequest { chain_id: self.0.chain_id.clone() };
        let peers = context.data_unchecked::<Peers>();
        match peers.indexer.clone().list_checkpoints(asked).await {
            Ok(answer) => answer.into_inner().checkpoints.pop().as_ref().and_then(IndexStatus::of),
            Err(status) => Some(Err(failed(&status))),
        }
    }
}

impl Chain {
    /// What the launchpad knows the contract at an address as.
    pub(crate) fn contract_name(&self, address: &str) -> Option<String> {
        let found = self.0.contracts.iter().find(|known| known.address.eq_ignore_ascii_case(address));
        found.and_then(|known| text(&known.name))
    }

    /// The currency of that contract, of the native one for an empty address; nothing for one whose decimals nobody knows.
    pub(crate) fn currency(&self, address: &str) -> Option<Currency> {
        let native =
            Currency { symbol: self.0.native_symbol.clone(), decimals: self.0.decimals, address: None };
        if address.is_empty() {
            return Some(native);
        }
        // The wrapped currency counts as the native one does.
        let is_wrapped = self.contract_name(address).is_some_and(|name| name == "wrapped_native");
        let symbol = format!("W{}", native.symbol);
        is_wrapped.then(|| Currency { symbol, address: address.parse().ok(), ..native })
    }
}

pub(crate) fn contract(contract: &pb::Contract) -> Result<ChainContract> {
    Ok(ChainContract {
        name: contract.name.clone(),
        address: ours(&contract.address)?,
        standard: text(&contract.standard),
        start_block: BigInt(amounts::U256::from(contract.start_block)),
        impl_address: ours_or_none(&contract.impl_address)?,
        abi_sha256: text(&contract.abi_sha256),
        first_seen_at: moment(contract.first_seen_time.as_ref()),
    })
}

fn gas_policy(policy: &pb::GasPolicy) -> GasPolicy {
    GasPolicy {
        max_fee_gwei: text(&policy.max_fee_gwei),
        priority_fee_gwei: text(&policy.priority_fee_gwei),
        multiplier: policy.multiplier.clone(),
        last_observed_base_fee_gwei: text(&policy.last_observed_base_fee_gwei),
        updated_at: moment_of(policy.update_time.as_ref()),
    }
}

#[derive(Default)]
pub(crate) struct ChainQuery;

#[Object]
impl ChainQuery {
    /// The chains that can be used; with `enabled: false` the others.
    async fn chains(
        &self,
        context: &Context<'_>,
        #[graphql(default = true)] enabled: bool,
    ) -> Result<Vec<Chain>> {
        let asked = ListChainsRequest { include_disabled: !enabled };
        let peers = context.data_unchecked::<Peers>();
        let answer = peers.chains.clone().list_chains(asked).await.map_err(|status| failed(&status))?;
        let chains = answer.into_inner().chains.into_iter();
        Ok(chains.filter(|chain| chain.enabled == enabled).map(Chain).collect())
    }

    /// One chain.
    async fn chain(&self, context: &Context<'_>, chain_id: ChainId) -> Option<Result<Chain>> {
        load(context, chain_id.0).await
    }
}

/// The chain of that id, by the request's loader.
pub(crate) async fn load(context: &Context<'_>, chain_id: ids::ChainId) -> Option<Result<Chain>> {
    match context.data_unchecked::<Loaders>().chains.load_one(chain_id).await {
        Ok(found) => found.map(|row| Ok(Chain(row))),
        Err(status) => Some(Err(failed(&status))),
    }
}
