//! Logs, held against what was asked for and, where all logs of a block are wanted, against the block's bloom.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use alloy::{
    primitives::{B256, Bloom},
    rpc::types::{Filter, Log},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::de::IgnoredAny;
use serde_json::json;

use crate::{
    Header, Node, NodeError,
    check::{Check, Fit, logs_fit},
    live::{Live, Reason},
    read::AT_ONCE,
};

/// A block, and what its header says of its logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockBloom {
    pub number: u64,
    pub hash: B256,
    pub bloom: Bloom,
}

impl From<&Header> for BlockBloom {
    fn from(header: &Header) -> BlockBloom {
        BlockBloom { number: header.number, hash: header.hash, bloom: header.logs_bloom }
    }
}

/// What is known of a chain's blooms.
#[derive(Debug, Default)]
pub(crate) struct Blooms {
    /// Blocks have logs that are in no bloom.
    logs_outside: AtomicBool,
    /// A block with logs had an empty one.
    are_empty: AtomicBool,
}

impl Node {
    /// Some chains add logs of their own to a block, which the bloom of its header does not have (on Polygon, what its
    /// bridge brings). Then a bloom still says which logs there must be, and no longer that there are no others.
    pub fn set_logs_outside_bloom(&self, are_there: bool) {
        self.inner.blooms.logs_outside.store(are_there, Ordering::Relaxed);
    }

    /// Whether a header's bloom may be that of a block whose logs make this one. One that is empty or full says nothing:
    /// some chains keep none.
    pub fn is_bloom_of(&self, header: &Bloom, logs: &Bloom) -> bool {
        fits(header, logs, self.has_logs_outside())
    }

    /// What was said by [`Node::set_logs_outside_bloom`].
    pub fn has_logs_outside(&self) -> bool {
        self.inner.blooms.logs_outside.load(Ordering::Relaxed)
    }

    /// The logs that a filter selects, by block hash or by range.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, NodeError> {
        let fit = |logs: &Vec<Log>| logs_fit(filter, logs);
        self.ask("eth_getLogs", &json!([filter]), &Check::by(&fit)).await
    }

    /// All logs of these blocks, which follow one another, in their order: an endpoint that leaves one out is found out by
    /// the blocks' blooms and by the logs' places. One block is asked for by its hash, several by their range. Where a
    /// bloom says nothing, a second endpoint has to tell the same, if there is one that knows the block.
    pub async fn logs_of(&self, blocks: &[BlockBloom]) -> Result<Vec<Log>, NodeError> {
        let (first, last) = match blocks {
            [] => return Ok(Vec::new()),
            [block] => return self.logs_of_block(block).await,
            [first, .., last] => (first.number, last.number),
        };
        let filter = Filter::new().from_block(first).to_block(last);
        let fit = |logs: &Vec<Log>| logs_fit(&filter, logs);
        let (mut logs, whose) = self.ask_whom("eth_getLogs", &json!([filter]), &Check::by(&fit)).await?;
        logs.sort_by_key(|log| (log.block_number, log.log_index));
        // A range names no branch: the chain may have moved since the headers were read. A hash does.
        let doubtful = misfits(blocks, &logs, self.has_logs_outside());
        if !doubtful.is_empty() {
            let numbers: HashSet<u64> = doubtful.iter().map(|block| block.number).collect();
            logs.retain(|log| log.block_number.is_some_and(|number| !numbers.contains(&number)));
        }
        let silent: Vec<BlockBloom> = blocks
            .iter()
            .filter(|block| !doubtful.contains(block) && self.is_silent(block, || has_logs(&logs, block)))
            .copied()
            .collect();
        for block in silent {
            let of_block: Vec<&Log> = logs.iter().filter(|log| log.block_hash == Some(block.hash)).collect();
            self.hear_another(&block, &of_block, &whose).await?;
        }
        if doubtful.is_empty() {
            return Ok(logs);
        }
        let again: Vec<Vec<Log>> = stream::iter(doubtful)
            .map(async |block| self.logs_of_block(&block).await)
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        // The blocks are still known by their hashes: once is a chain that moved, often is a habit.
        if whose.missed(Instant::now()) {
            self.leave(
                &whose,
                Reason::Lying,
                "eth_getLogs",
                "the logs of its ranges are not those of the blocks",
            );
        }
        logs.extend(again.into_iter().flatten());
        logs.sort_by_key(|log| (log.block_number, log.log_index));
        Ok(logs)
    }

    async fn logs_of_block(&self, block: &BlockBloom) -> Result<Vec<Log>, NodeError> {
        let filter = Filter::new().at_block_hash(block.hash);
        let has_outside = self.has_logs_outside();
        let fit = |logs: &Vec<Log>| match logs_fit(&filter, logs) {
            Fit::Yes => {
                let is_told = misfits(std::slice::from_ref(block), logs, has_outside).is_empty();
                Fit::only_if(is_told, "the logs are not those of the block's bloom, or have gaps")
            }
            lie => lie,
        };
        let (mut logs, whose) = self.ask_whom("eth_getLogs", &json!([filter]), &Check::by(&fit)).await?;
        logs.sort_by_key(|log| log.log_index);
        if self.is_silent(block, || !logs.is_empty()) {
            self.hear_another(block, &logs.iter().collect::<Vec<_>>(), &whose).await?;
        }
        Ok(logs)
    }

    /// Whether the bloom says nothing of the logs. An empty one says that there are none, until it is found that the
    /// chain's always are empty.
    fn is_silent(&self, block: &BlockBloom, has_logs: impl FnOnce() -> bool) -> bool {
        let are_empty = &self.inner.blooms.are_empty;
        block.bloom == Bloom::repeat_byte(0xff)
            || (block.bloom == Bloom::ZERO && (are_empty.load(Ordering::Relaxed) || has_logs()))
    }

    /// Another endpoint tells the same logs of a block, or a third one says who of them is wrong. Where no other one
    /// knows the block, there is nobody else to believe.
    async fn hear_another(
        &self,
        block: &BlockBloom,
        logs: &[&Log],
        whose: &Arc<Live>,
    ) -> Result<(), NodeError> {
        let now = Instant::now();
        let deadline = now + self.limits.call;
        let told: Vec<Place> = logs.iter().map(|log| Place::from(*log)).collect();
        // A list: what is asked in between may move to another thread.
        let others: Vec<Arc<Live>> = self
            .inner
            .candidates(now)
            .into_iter()
            .filter(|other| other.left.is_none() && !other.live.is_same(whose))
            .map(|other| other.live)
            .collect();
        let mut refuting: Option<(Arc<Live>, Vec<Place>)> = None;
        for other in others {
            let Some(theirs) = self.places_by(&other, block, deadline).await else { continue };
            match &refuting {
                None if theirs == told => {
                    self.learn(block, logs);
                    return Ok(());
                }
                None => refuting = Some((other, theirs)),
                Some((second, _)) if theirs == told => {
                    let why = "its logs of a block are not those that two others tell";
                    self.leave(second, Reason::Lying, "eth_getLogs", why);
                    self.learn(block, logs);
                    return Ok(());
                }
                Some((_, of_second)) if theirs == *of_second => {
                    let why = "its logs of a block are not those that two others tell";
                    self.leave(whose, Reason::Lying, "eth_getLogs", why);
                    break;
                }
                Some(_) => {}
            }
        }
        if refuting.is_some() {
            return Err(NodeError::Lie("endpoints tell different logs of a block whose bloom says nothing"));
        }
        self.learn(block, logs);
        Ok(())
    }

    fn learn(&self, block: &BlockBloom, logs: &[&Log]) {
        if block.bloom == Bloom::ZERO && !logs.is_empty() {
            self.inner.blooms.are_empty.store(true, Ordering::Relaxed);
        }
    }

    /// What one endpoint says; None where it does not know the block, which some tell by saying that it has no logs.
    async fn places_by(&self, live: &Live, block: &BlockBloom, deadline: Instant) -> Option<Vec<Place>> {
        let filter = Filter::new().at_block_hash(block.hash);
        let mut logs: Vec<Log> = self.peek(live, "eth_getLogs", &json!([filter]), deadline).await?;
        if logs.is_empty() {
            let params = json!([block.hash, false]);
            let known: Option<IgnoredAny> = self.peek(live, "eth_getBlockByHash", &params, deadline).await?;
            known?;
        }
        logs.sort_by_key(|log| log.log_index);
        Some(logs.iter().map(Place::from).collect())
    }
}

/// A log with all that it says.
#[derive(PartialEq)]
struct Place {
    index: Option<u64>,
    transaction: Option<B256>,
    log: alloy::primitives::Log,
}

impl From<&Log> for Place {
    fn from(log: &Log) -> Place {
        Place { index: log.log_index, transaction: log.transaction_hash, log: log.inner.clone() }
    }
}

fn has_logs(logs: &[Log], block: &BlockBloom) -> bool {
    // They are in the order of their blocks.
    let at = logs.partition_point(|log| log.block_number < Some(block.number));
    logs.get(at).is_some_and(|log| log.block_number == Some(block.number))
}

fn fits(header: &Bloom, logs: &Bloom, has_outside: bool) -> bool {
    // Some chains keep no bloom: then it is empty, or full where the header had none.
    let says_nothing = *header == Bloom::repeat_byte(0xff) || *header == Bloom::ZERO;
    says_nothing || header == logs || (has_outside && logs.contains(header))
}

/// What the logs of one block make together.
#[derive(Clone, Copy, Default)]
struct Sum {
    bloom: Bloom,
    count: u64,
    /// One after the last place.
    end: u64,
}

/// The blocks whose logs these cannot be, and those at whose height there are logs of another branch.
fn misfits(blocks: &[BlockBloom], logs: &[Log], has_outside: bool) -> Vec<BlockBloom> {
    let mut found: HashMap<B256, Sum> = blocks.iter().map(|block| (block.hash, Sum::default())).collect();
    let mut elsewhere: HashSet<Option<u64>> = HashSet::new();
    for log in logs {
        match log.block_hash.and_then(|hash| found.get_mut(&hash)) {
            Some(sum) => {
                sum.bloom.accrue_raw_log(log.inner.address, log.inner.topics());
                sum.count += 1;
                sum.end = sum.end.max(log.log_index.map_or(u64::MAX, |index| index.saturating_add(1)));
            }
            None => {
                elsewhere.insert(log.block_number);
            }
        }
    }
    let is_told = |block: &&BlockBloom| {
        let sum = found.get(&block.hash).copied().unwrap_or_default();
        // A log more of the same contract and topics changes no bloom. The places of all logs of a block are counted from
        // nought, each is there once, and so a gap shows; what a chain adds may have places of its own.
        let is_whole = sum.count == sum.end || has_outside;
        fits(&block.bloom, &sum.bloom, has_outside) && is_whole && !elsewhere.contains(&Some(block.number))
    };
    blocks.iter().filter(|block| !is_told(block)).copied().collect()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, LogData};

    use super::*;

    fn block(n: u8, logs: &[&Log]) -> BlockBloom {
        let mut bloom = Bloom::ZERO;
        logs.iter().for_each(|log| bloom.accrue_raw_log(log.inner.address, log.inner.topics()));
        BlockBloom { number: n.into(), hash: B256::repeat_byte(n), bloom }
    }

    fn misfits(blocks: &[BlockBloom], logs: &[Log]) -> Vec<BlockBloom> {
        super::misfits(blocks, logs, false)
    }

    fn log(n: u8, topic: u8) -> Log {
        let data = LogData::new_unchecked(vec![B256::repeat_byte(topic)], Default::default());
        let inner = alloy::primitives::Log { address: Address::repeat_byte(1), data };
        Log {
            inner,
            block_hash: Some(B256::repeat_byte(n)),
            block_number: Some(n.into()),
            log_index: Some(0),
            ..Log::default()
        }
    }

    #[test]
    fn a_log_that_is_left_out_or_of_another_branch_makes_its_block_doubtful_and_no_other() {
        let (a, b) = (log(1, 7), log(2, 8));
        let blocks = [block(1, &[&a]), block(2, &[&b])];
        assert_eq!(misfits(&blocks, &[a.clone(), b.clone()]), []);
        assert_eq!(misfits(&blocks, std::slice::from_ref(&a)), [blocks[1]]);
        assert_eq!(misfits(&blocks, &[]), blocks);
        assert_eq!(misfits(&blocks, &[a.clone(), b.clone(), log(2, 9)]), [blocks[1]]);
        let silent = [BlockBloom { bloom: Bloom::repeat_byte(0xff), ..blocks[0] }];
        assert_eq!(misfits(&silent, &[]), []);
        assert_eq!(misfits(&silent, std::slice::from_ref(&a)), []);
        let elsewhere = Log { block_hash: Some(B256::repeat_byte(9)), ..a };
        assert_eq!(misfits(&silent, &[elsewhere]), silent);
    }

    #[test]
    fn a_gap_between_the_logs_of_a_block_shows_where_its_bloom_does_not() {
        let all: Vec<Log> = (0..3).map(|index| Log { log_index: Some(index), ..log(1, 7) }).collect();
        let blocks = [block(1, &[&all[0]])];
        assert_eq!(misfits(&blocks, &all), []);
        assert_eq!(misfits(&blocks, &all[1..]), blocks);
        assert_eq!(misfits(&blocks, &[all[0].clone(), all[2].clone()]), blocks);
    }

    #[test]
    fn logs_that_a_chain_adds_are_outside_the_bloom_and_those_inside_must_still_be_there() {
        let (own, added) = (log(1, 7), Log { log_index: Some(5), ..log(1, 9) });
        let blocks = [block(1, &[&own])];
        assert_eq!(super::misfits(&blocks, &[own.clone(), added.clone()], true), []);
        assert_eq!(misfits(&blocks, &[own, added.clone()]), blocks);
        assert_eq!(super::misfits(&blocks, &[added], true), blocks);
        assert_eq!(super::misfits(&blocks, &[], true), blocks);
    }
}
