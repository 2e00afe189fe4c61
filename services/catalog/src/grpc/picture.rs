//! How our nouns look on the wire.

use chrono::{DateTime, Utc};
use ids::{AccountId, Address, ChainId};
use prost_types::Timestamp;
use proto::{
    catalog::v1 as pb,
    common::v1::{BlockRef, ContractRef, TokenRef, TokenStandard},
};

use crate::{
    error::Error,
    model::{Activity, Collection, Held, Holding, Token},
    store::holders::HolderAt,
};

/// Metadata larger than this is not shown: a page of a hundred tokens has to fit one answer, whoever minted them.
const SHOWN_BYTES: usize = 32 * 1024;

pub(super) fn collection(of: &Collection) -> Result<pb::Collection, Error> {
    let chain_id = ChainId::try_from(of.chain_id)?.to_string();
    Ok(pb::Collection {
        id: of.id.to_string(),
        contract: Some(ContractRef { chain_id, address: of.contract.to_lower() }),
        slug: of.slug.clone(),
        name: of.name.clone(),
        symbol: of.symbol.clone().unwrap_or_default(),
        description: of.description.clone().unwrap_or_default(),
        standard: standard(&of.standard).into(),
        creator: lower(of.creator),
        owner: lower(of.owner),
        royalty_bps: of.royalty_bps.unsigned_abs(),
        royalty_recipient: lower(of.royalty_recipient),
        max_supply: of.max_supply.clone().unwrap_or_default(),
        total_supply: of.total_supply.clone(),
        verified: of.is_verified,
        status: of.status.clone(),
        metadata_uri: of.metadata_url.clone().unwrap_or_default(),
        image_uri: of.image_url.clone().unwrap_or_default(),
        create_time: Some(time(of.created_at)),
        create_tx: of.created_tx.map(|tx| tx.to_string()).unwrap_or_default(),
        create_block: of.created_block_number.map(i64::unsigned_abs).unwrap_or_default(),
        items_count: of.items_count,
        owners_count: of.owners_count,
    })
}

pub(super) fn token(of: &Token) -> Result<pb::Token, Error> {
    Ok(pb::Token {
        id: of.id.to_string(),
        collection_id: of.collection_id.to_string(),
        r#ref: Some(TokenRef {
            chain_id: ChainId::try_from(of.chain_id)?.to_string(),
            address: of.contract.to_lower(),
            token_id: of.token_number.clone(),
        }),
        standard: standard(&of.standard).into(),
        name: of.name.clone().unwrap_or_default(),
        description: of.description.clone().unwrap_or_default(),
        metadata_uri: of.metadata_url.clone().unwrap_or_default(),
        metadata_status: of.metadata_status.clone(),
        image_uri: of.image_url.clone().unwrap_or_default(),
        metadata_json: of.metadata_json.clone().filter(|json| json.len() <= SHOWN_BYTES).unwrap_or_default(),
        supply: of.supply.clone(),
        owner: lower(of.owner),
        burned: of.is_burned,
        mint_time: of.minted_at.map(time),
    })
}

pub(super) fn owner(of: &Holding) -> Result<pb::Owner, Error> {
    let account = AccountId::new(ChainId::try_from(of.chain_id)?, of.owner);
    Ok(pb::Owner { account_id: account.to_lower(), quantity: of.quantity.clone() })
}

pub(super) fn holder(of: HolderAt) -> pb::Holder {
    pb::Holder { address: of.owner.to_lower(), quantity: of.quantity }
}

pub(super) fn activity(of: &Activity) -> pb::Activity {
    pb::Activity {
        id: of.id.to_string(),
        r#type: of.kind.clone(),
        collection_id: of.collection_id.to_string(),
        token_row_id: of.token_row_id.map(|id| id.to_string()).unwrap_or_default(),
        from: lower(of.from),
        to: lower(of.to),
        quantity: of.quantity.clone().unwrap_or_else(|| "0".to_owned()),
        tx_hash: of.tx_hash.to_string(),
        log_index: u32::try_from(of.log_index).unwrap_or(u32::MAX),
        block: Some(BlockRef {
            number: of.block_number.unsigned_abs(),
            hash: of.block_hash.to_string(),
            time: Some(time(of.occurred_at)),
        }),
    }
}

fn lower(address: Option<Address>) -> String {
    address.map(|address| address.to_lower()).unwrap_or_default()
}

pub(super) fn standard(name: &str) -> TokenStandard {
    if name == "ERC1155" { TokenStandard::Erc1155 } else { TokenStandard::Erc721 }
}

pub(super) fn time(at: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: at.timestamp(), nanos: at.timestamp_subsec_nanos().cast_signed() }
}

/// What somebody has. Nothing is sold here yet.
pub(super) fn owner_stats(address: String, held: &Held) -> pb::OwnerStats {
    let count = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
    pb::OwnerStats {
        address,
        collections_count: count(held.collections),
        items_count: count(held.items),
        volume_sold: "0".to_owned(),
        volume_purchased: "0".to_owned(),
        ..Default::default()
    }
}
