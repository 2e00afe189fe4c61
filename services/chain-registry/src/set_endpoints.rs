//! Replaces the endpoints of a chain and nothing else.

use ids::ChainId;
use sqlx::PgPool;

use crate::{chain_state::ChainState, change::Change, endpoint::Endpoint, error::Error};

pub(crate) async fn set_endpoints(
    db: &PgPool,
    actor: &str,
    chain_id: ChainId,
    endpoints: Vec<Endpoint>,
    expected_version: u64,
) -> Result<i64, Error> {
    let mut change = Change::begin(db, expected_version).await?;
    let before = ChainState::find(&mut change, chain_id).await?.ok_or(Error::ChainUnknown(chain_id))?;
    let state = ChainState { chain: before.chain.clone(), endpoints };
    state.check()?;
    let (_, version) = state.put(change, actor, "endpoints.set", Some(&before)).await?;
    Ok(version)
}
