//! Finds the transaction that used an account's nonce: the block after which the account had gone past it, then the
//! transaction in that block. So a speed-up is followed that nobody reported, and a cancellation is told from another
//! call. Nodes forget old states: where the search comes to one that is forgotten, it is known that the nonce was used,
//! and not by whom.

use alloy::{eips::BlockId, primitives::Address};
use evm::{Node, NodeError, Transaction};

/// What is known of a nonce.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Used {
    /// The account has not come so far, or nobody can say.
    No,
    /// By this transaction, in this block.
    By(u64, Transaction),
    /// In this block or before it, by whom nobody knows any more.
    Before(u64),
}

/// Searches below `head`, the newest block; `deep` is the number of the newest one that is as deep as the chain asks for.
pub(crate) async fn find_taker(
    node: &Node,
    (account, nonce): (Address, u64),
    (head, deep): (u64, u64),
) -> Result<Used, NodeError> {
    // None where the state of the block is not there (any more, or not yet).
    let is_past = async |number: u64| match node.nonce(account, BlockId::number(number)).await {
        Ok(sent) => Ok(Some(sent > nonce)),
        Err(err) if err.is_state_missing() => Ok(None),
        Err(err) => Err(err),
    };
    if is_past(head).await? != Some(true) {
        return Ok(Used::No);
    }
    // It is almost always one of the newest blocks; the states of old ones are not kept by every node.
    let (mut low, mut high, mut stride) = (0, head, 1_u64);
    while high > 0 {
        let number = high.saturating_sub(stride);
        match is_past(number).await? {
            Some(true) => high = number,
            Some(false) => {
                low = number;
                break;
            }
            None if high <= deep => return Ok(Used::Before(high)),
            None => {
                return Ok(match is_past(deep).await? {
                    Some(true) => Used::Before(deep),
                    Some(false) => Used::Before(high),
                    None => Used::No,
                });
            }
        }
        stride = stride.saturating_mul(2);
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        match is_past(middle).await? {
            Some(true) => high = middle,
            Some(false) => low = middle,
            None => return Ok(Used::Before(high)),
        }
    }
    let sent = node.transactions_of(high).await?.unwrap_or_default();
    let taking = sent.into_iter().find(|sent| sent.from == account && sent.nonce == nonce);
    // Where it is not in that block, the chain is changing under the search.
    Ok(taking.map_or(Used::No, |found| Used::By(high, found)))
}
