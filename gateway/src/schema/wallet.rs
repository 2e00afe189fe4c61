//! Wallets: the accounts of a user.

use async_graphql::{Context, ID, Object, Result};
use proto::wallet::v1 as pb;

use super::{
    chain::{self, Chain},
    node,
    scalar::{AccountId, Address, DateTime, moment, ours, text},
};

/// A link of an account to a user.
#[derive(Clone)]
pub(crate) struct Wallet(pub(crate) pb::Wallet);

#[Object]
impl Wallet {
    async fn id(&self) -> ID {
        node::id("Wallet", &self.0.wallet_id)
    }

    /// As CAIP-10 names it.
    async fn account(&self) -> Result<AccountId> {
        ours(&self.0.account_id)
    }

    async fn address(&self) -> Result<Address> {
        ours(&self.0.address)
    }

    /// The chain that it was linked on; null with an error while the registry cannot be read.
    async fn chain(&self, context: &Context<'_>) -> Option<Result<Chain>> {
        match ours(&self.0.chain_id) {
            Ok(chain_id) => chain::load(context, chain_id).await,
            Err(err) => Some(Err(err)),
        }
    }

    /// Whether it is the one that is shown first.
    async fn is_primary(&self) -> bool {
        self.0.is_primary
    }

    async fn label(&self) -> Option<String> {
        text(&self.0.label)
    }

    /// The kind of wallet that linked it.
    async fn connector(&self) -> Option<String> {
        text(&self.0.connector)
    }

    async fn verified_at(&self) -> Option<DateTime> {
        moment(self.0.verify_time.as_ref())
    }
}
