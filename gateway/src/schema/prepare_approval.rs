//! Preparing approvals, and taking them back.

use async_graphql::{Context, InputObject, Object, Result};
use proto::orchestrator::v1::{PrepareApproveRequest, PrepareRevokeApprovalRequest};

use super::{
    collection::ContractRef,
    guard::{Requires, auth},
    prepared::{PrepareResult, optional, optional_amount, prepared},
    scalar::{Address, BigInt},
    user::{Role, acting},
};
use crate::peers::Peers;

/// Who is to be allowed to move what.
#[derive(InputObject)]
pub(crate) struct PrepareApproveInput {
    /// A contract of ERC-721, ERC-1155 or ERC-20.
    contract: ContractRef,
    /// The wallet of yours that signs, and whose tokens they are.
    owner: Address,
    /// Who may move them; the chain's exchange where absent.
    operator: Option<Address>,
    /// One token of an ERC-721 contract; all of the owner's where absent.
    token_id: Option<BigInt>,
    /// How much, for ERC-20.
    amount: Option<BigInt>,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

/// Who is no longer to be allowed to move what.
#[derive(InputObject)]
pub(crate) struct PrepareRevokeApprovalInput {
    /// A contract of ERC-721, ERC-1155 or ERC-20.
    contract: ContractRef,
    /// The wallet of yours that signs, and whose tokens they are.
    owner: Address,
    /// Who may no longer move them.
    operator: Address,
    /// The one token of an ERC-721 contract that was approved; the approval of all where absent.
    token_id: Option<BigInt>,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

#[derive(Default)]
pub(crate) struct PrepareApprovalMutation;

#[Object]
impl PrepareApprovalMutation {
    /// Prepares an approval: somebody may move your tokens. Before one of the exchange, your own listings that it would bring
    /// back to life are cancelled. You sign and send; then tell the hashes by `trackTx`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_approve(
        &self,
        context: &Context<'_>,
        input: PrepareApproveInput,
    ) -> Result<PrepareResult> {
        let asked = PrepareApproveRequest {
            request_id: input.idempotency_key,
            contract: Some(input.contract.to_wire()),
            owner: input.owner.0.to_lower(),
            operator: optional(input.operator),
            token_id: optional_amount(input.token_id),
            amount: optional_amount(input.amount),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        prepared(context.data_unchecked::<Peers>().market.clone().prepare_approve(asked).await)
    }

    /// Prepares taking an approval back. You sign and send; then tell the hash by `trackTx`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_revoke_approval(
        &self,
        context: &Context<'_>,
        input: PrepareRevokeApprovalInput,
    ) -> Result<PrepareResult> {
        let asked = PrepareRevokeApprovalRequest {
            request_id: input.idempotency_key,
            contract: Some(input.contract.to_wire()),
            owner: input.owner.0.to_lower(),
            operator: input.operator.0.to_lower(),
            token_id: optional_amount(input.token_id),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        prepared(context.data_unchecked::<Peers>().market.clone().prepare_revoke_approval(asked).await)
    }
}
