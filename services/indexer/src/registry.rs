//! What the registry says: which chains are read, and whose logs.

use std::collections::BTreeMap;

use chains::Snapshot;
use evm::Node;
use ids::ChainId;

use crate::model::{Contract, Role};

/// A window is kept in memory and in the database; a depth beyond this is a mistake.
const DEEPEST: u64 = 4096;

/// An enabled chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) chain_id: ChainId,
    /// How many blocks may be taken back.
    pub(crate) reorg_depth: u64,
    pub(crate) contracts: Vec<Contract>,
}

/// The enabled chains among those that the registry tells of.
pub(crate) fn enabled(known: &Snapshot) -> BTreeMap<ChainId, (Chain, Node)> {
    let enabled = known.chains.values().filter(|chain| chain.is_enabled);
    enabled.map(|chain| (chain.chain_id, (Chain::of(chain), chain.node.clone()))).collect()
}

impl Chain {
    fn of(known: &chains::Chain) -> Chain {
        let contracts = known.contracts.iter().filter_map(|contract| {
            // Operators and the like are in the registry for others.
            let role = Role::parse(&contract.standard)?;
            let (address, from_block) = (contract.address, contract.start_block);
            Some(Contract { address, role, from_block, created_in: None })
        });
        Chain {
            chain_id: known.chain_id,
            reorg_depth: u64::from(known.reorg_depth).clamp(1, DEEPEST),
            contracts: contracts.collect(),
        }
    }
}
