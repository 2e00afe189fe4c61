//! Tests: what is signed is read by a decoder that shares nothing with the encoder, and says what was asked for.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use alloy::primitives::{B256, Bytes, U256};
use ids::{Address, ChainId, Hash32, IntentId, TokenId};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    ask::{CreateAsk, MintAsk, StageAsk, StageKind, Standard},
    encode,
};

/// What calldata must say: the contract of `contracts/out` that reads it, the function, and each argument by position.
/// Numbers are decimal strings, structs objects by field.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) contract: &'static str,
    pub(crate) function: &'static str,
    pub(crate) arguments: Value,
    pub(crate) data: Vec<u8>,
}

impl Case {
    fn line(&self) -> Value {
        let Case { contract, function, arguments, data } = self;
        let data = Bytes::copy_from_slice(data);
        json!({ "contract": contract, "function": function, "arguments": arguments, "data": data })
    }
}

/// Lets viem decode each and compare.
pub(crate) fn compare(cases: &[Case]) {
    ask_viem(cases.iter().map(Case::line));
}

/// Each line holds calldata and what it must say, or typed data and its hash. `cargo xtask test` installs viem and sets
/// the variable; elsewhere, without it, nothing is compared.
pub(crate) fn ask_viem(lines: impl Iterator<Item = Value>) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !testkit::contracts_npm_is_due() && !here.join("../../contracts/node_modules/viem").exists() {
        return;
    }
    let mut node = Command::new("node");
    node.arg(here.join("tests/decode.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = node.spawn().unwrap();
    let mut input = running.stdin.take().unwrap();
    let mut count = 0;
    for line in lines {
        // A reader that found a difference is gone; what it found is told below.
        if writeln!(input, "{line}").is_err() {
            break;
        }
        count += 1;
    }
    drop(input);
    let ended = running.wait_with_output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{said}{complained}");
    assert_eq!(said.trim(), format!("{count} match"));
}

/// Numbers of any size, the ends of the range and of smaller words among them.
pub(crate) fn number() -> impl Strategy<Value = U256> {
    prop_oneof![
        4 => any::<[u8; 32]>().prop_map(U256::from_be_bytes),
        1 => any::<u64>().prop_map(U256::from),
        1 => (0_usize..256).prop_map(|bit| U256::from(1) << bit),
        1 => (0_usize..256).prop_map(|bit| U256::MAX >> bit),
        1 => Just(U256::ZERO),
    ]
}

pub(crate) fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::new)
}

fn word() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::new)
}

prop_compose! {
    fn stage()(is_public in any::<bool>(), price in number(), starts_at in any::<u64>(), ends_at in any::<Option<u64>>(),
               max_per_wallet in number(), max_supply in number(), root in any::<Option<[u8; 32]>>()) -> StageAsk {
        let kind = if is_public { StageKind::Public } else { StageKind::Allowlist };
        let allowlist_root = root.map(Hash32::new);
        StageAsk { kind, price, starts_at, ends_at, max_per_wallet, allowlist_root, max_supply }
    }
}

prop_compose! {
    fn create()(is_721 in any::<bool>(), texts in any::<[String; 4]>(), creator in address(), royalty_bps in any::<u32>(),
                royalty_recipient in address(), max_supply in number(), id in any::<u128>(),
                stages in prop::collection::vec(stage(), 0..5)) -> Case {
        let [name, symbol, metadata_uri, base_uri] = texts;
        let ask = CreateAsk {
            chain_id: ChainId::new(1).unwrap(),
            standard: if is_721 { Standard::Erc721 } else { Standard::Erc1155 },
            name, symbol, creator, metadata_uri, base_uri, royalty_bps, royalty_recipient, max_supply, stages,
        };
        let stages: Vec<Value> = ask.stages.iter().map(|stage| json!({
            "kind": if stage.kind == StageKind::Public { "1" } else { "0" },
            "price": stage.price.to_string(),
            "startsAt": stage.starts_at.to_string(),
            "endsAt": stage.ends_at.unwrap_or(0).to_string(),
            "maxPerWallet": stage.max_per_wallet.to_string(),
            "merkleRoot": stage.allowlist_root.map_or(B256::ZERO, B256::from),
            "maxSupply": stage.max_supply.to_string(),
        })).collect();
        let params = json!({
            "name": ask.name,
            "symbol": ask.symbol,
            "baseURI": ask.base_uri,
            "contractURI": ask.metadata_uri,
            "maxSupply": ask.max_supply.to_string(),
            "royaltyRecipient": ask.royalty_recipient.to_lower(),
            "royaltyBps": ask.royalty_bps.to_string(),
            "stages": stages,
        });
        Case {
            contract: "VitrineFactory",
            function: if is_721 { "createERC721Collection" } else { "createERC1155Collection" },
            arguments: json!([params, format!("0x{id:064x}")]),
            data: encode::create(&ask, IntentId(uuid::Uuid::from_u128(id))),
        }
    }
}

fn mint_ask(standard: Standard, recipient: Address, token_id: Option<U256>, quantity: U256) -> MintAsk {
    MintAsk {
        standard,
        chain_id: ChainId::new(1).unwrap(),
        collection: Address::ZERO,
        minter: Address::ZERO,
        recipient,
        token_id: token_id.map(TokenId::new),
        quantity,
        proof: vec![],
        expected_price: None,
        metadata_uris: vec![],
    }
}

prop_compose! {
    fn mint()(is_721 in any::<bool>(), to in address(), quantity in number(), id in number(), stage in number(),
              proof in prop::collection::vec(word(), 0..6)) -> Case {
        let (quantity_text, stage_text, id_text) = (quantity.to_string(), stage.to_string(), id.to_string());
        let (contract, arguments, ask) = if is_721 {
            let arguments = json!([to.to_lower(), quantity_text, stage_text, proof]);
            ("VitrineERC721", arguments, mint_ask(Standard::Erc721, to, None, quantity))
        } else {
            let arguments = json!([to.to_lower(), id_text, quantity_text, stage_text, proof]);
            ("VitrineERC1155", arguments, mint_ask(Standard::Erc1155, to, Some(id), quantity))
        };
        Case { contract, function: "mint", arguments, data: encode::mint(&ask, stage, proof) }
    }
}

prop_compose! {
    fn mint_with_uris()(to in address(), uris in prop::collection::vec(any::<String>(), 1..6)) -> Case {
        let ask = mint_ask(Standard::Erc721, to, None, U256::from(uris.len()));
        let arguments = json!([to.to_lower(), uris]);
        let data = encode::mint_with_uris(&MintAsk { metadata_uris: uris, ..ask });
        Case { contract: "VitrineERC721", function: "mintWithURIs", arguments, data }
    }
}

prop_compose! {
    fn approve_token()(operator in prop::option::of(address()), id in number()) -> Case {
        let to = operator.unwrap_or(Address::ZERO).to_lower();
        let data = encode::approve_token(operator, TokenId::new(id));
        Case { contract: "VitrineERC721", function: "approve", arguments: json!([to, id.to_string()]), data }
    }
}

prop_compose! {
    fn approve_all()(is_721 in any::<bool>(), operator in address(), is_approved in any::<bool>()) -> Case {
        let contract = if is_721 { "VitrineERC721" } else { "VitrineERC1155" };
        let arguments = json!([operator.to_lower(), is_approved]);
        Case { contract, function: "setApprovalForAll", arguments, data: encode::approve_all(operator, is_approved) }
    }
}

prop_compose! {
    fn approve_amount()(spender in address(), amount in number()) -> Case {
        let arguments = json!([spender.to_lower(), amount.to_string()]);
        Case { contract: "WrappedEther", function: "approve", arguments, data: encode::approve_amount(spender, amount) }
    }
}

/// So many cases of a kind, others each time.
pub(crate) fn draw(strategy: impl Strategy<Value = Case>, count: usize) -> Vec<Case> {
    let mut runner = TestRunner::new(Config::default());
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn ten_thousand_calls_say_to_viem_what_was_asked_for() {
    let mut cases = draw(create(), 2500);
    cases.extend(draw(mint(), 2500));
    cases.extend(draw(mint_with_uris(), 1000));
    cases.extend(draw(approve_token(), 1500));
    cases.extend(draw(approve_all(), 1000));
    cases.extend(draw(approve_amount(), 1500));
    assert_eq!(cases.len(), 10_000);
    compare(&cases);
}
