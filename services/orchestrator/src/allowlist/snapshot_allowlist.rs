//! Makes a list of everybody who held tokens of a collection at a block.
//!
//! Only a settled block is taken: one that has as many confirmations as make an intent CONFIRMED on its chain. Its hash
//! is read before and after the holders; where they differ the chain was reorganised deeper than that, and the caller
//! tries again. Contracts that hold tokens are on the list like everybody else. The zero address and 0x..dEaD are not:
//! what they hold is burned.
//!
//! The catalog must have heard of everything up to the block. The indexer is asked whether it has told it, and the chain
//! how many moves of the collection the last blocks before it have: a catalog that has fewer is behind the indexer, and the
//! caller tries again. What goes unnoticed is a move that is older than those blocks (256, or as many as the node reads at
//! once) and still under way from the indexer to the catalog, and the moves of a contract from before it was followed.

use std::{collections::BTreeSet, time::Duration};

use amounts::U256;
use chrono::DateTime;
use evm::Header;
use ids::{Address, ChainId, UserId};
use proto::{
    catalog::v1::{ListHoldersAtRequest, ListHoldersAtResponse},
    common::v1::ContractRef,
};
use tokio::time::timeout;
use tonic::Code;

use super::{
    Allowlist, MOST_ADDRESSES, NewList, Snapshot,
    count_moves::{Moves, count_moves},
    put_allowlist,
};
use crate::{
    chains::Chain,
    error::Error,
    prepare::{Tools, unreachable_node},
};

/// Where tokens go that nobody wants back.
const DEAD: Address = Address::new([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xde, 0xad]);
const PAGE: i32 = 10_000;
const PAGE_WITHIN: Duration = Duration::from_secs(5);

/// What to make a list of.
pub(crate) struct SnapshotAsk {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) chain_id: ChainId,
    pub(crate) contract: Address,
    /// The newest that is settled where absent.
    pub(crate) block_number: Option<u64>,
    /// Over all tokens of the collection.
    pub(crate) min_quantity: U256,
}

pub(crate) async fn snapshot_allowlist(tools: &Tools, ask: SnapshotAsk) -> Result<Allowlist, Error> {
    let chain = tools.chains.get_enabled(ask.chain_id).await?;
    let head = chain.node.block_number().await.map_err(|err| unreachable_node(&err))?;
    let newest = settled(head, chain.confirmations);
    let indexed = tools.peers.find_indexed_block(ask.chain_id).await?;
    let block_number = choose(newest, indexed, ask.block_number)?;
    let block = header(&chain, block_number).await?;
    let moves = count_moves(&chain, ask.contract, block_number).await?;
    let addresses = list_holders(tools, &ask, block_number, &moves).await?;
    if header(&chain, block_number).await?.hash != block.hash {
        tracing::warn!(chain.id = %ask.chain_id, block_number, "a settled block was reorganised away under a snapshot");
        return Err(Error::Unavailable("the chain"));
    }
    if addresses.is_empty() {
        return Err(Error::Conflict(format!("nobody held that many at block {block_number}")));
    }
    let at = i64::try_from(block.timestamp).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let snapshot = Snapshot {
        chain_id: ask.chain_id,
        contract: ask.contract,
        block_number,
        block_hash: block.hash.into(),
        block_time: at.ok_or(Error::Unavailable("the chain"))?,
    };
    let list = NewList { user_id: ask.user_id, name: ask.name, addresses, snapshot: Some(snapshot) };
    put_allowlist(&tools.db, list).await
}

/// The newest block with enough confirmations.
fn settled(head: u64, confirmations: u32) -> u64 {
    (head + 1).saturating_sub(u64::from(confirmations.max(1)))
}

/// The block to take: the one that was asked for if it is settled and indexed, else the newest that is both.
fn choose(settled: u64, indexed: u64, asked: Option<u64>) -> Result<u64, Error> {
    match asked {
        Some(asked) if asked > settled => Err(Error::field(
            "block_number",
            format!("is not settled: the newest that is settled is {settled}"),
        )),
        Some(asked) if asked > indexed => {
            Err(Error::NotYet(format!("the index is at block {indexed}, before block {asked}")))
        }
        Some(asked) => Ok(asked),
        None => Ok(settled.min(indexed)),
    }
}

async fn header(chain: &Chain, number: u64) -> Result<Header, Error> {
    let found = chain.node.header_by_number(number).await.map_err(|err| unreachable_node(&err))?;
    found.ok_or(Error::Unavailable("the chain"))
}

async fn list_holders(
    tools: &Tools,
    ask: &SnapshotAsk,
    block_number: u64,
    moves: &Moves,
) -> Result<BTreeSet<Address>, Error> {
    let mut holders = BTreeSet::new();
    let mut page_token = String::new();
    loop {
        let request = ListHoldersAtRequest {
            collection: Some(ContractRef {
                chain_id: ask.chain_id.to_string(),
                address: ask.contract.to_lower(),
            }),
            block_number,
            min_quantity: ask.min_quantity.to_string(),
            page_size: PAGE,
            page_token: page_token.clone(),
            // What it has heard of before the first page is in every page.
            moves_from_block: if page_token.is_empty() { moves.first_block } else { 0 },
        };
        let page = ask_catalog(tools, request).await?;
        if page_token.is_empty() && page.moves < moves.count {
            return Err(Error::NotYet(format!(
                "the catalog has heard of {} of the {} moves from block {} to block {block_number}",
                page.moves, moves.count, moves.first_block
            )));
        }
        for holder in &page.holders {
            let address: Address = holder.address.parse().map_err(|_| Error::Unavailable("catalog"))?;
            if !address.is_zero() && address != DEAD {
                holders.insert(address);
            }
        }
        if holders.len() > MOST_ADDRESSES {
            let why =
                format!("more than {MOST_ADDRESSES} accounts held tokens; ask for a higher min_quantity");
            return Err(Error::Conflict(why));
        }
        if page.next_page_token.is_empty() {
            return Ok(holders);
        }
        // Addresses grow from page to page; a catalog that goes round in circles would never end.
        if page.next_page_token <= page_token {
            return Err(Error::Unavailable("catalog"));
        }
        page_token = page.next_page_token;
    }
}

async fn ask_catalog(tools: &Tools, request: ListHoldersAtRequest) -> Result<ListHoldersAtResponse, Error> {
    let mut catalog = tools.peers.catalog.clone();
    match timeout(PAGE_WITHIN, catalog.list_holders_at(request)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) if status.code() == Code::NotFound => Err(Error::NotFound("collection")),
        Ok(Err(status)) => {
            tracing::warn!(code = ?status.code(), error = status.message(), "catalog did not tell the holders");
            Err(Error::Unavailable("catalog"))
        }
        Err(_) => {
            tracing::warn!("catalog did not tell the holders in time");
            Err(Error::Unavailable("catalog"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_taken_once_it_is_settled_and_indexed() {
        // The head itself is the first confirmation.
        assert_eq!((settled(100, 1), settled(100, 12), settled(3, 12)), (100, 89, 0));
        assert_eq!(choose(89, 100, None).unwrap(), 89);
        assert_eq!(choose(89, 80, None).unwrap(), 80);
        assert_eq!(choose(89, 80, Some(80)).unwrap(), 80);
        assert_eq!(choose(89, 80, Some(0)).unwrap(), 0);
        assert!(matches!(choose(89, 80, Some(81)), Err(Error::NotYet(why)) if why.contains("block 80")));
        assert!(matches!(choose(89, 80, Some(90)), Err(Error::Invalid(_))));
        assert!(matches!(choose(89, 100, Some(90)), Err(Error::Invalid(_))));
    }
}
