//! Preparing a new collection.

use async_graphql::{Context, InputObject, Object, Result};
use proto::orchestrator::v1::{self as pb, PrepareCreateCollectionRequest};

use super::{
    collection::TokenStandard,
    guard::{Requires, auth},
    mint_eligibility::MintStageKind,
    prepared::{PrepareResult, optional, prepared},
    scalar::{Address, BigInt, ChainId, DateTime, Hex, Uri, to_timestamp},
    user::{Role, acting},
};
use crate::peers::Peers;

/// When, for whom and at which price tokens may be minted.
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
    /// What all wallets together may mint in this stage; without limit where absent.
    max_supply: Option<BigInt>,
}

/// What a new collection is to be.
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

#[derive(Default)]
pub(crate) struct PrepareCollectionMutation;

#[Object]
impl PrepareCollectionMutation {
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
            max_supply: or_unlimited(input.max_supply),
            stages: input.mint_stages.into_iter().map(stage).collect(),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let peers = context.data_unchecked::<Peers>();
        prepared(peers.collections.clone().prepare_create_collection(asked).await)
    }
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
        max_per_wallet: or_unlimited(stage.max_per_wallet),
        allowlist_root: stage.allowlist_root.map(|root| root.0).unwrap_or_default(),
        max_supply: or_unlimited(stage.max_supply),
    }
}

/// A limit for the wire, where zero is none.
fn or_unlimited(most: Option<BigInt>) -> String {
    most.map_or_else(|| "0".to_owned(), |most| most.0.to_string())
}
