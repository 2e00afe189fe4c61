//! Preparing mints.

use async_graphql::{Context, InputObject, Object, Result};
use proto::orchestrator::v1::{PrepareMint721Request, PrepareMint1155Request};

use super::{
    collection::ContractRef,
    guard::{Requires, auth},
    prepared::{PrepareResult, optional, optional_amount, prepared},
    scalar::{Address, BigInt, Hex, Uri},
    user::{Role, acting},
};
use crate::peers::Peers;

/// What is to be minted from an ERC-721 collection.
#[derive(InputObject)]
pub(crate) struct PrepareMint721Input {
    collection: ContractRef,
    /// The wallet of yours that signs and pays.
    minter: Address,
    /// The minter where absent.
    recipient: Option<Address>,
    /// How many; as many as there are `metadataUris` where those are given.
    #[graphql(default = 1)]
    quantity: u32,
    /// One a token: a creator's own mint, free and outside the stages.
    #[graphql(default)]
    metadata_uris: Vec<Uri>,
    /// The allowlist's proof, where the open stage has a list; where absent, that of a stored list is found.
    #[graphql(default)]
    proof: Vec<Hex>,
    /// What one costs as you were shown it, in wei; at another price it is refused with PRICE_CHANGED.
    expected_price_raw: Option<BigInt>,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

/// What is to be minted from an ERC-1155 collection.
#[derive(InputObject)]
pub(crate) struct PrepareMint1155Input {
    collection: ContractRef,
    /// The wallet of yours that signs and pays.
    minter: Address,
    /// The minter where absent.
    recipient: Option<Address>,
    token_id: BigInt,
    quantity: BigInt,
    /// The allowlist's proof, where the open stage has a list; where absent, that of a stored list is found.
    #[graphql(default)]
    proof: Vec<Hex>,
    /// What one costs as you were shown it, in wei; at another price it is refused with PRICE_CHANGED.
    expected_price_raw: Option<BigInt>,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

#[derive(Default)]
pub(crate) struct PrepareMintMutation;

#[Object]
impl PrepareMintMutation {
    /// Prepares a mint of an ERC-721 collection. You sign and send; then tell the hash by `trackMintTx`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_mint721(
        &self,
        context: &Context<'_>,
        input: PrepareMint721Input,
    ) -> Result<PrepareResult> {
        // As many as there are addresses of metadata, unless somebody asks for another number in so many words.
        let quantity = match (input.quantity, input.metadata_uris.len()) {
            (1, more @ 1..) => u32::try_from(more).unwrap_or(u32::MAX),
            (quantity, _) => quantity,
        };
        let asked = PrepareMint721Request {
            request_id: input.idempotency_key,
            collection: Some(input.collection.to_wire()),
            minter: input.minter.0.to_lower(),
            recipient: optional(input.recipient),
            quantity,
            proof: input.proof.into_iter().map(|node| node.0).collect(),
            expected_price_raw: optional_amount(input.expected_price_raw),
            metadata_uris: input.metadata_uris.into_iter().map(|uri| uri.0).collect(),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        prepared(context.data_unchecked::<Peers>().mints.clone().prepare_mint721(asked).await)
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
            expected_price_raw: optional_amount(input.expected_price_raw),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        prepared(context.data_unchecked::<Peers>().mints.clone().prepare_mint1155(asked).await)
    }
}
