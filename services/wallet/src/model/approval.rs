//! Approvals: what the chain's events decide, and what stands.

use amounts::U256;
use chrono::{DateTime, Utc};
use events::{ChainEvent, Standard, chain::event_id, mints::TokenMoved, wallets::ApprovalChanged};
use ids::{Address, BlockHash, ChainId, TokenId, TxHash};
use serde::{Deserialize, Serialize};

/// What an approval decides. A token has one approved operator at a time, so that a new one ends the old one's right;
/// approvals of all tokens stand beside each other, one an operator.
fn slot(owner: Address, operator: Address, token_id: Option<TokenId>) -> String {
    match token_id {
        Some(token_id) => format!("token/{token_id}"),
        None => format!("all/{}/{}", owner.to_lower(), operator.to_lower()),
    }
}

/// Whether somebody may move something after this event: the zero address as operator clears a token's approval.
fn is_in_force(is_approved: bool, operator: Address) -> bool {
    is_approved && !operator.is_zero()
}

/// Why a row of the ledger is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Somebody approved, or took it back.
    Approval,
    /// The token went elsewhere, and with it the right to move it.
    Transfer,
}

impl Origin {
    /// The word of columns and wires.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Origin::Approval => "approval",
            Origin::Transfer => "transfer",
        }
    }
}

/// What one event of the chain decides, as the ledger keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) event_id: String,
    pub(crate) cause: Origin,
    pub(crate) contract: Address,
    pub(crate) slot: String,
    pub(crate) owner: Address,
    pub(crate) operator: Address,
    pub(crate) token_id: Option<TokenId>,
    pub(crate) is_approved: bool,
    pub(crate) tx_hash: TxHash,
    pub(crate) log_index: u32,
    pub(crate) batch_index: u32,
}

impl Entry {
    /// Somebody may move something from here on, or may no longer.
    pub(crate) fn approval(event: ChainEvent<ApprovalChanged>) -> Entry {
        let fact = &event.fact;
        Entry {
            cause: Origin::Approval,
            contract: event.contract,
            slot: slot(fact.owner, fact.operator, fact.token_id),
            owner: fact.owner,
            operator: fact.operator,
            token_id: fact.token_id,
            is_approved: is_in_force(fact.is_approved, fact.operator),
            tx_hash: event.tx_hash,
            log_index: event.log_index,
            batch_index: event.batch_index,
            event_id: event.id,
        }
    }

    /// A token that left its owner: nobody may move it for them any more. Amounts of an ERC-1155 token have no
    /// approvals of their own; where nobody told what the contract is, a needless row costs less than a stale right.
    pub(crate) fn transfer(event: ChainEvent<TokenMoved>) -> Option<Entry> {
        let fact = &event.fact;
        (event.standard != Some(Standard::Erc1155)).then(|| Entry {
            cause: Origin::Transfer,
            contract: event.contract,
            slot: slot(fact.from, Address::ZERO, Some(fact.token_id)),
            owner: fact.from,
            operator: Address::ZERO,
            token_id: Some(fact.token_id),
            is_approved: false,
            tx_hash: event.tx_hash,
            log_index: event.log_index,
            batch_index: event.batch_index,
            event_id: event.id,
        })
    }
}

/// More tokens than this in one log are not taken in while a message waits, nor any range after so many of one message.
pub(crate) const MOST_TOKENS: u32 = 100_000;

/// Why the tokens of an event cannot be told one by one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("lastTokenId: is below tokenId")]
    Backwards,
    #[error("lastTokenId: {0} tokens in one log, and no more than {MOST_TOKENS} are applied")]
    TooLong(U256),
    #[error("lastTokenId: {0} tokens, and the message's other ranges have {MOST_TOKENS} already")]
    TooMany(u32),
}

impl Unfit {
    /// The word for counting.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Unfit::Backwards => "malformed",
            Unfit::TooLong(_) | Unfit::TooMany(_) => "range_too_long",
        }
    }
}

/// What events that stand one behind the other in a log decide: of one token each, upwards from the first.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) first: Entry,
    pub(crate) tokens: u32,
}

impl Run {
    pub(crate) fn one(first: Entry) -> Run {
        Run { first, tokens: 1 }
    }

    /// The tokens that a log says went elsewhere; ERC-2309 names many by the first and the last.
    pub(crate) fn transfer(event: ChainEvent<TokenMoved>) -> Result<Option<Run>, Unfit> {
        let (from, to) = (event.fact.token_id, event.fact.last_token_id.unwrap_or(event.fact.token_id));
        let span = to.number().checked_sub(from.number()).ok_or(Unfit::Backwards)?;
        let tokens = span.saturating_add(U256::ONE);
        match u32::try_from(tokens) {
            Ok(tokens) if tokens <= MOST_TOKENS => {
                Ok(Entry::transfer(event).map(|first| Run { first, tokens }))
            }
            _ => Err(Unfit::TooLong(tokens)),
        }
    }

    /// The ranges that a message may have applied, and those beyond, each with the index of its element. Short ones come
    /// first, so that whoever tells of very long ones harms themselves. It depends on what the ranges are and on nothing
    /// else: a retraction takes back what was applied.
    pub(crate) fn within_bounds(mut runs: Vec<(usize, Run)>) -> (Vec<Run>, Vec<(usize, Unfit)>) {
        runs.sort_by_key(|(_, run)| (run.tokens, run.first.log_index, run.first.batch_index));
        let mut left = MOST_TOKENS;
        let (mut within, mut beyond) = (Vec::new(), Vec::new());
        for (index, run) in runs {
            // The last one that is taken in may go beyond: a long one is not lost for a few short ones beside it.
            if left > 0 {
                left = left.saturating_sub(run.tokens);
                within.push(run);
            } else {
                beyond.push((index, Unfit::TooMany(run.tokens)));
            }
        }
        (within, beyond)
    }

    /// One of them; each has the id that an event of its own in this place would have.
    pub(crate) fn nth(&self, chain_id: ChainId, block: BlockHash, nth: u32) -> Entry {
        let mut entry = self.first.clone();
        let Some(token_id) = entry.token_id.filter(|_| nth > 0) else { return entry };
        let token_id = TokenId::new(token_id.number() + U256::from(nth));
        entry.batch_index = entry.batch_index.saturating_add(nth);
        entry.event_id = event_id(chain_id, block, entry.tx_hash, entry.log_index, entry.batch_index);
        entry.slot = slot(entry.owner, entry.operator, Some(token_id));
        entry.token_id = Some(token_id);
        entry
    }
}

/// An approval as it stands, or as it was given or taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Approval {
    pub(crate) id: uuid::Uuid,
    pub(crate) chain_id: String,
    pub(crate) contract: String,
    pub(crate) owner: String,
    pub(crate) operator: String,
    pub(crate) token_id: Option<String>,
    pub(crate) is_approved: bool,
    pub(crate) cause: String,
    pub(crate) block_number: i64,
    pub(crate) block_hash: String,
    pub(crate) block_time: DateTime<Utc>,
    pub(crate) tx_hash: String,
    pub(crate) log_index: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_slot_whoever_is_approved() {
        let (a, b) = (Address::new([1; 20]), Address::new([2; 20]));
        let token = Some("7".parse().unwrap());
        assert_eq!(slot(a, b, token), slot(a, a, token));
        assert_ne!(slot(a, b, None), slot(a, a, None));
        assert_ne!(slot(a, b, None), slot(b, b, None));
        assert!(!is_in_force(true, Address::ZERO) && !is_in_force(false, a) && is_in_force(true, a));
    }

    fn run(log_index: u32, tokens: u32) -> Run {
        let first = Entry {
            event_id: String::new(),
            cause: Origin::Transfer,
            contract: Address::ZERO,
            slot: String::new(),
            owner: Address::ZERO,
            operator: Address::ZERO,
            token_id: None,
            is_approved: false,
            tx_hash: ids::Hash32::new([0; 32]),
            log_index,
            batch_index: 0,
        };
        Run { first, tokens }
    }

    #[test]
    fn of_a_message_the_short_ranges_are_taken_in_first_and_the_same_ones_in_whatever_order_they_come() {
        let lengths = [60_000, MOST_TOKENS, 3, 60_000, MOST_TOKENS];
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 4, 0, 2, 3]] {
            let runs = order.map(|place| (place, run(u32::try_from(place).unwrap(), lengths[place])));
            let (within, beyond) = Run::within_bounds(runs.to_vec());
            let within: Vec<_> = within.iter().map(|run| run.first.log_index).collect();
            assert_eq!(within, [2, 0, 3]);
            assert_eq!(beyond, [(1, Unfit::TooMany(MOST_TOKENS)), (4, Unfit::TooMany(MOST_TOKENS))]);
        }
        let (within, beyond) = Run::within_bounds(vec![(0, run(0, MOST_TOKENS)), (1, run(1, 150))]);
        assert_eq!((within.len(), beyond), (2, vec![]), "a long one is not lost for a short one beside it");
    }
}
