//! The nodes of the chains, as the registry tells of them. A node is used when the validator was found to work on it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chains::{Chain, Chains};
use evm::{Endpoint, Limits, Node};
use ids::ChainId;

use super::probe::Probe;
use crate::error::Error;

/// A verdict is one byte; what is longer than this is not read.
const LIMITS: Limits =
    Limits { endpoint: Duration::from_secs(2), call: Duration::from_secs(3), answer_bytes: 64 * 1024 };
/// A block's header comes with the hashes of all its transactions.
pub(super) const HEADER_LIMITS: Limits = Limits { answer_bytes: 2 * 1024 * 1024, ..LIMITS };

/// The nodes. Clones share what was found out about them.
#[derive(Clone)]
pub(super) struct Nodes {
    chains: Chains,
    probes: Arc<Mutex<HashMap<ChainId, Probed>>>,
}

/// The trial of a chain, and the endpoints that it holds for.
struct Probed {
    endpoints: Vec<Endpoint>,
    probe: Arc<Probe>,
}

impl Nodes {
    pub(super) fn new(chains: Chains) -> Nodes {
        Nodes { chains, probes: Arc::default() }
    }

    /// The chain's node, on which the validator works.
    pub(super) async fn probed(&self, chain_id: ChainId) -> Result<Node, Error> {
        let chain = self.chains.get(chain_id).await.map_err(|why| {
            tracing::warn!(chain.id = %chain_id, error = %why, "the chain registry does not tell where a chain is");
            Error::Unavailable("chain-registry")
        })?;
        let node = chain.node.with_limits(LIMITS);
        self.probe_of(&chain).pass(&node).await?;
        Ok(node)
    }

    fn probe_of(&self, chain: &Chain) -> Arc<Probe> {
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        match probes.get(&chain.chain_id) {
            Some(known) if known.endpoints == chain.endpoints => Arc::clone(&known.probe),
            _ => {
                let probe = Arc::<Probe>::default();
                let probed = Probed { endpoints: chain.endpoints.clone(), probe: Arc::clone(&probe) };
                probes.insert(chain.chain_id, probed);
                probe
            }
        }
    }
}
