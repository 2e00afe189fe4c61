//! How far a chain is read: now, and as it changes.

use async_graphql::{Context, Result, SimpleObject, Subscription};
use futures::Stream;
use proto::indexer::v1::Checkpoint;

use super::{
    chain,
    live::{Say, async_stream},
    scalar::{BigInt, ChainId, DateTime, Hex, moment, moment_of, ours},
};
use crate::{
    checkpoints::Checkpoints,
    error::{coded, failed},
};

/// How far a chain is read.
#[derive(SimpleObject, Clone)]
pub(crate) struct IndexStatus {
    /// The newest block that the node told of.
    head_block: BigInt,
    /// The newest block whose events are stored.
    indexed_block: BigInt,
    /// Its hash.
    indexed_block_hash: Hex,
    /// Its time.
    indexed_block_timestamp: DateTime,
    /// The newest block that the chain calls final; null where it does not.
    finalized_block: Option<BigInt>,
    /// How many blocks are missing.
    lag_blocks: i32,
    /// How many seconds lie between the newest stored block and the head.
    lag_seconds: f64,
    /// Whether the head is followed.
    is_live: bool,
    /// Whether reading has stopped until somebody has looked: a reorganisation was too deep.
    is_halted: bool,
    /// When blocks were last taken back; null where none ever were.
    last_reorg_at: Option<DateTime>,
}

impl IndexStatus {
    /// None where nobody has begun to read the chain.
    pub(super) fn of(checkpoint: &Checkpoint) -> Option<Result<IndexStatus>> {
        let indexed = checkpoint.indexed.as_ref()?;
        let head = checkpoint.head.as_ref().map_or(0, |head| head.number);
        let hash: Hex = match ours(&indexed.hash) {
            Ok(hash) => hash,
            Err(err) => return Some(Err(err)),
        };
        let number = |number: u64| BigInt(amounts::U256::from(number));
        Some(Ok(IndexStatus {
            head_block: number(head),
            indexed_block: number(indexed.number),
            indexed_block_hash: hash,
            indexed_block_timestamp: moment_of(indexed.time.as_ref()),
            finalized_block: checkpoint.finalized_block.map(number),
            lag_blocks: i32::try_from(head.saturating_sub(indexed.number)).unwrap_or(i32::MAX),
            lag_seconds: checkpoint.lag_seconds,
            is_live: checkpoint.live,
            is_halted: checkpoint.halted,
            last_reorg_at: moment(checkpoint.last_reorg_time.as_ref()),
        }))
    }
}

/// What of a checkpoint is shown: the rest changes without being news here.
fn seen(checkpoint: &Checkpoint) -> Checkpoint {
    Checkpoint {
        head: checkpoint.head.clone(),
        indexed: checkpoint.indexed.clone(),
        finalized_block: checkpoint.finalized_block,
        live: checkpoint.live,
        halted: checkpoint.halted,
        last_reorg_time: checkpoint.last_reorg_time,
        ..Default::default()
    }
}

#[derive(Default)]
pub(crate) struct IndexSubscription;

#[Subscription]
impl IndexSubscription {
    /// How far a chain is read: now, then within a second of each change, of which some may be left out. Ends with an
    /// error within a minute of the indexer's going away; come back then.
    async fn index_status(
        &self,
        context: &Context<'_>,
        chain_id: ChainId,
    ) -> Result<impl Stream<Item = Result<IndexStatus>> + use<>> {
        let not_found = || coded(rpc::Code::NotFound.as_str(), "there is no such chain");
        let mut watching = context.data_unchecked::<Checkpoints>().watch(chain_id.0);
        chain::load(context, chain_id.0).await.ok_or_else(not_found)??;
        Ok(async_stream(async move |mut say: Say<IndexStatus>| {
            let mut told = None;
            loop {
                let checkpoint = match watching.next().await {
                    Ok(Some(checkpoint)) => checkpoint,
                    // It may begin any time.
                    Ok(None) => continue,
                    Err(away) => return say.send(Err(failed(&away.into()))).await,
                };
                let now = seen(&checkpoint);
                if let Some(status) = IndexStatus::of(&checkpoint).filter(|_| told.as_ref() != Some(&now)) {
                    told = Some(now);
                    say.send(status).await;
                }
            }
        }))
    }
}
