//! The chains as the registry tells of them, kept for a moment, each with its node.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use evm::{Endpoint, Node};
use ids::{Address, ChainId};
use proto::chainregistry::v1::{
    Chain as WireChain, GetChainRequest, ListEndpointsRequest,
    chain_registry_service_client::ChainRegistryServiceClient,
};
use rpc::Channel;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tonic::Code;

use crate::{error::Error, fees::GasPolicy};

const ANSWERS_WITHIN: Duration = Duration::from_millis(1500);
/// How long an answer of the registry is taken for granted.
const FRESH_FOR: Duration = Duration::from_secs(3);
/// How long it stands in while the registry is away.
const STALE_FOR: Duration = Duration::from_secs(600);

/// One chain.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) chain_id: ChainId,
    pub(crate) name: String,
    pub(crate) is_enabled: bool,
    pub(crate) confirmations: u32,
    /// In the order of their registration: the last one makes new collections.
    pub(crate) factories: Vec<Address>,
    pub(crate) gas_policy: GasPolicy,
    pub(crate) node: Node,
}

type Slot = Arc<Mutex<Option<(Instant, Arc<Chain>)>>>;

/// All chains that were asked for.
#[derive(Clone)]
pub(crate) struct Chains {
    registry: ChainRegistryServiceClient<Channel>,
    slots: Arc<StdMutex<HashMap<ChainId, Slot>>>,
}

impl Chains {
    pub(crate) fn new(registry: ChainRegistryServiceClient<Channel>) -> Chains {
        Chains { registry, slots: Arc::default() }
    }

    /// A chain that new intents may use.
    pub(crate) async fn get_enabled(&self, chain_id: ChainId) -> Result<Arc<Chain>, Error> {
        let chain = self.get(chain_id).await?;
        if chain.is_enabled { Ok(chain) } else { Err(Error::ChainDisabled) }
    }

    /// A chain, enabled or not: what is on its way is followed to its end.
    pub(crate) async fn get(&self, chain_id: ChainId) -> Result<Arc<Chain>, Error> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(chain_id).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some((read_at, chain)) = &*slot
            && read_at.elapsed() < FRESH_FOR
        {
            return Ok(Arc::clone(chain));
        }
        let known = slot.as_ref().map(|(_, chain)| chain.node.clone());
        match (self.read(chain_id, known).await, &*slot) {
            (Ok(chain), _) => {
                let chain = Arc::new(chain);
                *slot = Some((Instant::now(), Arc::clone(&chain)));
                Ok(chain)
            }
            (Err(Error::Unavailable(_)), Some((read_at, chain))) if read_at.elapsed() < STALE_FOR => {
                Ok(Arc::clone(chain))
            }
            (Err(err), _) => Err(err),
        }
    }

    async fn read(&self, chain_id: ChainId, node: Option<Node>) -> Result<Chain, Error> {
        let request = GetChainRequest { chain_id: chain_id.to_string() };
        let mut registry = self.registry.clone();
        let wire = match timeout(ANSWERS_WITHIN, registry.get_chain(request)).await {
            Ok(Ok(answer)) => answer.into_inner().chain.ok_or(Error::ChainDisabled)?,
            Ok(Err(status)) if status.code() == Code::NotFound => return Err(Error::ChainDisabled),
            Ok(Err(_)) | Err(_) => return Err(Error::Unavailable("chain-registry")),
        };
        let request = ListEndpointsRequest { chain_id: chain_id.to_string() };
        let listed = match timeout(ANSWERS_WITHIN, registry.list_endpoints(request)).await {
            Ok(Ok(answer)) => answer.into_inner().endpoints,
            Ok(Err(_)) | Err(_) => return Err(Error::Unavailable("chain-registry")),
        };
        let endpoints: Vec<Endpoint> = listed
            .iter()
            .filter(|endpoint| endpoint.active && endpoint.url.starts_with("http"))
            .filter_map(|wire| Endpoint::parse(&wire.url, &wire.auth_type, wire.priority, wire.weight).ok())
            .collect();
        let node = match node {
            Some(node) => {
                node.update_endpoints(endpoints);
                node
            }
            None => Node::new(chain_id, endpoints),
        };
        Ok(Chain::of(chain_id, wire, node))
    }
}

impl Chain {
    fn of(chain_id: ChainId, wire: WireChain, node: Node) -> Chain {
        let factories = wire.contracts.iter().filter(|contract| contract.standard == "factory");
        let policy = wire.gas_policy.unwrap_or_default();
        let gas_policy =
            GasPolicy::parse(&policy.max_fee_gwei, &policy.priority_fee_gwei, &policy.multiplier);
        Chain {
            chain_id,
            name: wire.name,
            is_enabled: wire.enabled,
            confirmations: wire.confirmations.max(1),
            factories: factories.filter_map(|contract| contract.address.parse().ok()).collect(),
            gas_policy: gas_policy.unwrap_or_default(),
            node,
        }
    }
}
