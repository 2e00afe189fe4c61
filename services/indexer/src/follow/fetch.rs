//! What the nodes say of blocks, taken only where it fits together: each header builds on the one before, each log
//! belongs to its header, and all logs of a block make its bloom.

use std::collections::{BTreeMap, HashMap};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{B256, Bloom, U64},
    rpc::types::Log as NodeLog,
};
use evm::{BlockBloom, Node, NodeError};
use futures::{StreamExt, TryStreamExt, stream};
use ids::{Address, BlockHash, TxHash};
use serde::Deserialize;
use serde_json::json;

use crate::{
    batch::block_time,
    decode::decode,
    error::Error,
    follow::fork::{Link, is_linked},
    model::{Contract, Header, Log, Role},
    record::{ReadBlock, ReadLog},
};

/// Questions in flight to a node.
const IN_FLIGHT: usize = 8;

/// Whose logs are kept, by address.
pub(crate) type Followed = HashMap<Address, Contract>;

/// The newest block.
pub(crate) async fn head(node: &Node) -> Result<Header, Error> {
    header(node.latest_header().await?)
}

/// The blocks of these heights, each building on the one before.
pub(crate) async fn headers(node: &Node, from: u64, to: u64) -> Result<Vec<Header>, Error> {
    let found: Vec<Option<evm::Header>> = stream::iter(from..=to)
        .map(|number| node.header_by_number(number))
        .buffered(IN_FLIGHT)
        .try_collect()
        .await?;
    let mut headers = Vec::with_capacity(found.len());
    for (number, found) in (from..).zip(found) {
        let found = header(found.ok_or(Error::Inconsistent("a block below the head is missing"))?)?;
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

/// The newest safe and finalized blocks, where the chain has such marks.
pub(crate) async fn marks(node: &Node) -> (Option<u64>, Option<u64>) {
    #[derive(Deserialize)]
    struct Numbered {
        number: U64,
    }
    let ask = async |tag: BlockNumberOrTag| {
        let found = node.request::<Option<Numbered>>("eth_getBlockByNumber", json!([tag, false])).await;
        found.ok().flatten().map(|block| block.number.to::<u64>())
    };
    (ask(BlockNumberOrTag::Safe).await, ask(BlockNumberOrTag::Finalized).await)
}

/// The logs of these blocks that concern us, with what they say. Collections that they create join `followed`, and
/// are followed from the first log of their block on.
///
/// All logs are asked for, and chosen here: a list of addresses would miss the collections that a block creates, and
/// only all logs can be held against the block's bloom.
pub(crate) async fn blocks(
    node: &Node,
    headers: Vec<Header>,
    followed: &mut Followed,
    is_at_head: bool,
) -> Result<Vec<ReadBlock>, Error> {
    let mut logs =
        if is_at_head { logs_by_hash(node, &headers).await? } else { logs_by_range(node, &headers).await? };
    let mut blocks = Vec::with_capacity(headers.len());
    for header in headers {
        let logs = check_logs(&header, logs.remove(&header.hash).unwrap_or_default())?;
        blocks.push(choose(header, logs, followed));
    }
    if !logs.is_empty() {
        return Err(Error::Inconsistent("logs belong to no block of the range"));
    }
    let told = blocks.iter_mut().filter(|block| !block.logs.is_empty());
    stream::iter(told.map(Ok)).try_for_each_concurrent(IN_FLIGHT, |block| fill_senders(node, block)).await?;
    Ok(blocks)
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
    for log in node.logs_of(&blocks).await? {
        let hash = log.block_hash.ok_or(Error::Inconsistent("a log of a range has no block"))?;
        by_block.entry(hash.into()).or_default().push(log);
    }
    Ok(by_block)
}

/// All logs of a block, in order, or an error where they cannot be that.
fn check_logs(header: &Header, found: Vec<NodeLog>) -> Result<Vec<Log>, Error> {
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
    // Some chains keep no bloom: then it is empty, or `evm` makes it full.
    let says_nothing =
        header.bloom == Bloom::repeat_byte(0xff) || (header.bloom == Bloom::ZERO && !logs.is_empty());
    if header.bloom != bloom && !says_nothing {
        return Err(Error::Inconsistent("the logs are not those of the block's bloom"));
    }
    Ok(logs)
}

/// Two looks: a collection may log before its factory tells of it.
fn choose(header: Header, logs: Vec<Log>, followed: &mut Followed) -> ReadBlock {
    let concerns = |followed: &Followed, log: &Log| {
        followed
            .get(&log.address)
            .filter(|contract| contract.from_block <= header.number)
            .map(|contract| contract.role)
    };
    let read = |log: Log, role: Role| {
        let reading = decode(&log, role);
        ReadLog { log, tx_from: Address::ZERO, role, reading }
    };
    let of_factories = logs.iter().filter(|log| concerns(followed, log) == Some(Role::Factory)).cloned();
    let factories = ReadBlock {
        header: header.clone(),
        logs: of_factories.map(|log| read(log, Role::Factory)).collect(),
    };
    for contract in factories.created() {
        followed.entry(contract.address).or_insert(contract);
    }
    let logs = logs
        .into_iter()
        .filter_map(|log| {
            let role = concerns(followed, &log)?;
            Some(read(log, role))
        })
        .collect();
    ReadBlock { header, logs }
}

/// Who sent the transactions of a block's logs.
async fn fill_senders(node: &Node, block: &mut ReadBlock) -> Result<(), Error> {
    let receipts = match node.block_receipts(block.header.hash.into()).await {
        Ok(receipts) => {
            receipts.ok_or(Error::Inconsistent("a block is gone before its receipts were read"))?
        }
        // Not every node has the method.
        Err(NodeError::Rpc { .. }) => {
            let mut hashes: Vec<B256> = block.logs.iter().map(|log| log.log.tx_hash.into()).collect();
            hashes.dedup();
            node.receipts(&hashes).await?
        }
        Err(err) => return Err(err.into()),
    };
    let of_block = receipts.iter().filter(|receipt| BlockHash::from(receipt.block_hash) == block.header.hash);
    let senders: HashMap<TxHash, Address> =
        of_block.map(|receipt| (receipt.transaction_hash.into(), receipt.from.into())).collect();
    for read in &mut block.logs {
        let sender = senders.get(&read.log.tx_hash);
        read.tx_from =
            *sender.ok_or(Error::Inconsistent("a log's transaction has no receipt in its block"))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
