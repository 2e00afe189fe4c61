//! Where a chain was left: what a worker reads before it goes on, and where a chain begins that nobody has read.

use evm::Node;

use super::{
    fetch::{self, Followed},
    fork::View,
    lease::Lease,
};
use crate::{
    error::Error,
    model::BlockRef,
    record,
    registry::Chain,
    store::{self, Stores},
};

/// Where a worker is, as it was committed.
pub(crate) struct Position {
    pub(crate) view: View,
    /// How many blocks may be taken back.
    pub(crate) depth: u64,
    /// The newest committed block as of the opening.
    pub(crate) indexed: BlockRef,
    pub(crate) followed: Followed,
    /// Documents in Mongo may still say something older.
    pub(crate) is_raw_behind: bool,
}

/// What there is to go on from.
pub(crate) enum Opened {
    At(Box<Position>),
    /// The registry names no contract yet.
    Waiting,
    Halted,
}

/// Reads where the last worker stopped; begins the chain where none was.
pub(crate) async fn open(
    stores: &Stores,
    node: &Node,
    lease: &Lease,
    chain: &Chain,
) -> Result<Opened, Error> {
    let (db, chain_id) = (&stores.db, lease.chain_id);
    let checkpoint = match store::chain::find_checkpoint(db, chain_id).await? {
        Some(checkpoint) if checkpoint.halted.is_some() => return Ok(Opened::Halted),
        Some(checkpoint) => checkpoint,
        None => {
            let Some(start) = chain.contracts.iter().map(|contract| contract.from_block).min() else {
                return Ok(Opened::Waiting);
            };
            begin(stores, node, lease, start.saturating_sub(chain.reorg_depth + 1)).await?;
            store::chain::find_checkpoint(db, chain_id).await?.ok_or(Error::Stale)?
        }
    };
    take_contracts(stores, lease, chain, checkpoint.indexed.number).await?;
    let links = store::chain::list_window(db, chain_id, View::window(chain.reorg_depth)).await?;
    let view = View::new(links, chain.reorg_depth)
        .filter(|view| view.tip().hash == checkpoint.indexed.hash)
        .ok_or_else(|| Error::Stored("the window of blocks does not end at the checkpoint".to_owned()))?;
    let followed = followed(stores, lease).await?;
    let (depth, indexed) = (chain.reorg_depth, checkpoint.indexed);
    Ok(Opened::At(Box::new(Position { view, depth, indexed, followed, is_raw_behind: true })))
}

async fn begin(stores: &Stores, node: &Node, lease: &Lease, anchor: u64) -> Result<(), Error> {
    let head = fetch::head(node).await?;
    let anchor = anchor.min(head.number);
    let anchor = fetch::headers(node, anchor, anchor).await?.remove(0);
    record::begin(stores, lease, &anchor, (&head).into()).await?;
    tracing::info!(chain.id = %lease.chain_id, block.number = anchor.number, "begins to read a chain");
    Ok(())
}

/// Contracts that the registry has named since.
async fn take_contracts(stores: &Stores, lease: &Lease, chain: &Chain, indexed: u64) -> Result<(), Error> {
    let mut tx = stores.db.begin().await?;
    lease.check(&mut tx).await?;
    let added = store::contract::insert_followed(&mut tx, lease.chain_id, &chain.contracts).await?;
    tx.commit().await?;
    for contract in chain.contracts.iter().filter(|contract| added.contains(&contract.address)) {
        let is_late = contract.from_block <= indexed;
        tracing::info!(
            chain.id = %lease.chain_id, contract = %contract.address, standard = contract.role.as_str(),
            from_block = contract.from_block, "follows a contract of the registry",
        );
        if is_late {
            tracing::warn!(
                chain.id = %lease.chain_id, contract = %contract.address, from_block = contract.from_block,
                block.number = indexed, "the blocks before this one were read without the contract",
            );
        }
    }
    Ok(())
}

/// Whose logs are kept.
pub(crate) async fn followed(stores: &Stores, lease: &Lease) -> Result<Followed, Error> {
    let contracts = store::contract::list_followed(&stores.db, lease.chain_id).await?;
    Ok(contracts.into_iter().map(|contract| (contract.address, contract)).collect())
}
