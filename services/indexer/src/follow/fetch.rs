//! What the nodes say of blocks, taken only where it fits together: each header builds on the one before, each log
//! belongs to its header, and all logs of a block make its bloom, where the chain has such blooms.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address as Addr, B256, Bloom, U64},
    rpc::types::Log as NodeLog,
};
use evm::{BlockBloom, Limits, Node};
use futures::{StreamExt, TryStreamExt, stream};
use ids::{Address, BlockHash};
use serde::Deserialize;
use serde_json::json;

use crate::{
    batch::block_time,
    decode::{Reading, decode},
    error::Error,
    follow::{
        followed::Followed,
        fork::{Link, is_linked},
    },
    model::{Header, Log, Role},
    record::{self, ReadBlock, ReadLog},
};

/// Questions in flight to a node.
const IN_FLIGHT: usize = 8;
/// A log without data as JSON, about.
const LOG_TEXT: usize = 650;
/// The answer for a range at most: more is asked for in smaller ranges. What is no range has the node's own bound.
const RANGE_ANSWER: usize = 12 * 1024 * 1024;

/// The newest block.
pub(crate) async fn head(node: &Node) -> Result<Header, Error> {
    header(node.latest_header().await?)
}

/// The blocks of these heights, each building on the one before.
pub(crate) async fn headers(node: &Node, from: u64, to: u64) -> Result<Vec<Header>, Error> {
    let found = node.headers(from..=to).await?;
    if found.len() as u64 != (to + 1).saturating_sub(from) {
        return Err(Error::Inconsistent("a block below the head is missing"));
    }
    let mut headers = Vec::with_capacity(found.len());
    for (number, found) in (from..).zip(found) {
        let found = header(found)?;
        if found.number != number {
            return Err(Error::Inconsistent("a block has another height than was asked for"));
        }
        headers.push(found);
    }
    check_linked(&headers)?;
    Ok(headers)
}

/// Whether headers build on one another; they may have been asked for one by one while the chain moved.
pub(crate) fn check_linked(headers: &[Header]) -> Result<(), Error> {
    let links: Vec<Link> = headers.iter().map(Link::from).collect();
    is_linked(&links).then_some(()).ok_or(Error::Inconsistent("a block does not build on the one before"))
}

fn header(found: evm::Header) -> Result<Header, Error> {
    Ok(Header {
        number: found.number,
        hash: found.hash.into(),
        parent_hash: found.parent_hash.into(),
        time: block_time(found.timestamp).ok_or(Error::Inconsistent("a block has an impossible time"))?,
        bloom: found.logs_bloom,
    })
}

/// The newest safe and finalized blocks. None of a mark that the chain does not have, or that nobody tells now.
pub(crate) async fn marks(node: &Node) -> (Option<u64>, Option<u64>) {
    #[derive(Deserialize)]
    struct Numbered {
        number: U64,
    }
    let ask = async |tag: BlockNumberOrTag| {
        let found = node.request::<Option<Numbered>>("eth_getBlockByNumber", json!([tag, false])).await;
        found.ok().flatten().map(|block| block.number.to::<u64>())
    };
    futures::join!(ask(BlockNumberOrTag::Safe), ask(BlockNumberOrTag::Finalized))
}

/// What was read of a range, and how much its answer was, about.
pub(crate) struct Fetched {
    pub(crate) blocks: Vec<ReadBlock>,
    pub(crate) answer_bytes: usize,
}

/// The logs of these blocks that concern us, with what they say. Collections that they create, and makers of offers that
/// they tell of, join `followed`, and are followed from the first log of their block on.
///
/// All logs are asked for, and chosen here: a list of addresses would miss the collections that a block creates, and
/// only all logs can be held against the block's bloom.
pub(crate) async fn read(
    node: &Node,
    headers: Vec<Header>,
    followed: &mut Followed,
    is_at_head: bool,
) -> Result<Fetched, Error> {
    let mut logs =
        if is_at_head { logs_by_hash(node, &headers).await? } else { logs_by_range(node, &headers).await? };
    let mut blocks = Vec::with_capacity(headers.len());
    let mut answer_bytes = 0;
    for header in headers {
        let found = logs.remove(&header.hash).unwrap_or_default();
        answer_bytes += found.iter().map(|log| LOG_TEXT + 2 * log.inner.data.data.len()).sum::<usize>();
        let logs = check_logs(node, &header, found)?;
        blocks.push(choose(header, logs, followed));
    }
    if !logs.is_empty() {
        return Err(Error::Inconsistent("logs belong to no block of the range"));
    }
    fill_senders(node, &mut blocks).await?;
    Ok(Fetched { blocks, answer_bytes })
}

fn bloom_of(header: &Header) -> BlockBloom {
    BlockBloom { number: header.number, hash: header.hash.into(), bloom: header.bloom }
}

type LogsOfBlocks = BTreeMap<BlockHash, Vec<NodeLog>>;

/// Near the head: a block may be taken back between two questions, and its hash names it alone.
async fn logs_by_hash(node: &Node, headers: &[Header]) -> Result<LogsOfBlocks, Error> {
    // Also where the bloom is empty: some chains keep none.
    stream::iter(headers.iter().map(bloom_of).collect::<Vec<_>>())
        .map(async |block| Ok((BlockHash::from(block.hash), node.logs_of(&[block]).await?)))
        .buffered(IN_FLIGHT)
        .try_collect()
        .await
}

async fn logs_by_range(node: &Node, headers: &[Header]) -> Result<LogsOfBlocks, Error> {
    let mut by_block = LogsOfBlocks::new();
    let blocks: Vec<BlockBloom> = headers.iter().map(bloom_of).collect();
    let limits = Limits { answer_bytes: RANGE_ANSWER, ..Limits::default() };
    let node = if blocks.len() > 1 { node.with_limits(limits) } else { node.clone() };
    for log in node.logs_of(&blocks).await? {
        let hash = log.block_hash.ok_or(Error::Inconsistent("a log of a range has no block"))?;
        by_block.entry(hash.into()).or_default().push(log);
    }
    Ok(by_block)
}

/// All logs of a block, in order, or an error where they cannot be that.
fn check_logs(node: &Node, header: &Header, found: Vec<NodeLog>) -> Result<Vec<Log>, Error> {
    let mut bloom = Bloom::ZERO;
    let mut logs = Vec::with_capacity(found.len());
    for log in found {
        if log.removed || log.block_hash.map(BlockHash::from) != Some(header.hash) {
            return Err(Error::Inconsistent("a log belongs to another block"));
        }
        let (Some(tx_hash), Some(log_index)) = (log.transaction_hash, log.log_index) else {
            return Err(Error::Inconsistent("a log has no place in its block"));
        };
        let log_index =
            i32::try_from(log_index).map_err(|_| Error::Inconsistent("a log's index is impossible"))?;
        bloom.accrue_raw_log(log.inner.address, log.inner.topics());
        let (topics, data) = log.inner.data.split();
        logs.push(Log {
            address: log.inner.address.into(),
            topics,
            data,
            tx_hash: tx_hash.into(),
            log_index: log_index.cast_unsigned(),
        });
    }
    logs.sort_by_key(|log| log.log_index);
    if logs.windows(2).any(|pair| pair[0].log_index == pair[1].log_index) {
        return Err(Error::Inconsistent("two logs have the same place"));
    }
    // Not equal to it: some chains keep no blooms, and some have logs outside of them.
    if !node.is_bloom_of(&header.bloom, &bloom) {
        return Err(Error::Inconsistent("the logs are not those of the block's bloom"));
    }
    Ok(logs)
}

/// Two looks: a collection may log before its factory tells of it, and a maker of offers may be paid before the order.
fn choose(header: Header, logs: Vec<Log>, followed: &mut Followed) -> ReadBlock {
    let role = |followed: &Followed, log: &Log| {
        let contract = followed.contracts.get(&log.address)?;
        (contract.from_block <= header.number).then_some(contract.role)
    };
    let mut first: Vec<(u32, Reading)> = Vec::new();
    for log in &logs {
        if let Some(role @ (Role::Factory | Role::Exchange)) = role(followed, log) {
            first.push((log.log_index, decode(log, role)));
        }
    }
    for (_, reading) in &first {
        for contract in record::created(&header, reading) {
            followed.contracts.entry(contract.address).or_insert(contract);
        }
        for (token, account) in reading.payers() {
            followed.follow_payer(token, account);
        }
    }
    // Both are in the order of the block.
    let mut first = first.into_iter().peekable();
    let mut kept = Vec::new();
    for log in logs {
        let known = first.next_if(|(log_index, _)| *log_index == log.log_index);
        let Some(role) = role(followed, &log) else { continue };
        if role == Role::Currency && !followed.concerns(&log) {
            continue;
        }
        let reading = known.map_or_else(|| decode(&log, role), |(_, reading)| reading);
        kept.push(ReadLog { log, tx_from: Address::ZERO, role, reading });
    }
    ReadBlock { header, logs: kept }
}

/// Who sent the transactions of the blocks' logs.
async fn fill_senders(node: &Node, blocks: &mut [ReadBlock]) -> Result<(), Error> {
    let told = blocks.iter().filter(|block| !block.logs.is_empty());
    let hashes: Vec<B256> = told.map(|block| block.header.hash.into()).collect();
    if hashes.is_empty() {
        return Ok(());
    }
    let mut senders = node.senders(&hashes).await?;
    let unknown = |senders: &HashMap<B256, Addr>, read: &ReadLog| {
        Some(B256::from(read.log.tx_hash)).filter(|hash| !senders.contains_key(hash))
    };
    let missing: BTreeSet<B256> =
        blocks.iter().flat_map(|block| &block.logs).filter_map(|read| unknown(&senders, read)).collect();
    if !missing.is_empty() {
        if !node.has_logs_outside() {
            return Err(Error::Inconsistent("a log's transaction is not in its block"));
        }
        // What the chain itself adds to a block is no transaction of it, and may have a receipt all the same.
        let missing: Vec<B256> = missing.into_iter().collect();
        let receipts = node.receipts(&missing).await?;
        senders.extend(receipts.into_iter().map(|receipt| (receipt.transaction_hash, receipt.from)));
    }
    for read in blocks.iter_mut().flat_map(|block| &mut block.logs) {
        // Nobody sent what has none.
        let sender = senders.get(&B256::from(read.log.tx_hash));
        read.tx_from = sender.map_or(Address::ZERO, |sender| (*sender).into());
    }
    Ok(())
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
