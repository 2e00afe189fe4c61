//! Uploads, from the declaration to the asset.

use bson::doc;
use proto::media::v1::CompleteUploadRequest;
use rpc::{Code, Problem};
use tonic::Status;

use crate::running::{complete, declare, http_client, png, put, put_object, sha256, somebody, upload, world};

fn violation(status: &Status) -> (Code, String) {
    let problem = Problem::from(status);
    (problem.code, problem.violations.first().map(|found| found.code.clone()).unwrap_or_default())
}

const NO_CHAIN: &str = "http://127.0.0.1:1";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_declared_and_sent_becomes_one_asset_for_all_who_send_it() {
    let world = world(NO_CHAIN).await;
    let media = world.start().await;
    let (alice, bob, bytes) = (somebody(), somebody(), png(1000));

    let declared = declare(&media, &alice, "image/png", &bytes).await;
    let early = complete(&media, &alice, &declared.upload_id).await.unwrap_err();
    assert_eq!(Problem::from(&early).code, Code::Conflict, "nothing has arrived yet");
    assert_eq!(put(&declared, &bytes).await, 200);
    let stranger = complete(&media, &bob, &declared.upload_id).await.unwrap_err();
    assert_eq!(Problem::from(&stranger).code, Code::NotFound, "an upload is its maker's");

    let asset = complete(&media, &alice, &declared.upload_id).await.unwrap();
    assert_eq!(
        (asset.mime_type.as_str(), asset.byte_size, asset.status.as_str()),
        ("image/png", bytes.len() as u64, "READY")
    );
    assert_eq!(asset.sha256, sha256(&bytes));
    assert!(asset.cid.starts_with("bafkrei"), "{}", asset.cid);
    assert_eq!(asset.url, format!("https://media.test/assets/{}", asset.asset_id));
    assert_eq!(
        complete(&media, &alice, &declared.upload_id).await.unwrap(),
        asset,
        "completing again changes nothing"
    );

    assert_eq!(upload(&media, &bob, "image/png", &bytes).await, asset, "the same bytes are the same asset");
    let both = doc! { "_id": &asset.asset_id, "owners": { "$size": 2 }, "revision": 1_i64 };
    assert_eq!(world.count("media", "assets", both).await, 1);
    let completed = doc! { "file_id": &asset.asset_id, "status": "COMPLETED", "ipfs_hash": &asset.cid };
    assert_eq!(world.count("media", "media_uploads", completed).await, 2);
    media.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_many_parts_arrives_whole() {
    let world = world(NO_CHAIN).await;
    let media = world.start().await;
    let bytes = png(17 * 1024 * 1024);
    let asset = upload(&media, &somebody(), "image/png", &bytes).await;
    assert_eq!(
        (asset.byte_size, asset.cid.as_str()),
        (bytes.len() as u64, ""),
        "a tree's CID is not known yet"
    );
    let served = http_client()
        .get(media.http.join(&format!("assets/{}", asset.asset_id)).unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(sha256(&served.bytes().await.unwrap()), asset.sha256);
    media.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_than_the_declared_ones_never_become_an_asset() {
    let world = world(NO_CHAIN).await;
    let media = world.start().await;
    let user = somebody();

    let bytes = png(100);
    let other = [&bytes[..bytes.len() - 1], b"x"].concat();
    for (sent, code) in [(&other[..], "WRONG_HASH"), (&bytes[1..], "WRONG_SIZE")] {
        let declared = declare(&media, &user, "image/png", &bytes).await;
        // A store that compares the signed hash refuses; what one lets through that does not is found out.
        put(&declared, sent).await;
        put_object(&format!("staging/{}/{}", sha256(&bytes), declared.upload_id), sent).await;
        let refused = complete(&media, &user, &declared.upload_id).await.unwrap_err();
        assert_eq!(violation(&refused), (Code::BadInput, code.to_owned()));
    }
    let honest = declare(&media, &user, "image/png", &bytes).await;
    assert_eq!(put(&honest, &other).await, 400, "this store compares");

    let page = b"<!doctype html><script>alert(1)</script>";
    let declared = declare(&media, &user, "image/png", page).await;
    assert_eq!(put(&declared, page).await, 200);
    for _ in 0..2 {
        let refused = complete(&media, &user, &declared.upload_id).await.unwrap_err();
        assert_eq!(
            violation(&refused),
            (Code::BadInput, "WRONG_TYPE".to_owned()),
            "the answer stays the same"
        );
    }
    assert_eq!(world.count("media", "assets", doc! {}).await, 0);

    let mut other_type = declare(&media, &user, "image/png", &bytes).await;
    other_type.headers.insert("content-type".to_owned(), "text/html".to_owned());
    assert_ne!(put(&other_type, &bytes).await, 200, "the type is signed");
    media.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_needs_a_person_from_the_gateway_and_a_declaration_that_can_be_kept() {
    let world = world(NO_CHAIN).await;
    let media = world.start().await;
    let nobody =
        media.gateway.clone().complete_upload(CompleteUploadRequest { upload_id: "x".to_owned() }).await;
    assert_eq!(Problem::from(&nobody.unwrap_err()).code, Code::Unauthenticated);
    let ask = rpc::caller::acting(CompleteUploadRequest { upload_id: "x".to_owned() }, &somebody());
    let not_listed = media.catalog.clone().complete_upload(ask).await.unwrap_err();
    assert_eq!(Problem::from(&not_listed).code, Code::Forbidden, "docs/calls.txt does not name the catalog");

    let ask = proto::media::v1::CreateUploadRequest {
        filename: "a.svg".to_owned(),
        mime_type: "image/svg+xml".to_owned(),
        byte_size: 10,
        sha256: sha256(b"x"),
    };
    let refused =
        media.gateway.clone().create_upload(rpc::caller::acting(ask, &somebody())).await.unwrap_err();
    assert_eq!(violation(&refused), (Code::BadInput, "UNSUPPORTED".to_owned()));
    media.stop().await;
}
