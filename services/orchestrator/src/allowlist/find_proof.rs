//! What a wallet shows the contract to prove that it is on a list.

use ids::{Address, Hash32};
use sqlx::PgPool;

use super::merkle::path;
use crate::{error::Error, store::allowlists};

/// None: no stored list has this root. Some(None): the wallet is not on it. A proof reads its own few nodes of the
/// stored tree: it takes the same few milliseconds for a list of any length, and there is nothing to keep in memory.
pub(crate) async fn find_proof(
    db: &PgPool,
    root: Hash32,
    wallet: Address,
) -> Result<Option<Option<Vec<Hash32>>>, Error> {
    let Some((tree_id, leaf)) = allowlists::find_leaf(db, root, wallet).await? else { return Ok(None) };
    let Some(leaf) = leaf else { return Ok(Some(None)) };
    Ok(Some(Some(allowlists::list_nodes(db, tree_id, &path(leaf)).await?)))
}
