//! Stores a list: the tree where no list has it yet, and what its user calls it.

use std::{collections::BTreeSet, time::Duration};

use ids::{Address, RowId, UserId};
use sqlx::{PgConnection, PgPool};
use tokio::{sync::Semaphore, time::Instant};

use super::{Allowlist, MOST_ADDRESSES, MOST_ADDRESSES_OF_USER, MOST_LISTS, Snapshot, Tree};
use crate::{error::Error, model::now, store::allowlists};

/// Lists that are hashed at once: each keeps a core busy.
static HASHED_AT_ONCE: Semaphore = Semaphore::const_new(2);
/// Lists that are written at once: each takes a connection for as long as a hundred thousand rows take.
static WRITTEN_AT_ONCE: Semaphore = Semaphore::const_new(2);
/// How long a list waits for another one of its user.
const WAITS_FOR_OTHERS: Duration = Duration::from_secs(20);
const ASKS_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Rows that one statement writes.
const BATCH: usize = 10_000;

/// A list that is to be.
pub(crate) struct NewList {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) addresses: BTreeSet<Address>,
    pub(crate) snapshot: Option<Snapshot>,
}

/// A list of the same addresses that the user has already is the answer as it is, name and all.
pub(crate) async fn put_allowlist(db: &PgPool, list: NewList) -> Result<Allowlist, Error> {
    let NewList { user_id, name, addresses, snapshot } = list;
    if !(1..=MOST_ADDRESSES).contains(&addresses.len()) {
        return Err(Error::field("addresses", format!("must be 1 to {MOST_ADDRESSES}")));
    }
    let (tree, addresses) = hash(addresses).await?;
    let root = tree.root();
    let began = Instant::now();
    loop {
        if let Some(known) = allowlists::find_by_root(db, user_id, root).await? {
            return Ok(known);
        }
        let turn = WRITTEN_AT_ONCE.acquire().await.map_err(|_| Error::Unavailable("orchestrator"))?;
        let mut tx = db.begin().await?;
        // One at a time for a user, so that neither the bounds nor the list itself are passed by two at once.
        if allowlists::try_lock_lists(&mut tx, user_id).await? {
            let list = write(&mut tx, user_id, (name, snapshot), &tree, &addresses).await?;
            tx.commit().await?;
            return Ok(list);
        }
        // Who waits for a list of the same user keeps nobody else from storing theirs.
        drop((tx, turn));
        if began.elapsed() > WAITS_FOR_OTHERS {
            return Err(Error::NotYet("another list of yours is being stored".to_owned()));
        }
        tokio::time::sleep(ASKS_AGAIN_AFTER).await;
    }
}

async fn write(
    tx: &mut PgConnection,
    user_id: UserId,
    (name, snapshot): (String, Option<Snapshot>),
    tree: &Tree,
    addresses: &[Address],
) -> Result<Allowlist, Error> {
    let root = tree.root();
    if let Some(known) = allowlists::find_by_root(&mut *tx, user_id, root).await? {
        return Ok(known);
    }
    let (lists, listed) = allowlists::count_lists(&mut *tx, user_id).await?;
    if lists >= MOST_LISTS {
        return Err(Error::Conflict(format!("there are {MOST_LISTS} lists already, and no more may be")));
    }
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    if listed + i64::from(count) > MOST_ADDRESSES_OF_USER {
        let why = format!(
            "with these there would be more than {MOST_ADDRESSES_OF_USER} addresses on all lists; {listed} are there"
        );
        return Err(Error::Conflict(why));
    }
    let tree_id = match allowlists::find_tree(&mut *tx, root).await? {
        Some(tree_id) => tree_id,
        None => {
            let (tree_id, is_new) =
                allowlists::insert_tree(&mut *tx, root, addresses.len(), &tree.to_bytes()).await?;
            if is_new {
                for (addresses, leaves) in addresses.chunks(BATCH).zip(tree.leaves().chunks(BATCH)) {
                    allowlists::insert_members(&mut *tx, tree_id, addresses, leaves).await?;
                }
            }
            tree_id
        }
    };
    let list = Allowlist { allowlist_id: RowId::new(), name, root, count, created_at: now(), snapshot };
    allowlists::insert_list(tx, user_id, tree_id, &list).await?;
    Ok(list)
}

async fn hash(addresses: BTreeSet<Address>) -> Result<(Tree, Vec<Address>), Error> {
    let _turn = HASHED_AT_ONCE.acquire().await.map_err(|_| Error::Unavailable("orchestrator"))?;
    // Up to hundreds of thousands of hashes: not on a thread that serves calls.
    let hashed = tokio::task::spawn_blocking(move || {
        let addresses: Vec<Address> = addresses.into_iter().collect();
        Tree::over(&addresses).map(|tree| (tree, addresses))
    });
    let hashed = hashed.await.map_err(|_| Error::Unavailable("orchestrator"))?;
    hashed.ok_or_else(|| Error::field("addresses", "are missing"))
}
