//! Looks at a chain for the transactions that may carry an intent, and says what was learned. Writes nothing.

use std::collections::HashSet;

use alloy::{eips::BlockId, primitives::B256, rpc::types::TransactionRequest};
use chrono::{DateTime, TimeDelta, Utc};
use evm::{Node, NodeError, Receipt};
use ids::{Address, TxHash};

use crate::{
    intent::{End, Fact, Inclusion},
    model::{Candidate, Intent, Judgement, Kind, Problem, Step},
    outcome::{is_announced, is_prepared, of_logs},
    revert,
};

/// A nonce that another transaction seems to have used is believed after so long: nodes may lag behind each other.
const REPLACED_AFTER: TimeDelta = TimeDelta::seconds(15);

/// What became of one hash.
pub(crate) enum Sight {
    /// Nothing is known yet.
    Unseen,
    /// Ours, in no block yet.
    Waiting { nonce: Option<u64> },
    /// Ours, in a block.
    Mined { receipt: Box<Receipt>, nonce: Option<u64> },
    /// Seen, and not ours.
    Other,
}

/// What a look at the chain brought.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) facts: Vec<Fact>,
    pub(crate) judged: Vec<(TxHash, Judgement, Option<u64>)>,
}

/// Looks for one hash.
pub(crate) async fn see(
    node: &Node,
    intent: &Intent,
    step: &Step,
    tx_hash: TxHash,
) -> Result<Sight, NodeError> {
    let hash = B256::from(tx_hash);
    let (receipt, transaction) = tokio::join!(node.receipt(hash), node.transaction(hash));
    let (receipt, transaction) = (receipt?, transaction?);
    let prepared = &step.transaction;
    let nonce_if_prepared =
        transaction.as_ref().filter(|seen| is_prepared(seen, prepared)).map(|seen| seen.nonce);
    Ok(match (receipt, transaction) {
        (Some(receipt), Some(_)) => {
            let is_ours = nonce_if_prepared.is_some() || is_announced(&receipt.logs, intent, prepared.to);
            if is_ours {
                Sight::Mined { receipt: Box::new(receipt), nonce: nonce_if_prepared }
            } else {
                Sight::Other
            }
        }
        (None, Some(_)) if nonce_if_prepared.is_some() => Sight::Waiting { nonce: nonce_if_prepared },
        // A contract account's create is carried by somebody else; its logs will tell.
        (None, Some(seen))
            if intent.kind == Kind::CreateCollection && Address::from(seen.from) != prepared.from =>
        {
            Sight::Unseen
        }
        (None, Some(_)) => Sight::Other,
        // A node that knows the receipt and not the transaction is in the middle of something.
        (_, None) => Sight::Unseen,
    })
}

/// Looks for all hashes. `taken` are those that carry another intent.
pub(crate) async fn observe(
    node: &Node,
    intent: &Intent,
    step: &Step,
    candidates: &[Candidate],
    taken: &HashSet<TxHash>,
    (now, drop_after): (DateTime<Utc>, TimeDelta),
) -> Result<Observed, NodeError> {
    let mut observed = Observed::default();
    let (mut mined, mut waiting, mut is_open) = (None, None, false);
    let mut open_nonces: Vec<Option<u64>> = Vec::new();
    for candidate in candidates.iter().filter(|candidate| candidate.judgement != Judgement::Refused) {
        let tx_hash = candidate.tx_hash;
        let sight = match taken.contains(&tx_hash) {
            true => Sight::Other,
            false => see(node, intent, step, tx_hash).await?,
        };
        let is_verified = candidate.judgement == Judgement::Verified;
        let nonce = match sight {
            Sight::Mined { receipt, nonce } => {
                mined.get_or_insert((tx_hash, receipt));
                nonce
            }
            Sight::Waiting { nonce } => {
                waiting.get_or_insert(tx_hash);
                nonce
            }
            Sight::Other if !is_verified => {
                observed.judged.push((tx_hash, Judgement::Refused, None));
                continue;
            }
            Sight::Other | Sight::Unseen => {
                is_open = true;
                open_nonces.push(candidate.nonce);
                continue;
            }
        };
        if !is_verified {
            observed.judged.push((tx_hash, Judgement::Verified, nonce));
        }
    }

    if let Some((tx_hash, receipt)) = mined {
        let inclusion = include(node, intent, step, tx_hash, &receipt).await?;
        observed.facts.push(Fact::Included(inclusion));
        return Ok(observed);
    }
    if let Some((number, hash)) = intent.block {
        match node.header_by_number(number).await? {
            Some(header) if header.hash != B256::from(hash) => observed.facts.push(Fact::Gone),
            // The block stands, or this node has not come to it: it lags, and nothing was learned.
            _ => return Ok(observed),
        }
    }
    observed.facts.push(if let Some(tx_hash) = waiting {
        Fact::Waiting(tx_hash)
    } else if !is_open {
        Fact::Refused
    } else if is_replaced(node, intent, &open_nonces, now).await? {
        Fact::NonceTaken
    } else {
        Fact::Unseen { now, drop_after }
    });
    Ok(observed)
}

async fn include(
    node: &Node,
    intent: &Intent,
    step: &Step,
    tx_hash: TxHash,
    receipt: &Receipt,
) -> Result<Inclusion, NodeError> {
    let head = node.block_number().await?;
    let block = (receipt.block_number, receipt.block_hash.into());
    let confirmations = u32::try_from(head.saturating_sub(receipt.block_number) + 1).unwrap_or(u32::MAX);
    let end = match (&intent.problem, receipt.is_success) {
        (_, true) => of_logs(&receipt.logs, intent, step.transaction.to),
        (Some(problem), false) if intent.block == Some(block) => End::Reverted(problem.clone()),
        (_, false) => End::Reverted(reason(node, step, receipt.block_number).await),
    };
    Ok(Inclusion { tx_hash, block, confirmations, end })
}

/// Why it reverted, found by calling it again on the state before its block, then on the one after.
async fn reason(node: &Node, step: &Step, block: u64) -> Problem {
    let transaction = &step.transaction;
    let request = TransactionRequest::default()
        .from(transaction.from.into())
        .to(transaction.to.into())
        .value(transaction.value)
        .input(transaction.data.clone().into());
    for number in [block.saturating_sub(1), block] {
        if let Err(err) = node.call(&request, BlockId::number(number), None).await
            && err.is_revert()
        {
            return revert::decode(err.revert_data());
        }
    }
    let message = "the transaction reverted, and why is not known any more".to_owned();
    Problem { code: "TX_WILL_FAIL".to_owned(), message }
}

/// Whether the wallet's nonce went past our transaction's, as deep as the chain asks for.
async fn is_replaced(
    node: &Node,
    intent: &Intent,
    open_nonces: &[Option<u64>],
    now: DateTime<Utc>,
) -> Result<bool, NodeError> {
    let is_patient = intent.unseen_since.is_some_and(|since| now - since >= REPLACED_AFTER);
    // Each that may still come has to be impossible: one whose nonce nobody knows may come at any time.
    let known: Option<Vec<u64>> = open_nonces.iter().copied().collect();
    let last = known.and_then(|known| known.into_iter().max());
    let (true, Some(nonce)) = (is_patient, last) else { return Ok(false) };
    let head = node.block_number().await?;
    let Some(deep) = head.checked_sub(u64::from(intent.required_confirmations)) else { return Ok(false) };
    Ok(node.nonce(intent.from.into(), BlockId::number(deep)).await? > nonce)
}
