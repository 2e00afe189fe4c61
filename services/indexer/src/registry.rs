//! What the registry says: which chains are read, at which endpoints, and whose logs.

use std::collections::BTreeMap;

use evm::Endpoint;
use ids::ChainId;
use proto::chainregistry::v1 as pb;

use crate::{
    error::Error,
    model::{Contract, Role},
    peers::Peers,
};

/// A window is kept in memory and in the database; a depth beyond this is a mistake.
const DEEPEST: u64 = 4096;

/// An enabled chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) chain_id: ChainId,
    /// How many blocks may be taken back.
    pub(crate) reorg_depth: u64,
    pub(crate) contracts: Vec<Contract>,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// The registry as it was heard last.
#[derive(Debug, Default)]
pub(crate) struct Known {
    version: Option<u64>,
    pub(crate) chains: BTreeMap<ChainId, Chain>,
}

/// Asks the registry, and for endpoints only where something has changed.
pub(crate) async fn refresh(peers: &Peers, known: &mut Known) -> Result<(), Error> {
    let mut registry = peers.chains.clone();
    let answer = registry.list_chains(pb::ListChainsRequest { include_disabled: false }).await;
    let answer = answer.map_err(Error::Registry)?.into_inner();
    if known.version == Some(answer.version) {
        return Ok(());
    }
    let mut chains = BTreeMap::new();
    for chain in answer.chains.into_iter().filter(|chain| chain.enabled) {
        let asked = pb::ListEndpointsRequest { chain_id: chain.chain_id.clone() };
        let endpoints = registry.list_endpoints(asked).await.map_err(Error::Registry)?.into_inner().endpoints;
        match understand(chain, &endpoints) {
            Ok(chain) => drop(chains.insert(chain.chain_id, chain)),
            Err(err) => {
                tracing::error!(error = %err, "an entry of the registry cannot be read and is left out")
            }
        }
    }
    *known = Known { version: Some(answer.version), chains };
    Ok(())
}

fn understand(chain: pb::Chain, endpoints: &[pb::Endpoint]) -> Result<Chain, ids::Invalid> {
    let chain_id: ChainId = chain.chain_id.parse()?;
    let mut contracts = Vec::new();
    for contract in &chain.contracts {
        // Exchanges and the like are in the registry for others.
        let Some(role) = Role::parse(&contract.standard) else { continue };
        let address = contract.address.parse()?;
        contracts.push(Contract { address, role, from_block: contract.start_block, created_in: None });
    }
    let endpoints = endpoints.iter().filter(|endpoint| endpoint.active).filter_map(|endpoint| {
        let parsed = Endpoint::parse(&endpoint.url, &endpoint.auth_type, endpoint.priority, endpoint.weight);
        // The text is not shown: it may hold a key.
        parsed
            .inspect_err(|err| tracing::warn!(chain.id = %chain_id, error = %err, "left out an endpoint"))
            .ok()
    });
    let reorg_depth = u64::from(chain.reorg_depth).clamp(1, DEEPEST);
    Ok(Chain { chain_id, reorg_depth, contracts, endpoints: endpoints.collect() })
}
