//! The chains, by the endpoints that the registry names; a call of a contract's view.

use std::{sync::Arc, time::Duration};

use alloy::primitives::Bytes;
use evm::{Endpoint, Limits, Node, NodeError};
use ids::{AccountId, ChainId};
use moka::future::Cache;
use proto::chainregistry::v1::{
    ListEndpointsRequest, chain_registry_service_client::ChainRegistryServiceClient,
};
use tonic::Status;

use crate::config::Peers;

const ENDPOINTS_VALID_FOR: Duration = Duration::from_secs(60);
const CHAINS_AT_MOST: u64 = 64;
/// A `data:` URI of the largest document, in base64 and then in hexadecimal, with room to spare.
const LIMITS: Limits =
    Limits { endpoint: Duration::from_secs(3), call: Duration::from_secs(6), answer_bytes: 2 * 1024 * 1024 };

/// Clones share what is cached.
#[derive(Clone)]
pub(crate) struct Chains {
    registry: ChainRegistryServiceClient<rpc::Channel>,
    nodes: Cache<ChainId, Node>,
}

/// Why a contract gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Silence {
    #[error("the registry does not tell the chain's endpoints: {0}")]
    Registry(Arc<Status>),
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl Chains {
    pub(crate) fn connect(peers: &Peers, identity: &rpc::Identity) -> anyhow::Result<Chains> {
        let registry = rpc::channel("chain-registry", &peers.chain_registry, identity)?;
        let nodes = Cache::builder().max_capacity(CHAINS_AT_MOST).time_to_live(ENDPOINTS_VALID_FOR).build();
        Ok(Chains { registry: ChainRegistryServiceClient::new(registry), nodes })
    }

    pub(crate) async fn view(&self, contract: AccountId, data: Vec<u8>) -> Result<Bytes, Silence> {
        let chain_id = contract.chain_id;
        let node = self
            .nodes
            .try_get_with(chain_id, self.ask_registry(chain_id))
            .await
            .map_err(Silence::Registry)?;
        Ok(node.view(contract.address.into(), data.into()).await?)
    }

    async fn ask_registry(&self, chain_id: ChainId) -> Result<Node, Status> {
        let request = ListEndpointsRequest { chain_id: chain_id.to_string() };
        let answer = self.registry.clone().list_endpoints(request).await?.into_inner();
        let mut endpoints = Vec::new();
        for entry in answer.endpoints.into_iter().filter(|entry| entry.active) {
            match Endpoint::parse(&entry.url, &entry.auth_type, entry.priority, entry.weight) {
                Ok(endpoint) => endpoints.push(endpoint),
                // WebSocket endpoints are for those who follow a chain.
                Err(err) => tracing::debug!(chain.id = %chain_id, error = %err, "endpoint left out"),
            }
        }
        Ok(Node::new(chain_id, endpoints).with_limits(LIMITS))
    }
}
