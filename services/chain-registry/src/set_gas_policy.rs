//! Replaces the gas policy of a chain and nothing else.

use ids::ChainId;
use sqlx::PgPool;

use crate::{
    chain_state::ChainState,
    change::Change,
    error::Error,
    model::{Chain, GasPolicy},
};

pub(crate) async fn set_gas_policy(
    db: &PgPool,
    actor: &str,
    chain_id: ChainId,
    policy: GasPolicy,
    expected_version: u64,
) -> Result<(Chain, i64), Error> {
    let violations = policy.violations("gas_policy");
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    let mut change = Change::begin(db, expected_version).await?;
    let before = ChainState::find(&mut change, chain_id).await?.ok_or(Error::ChainUnknown(chain_id))?;
    let mut state = before.clone();
    state.chain.gas_policy = Some(policy);
    state.put(change, actor, "gas_policy.set", Some(&before)).await
}
