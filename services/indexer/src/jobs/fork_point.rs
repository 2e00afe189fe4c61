//! Whether a block of the node is one that we have told of, by what is stored of it or of what it builds on.

use std::collections::{BTreeMap, HashSet};

use evm::Node;
use ids::{BlockHash, ChainId};

use crate::{
    error::Error,
    follow::fetch,
    model::Header,
    store::{self, Stores},
};

/// So far down is looked for a document.
const FURTHEST: u64 = 20_000;

/// What is known of a block of the node.
pub(super) enum Meeting {
    Ours(Header),
    /// Nothing near it is stored.
    Unknown(Header),
    /// It is not ours, for the operator: what may be.
    Other(String),
}

/// Looks at the node's block of a height; at the documents of so many blocks at once.
pub(super) async fn base(
    stores: &Stores,
    node: &Node,
    chain_id: ChainId,
    number: u64,
    at_once: u64,
) -> Result<Meeting, Error> {
    let head = fetch::head(node).await?;
    if head.number < number {
        return Ok(Meeting::Other(format!("the node's chain ends at block {}", head.number)));
    }
    let header = header_of(node, number).await?;
    let lowest = store::late::find_lowest(&stores.db, chain_id).await?.unwrap_or(number + 1);
    if lowest <= number {
        let known = store::late::list_known(&stores.db, chain_id, lowest, number).await?;
        let ours: Vec<_> = known.into_iter().filter(|block| block.is_canonical).collect();
        if ours.last().is_some_and(|block| block.number == number && block.hash == header.hash) {
            return Ok(Meeting::Ours(header));
        }
        // What two chains have in common is at their beginning: halve the rest.
        let (mut common, mut beyond) = (0, ours.len());
        while common < beyond {
            let middle = common + (beyond - common) / 2;
            match header_of(node, ours[middle].number).await?.hash == ours[middle].hash {
                true => common = middle + 1,
                false => beyond = middle,
            }
        }
        if common > 0 {
            return Ok(Meeting::Other(not_ours(number, Some(ours[common - 1].number))));
        }
    }
    below_window(stores, node, chain_id, header, lowest.min(number + 1), at_once).await
}

/// Only documents tell of blocks below the window: the nearest ones that the node's chain has, too.
///
/// Documents are written before their block is told of, and of a block that was never told they stay, and call themselves
/// canonical. So a height says that its block is ours only where all its documents are of the node's block, and that it
/// is not where none is. Where some are, it says nothing, and the ones below it are looked at.
async fn below_window(
    stores: &Stores,
    node: &Node,
    chain_id: ChainId,
    header: Header,
    below: u64,
    at_once: u64,
) -> Result<Meeting, Error> {
    let is_inside = below <= header.number;
    let (mut top, mut has_differed) = (below, is_inside);
    while top > 0 && below - top < FURTHEST {
        let from = top.saturating_sub(at_once);
        let mut of_height: BTreeMap<u64, HashSet<BlockHash>> = BTreeMap::new();
        for mark in stores.raw.list_marks(chain_id, from, top - 1).await? {
            if mark.canonical {
                of_height.entry(mark.block_number.cast_unsigned()).or_default().insert(mark.block_hash);
            }
        }
        for (number, hashes) in of_height.into_iter().rev() {
            match says(&hashes, header_of(node, number).await?.hash) {
                Says::Ours if has_differed => {
                    return Ok(Meeting::Other(not_ours(header.number, Some(number))));
                }
                Says::Ours => return Ok(Meeting::Ours(header)),
                Says::Other => has_differed = true,
                Says::Nothing => tracing::warn!(
                    chain.id = %chain_id, block.number = number,
                    "the documents of a height are of several blocks and do not tell which of them is ours",
                ),
            }
        }
        top = from;
    }
    Ok(match has_differed {
        true => Meeting::Other(not_ours(header.number, None)),
        false => Meeting::Unknown(header),
    })
}

/// Whether the documents of a height say that the node's block of it is ours.
#[derive(Debug, PartialEq, Eq)]
enum Says {
    Ours,
    Other,
    Nothing,
}

fn says(documents: &HashSet<BlockHash>, of_node: BlockHash) -> Says {
    match (documents.contains(&of_node), documents.len()) {
        (true, 1) => Says::Ours,
        (true, _) => Says::Nothing,
        (false, _) => Says::Other,
    }
}

fn not_ours(number: u64, common: Option<u64>) -> String {
    match common {
        Some(common) => format!(
            "the node's block {number} is not ours; the last one that is both its and ours seems to be {common}: \
             rewind to block {}",
            common + 1
        ),
        None => {
            format!("the node's block {number} is not ours, nor is any below it of which something is stored")
        }
    }
}

async fn header_of(node: &Node, number: u64) -> Result<Header, Error> {
    fetch::headers(node, number, number).await?.pop().ok_or(Error::Inconsistent("a block is missing"))
}

#[cfg(test)]
mod tests {
    use ids::Hash32;

    use super::*;

    #[test]
    fn a_height_tells_only_where_all_its_documents_are_of_one_block_or_none_is_of_the_nodes() {
        let [a, b, c] = [1, 2, 3].map(|byte| Hash32::new([byte; 32]));
        assert_eq!(says(&HashSet::from([a]), a), Says::Ours);
        assert_eq!(says(&HashSet::from([a, b]), a), Says::Nothing);
        assert_eq!(says(&HashSet::from([a, b]), c), Says::Other);
        assert_eq!(says(&HashSet::from([b]), a), Says::Other);
    }
}
