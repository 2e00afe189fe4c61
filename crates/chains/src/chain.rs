//! What one version of the registry says, parsed. What cannot be read is left out and told, never guessed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use evm::{Endpoint, Node};
use ids::{Address, ChainId, Invalid};
use proto::chainregistry::v1 as pb;
use serde::Deserialize;

/// All chains as one version of the registry has them, disabled ones too.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Of the registry.
    pub version: u64,
    /// By their ids.
    pub chains: BTreeMap<ChainId, Arc<Chain>>,
}

/// One chain.
#[derive(Clone)]
pub struct Chain {
    pub chain_id: ChainId,
    pub name: String,
    /// Of its own currency, for people: `ETH`.
    pub native_symbol: String,
    /// Whether anything new may be begun on it.
    pub is_enabled: bool,
    /// How many blocks make a transaction count; at least 1, its own.
    pub confirmations: u32,
    /// How many blocks may be taken back before the chain is halted.
    pub reorg_depth: u32,
    /// After so many blocks nothing is taken back any more.
    pub finality_blocks: u32,
    /// How long a block usually takes.
    pub block_time: Duration,
    /// In the order of their registration.
    pub contracts: Vec<Contract>,
    /// Where it is asked. Sockets are not among them: the node has them, and they tell of heads alone.
    pub endpoints: Vec<Endpoint>,
    sockets: Vec<Endpoint>,
    /// Of the registry.
    pub version: u64,
    /// The same over all snapshots that have the chain, so that what is known of its endpoints is kept.
    pub node: Node,
}

/// A contract that the registry knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    pub name: String,
    pub address: Address,
    pub start_block: u64,
    /// `factory`, `ERC20`, `ERC721`, `ERC1155`, `exchange`, `operator`.
    pub standard: String,
    pub implementation: Option<Address>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("chain_id", &self.chain_id)
            .field("is_enabled", &self.is_enabled)
            .field("endpoints", &self.endpoints)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Chain {
    /// The contracts of one standard, in the order of their registration.
    pub fn contracts_of(&self, standard: &str) -> impl DoubleEndedIterator<Item = &Contract> {
        self.contracts.iter().filter(move |contract| contract.standard == standard)
    }

    /// The contract that was registered last under this name.
    pub fn contract_named(&self, name: &str) -> Option<&Contract> {
        self.contracts.iter().rev().find(|contract| contract.name == name)
    }
}

impl Snapshot {
    /// Reads what came over the wire; nodes of `before` are taken along.
    pub(crate) fn read(wire: pb::WatchSnapshotResponse, before: Option<&Snapshot>) -> Snapshot {
        let version = wire.version;
        let mut chains = BTreeMap::new();
        for dialled in wire.chains {
            match read_chain(dialled, version, before) {
                Ok(chain) => drop(chains.insert(chain.chain_id, Arc::new(chain))),
                Err(err) => {
                    tracing::error!(error = %err, "a chain of the registry cannot be read and is left out");
                }
            }
        }
        Snapshot { version, chains }
    }
}

fn read_chain(dialled: pb::DialledChain, version: u64, before: Option<&Snapshot>) -> Result<Chain, Invalid> {
    let wire = dialled.chain.unwrap_or_default();
    let chain_id: ChainId = wire.chain_id.parse()?;
    let contracts: Result<Vec<Contract>, Invalid> = wire.contracts.into_iter().map(read_contract).collect();
    let active = dialled.endpoints.iter().filter(|endpoint| endpoint.active);
    let (sockets, endpoints): (Vec<Endpoint>, Vec<Endpoint>) =
        active.filter_map(|endpoint| read_endpoint(chain_id, endpoint)).partition(Endpoint::is_socket);
    let all = || endpoints.iter().chain(&sockets).cloned().collect();
    let node = match before.and_then(|before| before.chains.get(&chain_id)) {
        Some(known) => {
            if known.endpoints != endpoints || known.sockets != sockets {
                known.node.update_endpoints(all());
            }
            known.node.clone()
        }
        None => Node::new(chain_id, all()),
    };
    node.set_logs_outside_bloom(Features::read(chain_id, &wire.features_json).logs_outside_bloom);
    let block_time = Duration::from_millis(wire.block_time_millis);
    node.set_block_time(block_time);
    Ok(Chain {
        chain_id,
        name: wire.name,
        native_symbol: wire.native_symbol,
        is_enabled: wire.enabled,
        confirmations: wire.confirmations.max(1),
        reorg_depth: wire.reorg_depth,
        finality_blocks: wire.finality_blocks,
        block_time,
        contracts: contracts?,
        endpoints,
        sockets,
        version,
        node,
    })
}

/// The switches of a chain that matter to whoever asks it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Features {
    /// Blocks have logs that the blooms of their headers do not.
    logs_outside_bloom: bool,
}

impl Features {
    /// What cannot be read is off.
    fn read(chain_id: ChainId, json: &str) -> Features {
        if json.is_empty() {
            return Features::default();
        }
        serde_json::from_str(json).unwrap_or_else(|err| {
            tracing::error!(chain.id = %chain_id, error = %err, "a chain's features cannot be read");
            Features::default()
        })
    }
}

fn read_contract(wire: pb::Contract) -> Result<Contract, Invalid> {
    let implementation = match wire.impl_address.as_str() {
        "" => None,
        address => Some(address.parse()?),
    };
    Ok(Contract {
        name: wire.name,
        address: wire.address.parse()?,
        start_block: wire.start_block,
        standard: wire.standard,
        implementation,
    })
}

fn read_endpoint(chain_id: ChainId, wire: &pb::Endpoint) -> Option<Endpoint> {
    match Endpoint::parse(&wire.url, &wire.auth_type, wire.priority, wire.weight) {
        Ok(endpoint) => Some(endpoint.with_rate_limit(wire.rate_limit)),
        // The text is not shown: it may hold a key.
        Err(err) => {
            tracing::warn!(chain.id = %chain_id, error = %err, "left out an endpoint that cannot be read");
            None
        }
    }
}
