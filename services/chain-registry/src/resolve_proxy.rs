//! Looks behind an address on its chain. What is seen of a registered contract is written down when it is new.

use alloy::eips::BlockId;
use ids::{Address, ChainId};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    change::{Change, Note},
    error::Error,
    nodes::Nodes,
    proxy::{Proxy, find_proxy},
    snapshot::{Snapshot, Snapshots},
    store::{self, Implementation},
};

const ACTOR: &str = "observed";
const HISTORY_MOST: i64 = 100;

/// What stands behind an address, and what stood there before.
pub(crate) struct Resolved {
    pub(crate) proxy: Proxy,
    pub(crate) history: Vec<Implementation>,
}

pub(crate) async fn resolve_proxy(
    db: &PgPool,
    snapshots: &Snapshots,
    nodes: &Nodes,
    chain_id: ChainId,
    address: Address,
) -> Result<Resolved, Error> {
    let snapshot = snapshots.current().await?.snapshot;
    let node = nodes.get(chain_id, &snapshot)?;
    let away = Error::away(chain_id);
    let head = node.latest_header().await.map_err(&away)?;
    let proxy = find_proxy(&node, address.into(), BlockId::hash(head.hash)).await.map_err(&away)?;

    if let Some(implementation) = proxy.implementation {
        let block = i64::try_from(head.number).unwrap_or(i64::MAX);
        if is_news(&snapshot, chain_id, address, implementation.into())
            && write(db, chain_id, address, implementation.into(), block).await?
        {
            snapshots.forget().await;
        }
    }
    let history = match store::find_contract(db, chain_id, address).await? {
        Some((id, _)) => store::list_implementations(db, id, HISTORY_MOST).await?,
        None => Vec::new(),
    };
    Ok(Resolved { proxy, history })
}

fn is_news(snapshot: &Snapshot, chain_id: ChainId, address: Address, seen: Address) -> bool {
    let contracts = snapshot.find(chain_id).map(|chain| chain.contracts.as_slice()).unwrap_or_default();
    contracts.iter().any(|contract| contract.address == address && contract.impl_address != Some(seen))
}

/// Whether there was anything to write: somebody else may have seen the same, or what came after it.
async fn write(
    db: &PgPool,
    chain_id: ChainId,
    address: Address,
    seen: Address,
    block: i64,
) -> Result<bool, Error> {
    let mut change = Change::begin(db, 0).await?;
    let found = store::find_contract(&mut *change.tx, chain_id, address).await?;
    let Some((id, before)) = found.filter(|(_, known)| known.impl_address != Some(seen)) else {
        return Ok(false);
    };
    let newest = store::list_implementations(&mut *change.tx, id, 1).await?.pop();
    if newest.and_then(|newest| newest.block_number).is_some_and(|newest| newest > block) {
        return Ok(false);
    }
    store::set_implementation(&mut change.tx, id, seen).await?;
    store::insert_implementation(&mut change.tx, id, seen, before.impl_address, Some(block)).await?;
    let subject = format!("{chain_id}/{}", address.to_lower());
    let (was, is) =
        (json!({ "implAddress": before.impl_address }), json!({ "implAddress": seen, "block": block }));
    let action = "implementation.observed";
    change.commit(Note { actor: ACTOR, action, subject: &subject, before: Some(was), after: is }).await?;
    Ok(true)
}
