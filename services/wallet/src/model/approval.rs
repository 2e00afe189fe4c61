//! Approvals: what the chain's events decide, and what stands.

use chrono::{DateTime, Utc};
use events::{ChainEvent, Standard, mints::TokenMoved, wallets::ApprovalChanged};
use ids::{Address, TokenId, TxHash};
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
}
