//! The same question about many blocks: put together where an endpoint takes batches, and one by one where it does not
//! or leaves some unanswered.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
    time::Instant,
};

use alloy::primitives::{Address, B256, U64};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Header, Limits, Node, NodeError,
    batch::{self, Answers},
    check::{Check, Fit},
    node::Inner,
    read::{AT_ONCE, WireHeader},
};

/// What is read of one batch; a larger one is asked for in halves.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// So often a batch is halved for want of an answer, or for a limit.
const SETBACKS: u32 = 3;
/// Blocks with all their transactions are large.
const BLOCKS_AT_ONCE: usize = 16;

impl Node {
    /// The headers of these heights in their order, ending before the first that no endpoint has. Each is of its height; that
    /// they build on one another is for the caller to see: the chain may move between two questions.
    pub async fn headers(&self, heights: RangeInclusive<u64>) -> Result<Vec<Header>, NodeError> {
        let heights: Vec<u64> = heights.collect();
        let params: Vec<Value> = heights.iter().map(|height| json!([U64::from(*height), false])).collect();
        let fit = |place: usize, header: &WireHeader| {
            let is_asked = heights.get(place) == Some(&header.number.to());
            Fit::only_if(is_asked, "a block has another number than was asked for")
        };
        let found = self.ask_many("eth_getBlockByNumber", &params, usize::MAX, &fit).await?;
        let found: Vec<Option<Header>> = stream::iter(heights.into_iter().zip(found))
            .map(async |(height, found)| match found {
                Some(header) => Ok(Some(Header::from(header))),
                None => self.header_by_number(height).await,
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().map_while(|header| header).collect())
    }

    /// Who sent the transactions of these blocks, by their hashes. A block that no endpoint has (any more) adds nothing.
    pub async fn senders(&self, blocks: &[B256]) -> Result<HashMap<B256, Address>, NodeError> {
        let params: Vec<Value> = blocks.iter().map(|hash| json!([hash, true])).collect();
        let fit = |place: usize, block: &WireSenders| {
            Fit::only_if(
                blocks.get(place) == Some(&block.hash),
                "a block has another hash than was asked for",
            )
        };
        let found = self.ask_many("eth_getBlockByHash", &params, BLOCKS_AT_ONCE, &fit).await?;
        let found: Vec<Option<WireSenders>> = stream::iter(blocks.iter().copied().zip(found))
            .map(async |(hash, found)| match found {
                Some(block) => Ok(Some(block)),
                None => self.senders_of(hash).await,
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let sent = found.into_iter().flatten().flat_map(|block| block.transactions);
        Ok(sent.map(|sent| (sent.hash, sent.from)).collect())
    }

    async fn senders_of(&self, hash: B256) -> Result<Option<WireSenders>, NodeError> {
        let fit = |found: &Option<WireSenders>| match found {
            Some(block) => Fit::only_if(block.hash == hash, "a block has another hash than was asked for"),
            None => Fit::Doubt,
        };
        let check = Check::found_by(&fit, |found| Some(found.as_ref()?.number.to()));
        self.ask("eth_getBlockByHash", &json!([hash, true]), &check).await
    }

    /// What each question was answered in batches of at most so many; None where that must be asked alone.
    async fn ask_many<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &[Value],
        mut most: usize,
        fit: &(dyn Fn(usize, &T) -> Fit + Send + Sync),
    ) -> Result<Vec<Option<T>>, NodeError> {
        let answer_bytes = self.limits.answer_bytes.min(BATCH_BYTES);
        let node = self.with_limits(Limits { answer_bytes, ..self.limits });
        let mut found: Vec<Option<T>> = Vec::with_capacity(params.len());
        let mut setbacks = 0;
        while found.len() < params.len() {
            let (from, rest) = (found.len(), params.len() - found.len());
            let size = self.inner.batch_most(Instant::now()).min(most).min(rest);
            if size < 2 {
                // A block that was too large for any batch says nothing of the next ones; one that takes none does.
                found.push(None);
                most = most.max(2);
                continue;
            }
            let fit_here = |place: usize, answer: &T| fit(from + place, answer);
            match node.ask_batch(method, &params[from..from + size], &fit_here).await {
                Ok(answers) => {
                    // Who answers a part takes no more at once.
                    most = if answers.len() < size { answers.len().max(2) } else { most };
                    found.resize_with(from + size, || None);
                    for (place, answer) in answers {
                        if let Some(found) =
                            usize::try_from(place).ok().and_then(|place| found.get_mut(from + place))
                        {
                            *found = Some(answer);
                        }
                    }
                }
                Err(NodeError::TooLarge { .. }) => most = size / 2,
                Err(err) if err.is_refused_batch() => most = size / 2,
                Err(err) if err.is_limit() && setbacks < SETBACKS => {
                    (setbacks, most) = (setbacks + 1, size / 2)
                }
                // Whoever is silent about ever smaller ones is asked the plainest there is.
                Err(NodeError::Timeout(_)) if setbacks == SETBACKS => {
                    found.resize_with(params.len(), || None)
                }
                Err(NodeError::Timeout(_)) => (setbacks, most) = (setbacks + 1, size / 2),
                Err(err) => return Err(err),
            }
        }
        Ok(found)
    }

    async fn ask_batch<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &[Value],
        fit: &(dyn Fn(usize, &T) -> Fit + Send + Sync),
    ) -> Result<Answers<T>, NodeError> {
        let fit = |answers: &Answers<T>| {
            let mut places = HashSet::with_capacity(answers.len());
            for (place, answer) in answers {
                let place = usize::try_from(*place).unwrap_or(usize::MAX);
                if place >= params.len() || !places.insert(place) {
                    return Fit::Lie("a batch answers what was not asked, or twice");
                }
                if let lie @ Fit::Lie(_) = fit(place, answer) {
                    return lie;
                }
            }
            Fit::Yes
        };
        let check =
            Check { fit: &fit, head: None, height: None, form: batch::form(), questions: params.len() };
        self.ask(method, &json!(params), &check).await
    }
}

impl Inner {
    /// The largest batch that whoever is asked next takes.
    fn batch_most(&self, now: Instant) -> usize {
        self.candidates(now).first().map_or(1, |candidate| candidate.live.batch_most(now))
    }
}

/// A block's transactions, as far as they say who sent them.
#[derive(Deserialize)]
struct WireSenders {
    number: U64,
    hash: B256,
    transactions: Vec<Sent>,
}

#[derive(Deserialize)]
struct Sent {
    hash: B256,
    from: Address,
}
