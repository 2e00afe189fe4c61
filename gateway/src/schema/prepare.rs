//! Preparing what a wallet signs: transactions named as viem names them.

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, Result, SimpleObject, Union};
use proto::orchestrator::v1::{
    self as pb, PrepareCreateCollectionRequest, PrepareMint721Request, PrepareMint1155Request,
};

use super::{
    collection::{ContractRef, TokenStandard},
    guard::{Requires, auth},
    intent::TxIntent,
    problem::{
        self, ConflictProblem, ForbiddenProblem, NotFoundProblem, Problem, TxWillFailProblem,
        ValidationProblem,
    },
    scalar::{
        Address, BigInt, ChainId, ChainNumber, DateTime, Hex, Uri, ours, ours_or_none, text, to_timestamp,
    },
    user::{Role, acting},
};
use crate::{error::failed, peers::Peers};

/// An intent and the steps that carry it out, in order.
#[derive(SimpleObject)]
pub(crate) struct PreparedTransaction {
    intent: TxIntent,
    /// Sign them in this order, then tell the hash of each transaction.
    steps: Vec<TxStep>,
}

/// One transaction or signature.
#[derive(SimpleObject)]
pub(crate) struct TxStep {
    id: ID,
    kind: TxStepKind,
    title: String,
    description: String,
    /// What to send, for a transaction.
    transaction: Option<TransactionRequest>,
    /// What to sign, for a signature: EIP-712.
    typed_data: Option<Json<serde_json::Value>>,
    /// Whether it was tried on the chain as it is now.
    simulated: bool,
}

/// What a step asks of the wallet.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TxStepKind {
    Transaction,
    Signature,
}

/// An unsigned EIP-1559 transaction, named as viem names it. Amounts are strings: wrap them in `BigInt()`.
#[derive(SimpleObject)]
pub(crate) struct TransactionRequest {
    chain: ChainId,
    chain_id: ChainNumber,
    from: Address,
    to: Address,
    data: Hex,
    value: BigInt,
    gas: Option<BigInt>,
    max_fee_per_gas: Option<BigInt>,
    max_priority_fee_per_gas: Option<BigInt>,
}

/// What to sign, or why there is nothing to sign.
#[derive(Union)]
pub(crate) enum PrepareResult {
    Prepared(Box<PreparedTransaction>),
    Validation(ValidationProblem),
    NotFound(NotFoundProblem),
    Forbidden(ForbiddenProblem),
    Conflict(ConflictProblem),
    TxWillFail(TxWillFailProblem),
}

/// Who may mint in a stage.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MintStageKind {
    Allowlist,
    Public,
}

#[derive(InputObject)]
pub(crate) struct MintStageInput {
    kind: MintStageKind,
    /// In wei.
    price_raw: BigInt,
    /// From the first block on where absent.
    starts_at: Option<DateTime>,
    /// Without end where absent.
    ends_at: Option<DateTime>,
    /// Without limit where absent.
    max_per_wallet: Option<BigInt>,
    /// The Merkle root of the allowlist.
    allowlist_root: Option<Hex>,
}

#[derive(InputObject)]
pub(crate) struct PrepareCreateCollectionInput {
    chain_id: ChainId,
    standard: TokenStandard,
    name: String,
    symbol: String,
    /// The wallet of yours that signs.
    creator: Address,
    /// The collection's own metadata.
    metadata_uri: Option<Uri>,
    /// Token URIs are this and the token's number; for ERC-1155 it contains `{id}`.
    base_uri: Option<Uri>,
    #[graphql(default)]
    royalty_bps: u32,
    /// The creator where absent.
    royalty_recipient: Option<Address>,
    /// Without limit where absent.
    max_supply: Option<BigInt>,
    #[graphql(default)]
    mint_stages: Vec<MintStageInput>,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

#[derive(InputObject)]
pub(crate) struct PrepareMint721Input {
    collection: ContractRef,
    /// The wallet of yours that signs and pays.
    minter: Address,
    /// The minter where absent.
    recipient: Option<Address>,
    #[graphql(default = 1)]
    quantity: u32,
    /// The allowlist's proof, where the open stage has a list.
    #[graphql(default)]
    proof: Vec<Hex>,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

#[derive(InputObject)]
pub(crate) struct PrepareMint1155Input {
    collection: ContractRef,
    /// The wallet of yours that signs and pays.
    minter: Address,
    /// The minter where absent.
    recipient: Option<Address>,
    token_id: BigInt,
    quantity: BigInt,
    /// The allowlist's proof, where the open stage has a list.
    #[graphql(default)]
    proof: Vec<Hex>,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

#[derive(Default)]
pub(crate) struct PrepareMutation;

#[Object]
impl PrepareMutation {
    /// Prepares a new collection. You sign and send; then tell the hash by `trackCollectionTx`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_create_collection(
        &self,
        context: &Context<'_>,
        input: PrepareCreateCollectionInput,
    ) -> Result<PrepareResult> {
        let asked = PrepareCreateCollectionRequest {
            request_id: input.idempotency_key,
            chain_id: input.chain_id.0.to_string(),
            standard: input.standard.to_wire().into(),
            name: input.name,
            symbol: input.symbol,
            creator: input.creator.0.to_lower(),
            metadata_uri: input.metadata_uri.map(|uri| uri.0).unwrap_or_default(),
            base_uri: input.base_uri.map(|uri| uri.0).unwrap_or_default(),
            royalty_bps: input.royalty_bps,
            royalty_recipient: optional(input.royalty_recipient),
            max_supply: input.max_supply.map_or_else(|| "0".to_owned(), |most| most.0.to_string()),
            stages: input.mint_stages.into_iter().map(stage).collect(),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer =
            context.data_unchecked::<Peers>().collections.clone().prepare_create_collection(asked).await;
        prepared(answer.map(|answer| answer.into_inner()).map(|answer| (answer.intent, answer.steps)))
    }

    /// Prepares a mint of an ERC-721 collection. You sign and send; then tell the hash by `trackMintTx`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_mint721(
        &self,
        context: &Context<'_>,
        input: PrepareMint721Input,
    ) -> Result<PrepareResult> {
        let asked = PrepareMint721Request {
            request_id: input.idempotency_key,
            collection: Some(input.collection.to_wire()),
            minter: input.minter.0.to_lower(),
            recipient: optional(input.recipient),
            quantity: input.quantity,
            proof: input.proof.into_iter().map(|node| node.0).collect(),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().mints.clone().prepare_mint721(asked).await;
        prepared(answer.map(|answer| answer.into_inner()).map(|answer| (answer.intent, answer.steps)))
    }

    /// Prepares a mint of an ERC-1155 collection. You sign and send; then tell the hash by `trackMintTx`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_mint1155(
        &self,
        context: &Context<'_>,
        input: PrepareMint1155Input,
    ) -> Result<PrepareResult> {
        let asked = PrepareMint1155Request {
            request_id: input.idempotency_key,
            collection: Some(input.collection.to_wire()),
            minter: input.minter.0.to_lower(),
            recipient: optional(input.recipient),
            token_id: input.token_id.0.to_string(),
            quantity: input.quantity.0.to_string(),
            proof: input.proof.into_iter().map(|node| node.0).collect(),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().mints.clone().prepare_mint1155(asked).await;
        prepared(answer.map(|answer| answer.into_inner()).map(|answer| (answer.intent, answer.steps)))
    }
}

fn optional(address: Option<Address>) -> String {
    address.map(|address| address.0.to_lower()).unwrap_or_default()
}

fn stage(stage: MintStageInput) -> pb::MintStage {
    let kind = match stage.kind {
        MintStageKind::Allowlist => "allowlist",
        MintStageKind::Public => "public",
    };
    pb::MintStage {
        kind: kind.to_owned(),
        price_raw: stage.price_raw.0.to_string(),
        start_time: stage.starts_at.map(to_timestamp),
        end_time: stage.ends_at.map(to_timestamp),
        max_per_wallet: stage.max_per_wallet.map_or_else(|| "0".to_owned(), |most| most.0.to_string()),
        allowlist_root: stage.allowlist_root.map(|root| root.0).unwrap_or_default(),
    }
}

fn prepared(answer: Result<(Option<pb::Intent>, Vec<pb::Step>), tonic::Status>) -> Result<PrepareResult> {
    match answer {
        Ok((intent, steps)) => Ok(PrepareResult::Prepared(Box::new(PreparedTransaction {
            intent: TxIntent(intent.unwrap_or_default()),
            steps: steps.into_iter().map(step).collect::<Result<_>>()?,
        }))),
        Err(status) => Ok(match problem::expected(&status)? {
            Problem::Validation(problem) => PrepareResult::Validation(problem),
            Problem::NotFound(problem) => PrepareResult::NotFound(problem),
            Problem::Forbidden(problem) => PrepareResult::Forbidden(problem),
            Problem::Conflict(problem) => PrepareResult::Conflict(problem),
            Problem::TxWillFail(problem) => PrepareResult::TxWillFail(problem),
            Problem::Siwe(_) => return Err(failed(&status)),
        }),
    }
}

fn step(step: pb::Step) -> Result<TxStep> {
    Ok(TxStep {
        id: ID(step.step_id.clone()),
        kind: match step.kind() {
            pb::StepKind::Signature => TxStepKind::Signature,
            _ => TxStepKind::Transaction,
        },
        transaction: step.transaction.as_ref().map(transaction).transpose()?,
        typed_data: text(&step.typed_data_json).map(|json| ours(&json).map(Json)).transpose()?,
        simulated: step.simulated,
        title: step.title,
        description: step.description,
    })
}

fn transaction(transaction: &pb::TxRequest) -> Result<TransactionRequest> {
    let chain: ChainId = ours(&transaction.chain_id)?;
    Ok(TransactionRequest {
        chain,
        chain_id: ChainNumber(chain.0.number()),
        from: ours(&transaction.from)?,
        to: ours(&transaction.to)?,
        data: Hex(transaction.data.clone()),
        value: ours(&transaction.value)?,
        gas: ours_or_none(&transaction.gas)?,
        max_fee_per_gas: ours_or_none(&transaction.max_fee_per_gas)?,
        max_priority_fee_per_gas: ours_or_none(&transaction.max_priority_fee_per_gas)?,
    })
}
