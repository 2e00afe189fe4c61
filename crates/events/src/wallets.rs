//! Facts about wallets: links, from wallet; approvals, from the chain.

use ids::{AccountId, Address, TokenId, UserId, WalletId};
use serde::{Deserialize, Serialize};

use crate::{ChainBatch, Fact, Message, chain::batch_id, exchange};

/// `wallet.linked`: an account belongs to a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalletLinked {
    /// Whose.
    pub user_id: UserId,
    /// The link.
    pub wallet_id: WalletId,
    /// The account.
    pub account_id: AccountId,
    /// `eoa` or `contract`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is the user's primary wallet.
    pub is_primary: bool,
}

impl Fact for WalletLinked {
    const TYPE: &'static str = "vitrine.wallets.linked.v1";
    const SOURCE: &'static str = "wallet";
    const EXCHANGE: &'static str = exchange::WALLETS;
}

/// The message for one link.
pub fn linked(fact: &WalletLinked) -> Message {
    Message::new(format!("wallet/{}/linked", fact.wallet_id), "wallet.linked".to_owned(), fact)
}

/// `wallet.unlinked`: an account belongs to nobody again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalletUnlinked {
    /// Whose it was.
    pub user_id: UserId,
    /// The link that is gone.
    pub wallet_id: WalletId,
    /// The account.
    pub account_id: AccountId,
    /// `eoa` or `contract`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it was the primary wallet.
    pub is_primary: bool,
}

impl Fact for WalletUnlinked {
    const TYPE: &'static str = "vitrine.wallets.unlinked.v1";
    const SOURCE: &'static str = "wallet";
    const EXCHANGE: &'static str = exchange::WALLETS;
}

/// The message for one removed link.
pub fn unlinked(fact: &WalletUnlinked) -> Message {
    Message::new(format!("wallet/{}/unlinked", fact.wallet_id), "wallet.unlinked".to_owned(), fact)
}

/// `approval.eip155.{n}`: who may move whose tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalChanged {
    /// Whose tokens.
    pub owner: Address,
    /// Who may move them; zero clears a token's approval.
    pub operator: Address,
    /// One token, or absent for all of the contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    /// Given or taken away.
    pub is_approved: bool,
}

impl Fact for ChainBatch<ApprovalChanged> {
    const TYPE: &'static str = "vitrine.wallets.approval.v1";
    const SOURCE: &'static str = "indexer";
    const EXCHANGE: &'static str = exchange::WALLETS;
}

/// One message for a block's approvals.
pub fn approval_changed(batch: &ChainBatch<ApprovalChanged>, part: usize) -> Message {
    let key = format!("approval.{}", batch.chain_id.routing_words());
    Message::new(batch_id(batch, "approval", part), key, batch)
}
