//! Approvals: who may move whose tokens, as the chain tells it to everybody.

use async_graphql::{Context, Enum, Object, Result};
use proto::wallet::v1::{self as pb, ListApprovalHistoryRequest, ListApprovalsRequest, ListGrantorsRequest};

use super::{
    chain,
    connection::{Page, connection},
    scalar::{AccountId, Address, BigInt, ChainId, DateTime, Hex, moment_of, ours, ours_or_none},
};
use crate::{cursor::Seal, error::failed, peers::Peers};

/// Leave that was given or taken back.
#[derive(Clone)]
pub(crate) struct Approval(pb::Approval);

/// What changed an approval.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApprovalCause {
    /// Its owner said so.
    Approval,
    /// The token changed hands, which takes its approval away.
    Transfer,
}

#[Object]
impl Approval {
    /// Whose tokens.
    async fn owner(&self) -> Result<Address> {
        ours(&self.0.owner)
    }

    /// Who may move them.
    async fn operator(&self) -> Result<Address> {
        ours(&self.0.operator)
    }

    /// What the launchpad knows the operator as; null where it does not, and with an error while it cannot be asked.
    async fn operator_name(&self, context: &Context<'_>) -> Option<Result<String>> {
        let chain_id = match self.chain() {
            Ok(chain_id) => chain_id.0,
            Err(err) => return Some(Err(err)),
        };
        match chain::load(context, chain_id).await? {
            Ok(chain) => chain.contract_name(&self.0.operator).map(Ok),
            Err(err) => Some(Err(err)),
        }
    }

    async fn chain_id(&self) -> Result<ChainId> {
        self.chain()
    }

    /// The contract of the tokens.
    async fn collection(&self) -> Result<Address> {
        ours(&self.0.contract.as_ref().map(|contract| contract.address.clone()).unwrap_or_default())
    }

    /// The one token that it is about; null for all tokens of the contract.
    async fn token_id(&self) -> Result<Option<BigInt>> {
        ours_or_none(&self.0.token_id)
    }

    /// Whether it was given; else it was taken back.
    async fn approved(&self) -> bool {
        self.0.approved
    }

    async fn cause(&self) -> ApprovalCause {
        match self.0.cause.as_str() {
            "transfer" => ApprovalCause::Transfer,
            _ => ApprovalCause::Approval,
        }
    }

    /// The block that changed it last.
    async fn block_number(&self) -> BigInt {
        BigInt(amounts::U256::from(self.0.block.as_ref().map_or(0, |block| block.number)))
    }

    async fn tx_hash(&self) -> Result<Option<Hex>> {
        ours_or_none(&self.0.tx_hash)
    }

    /// That block's time.
    async fn updated_at(&self) -> DateTime {
        moment_of(self.0.block.as_ref().and_then(|block| block.time.as_ref()))
    }
}

impl Approval {
    fn chain(&self) -> Result<ChainId> {
        ours(&self.0.contract.as_ref().map(|contract| contract.chain_id.clone()).unwrap_or_default())
    }
}

connection!(ApprovalConnection, ApprovalEdge, Approval);

#[derive(Default)]
pub(crate) struct ApprovalQuery;

#[Object]
impl ApprovalQuery {
    /// Who may move an account's tokens now, newest first. The chain shows it to everybody, so everybody may ask. Null with an
    /// error while approvals cannot be read.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4")]
    async fn approvals(
        &self,
        context: &Context<'_>,
        account: AccountId,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<ApprovalConnection>> {
        Some(in_force(context, account, first, after).await)
    }

    /// Every approval that an account ever gave or took back, newest first. Everybody may ask. Null with an error while
    /// approvals cannot be read.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4")]
    async fn approval_history(
        &self,
        context: &Context<'_>,
        account: AccountId,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<ApprovalConnection>> {
        Some(history(context, account, first, after).await)
    }

    /// Who lets an operator move their tokens now, newest first. Everybody may ask. Null with an error while approvals cannot be
    /// read.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4")]
    async fn grantors(
        &self,
        context: &Context<'_>,
        operator: Address,
        chain_id: ChainId,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<ApprovalConnection>> {
        Some(granted(context, operator, chain_id, first, after).await)
    }
}

/// What happened to the approvals of an account.
async fn history(
    context: &Context<'_>,
    account: AccountId,
    first: Option<i32>,
    after: Option<String>,
) -> Result<ApprovalConnection> {
    let seal = context.data_unchecked::<Seal>();
    let (chain_id, owner) = place(account);
    let kind = format!("approval-history:{chain_id}:{owner}");
    let page = Page::read(seal, &kind, first, after.as_deref())?;
    let asked =
        ListApprovalHistoryRequest { owner, chain_id, page_size: page.size, page_token: page.token.clone() };
    let peers = context.data_unchecked::<Peers>();
    let answer = peers.wallet.clone().list_approval_history(asked).await;
    let answer = answer.map_err(|status| failed(&status))?.into_inner();
    let nodes = answer.approvals.into_iter().map(Approval).collect();
    let has_next = !answer.next_page_token.is_empty();
    Ok(ApprovalConnection::within(seal, &kind, &page, nodes, &answer.positions, has_next))
}

/// Who lets an operator move their tokens now.
async fn granted(
    context: &Context<'_>,
    operator: Address,
    chain_id: ChainId,
    first: Option<i32>,
    after: Option<String>,
) -> Result<ApprovalConnection> {
    let seal = context.data_unchecked::<Seal>();
    let (chain_id, operator) = (chain_id.0.to_string(), operator.0.to_lower());
    let kind = format!("grantors:{chain_id}:{operator}");
    let page = Page::read(seal, &kind, first, after.as_deref())?;
    let asked =
        ListGrantorsRequest { operator, chain_id, page_size: page.size, page_token: page.token.clone() };
    let peers = context.data_unchecked::<Peers>();
    let answer = peers.wallet.clone().list_grantors(asked).await;
    let answer = answer.map_err(|status| failed(&status))?.into_inner();
    let nodes = answer.approvals.into_iter().map(Approval).collect();
    let has_next = !answer.next_page_token.is_empty();
    Ok(ApprovalConnection::within(seal, &kind, &page, nodes, &answer.positions, has_next))
}

/// The approvals of an account that hold now.
pub(crate) async fn in_force(
    context: &Context<'_>,
    account: AccountId,
    first: Option<i32>,
    after: Option<String>,
) -> Result<ApprovalConnection> {
    let seal = context.data_unchecked::<Seal>();
    let (chain_id, owner) = place(account);
    // Bound to the account: a cursor of one list says nothing in another.
    let kind = format!("approvals:{chain_id}:{owner}");
    let page = Page::read(seal, &kind, first, after.as_deref())?;
    let asked =
        ListApprovalsRequest { owner, chain_id, page_size: page.size, page_token: page.token.clone() };
    let peers = context.data_unchecked::<Peers>();
    let answer = peers.wallet.clone().list_approvals(asked).await;
    let answer = answer.map_err(|status| failed(&status))?.into_inner();
    let nodes = answer.approvals.into_iter().map(Approval).collect();
    let has_next = !answer.next_page_token.is_empty();
    Ok(ApprovalConnection::within(seal, &kind, &page, nodes, &answer.positions, has_next))
}

/// The chain and the owner, as the wallet service names them.
fn place(account: AccountId) -> (String, String) {
    (account.0.chain_id.to_string(), account.0.address.to_lower())
}
