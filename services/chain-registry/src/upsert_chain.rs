//! Writes a chain, its gas policy and its endpoints as one version.

use sqlx::PgPool;

use crate::{chain_state::ChainState, change::Change, error::Error, model::Chain};

/// How long a block takes where nobody has said it.
const BLOCK_TIME_MILLIS: i32 = 2000;

/// A chain as it should be. A block time or a finality of zero is left as it is.
pub(crate) struct ChainAsk {
    pub(crate) state: ChainState,
    /// The version that the caller has read; zero for "whatever it is".
    pub(crate) expected_version: u64,
}

pub(crate) async fn upsert_chain(db: &PgPool, actor: &str, ask: ChainAsk) -> Result<(Chain, i64), Error> {
    let ChainAsk { mut state, expected_version } = ask;
    let mut change = Change::begin(db, expected_version).await?;
    let before = ChainState::find(&mut change, state.chain.chain_id).await?;
    let was = before.as_ref().map(|before| &before.chain);
    let chain = &mut state.chain;
    if chain.block_time_millis == 0 {
        chain.block_time_millis = was.map_or(BLOCK_TIME_MILLIS, |was| was.block_time_millis);
    }
    if chain.finality_blocks == 0 {
        chain.finality_blocks = was.map_or(chain.reorg_depth, |was| was.finality_blocks);
    }
    state.check()?;
    state.put(change, actor, "chain.upserted", before.as_ref()).await
}
