//! Metadata documents that are built here, and the IPFS node that pins them.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use bson::doc;
use proto::media::v1::{Attribute, PinMetadataRequest, PinMetadataResponse};
use rpc::{Code, Problem};
use tokio::net::TcpListener;
use url::Url;

use crate::running::{Media, http_client, png, somebody, upload, world};

async fn pin(media: &Media, ask: PinMetadataRequest) -> Result<PinMetadataResponse, tonic::Status> {
    let ask = rpc::caller::acting(ask, &somebody());
    media.gateway.clone().pin_metadata(ask).await.map(tonic::Response::into_inner)
}

fn ask(name: &str, image_asset_id: &str) -> PinMetadataRequest {
    let eyes =
        Attribute { r#trait: "Eyes".to_owned(), value: "Blue".to_owned(), display_type: String::new() };
    PinMetadataRequest {
        name: name.to_owned(),
        description: "A picture".to_owned(),
        image_asset_id: image_asset_id.to_owned(),
        attributes: vec![eyes],
        external_url: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_has_the_same_cid_each_time_and_is_served_under_it() {
    let world = world("http://127.0.0.1:1").await;
    let media = world.start().await;
    let asset = upload(&media, &somebody(), "image/png", &png(10)).await;
    let pinned = pin(&media, ask("One", &asset.asset_id)).await.unwrap();
    let expected = format!(
        r#"{{"name":"One","description":"A picture","image":"ipfs://{}","attributes":[{{"trait_type":"Eyes","value":"Blue"}}]}}"#,
        asset.cid
    );
    assert_eq!(pinned.document_json, expected);
    assert_eq!(pinned.uri, format!("ipfs://{}", pinned.cid));
    assert_eq!(pin(&media, ask("One", &asset.asset_id)).await.unwrap(), pinned);
    assert_ne!(pin(&media, ask("Two", &asset.asset_id)).await.unwrap().cid, pinned.cid);

    let served =
        http_client().get(media.http.join(&format!("ipfs/{}", pinned.cid)).unwrap()).send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "application/json");
    assert_eq!(served.headers()["x-content-type-options"], "nosniff");
    assert_eq!(served.text().await.unwrap(), expected);
    let queued = doc! { "cid": &pinned.cid, "is_own": true, "pins.0.status": "queued" };
    assert_eq!(world.count("metadata", "docs", queued).await, 1);

    let unknown = pin(&media, ask("One", &ids::AssetId::new().to_string())).await.unwrap_err();
    assert_eq!(Problem::from(&unknown).violations[0].path, "image_asset_id");
    let nameless = pin(&media, ask("", "")).await.unwrap_err();
    assert_eq!(
        (Problem::from(&nameless).code, Problem::from(&nameless).violations[0].path.as_str()),
        (Code::BadInput, "name")
    );
    media.stop().await;
}

/// Speaks as much of Kubo's RPC as is used, and names every block as it is told to.
#[derive(Clone)]
struct Node {
    says: String,
    blocks: Arc<Mutex<Vec<String>>>,
}

async fn put_block(State(node): State<Node>, uri: axum::http::Uri, body: Bytes) -> (StatusCode, String) {
    let is_raw =
        uri.query().is_some_and(|query| query.contains("cid-codec=raw") && query.contains("pin=true"));
    let body = String::from_utf8(body.to_vec()).unwrap();
    let content = body.split("\r\n\r\n").nth(1).and_then(|rest| rest.split("\r\n--").next());
    let (true, Some(content)) = (is_raw, content) else { return (StatusCode::BAD_REQUEST, String::new()) };
    node.blocks.lock().unwrap().push(content.to_owned());
    (StatusCode::OK, format!(r#"{{"Key":"{}","Size":{}}}"#, node.says, content.len()))
}

async fn node(says: &str) -> (Url, Node) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let node = Node { says: says.to_owned(), blocks: Arc::default() };
    let app = Router::new().route("/api/v0/block/put", post(put_block)).with_state(node.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_counts_only_when_the_node_names_the_block_as_we_do() {
    let world = world("http://127.0.0.1:1").await;
    let media = world.start().await;
    let document = pin(&media, ask("Three", "")).await.unwrap();
    media.stop().await;

    let state = |status: &str| doc! { "cid": &document.cid, "pins.0.status": status };
    // Another CID, a node that is gone, then the right CID.
    let (liar, seen_by_liar) = node("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e").await;
    let (honest, seen_by_honest) = node(&document.cid).await;
    let gone = Url::parse("http://127.0.0.1:1").unwrap();
    for (url, status) in [(liar, "queued"), (gone, "queued"), (honest, "pinned")] {
        let media = world.start_with(|config| config.ipfs_url = Some(url)).await;
        assert_eq!(
            pin(&media, ask("Three", "")).await.unwrap(),
            document,
            "the answer does not depend on the node"
        );
        assert_eq!(world.count("metadata", "docs", state(status)).await, 1, "{status}");
        media.stop().await;
    }
    for node in [seen_by_liar, seen_by_honest] {
        assert_eq!(node.blocks.lock().unwrap().as_slice(), std::slice::from_ref(&document.document_json));
    }
}
