//! The nodes of the chains, by the endpoints that the registry named within the last minute; while it is away, by those
//! that it named last. A node is used when the validator was found to work on it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use evm::{Endpoint, Limits, Node};
use ids::ChainId;
use proto::chainregistry::v1::{
    ListEndpointsRequest, chain_registry_service_client::ChainRegistryServiceClient,
};
use rpc::Channel;
use tokio::{sync::Mutex, time::Instant};

use super::probe::Probe;
use crate::error::Error;

const FRESH_FOR: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A registry that is away is not asked at every sign-in.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// A verdict is one byte; what is longer than this is not read.
const LIMITS: Limits =
    Limits { endpoint: Duration::from_secs(2), call: Duration::from_secs(3), answer_bytes: 64 * 1024 };
/// A block's header comes with the hashes of all its transactions.
pub(super) const HEADER_LIMITS: Limits = Limits { answer_bytes: 2 * 1024 * 1024, ..LIMITS };

/// A chain without an endpoint may be given one at any moment.
fn fresh_for(endpoints: &[Endpoint]) -> Duration {
    if endpoints.is_empty() { LOOK_AGAIN_AFTER } else { FRESH_FOR }
}

/// The nodes. Clones share them.
#[derive(Clone)]
pub(super) struct Nodes {
    registry: ChainRegistryServiceClient<Channel>,
    known: Arc<Mutex<HashMap<ChainId, Known>>>,
}

struct Known {
    endpoints: Vec<Endpoint>,
    node: Node,
    probe: Arc<Probe>,
    ask_at: Instant,
}

impl Nodes {
    pub(super) fn new(registry: ChainRegistryServiceClient<Channel>) -> Nodes {
        Nodes { registry, known: Arc::default() }
    }

    /// The chain's node, on which the validator works.
    pub(super) async fn probed(&self, chain_id: ChainId) -> Result<Node, Error> {
        let (node, probe) = self.known(chain_id).await?;
        probe.pass(&node).await?;
        Ok(node)
    }

    async fn known(&self, chain_id: ChainId) -> Result<(Node, Arc<Probe>), Error> {
        // Held while asking: one question at a time, and whoever waits gets its answer.
        let mut all = self.known.lock().await;
        let is_due = all.get(&chain_id).is_none_or(|known| known.ask_at <= Instant::now());
        if is_due {
            match (self.ask(chain_id).await, all.get_mut(&chain_id)) {
                (Ok(endpoints), Some(known)) => {
                    if known.endpoints != endpoints {
                        known.node.update_endpoints(endpoints.clone());
                        (known.endpoints, known.probe) = (endpoints, Arc::default());
                    }
                    known.ask_at = Instant::now() + fresh_for(&known.endpoints);
                }
                (Ok(endpoints), None) => {
                    let node = Node::new(chain_id, endpoints.clone()).with_limits(LIMITS);
                    let ask_at = Instant::now() + fresh_for(&endpoints);
                    all.insert(chain_id, Known { endpoints, node, probe: Arc::default(), ask_at });
                }
                (Err(why), known) => {
                    tracing::warn!(chain.id = %chain_id, error = why, "the chain registry does not tell where a chain is");
                    if let Some(known) = known {
                        known.ask_at = Instant::now() + ASK_AGAIN_AFTER;
                    }
                }
            }
        }
        let known = all.get(&chain_id).ok_or(Error::Unavailable("chain-registry"))?;
        Ok((known.node.clone(), Arc::clone(&known.probe)))
    }

    async fn ask(&self, chain_id: ChainId) -> Result<Vec<Endpoint>, String> {
        let mut registry = self.registry.clone();
        let asking = registry.list_endpoints(ListEndpointsRequest { chain_id: chain_id.to_string() });
        let answer =
            tokio::time::timeout(ANSWERS_WITHIN, asking).await.map_err(|_| "timed out".to_owned())?;
        let listed = answer.map_err(|status| status.message().to_owned())?.into_inner().endpoints;
        // Those for WebSocket are for whoever follows a chain.
        Ok(listed
            .iter()
            .filter(|entry| entry.active)
            .filter_map(|entry| {
                Endpoint::parse(&entry.url, &entry.auth_type, entry.priority, entry.weight).ok()
            })
            .collect())
    }
}
