//! Takes a chain of the built-in table into use. What an operator has changed of it since it was first enabled stays.

use ids::ChainId;
use sqlx::PgPool;

use crate::{
    chain_state::ChainState, chain_table, change::Change, endpoint::Endpoint, error::Error, model::Chain,
    store,
};

pub(crate) async fn enable_chain(
    db: &PgPool,
    actor: &str,
    chain_id: ChainId,
    endpoints: Vec<Endpoint>,
    expected_version: u64,
) -> Result<(Chain, i64), Error> {
    if !endpoints.iter().any(Endpoint::is_asked) {
        return Err(Error::field("endpoints", "one of them at least must be active, and http or https"));
    }
    let known = chain_table::find(chain_id).ok_or(Error::ChainUnknown(chain_id))?;
    let mut change = Change::begin(db, expected_version).await?;
    let before = ChainState::find(&mut change, chain_id).await?;
    let mut chain = before.as_ref().map_or_else(|| known.clone(), |before| before.chain.clone());
    chain.enabled = true;
    let contracts = std::mem::take(&mut chain.contracts);
    let mut state = ChainState { chain, endpoints };
    state.check()?;
    if before.is_none() {
        // First the chain, whose key the contracts need.
        store::upsert_chain(&mut change.tx, &state.chain).await?;
        for mut contract in contracts {
            let written = store::upsert_contract(&mut change.tx, chain_id, &contract).await?;
            let (_, first_seen_at) = written.ok_or(Error::ChainUnknown(chain_id))?;
            contract.first_seen_at = first_seen_at;
            state.chain.contracts.push(contract);
        }
    }
    state.put(change, actor, "chain.enabled", before.as_ref()).await
}
