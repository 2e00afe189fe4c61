//! The chains as the registry tells of them, reduced to what intents need.

use std::sync::Arc;

use chains::Lookup;
use evm::Node;
use ids::{Address, ChainId};
use proto::chainregistry::v1::chain_registry_service_client::ChainRegistryServiceClient;
use rpc::Channel;
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// One chain.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) chain_id: ChainId,
    pub(crate) name: String,
    pub(crate) is_enabled: bool,
    pub(crate) confirmations: u32,
    /// How deep a reorganisation may reach.
    pub(crate) reorg_depth: u32,
    /// In the order of their registration: the last one makes new collections.
    pub(crate) factories: Vec<Address>,
    /// Where orders are filled: the last exchange that was registered.
    pub(crate) exchange: Option<Address>,
    /// The ERC-20 that wraps the native currency: what offers are made in.
    pub(crate) wrapped_native: Option<Address>,
    /// The ERC-20s that the registry knows, the wrapped one among them: nothing is traded in others.
    pub(crate) currencies: Vec<Address>,
    /// Of the native currency, for people.
    pub(crate) native_symbol: String,
    pub(crate) node: Node,
}

/// All chains. Clones share what is known.
#[derive(Clone)]
pub(crate) struct Chains(::chains::Chains);

impl Chains {
    /// The chains, and the task that follows the registry.
    pub(crate) fn watch(
        registry: ChainRegistryServiceClient<Channel>,
        stopping: CancellationToken,
    ) -> (Chains, impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let (chains, watching) = ::chains::Chains::watch(registry, stopping);
        (Chains(chains), watching)
    }

    /// A chain that new intents may use.
    pub(crate) async fn get_enabled(&self, chain_id: ChainId) -> Result<Arc<Chain>, Error> {
        let chain = self.get(chain_id).await?;
        if chain.is_enabled { Ok(chain) } else { Err(Error::ChainDisabled) }
    }

    /// A chain, enabled or not: what is on its way is followed to its end.
    pub(crate) async fn get(&self, chain_id: ChainId) -> Result<Arc<Chain>, Error> {
        match self.0.get(chain_id).await {
            Ok(known) => Ok(Arc::new(Chain::of(&known))),
            Err(Lookup::Unknown) => Err(Error::ChainDisabled),
            Err(Lookup::Unavailable) => Err(Error::Unavailable("chain-registry")),
        }
    }
}

impl Chain {
    fn of(known: &::chains::Chain) -> Chain {
        let wrapped_native = known.contract_named("wrapped_native");
        Chain {
            chain_id: known.chain_id,
            name: known.name.clone(),
            is_enabled: known.is_enabled,
            confirmations: known.confirmations,
            reorg_depth: known.reorg_depth,
            factories: known.contracts_of("factory").map(|factory| factory.address).collect(),
            exchange: known.contracts_of("exchange").next_back().map(|exchange| exchange.address),
            wrapped_native: wrapped_native.map(|wrapped| wrapped.address),
            currencies: known.contracts_of("ERC20").map(|currency| currency.address).collect(),
            native_symbol: known.native_symbol.clone(),
            node: known.node.clone(),
        }
    }
}
