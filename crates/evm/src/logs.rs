//! Logs, held against what was asked for and, where all logs of a block are wanted, against the block's bloom.

use std::collections::{HashMap, HashSet};

use alloy::{
    primitives::{B256, Bloom},
    rpc::types::{Filter, Log},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::{
    Header, Node, NodeError,
    check::{Check, Fit, logs_fit},
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

impl Node {
    /// The logs that a filter selects, by block hash or by range.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, NodeError> {
        let fit = |logs: &Vec<Log>| logs_fit(filter, logs);
        self.ask("eth_getLogs", &json!([filter]), &Check::by(&fit)).await
    }

    /// All logs of these blocks, which follow one another, in their order: an endpoint that leaves one out is found out by
    /// the blocks' blooms. One block is asked for by its hash, several by their range.
    pub async fn logs_of(&self, blocks: &[BlockBloom]) -> Result<Vec<Log>, NodeError> {
        let (first, last) = match blocks {
            [] => return Ok(Vec::new()),
            [block] => return self.logs_of_block(block).await,
            [first, .., last] => (first.number, last.number),
        };
        let mut logs = self.logs(&Filter::new().from_block(first).to_block(last)).await?;
        // A range names no branch: the chain may have moved since the headers were read. A hash does.
        let doubtful = misfits(blocks, &logs);
        if doubtful.is_empty() {
            return Ok(logs);
        }
        let numbers: HashSet<u64> = doubtful.iter().map(|block| block.number).collect();
        logs.retain(|log| log.block_number.is_some_and(|number| !numbers.contains(&number)));
        let again: Vec<Vec<Log>> = stream::iter(doubtful)
            .map(async |block| self.logs_of_block(&block).await)
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        logs.extend(again.into_iter().flatten());
        logs.sort_by_key(|log| (log.block_number, log.log_index));
        Ok(logs)
    }

    async fn logs_of_block(&self, block: &BlockBloom) -> Result<Vec<Log>, NodeError> {
        let filter = Filter::new().at_block_hash(block.hash);
        let fit = |logs: &Vec<Log>| match logs_fit(&filter, logs) {
            Fit::Yes => {
                let is_told = misfits(std::slice::from_ref(block), logs).is_empty();
                Fit::only_if(is_told, "the logs are not those of the block's bloom")
            }
            lie => lie,
        };
        self.ask("eth_getLogs", &json!([filter]), &Check::by(&fit)).await
    }
}

/// The blocks whose logs these cannot be, and those at whose height there are logs of another branch.
fn misfits(blocks: &[BlockBloom], logs: &[Log]) -> Vec<BlockBloom> {
    let mut found: HashMap<B256, Bloom> = blocks.iter().map(|block| (block.hash, Bloom::ZERO)).collect();
    let mut elsewhere: HashSet<Option<u64>> = HashSet::new();
    for log in logs {
        match log.block_hash.and_then(|hash| found.get_mut(&hash)) {
            Some(bloom) => bloom.accrue_raw_log(log.inner.address, log.inner.topics()),
            None => {
                elsewhere.insert(log.block_number);
            }
        }
    }
    let is_told = |block: &&BlockBloom| {
        let found = found.get(&block.hash).copied().unwrap_or_default();
        // Some chains keep no bloom: then it is empty, or full where the header had none.
        let says_nothing = block.bloom == Bloom::repeat_byte(0xff) || block.bloom == Bloom::ZERO;
        (block.bloom == found || says_nothing) && !elsewhere.contains(&Some(block.number))
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

    fn log(n: u8, topic: u8) -> Log {
        let data = LogData::new_unchecked(vec![B256::repeat_byte(topic)], Default::default());
        let inner = alloy::primitives::Log { address: Address::repeat_byte(1), data };
        Log { inner, block_hash: Some(B256::repeat_byte(n)), block_number: Some(n.into()), ..Log::default() }
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
}
