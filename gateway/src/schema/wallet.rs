//! Wallets: the accounts of a user, and what their owner may do with them.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject, Union};
use proto::wallet::v1::{self as pb, LinkWalletRequest, SetLabelRequest, SetPrimaryRequest, UnlinkRequest};
use tonic::Status;

use super::{
    Visitor,
    approval::{self, ApprovalConnection},
    chain::{self, Chain},
    guard::{self, Requires, auth},
    node,
    problem::{self, ConflictProblem, NotFoundProblem, Problem, SiweProblem, ValidationProblem},
    scalar::{AccountId, Address, DateTime, Hex, moment, ours, text},
    user::{Role, acting},
};
use crate::{error::failed, loaders::Loaders, peers::Peers, viewer::Viewer};

/// A link of an account to a user.
#[derive(Clone)]
pub(crate) struct Wallet(pub(crate) pb::Wallet);

/// What an account is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WalletType {
    /// A key: the same on every chain.
    Eoa,
    /// A contract: of its chain only.
    Contract,
}

#[Object]
impl Wallet {
    pub(crate) async fn id(&self) -> ID {
        node::id("Wallet", &self.0.wallet_id)
    }

    /// As CAIP-10 names it.
    async fn account(&self) -> Result<AccountId> {
        ours(&self.0.account_id)
    }

    async fn address(&self) -> Result<Address> {
        ours(&self.0.address)
    }

    async fn r#type(&self) -> WalletType {
        match self.0.r#type.as_str() {
            "contract" => WalletType::Contract,
            _ => WalletType::Eoa,
        }
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

    /// What its owner calls it; null for others.
    async fn label(&self, context: &Context<'_>) -> Option<String> {
        self.is_viewers(context).then(|| text(&self.0.label))?
    }

    /// The kind of wallet that linked it; null for others.
    async fn connector(&self, context: &Context<'_>) -> Option<String> {
        self.is_viewers(context).then(|| text(&self.0.connector))?
    }

    /// When its owner proved it.
    async fn verified_at(&self) -> Option<DateTime> {
        moment(self.0.verify_time.as_ref())
    }

    /// When it was last used here; null for others.
    async fn last_seen_at(&self, context: &Context<'_>) -> Option<DateTime> {
        self.is_viewers(context).then(|| moment(self.0.last_seen_time.as_ref()))?
    }

    /// Who may move its tokens now, newest first. For its owner; null for others, who may ask `approvals`.
    #[graphql(
        complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4",
        directive = auth::apply(Role::User)
    )]
    async fn approvals(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<ApprovalConnection>> {
        if let Some(err) = guard::refused(context, Role::User) {
            return Some(Err(err));
        }
        if !self.is_viewers(context) {
            return None;
        }
        match ours::<AccountId>(&self.0.account_id) {
            Ok(account) => Some(approval::in_force(context, account, first, after).await),
            Err(err) => Some(Err(err)),
        }
    }
}

impl Wallet {
    fn is_viewers(&self, context: &Context<'_>) -> bool {
        context.data_opt::<Viewer>().is_some_and(|viewer| viewer.user_id.to_string() == self.0.user_id)
    }
}

/// The wallets of a user, by the request's loader.
pub(crate) async fn of_user(context: &Context<'_>, id: ids::UserId) -> Option<Result<Vec<Wallet>>> {
    match context.data_unchecked::<Loaders>().wallets.load_one(id).await {
        Ok(found) => found.map(|rows: Vec<_>| Ok(rows.into_iter().map(Wallet).collect())),
        Err(status) => Some(Err(failed(&status))),
    }
}

/// A wallet of the viewer's; nothing where it is not theirs.
pub(crate) async fn own(context: &Context<'_>, id: ids::WalletId) -> Result<Option<Wallet>> {
    let Some(viewer) = context.data_opt::<Viewer>() else { return Ok(None) };
    let wallets = of_user(context, viewer.user_id).await.transpose()?.unwrap_or_default();
    let id = id.to_string();
    Ok(wallets.into_iter().find(|wallet| wallet.0.wallet_id == id))
}

#[derive(InputObject)]
pub(crate) struct LinkWalletInput {
    /// The EIP-4361 message, as the wallet signed it, around a nonce that was issued to link a wallet.
    message: String,
    signature: Hex,
    /// What you call it.
    label: Option<String>,
    /// The kind of wallet: `io.metamask`.
    connector: Option<String>,
    /// Whether it is the one to show first from now on.
    #[graphql(default)]
    make_primary: bool,
}

/// The wallet that is yours now, or why it is not.
#[derive(Union)]
pub(crate) enum LinkWalletResult {
    Wallet(Box<Wallet>),
    Siwe(SiweProblem),
    Conflict(ConflictProblem),
    Validation(ValidationProblem),
}

/// The wallet as it is now, or why nothing changed.
#[derive(Union)]
pub(crate) enum WalletResult {
    Wallet(Box<Wallet>),
    NotFound(NotFoundProblem),
    Conflict(ConflictProblem),
    Validation(ValidationProblem),
}

/// A wallet that is no longer yours; the sessions that it opened have ended.
#[derive(SimpleObject)]
pub(crate) struct UnlinkedWallet {
    /// The id that it had.
    wallet_id: ID,
}

/// What was unlinked, or why it was not.
#[derive(Union)]
pub(crate) enum UnlinkWalletResult {
    Unlinked(UnlinkedWallet),
    NotFound(NotFoundProblem),
    Conflict(ConflictProblem),
}

#[derive(Default)]
pub(crate) struct WalletMutation;

#[Object]
impl WalletMutation {
    /// Links a further account to you, which proves itself by a signed message. Fine when it is yours already.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn link_wallet(&self, context: &Context<'_>, input: LinkWalletInput) -> Result<LinkWalletResult> {
        let visitor = context.data_unchecked::<Visitor>().to_wire(None);
        let asked = LinkWalletRequest {
            message: input.message,
            signature: input.signature.0,
            label: input.label.unwrap_or_default(),
            connector: input.connector.unwrap_or_default(),
            make_primary: input.make_primary,
            ip_address: visitor.ip_address,
            user_agent: visitor.user_agent,
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        match context.data_unchecked::<Peers>().wallet.clone().link_wallet(asked).await {
            Ok(answer) => Ok(LinkWalletResult::Wallet(Box::new(shown(answer.into_inner().wallet)))),
            Err(status) => link_refused(&status),
        }
    }

    /// Gives an account up, and ends the sessions that it opened. Not the last one: nobody could sign in any more.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn unlink_wallet(&self, context: &Context<'_>, id: ID) -> Result<UnlinkWalletResult> {
        let viewer = acting(context)?;
        let Some(wallet_id) = node::key::<ids::WalletId>("Wallet", &id) else {
            return Ok(UnlinkWalletResult::NotFound(NotFoundProblem::of("wallet")));
        };
        let asked = UnlinkRequest { wallet_id: wallet_id.to_string() };
        let asked = rpc::caller::acting(asked, &viewer.caller());
        match context.data_unchecked::<Peers>().wallet.clone().unlink(asked).await {
            Ok(_) => {
                Ok(UnlinkWalletResult::Unlinked(UnlinkedWallet { wallet_id: node::id("Wallet", wallet_id) }))
            }
            Err(status) => match problem::expected(&status)? {
                Problem::NotFound(problem) => Ok(UnlinkWalletResult::NotFound(problem)),
                Problem::Conflict(problem) => Ok(UnlinkWalletResult::Conflict(problem)),
                _ => Err(failed(&status)),
            },
        }
    }

    /// Shows this wallet of yours first.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn set_primary_wallet(&self, context: &Context<'_>, id: ID) -> Result<WalletResult> {
        let viewer = acting(context)?;
        let Some(wallet_id) = node::key::<ids::WalletId>("Wallet", &id) else {
            return Ok(WalletResult::NotFound(NotFoundProblem::of("wallet")));
        };
        let asked = SetPrimaryRequest { wallet_id: wallet_id.to_string() };
        let asked = rpc::caller::acting(asked, &viewer.caller());
        let answer = context.data_unchecked::<Peers>().wallet.clone().set_primary(asked).await;
        changed(answer.map(|answer| answer.into_inner().wallet))
    }

    /// Names a wallet of yours; null takes the name away.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn set_wallet_label(
        &self,
        context: &Context<'_>,
        id: ID,
        label: Option<String>,
    ) -> Result<WalletResult> {
        let viewer = acting(context)?;
        let Some(wallet_id) = node::key::<ids::WalletId>("Wallet", &id) else {
            return Ok(WalletResult::NotFound(NotFoundProblem::of("wallet")));
        };
        let asked = SetLabelRequest { wallet_id: wallet_id.to_string(), label: label.unwrap_or_default() };
        let asked = rpc::caller::acting(asked, &viewer.caller());
        let answer = context.data_unchecked::<Peers>().wallet.clone().set_label(asked).await;
        changed(answer.map(|answer| answer.into_inner().wallet))
    }
}

fn shown(wallet: Option<pb::Wallet>) -> Wallet {
    Wallet(wallet.unwrap_or_default())
}

fn changed(answer: Result<Option<pb::Wallet>, Status>) -> Result<WalletResult> {
    match answer {
        Ok(wallet) => Ok(WalletResult::Wallet(Box::new(shown(wallet)))),
        Err(status) => match problem::expected(&status)? {
            Problem::NotFound(problem) => Ok(WalletResult::NotFound(problem)),
            Problem::Conflict(problem) => Ok(WalletResult::Conflict(problem)),
            Problem::Validation(problem) => Ok(WalletResult::Validation(problem)),
            _ => Err(failed(&status)),
        },
    }
}

/// What is wrong with the message or its signature is told as at a sign-in.
fn link_refused(status: &Status) -> Result<LinkWalletResult> {
    if problem::is_of_siwe(status) {
        return problem::siwe(status).map(LinkWalletResult::Siwe);
    }
    match problem::expected(status)? {
        Problem::Conflict(problem) => Ok(LinkWalletResult::Conflict(problem)),
        Problem::Validation(problem) => Ok(LinkWalletResult::Validation(problem)),
        _ => Err(failed(status)),
    }
}

#[cfg(test)]
mod tests {
    use rpc::{Code, Refusal};

    use super::*;

    fn refused(code: Code, reason: &'static str) -> Result<LinkWalletResult> {
        link_refused(&Refusal::new(code, reason, "…").into())
    }

    #[test]
    fn a_link_that_is_refused_tells_the_signature_from_the_owner_and_from_the_input() {
        assert!(matches!(refused(Code::BadInput, "NONCE_USED"), Ok(LinkWalletResult::Siwe(_))));
        assert!(matches!(refused(Code::Unauthenticated, "SIGNATURE_INVALID"), Ok(LinkWalletResult::Siwe(_))));
        assert!(matches!(refused(Code::Conflict, "WALLET_TAKEN"), Ok(LinkWalletResult::Conflict(_))));
        assert!(matches!(refused(Code::BadInput, "BAD_INPUT"), Ok(LinkWalletResult::Validation(_))));
        assert!(refused(Code::Unavailable, "UNAVAILABLE").is_err());
    }
}
