//! What happened to the viewer's wallets.

use async_graphql::{Context, Enum, ID, Object, Result};
use proto::wallet::v1::{self as pb, ListActivityRequest};

use super::{
    connection::{Page, connection},
    node,
    scalar::{AccountId, DateTime, moment_of, ours, text},
};
use crate::{cursor::Seal, error::failed, peers::Peers, viewer::Viewer};

/// One thing that happened to a wallet of yours.
#[derive(Clone)]
pub(crate) struct WalletActivity(pb::Activity);

/// What happened to a wallet.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WalletAction {
    Linked,
    Unlinked,
    Labelled,
    MadePrimary,
}

#[Object]
impl WalletActivity {
    async fn id(&self) -> ID {
        node::id("WalletActivity", &self.0.id)
    }

    /// Null for what this gateway does not know yet.
    async fn action(&self) -> Option<WalletAction> {
        match self.0.action.as_str() {
            "linked" => Some(WalletAction::Linked),
            "unlinked" => Some(WalletAction::Unlinked),
            "labelled" => Some(WalletAction::Labelled),
            "made_primary" => Some(WalletAction::MadePrimary),
            _ => None,
        }
    }

    /// The wallet, which may be gone.
    async fn wallet_id(&self) -> ID {
        node::id("Wallet", &self.0.wallet_id)
    }

    async fn account(&self) -> Result<AccountId> {
        ours(&self.0.account_id)
    }

    /// Where it was done from, where that is known.
    async fn ip_address(&self) -> Option<String> {
        text(&self.0.ip_address)
    }

    async fn user_agent(&self) -> Option<String> {
        text(&self.0.user_agent)
    }

    async fn occurred_at(&self) -> DateTime {
        moment_of(self.0.time.as_ref())
    }
}

connection!(WalletActivityConnection, WalletActivityEdge, WalletActivity, "wallet activities");

/// The viewer's own, newest first.
pub(crate) async fn list(
    context: &Context<'_>,
    viewer: &Viewer,
    first: Option<i32>,
    after: Option<String>,
) -> Result<WalletActivityConnection> {
    let seal = context.data_unchecked::<Seal>();
    let page = Page::read(seal, WalletActivityConnection::KIND, first, after.as_deref())?;
    let asked = ListActivityRequest { page_size: page.size, page_token: page.token.clone() };
    let asked = rpc::caller::acting(asked, &viewer.caller());
    let peers = context.data_unchecked::<Peers>();
    let answer = peers.wallet.clone().list_activity(asked).await.map_err(|status| failed(&status))?;
    let answer = answer.into_inner();
    let nodes = answer.activities.into_iter().map(WalletActivity).collect();
    let has_next = !answer.next_page_token.is_empty();
    Ok(WalletActivityConnection::new(seal, &page, nodes, &answer.positions, has_next))
}
