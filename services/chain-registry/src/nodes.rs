//! The chains as the registry itself asks them. A node keeps what it knows of its endpoints' health over versions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use evm::{Limits, Node};
use ids::ChainId;

use crate::{error::Error, model::Stamp, snapshot::Snapshot};

const LIMITS: Limits =
    Limits { endpoint: Duration::from_secs(2), call: Duration::from_secs(5), answer_bytes: 1024 * 1024 };

/// Clones share the nodes.
#[derive(Clone, Default)]
pub(crate) struct Nodes(Arc<Mutex<HashMap<ChainId, Known>>>);

struct Known {
    node: Node,
    /// Whose endpoints it has.
    stamp: Option<Stamp>,
}

impl Nodes {
    /// The node of an enabled chain, with the endpoints of this snapshot.
    pub(crate) fn get(&self, chain_id: ChainId, snapshot: &Snapshot) -> Result<Node, Error> {
        let chain = snapshot.find(chain_id).ok_or(Error::ChainUnknown(chain_id))?;
        if !chain.enabled {
            return Err(Error::ChainDisabled(chain_id));
        }
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = nodes.entry(chain_id).or_insert_with(|| {
            let node = Node::new(chain_id, Vec::new()).with_limits(LIMITS);
            Known { node, stamp: None }
        });
        // Not only a later one: a registry that was restored from a backup goes back.
        if known.stamp != Some(snapshot.stamp) {
            // Sockets are taken along and cost nothing here: they are opened for those who follow heads.
            let endpoints = snapshot.endpoints(chain_id).filter_map(|endpoint| endpoint.dialled().ok());
            known.node.update_endpoints(endpoints.collect());
            // What counts as a lag depends on it.
            known.node.set_block_time(chain.block_time());
            known.stamp = Some(snapshot.stamp);
        }
        Ok(known.node.clone())
    }
}
