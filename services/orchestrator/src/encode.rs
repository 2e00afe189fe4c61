//! Calldata, from what was asked for. Pure: the same ask and intent give the same bytes.

use abi::{
    launchpad::{
        CreateParams, STAGE_ALLOWLIST, STAGE_PUBLIC, Stage, VitrineERC721, VitrineERC1155, VitrineFactory,
        salt,
    },
    standards::{Erc20, Erc721},
};
use alloy::{
    primitives::{B256, U256, aliases::U96},
    sol_types::SolCall,
};
use ids::{Address, Hash32, IntentId, TokenId};

use crate::ask::{CreateAsk, MintAsk, StageAsk, StageKind, Standard};

/// An intent's id as the factory takes it: the UUID as a number.
pub(crate) fn intent_word(intent_id: IntentId) -> B256 {
    B256::from(U256::from(intent_id.0.as_u128()))
}

/// What the factory's event will say of the intent.
pub(crate) fn salt_of(creator: Address, intent_id: IntentId) -> Hash32 {
    salt(creator.into(), intent_word(intent_id)).into()
}

/// The call of the factory that makes the collection.
pub(crate) fn create(ask: &CreateAsk, intent_id: IntentId) -> Vec<u8> {
    let p = CreateParams {
        name: ask.name.clone(),
        symbol: ask.symbol.clone(),
        baseURI: ask.base_uri.clone(),
        contractURI: ask.metadata_uri.clone(),
        maxSupply: ask.max_supply,
        royaltyRecipient: ask.royalty_recipient.into(),
        royaltyBps: U96::from(ask.royalty_bps),
        stages: ask.stages.iter().map(stage).collect(),
    };
    let intent = intent_word(intent_id);
    match ask.standard {
        Standard::Erc721 => VitrineFactory::createERC721CollectionCall { p, intentId: intent }.abi_encode(),
        Standard::Erc1155 => VitrineFactory::createERC1155CollectionCall { p, intentId: intent }.abi_encode(),
    }
}

fn stage(ask: &StageAsk) -> Stage {
    Stage {
        kind: match ask.kind {
            StageKind::Allowlist => STAGE_ALLOWLIST,
            StageKind::Public => STAGE_PUBLIC,
        },
        price: ask.price,
        startsAt: ask.starts_at,
        endsAt: ask.ends_at.unwrap_or(0),
        maxPerWallet: ask.max_per_wallet,
        merkleRoot: ask.allowlist_root.map(B256::from).unwrap_or_default(),
        maxSupply: ask.max_supply,
    }
}

/// The call of the collection that mints.
pub(crate) fn mint(ask: &MintAsk, stage_id: U256, proof: Vec<B256>) -> Vec<u8> {
    let to = ask.recipient.into();
    match ask.standard {
        Standard::Erc721 => {
            VitrineERC721::mintCall { to, quantity: ask.quantity, stageId: stage_id, proof }.abi_encode()
        }
        Standard::Erc1155 => {
            let id = ask.token_id.map(ids::TokenId::number).unwrap_or_default();
            VitrineERC1155::mintCall { to, id, amount: ask.quantity, stageId: stage_id, proof }.abi_encode()
        }
    }
}

/// The call of the collection that makes a token for each URI, outside the stages.
pub(crate) fn mint_with_uris(ask: &MintAsk) -> Vec<u8> {
    let (to, uris) = (ask.recipient.into(), ask.metadata_uris.clone());
    VitrineERC721::mintWithURIsCall { to, uris }.abi_encode()
}

/// The call of an ERC-721 that lets somebody, or nobody any more, move one token.
pub(crate) fn approve_token(operator: Option<Address>, token_id: TokenId) -> Vec<u8> {
    let to = operator.unwrap_or(Address::ZERO).into();
    Erc721::approveCall { to, tokenId: token_id.number() }.abi_encode()
}

/// The call of an ERC-721 or ERC-1155 that lets somebody move all tokens, or none any more.
pub(crate) fn approve_all(operator: Address, is_approved: bool) -> Vec<u8> {
    Erc721::setApprovalForAllCall { operator: operator.into(), approved: is_approved }.abi_encode()
}

/// The call of an ERC-20 that lets somebody move so much.
pub(crate) fn approve_amount(spender: Address, amount: U256) -> Vec<u8> {
    Erc20::approveCall { spender: spender.into(), amount }.abi_encode()
}

#[cfg(test)]
mod tests {
    use alloy::{
        dyn_abi::{DynSolValue, JsonAbiExt},
        json_abi::JsonAbi,
    };
    use ids::ChainId;
    use proptest::prelude::*;

    use super::*;

    fn word() -> impl Strategy<Value = U256> {
        any::<[u8; 32]>().prop_map(U256::from_be_bytes)
    }

    fn address() -> impl Strategy<Value = Address> {
        any::<[u8; 20]>().prop_map(Address::new)
    }

    prop_compose! {
        fn stage_ask()(is_public in any::<bool>(), price in word(), starts_at in any::<u64>(), ends_at in any::<Option<u64>>(),
                       max_per_wallet in word(), max_supply in word(), root in any::<[u8; 32]>()) -> StageAsk {
            let kind = if is_public { StageKind::Public } else { StageKind::Allowlist };
            StageAsk { kind, price, starts_at, ends_at, max_per_wallet, max_supply, allowlist_root: Some(Hash32::new(root)) }
        }
    }

    prop_compose! {
        fn create_ask()(is_721 in any::<bool>(), texts in any::<[String; 4]>(), creator in address(), royalty_bps in any::<u32>(),
                        royalty_recipient in address(), max_supply in word(),
                        stages in prop::collection::vec(stage_ask(), 0..5)) -> CreateAsk {
            let [name, symbol, metadata_uri, base_uri] = texts;
            let standard = if is_721 { Standard::Erc721 } else { Standard::Erc1155 };
            let chain_id = ChainId::new(1).unwrap();
            CreateAsk { chain_id, standard, name, symbol, creator, metadata_uri, base_uri, royalty_bps, royalty_recipient,
                        max_supply, stages }
        }
    }

    /// Decodes with the compiled contract's own ABI, which shares no code with the encoder.
    fn decode(contract: &str, data: &[u8]) -> (String, Vec<DynSolValue>) {
        let json: JsonAbi = abi::json_abi(contract).unwrap();
        let selector = alloy::primitives::Selector::from_slice(&data[..4]);
        let function = json.functions().find(|function| function.selector() == selector).unwrap();
        (function.name.clone(), function.abi_decode_input(&data[4..]).unwrap())
    }

    /// With the names of the ABI a struct is decoded as one, without them as a tuple.
    fn fields(value: &DynSolValue) -> &[DynSolValue] {
        value.as_custom_struct().map(|(_, _, fields)| fields).or(value.as_tuple()).unwrap()
    }

    proptest! {
        #[test]
        fn a_creates_calldata_says_what_was_asked(ask in create_ask(), id in any::<u128>()) {
            let intent_id = IntentId(uuid::Uuid::from_u128(id));
            let (name, values) = decode("VitrineFactory", &create(&ask, intent_id));
            let is_721 = ask.standard == Standard::Erc721;
            prop_assert_eq!(name, if is_721 { "createERC721Collection" } else { "createERC1155Collection" });
            prop_assert_eq!(values[1].as_fixed_bytes().unwrap().0.to_vec(), intent_word(intent_id).to_vec());
            let params = fields(&values[0]);
            prop_assert_eq!(params[0].as_str(), Some(ask.name.as_str()));
            prop_assert_eq!(params[1].as_str(), Some(ask.symbol.as_str()));
            prop_assert_eq!(params[2].as_str(), Some(ask.base_uri.as_str()));
            prop_assert_eq!(params[3].as_str(), Some(ask.metadata_uri.as_str()));
            prop_assert_eq!(params[4].as_uint().unwrap().0, ask.max_supply);
            prop_assert_eq!(params[5].as_address().map(Address::from), Some(ask.royalty_recipient));
            prop_assert_eq!(params[6].as_uint().unwrap().0, U256::from(ask.royalty_bps));
            let stages = params[7].as_array().unwrap();
            prop_assert_eq!(stages.len(), ask.stages.len());
            for (encoded, stage) in stages.iter().zip(&ask.stages) {
                let encoded = fields(encoded);
                let number = |at: usize| encoded[at].as_uint().unwrap().0;
                prop_assert_eq!(number(0), U256::from(u8::from(stage.kind == StageKind::Public)));
                prop_assert_eq!(number(1), stage.price);
                prop_assert_eq!(number(2), U256::from(stage.starts_at));
                prop_assert_eq!(number(3), U256::from(stage.ends_at.unwrap_or(0)));
                prop_assert_eq!(number(4), stage.max_per_wallet);
                prop_assert_eq!(number(6), stage.max_supply);
                prop_assert_eq!(encoded[5].as_fixed_bytes().unwrap().0.to_vec(), stage.allowlist_root.unwrap().as_slice().to_vec());
            }
        }

        #[test]
        fn a_mints_calldata_says_what_was_asked(is_721 in any::<bool>(), recipient in address(), quantity in word(), id in word(),
                                                stage_id in word(), proof in prop::collection::vec(any::<[u8; 32]>(), 0..6)) {
            let standard = if is_721 { Standard::Erc721 } else { Standard::Erc1155 };
            let chain_id = ChainId::new(1).unwrap();
            let proof: Vec<B256> = proof.into_iter().map(B256::new).collect();
            let ask = MintAsk { standard, chain_id, collection: recipient, minter: recipient, recipient, token_id: Some(TokenId::new(id)),
                                quantity,
                                proof: vec![], expected_price: None, metadata_uris: vec![] };
            let data = mint(&ask, stage_id, proof.clone());
            let (name, values) = decode(if is_721 { "VitrineERC721" } else { "VitrineERC1155" }, &data);
            prop_assert_eq!(name, "mint");
            let number = |at: usize| values[at].as_uint().unwrap().0;
            prop_assert_eq!(values[0].as_address().map(Address::from), Some(recipient));
            let rest = if is_721 { 1 } else { prop_assert_eq!(number(1), id); 2 };
            prop_assert_eq!(number(rest), quantity);
            prop_assert_eq!(number(rest + 1), stage_id);
            let decoded: Vec<_> = values[rest + 2].as_array().unwrap().iter().map(|word| word.as_fixed_bytes().unwrap().0.to_vec()).collect();
            prop_assert_eq!(decoded, proof.iter().map(|word| word.to_vec()).collect::<Vec<_>>());
        }
    }
}
