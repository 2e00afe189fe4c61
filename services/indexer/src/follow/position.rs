//! Where a chain was left: what a worker reads before it goes on, and where a chain begins that nobody has read.

use evm::Node;
use ids::{Address, ChainId};
use sqlx::PgConnection;

use super::{fetch, followed::Followed, fork::View, lease::Lease};
use crate::{
    error::Error,
    jobs,
    model::{BlockRef, Contract, Role},
    record,
    registry::Chain,
    store::{
        self, Stores,
        job::{Asked, Kind},
    },
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
            let Some(start) = first_block(chain) else {
                return Ok(Opened::Waiting);
            };
            begin(stores, node, lease, start, chain.reorg_depth).await?;
            store::chain::find_checkpoint(db, chain_id).await?.ok_or(Error::Stale)?
        }
    };
    take_contracts(stores, lease, chain).await?;
    let links = store::chain::list_window(db, chain_id, View::window(chain.reorg_depth)).await?;
    let view = View::new(links, chain.reorg_depth)
        .filter(|view| view.tip().hash == checkpoint.indexed.hash)
        .ok_or_else(|| Error::Stored("the window of blocks does not end at the checkpoint".to_owned()))?;
    let followed = followed(stores, lease).await?;
    let (depth, indexed) = (chain.reorg_depth, checkpoint.indexed);
    Ok(Opened::At(Box::new(Position { view, depth, indexed, followed, is_raw_behind: true })))
}

/// Where the first of what is read from its beginning begins.
fn first_block(chain: &Chain) -> Option<u64> {
    let read = chain.contracts.iter().filter(|contract| contract.role.is_read_from_its_beginning());
    read.map(|contract| contract.from_block).min()
}

/// Deep enough below the head, where `start` lies ahead of it, that the block begun at stays.
async fn begin(stores: &Stores, node: &Node, lease: &Lease, start: u64, depth: u64) -> Result<(), Error> {
    let head = fetch::head(node).await?;
    let anchor = start.min(head.number).saturating_sub(depth + 1);
    let anchor = fetch::headers(node, anchor, anchor).await?.remove(0);
    record::begin(stores, lease, &anchor, (&head).into()).await?;
    tracing::info!(chain.id = %lease.chain_id, block.number = anchor.number, "begins to read a chain");
    Ok(())
}

/// What the registry has named since, and what it names no longer. What was missed of a contract that is named late is
/// fetched by a job of its own, begun with it.
async fn take_contracts(stores: &Stores, lease: &Lease, chain: &Chain) -> Result<(), Error> {
    let chain_id = lease.chain_id;
    let mut tx = stores.db.begin().await?;
    lease.check(&mut tx).await?;
    let checkpoint = store::chain::find_checkpoint(&mut *tx, chain_id).await?.ok_or(Error::Stale)?;
    let indexed = checkpoint.indexed.number;
    // Chains that were begun before it was noted were begun about there.
    let begun_at = checkpoint.first_block.or_else(|| first_block(chain));
    let added = store::contract::insert_followed(&mut tx, chain_id, &chain.contracts).await?;
    let added: Vec<&Contract> =
        chain.contracts.iter().filter(|contract| added.contains(&contract.address)).collect();
    let mut late = Vec::new();
    for contract in added.iter().copied() {
        if let Some(from_block) = missed_from(contract, begun_at).filter(|from| *from <= indexed) {
            late.push((
                backfill(&mut tx, chain_id, contract, from_block, indexed).await?,
                contract,
                from_block,
            ));
        }
    }
    let named: Vec<Address> = chain.contracts.iter().map(|contract| contract.address).collect();
    // A registry that names nothing at all has rather lost its list than its contracts.
    let gone = match named.as_slice() {
        [] => Vec::new(),
        named => store::late::delete_unnamed(&mut tx, chain_id, named).await?,
    };
    if !added.is_empty() || !gone.is_empty() {
        store::chain::bump_followed_version(&mut tx, chain_id).await?;
    }
    tx.commit().await?;
    for contract in added {
        tracing::info!(
            chain.id = %chain_id, contract = %contract.address, standard = contract.role.as_str(),
            from_block = contract.from_block, "follows a contract of the registry",
        );
    }
    for (job, contract, from_block) in late {
        tracing::info!(
            chain.id = %chain_id, job.id = job, contract = %contract.address, from_block, to_block = indexed,
            "what was missed of a contract will be fetched",
        );
        jobs::wake();
    }
    for contract in gone {
        tracing::info!(chain.id = %chain_id, %contract, "follows a contract no more that the registry names no more");
    }
    Ok(())
}

/// From where on the logs of a contract matter that is named after they were made.
fn missed_from(contract: &Contract, begun_at: Option<u64>) -> Option<u64> {
    // A chain's first block has no transactions.
    let begins = contract.from_block.max(1);
    match contract.role {
        Role::Factory | Role::Collection(_) => Some(begins),
        // Orders that were filled before the chain was read are nobody's here.
        Role::Exchange => begun_at.map(|begun_at| begins.max(begun_at)),
        Role::Currency => None,
    }
}

async fn backfill(
    tx: &mut PgConnection,
    chain_id: ChainId,
    contract: &Contract,
    from_block: u64,
    to_block: u64,
) -> Result<i64, sqlx::Error> {
    let asked = Asked {
        chain_id,
        kind: Kind::Backfill,
        contract: Some(contract.address),
        from_block,
        to_block,
        is_dry_run: false,
        asked_by: "indexer".to_owned(),
    };
    let job = store::job::insert_job(tx, &asked).await?;
    store::late::insert_missed(tx, job, chain_id, &[contract.address], to_block).await?;
    Ok(job)
}

/// Whose logs are kept, and whose money counts.
pub(crate) async fn followed(stores: &Stores, lease: &Lease) -> Result<Followed, Error> {
    let (db, chain_id) = (&stores.db, lease.chain_id);
    // First of all: what joins after it makes a commit under it fail.
    let version = store::chain::find_followed_version(db, chain_id).await?.unwrap_or_default();
    let contracts = store::contract::list_followed(db, chain_id).await?;
    let contracts = contracts.into_iter().map(|contract| (contract.address, contract)).collect();
    let payers = store::payer::list_payers(db, chain_id).await?;
    Ok(Followed::new(contracts, payers, version))
}
