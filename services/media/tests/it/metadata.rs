//! Metadata of real contracts on a real chain.

use std::net::Ipv4Addr;

use abi::launchpad::{CreateParams, PlainERC721, VitrineERC721, VitrineFactory};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol,
    sol_types::{SolCall, SolValue},
};
use axum::{Router, routing::get};
use bson::doc;
use proto::media::v1::{PinMetadataRequest, ResolveMetadataRequest, ResolveMetadataResponse};
use rpc::{Code, Problem};
use serde_json::json;
use testkit::Chain;
use tokio::net::TcpListener;

use crate::running::{Media, somebody, world};

sol! {
    function setTokenURI(uint256 tokenId, string newURI);
}

async fn resolve(
    media: &Media,
    contract: Address,
    token_id: &str,
    standard: &str,
) -> ResolveMetadataResponse {
    let ask = ResolveMetadataRequest {
        contract_account_id: format!("eip155:31337:{contract:#x}"),
        token_id: token_id.to_owned(),
        standard: standard.to_owned(),
    };
    media.catalog.clone().resolve_metadata(ask).await.unwrap().into_inner()
}

fn failed(answer: &ResolveMetadataResponse) -> &str {
    assert_eq!((answer.status.as_str(), answer.document_json.as_str()), ("FAILED", ""));
    &answer.error_code
}

async fn send(chain: &Chain, to: Address, call: impl SolCall) {
    chain.send(json!({ "to": to, "data": Bytes::from(call.abi_encode()), "gas": "0x1000000" })).await;
}

async fn sender(chain: &Chain) -> Address {
    chain.rpc("eth_accounts", json!([])).await[0].as_str().unwrap().parse().unwrap()
}

/// A collection of ours, made by the factory.
async fn collection(chain: &Chain, base_uri: &str, contract_uri: &str, is_erc1155: bool) -> Address {
    let factory = chain.deploy_factory().await.factory;
    let params = CreateParams {
        name: "C".to_owned(),
        symbol: "C".to_owned(),
        baseURI: base_uri.to_owned(),
        contractURI: contract_uri.to_owned(),
        maxSupply: U256::ZERO,
        royaltyRecipient: Address::ZERO,
        royaltyBps: Default::default(),
        stages: Vec::new(),
    };
    let (creator, intent) = (sender(chain).await, B256::repeat_byte(7));
    let predict = VitrineFactory::predictCollectionCall { creator, intentId: intent, erc1155: is_erc1155 };
    let ask = json!([{ "to": factory, "data": Bytes::from(predict.abi_encode()) }, "latest"]);
    let answer = chain.rpc("eth_call", ask).await;
    let bytes: Bytes = answer.as_str().unwrap().parse().unwrap();
    if is_erc1155 {
        send(chain, factory, VitrineFactory::createERC1155CollectionCall { p: params, intentId: intent })
            .await;
    } else {
        send(chain, factory, VitrineFactory::createERC721CollectionCall { p: params, intentId: intent })
            .await;
    }
    Address::abi_decode(&bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_inside_its_uri_is_read_and_remembered_once() {
    let chain = testkit::chain().await;
    let world = world(&chain.url).await;
    let media = world.start().await;
    let code = abi::artifact("PlainERC721").unwrap();
    let arguments = ("Plain".to_owned(), "P".to_owned()).abi_encode_params();
    let (plain, _) = chain.deploy([code.as_ref(), &arguments].concat().into()).await;
    send(&chain, plain, PlainERC721::mintCall { to: sender(&chain).await }).await;

    for _ in 0..2 {
        let answer = resolve(&media, plain, "1", "ERC721").await;
        assert_eq!(
            (answer.status.as_str(), answer.name.as_str(), answer.error_code.as_str()),
            ("READY", "Plain", "")
        );
        assert_eq!(answer.uri, r#"data:application/json,{"name":"Plain"}"#);
        assert_eq!(answer.document_json, r#"{"name":"Plain"}"#);
    }
    assert_eq!(
        world.count("metadata", "docs", doc! { "original": r#"{"name":"Plain"}"#, "is_own": false }).await,
        1
    );
    assert_eq!(world.count("metadata", "history", doc! { "token_id": "1" }).await, 1);

    assert_eq!(failed(&resolve(&media, plain, "2", "ERC721").await), "REVERTED", "no such token");
    assert_eq!(failed(&resolve(&media, plain, "1", "ERC1155").await), "REVERTED", "it has no uri()");
    assert_eq!(
        failed(&resolve(&media, Address::repeat_byte(1), "1", "ERC721").await),
        "NO_URI",
        "no contract"
    );
    media.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_document_is_resolved_without_any_node() {
    let chain = testkit::chain().await;
    let world = world(&chain.url).await;
    let media = world.start().await;
    let ask = PinMetadataRequest { name: "Shop".to_owned(), ..Default::default() };
    let pinned =
        media.gateway.clone().pin_metadata(rpc::caller::acting(ask, &somebody())).await.unwrap().into_inner();

    let erc721 = collection(&chain, "https://localhost/", &pinned.uri, false).await;
    let answer = resolve(&media, erc721, "", "").await;
    assert_eq!(
        (answer.status.as_str(), answer.name.as_str(), answer.uri.as_str()),
        ("READY", "Shop", pinned.uri.as_str())
    );
    assert_eq!(
        world.count("metadata", "docs", doc! { "cid": &pinned.cid, "is_own": true }).await,
        1,
        "it stays ours"
    );

    let owner = sender(&chain).await;
    send(&chain, erc721, VitrineERC721::mintBatchToCall { to: vec![owner] }).await;
    assert_eq!(
        failed(&resolve(&media, erc721, "1", "ERC721").await),
        "REFUSED",
        "localhost is no public name"
    );
    send(&chain, erc721, setTokenURICall { tokenId: U256::ONE, newURI: pinned.uri.clone() }).await;
    assert_eq!(resolve(&media, erc721, "1", "ERC721").await.name, "Shop");

    for (uri, code) in [
        ("ipfs://bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e", "UNREACHABLE"),
        ("ipfs://not-a-cid", "REFUSED"),
        ("http://169.254.169.254/latest/meta-data/", "REFUSED"),
        ("ftp://example.com/1.json", "REFUSED"),
        ("data:text/html,<script>", "NOT_JSON"),
        ("data:application/json,[]", "NOT_JSON"),
        ("https://", "REFUSED"),
    ] {
        send(&chain, erc721, setTokenURICall { tokenId: U256::ONE, newURI: uri.to_owned() }).await;
        let answer = resolve(&media, erc721, "1", "ERC721").await;
        assert_eq!((failed(&answer), answer.uri.as_str()), (code, uri));
    }
    let unasked = ResolveMetadataRequest { contract_account_id: "eip155:1".to_owned(), ..Default::default() };
    let refused = media.catalog.clone().resolve_metadata(unasked).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Code::BadInput);
    media.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erc_1155_uri_carries_the_token_as_64_digits_to_a_local_server_where_that_is_allowed() {
    let chain = testkit::chain().await;
    let world = world(&chain.url).await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let document = r#"{"name":"Coin","image":"ipfs://folder/{id}.png","properties":{"metal":"gold"}}"#;
    let path = format!("/{:064x}.json", 314_592);
    let app = Router::new().route(&path, get(move || async move { document }));
    tokio::spawn(async move { axum::serve(listener, app).await });

    let erc1155 = collection(&chain, &format!("{base}/{{id}}.json"), "", true).await;
    let strict = world.start().await;
    assert_eq!(failed(&resolve(&strict, erc1155, "314592", "ERC1155").await), "REFUSED");
    assert_eq!(failed(&resolve(&strict, erc1155, "", "").await), "NO_URI", "the contract's own URI is empty");
    strict.stop().await;

    let local = world.start_with(|config| config.allow_loopback = true).await;
    let answer = resolve(&local, erc1155, "314592", "ERC1155").await;
    assert_eq!((answer.status.as_str(), answer.name.as_str()), ("READY", "Coin"), "{}", answer.error_code);
    assert_eq!(answer.image_uri, format!("ipfs://folder/{:064x}.png", 314_592));
    assert_eq!(
        (answer.attributes[0].r#trait.as_str(), answer.attributes[0].value.as_str()),
        ("metal", "gold")
    );
    assert_eq!(failed(&resolve(&local, erc1155, "2", "ERC1155").await), "NOT_FOUND");
    local.stop().await;
}

#[tokio::test]
async fn fetching_from_the_loopback_is_refused_to_a_process_that_others_can_reach() {
    let world = world("http://127.0.0.1:1").await;
    let mut config = world.config();
    config.allow_loopback = true;
    config.http_addr = ([0, 0, 0, 0], 0).into();
    let listener = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (grpc, http) = (listener().await.unwrap(), listener().await.unwrap());
    let refused = media::run_on(config, testkit::process("media"), grpc, http).await.unwrap_err();
    assert!(refused.to_string().starts_with("allow_loopback"), "{refused}");
}
