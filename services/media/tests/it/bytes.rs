//! The door for bytes.

use crate::running::{http_client, png, somebody, upload, world};

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_served_whole_in_parts_and_never_as_a_page() {
    let world = world("http://127.0.0.1:1").await;
    let media = world.start().await;
    let (client, user) = (http_client(), somebody());
    let bytes = png(50);
    let asset = upload(&media, &user, "image/png", &bytes).await;
    let url = media.http.join(&format!("assets/{}", asset.asset_id)).unwrap();

    let whole = client.get(url.clone()).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    let header = |response: &reqwest::Response, name: &str| {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    assert_eq!(header(&whole, "content-type"), "image/png");
    assert_eq!(header(&whole, "x-content-type-options"), "nosniff");
    assert_eq!(header(&whole, "content-security-policy"), "sandbox; default-src 'none'");
    assert!(header(&whole, "cache-control").contains("immutable"));
    assert_eq!(header(&whole, "content-disposition"), "", "a picture is shown in place");
    let etag = header(&whole, "etag");
    assert_eq!(whole.bytes().await.unwrap(), bytes);

    let part = client.get(url.clone()).header("range", "bytes=1-3").send().await.unwrap();
    assert_eq!(
        (part.status().as_u16(), header(&part, "content-range")),
        (206, format!("bytes 1-3/{}", bytes.len()))
    );
    assert_eq!(part.bytes().await.unwrap(), "PNG");
    let beyond = client.get(url.clone()).header("range", "bytes=5000-").send().await.unwrap();
    assert_eq!(beyond.status(), 416);
    let known = client.get(url.clone()).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    let by_content =
        client.get(media.http.join(&format!("ipfs/{}", asset.cid)).unwrap()).send().await.unwrap();
    assert_eq!(by_content.bytes().await.unwrap(), bytes);

    let json = format!("{{\"of\":\"{}\"}}", user.user_id);
    let asset = upload(&media, &user, "application/json", json.as_bytes()).await;
    let file =
        client.get(media.http.join(&format!("assets/{}", asset.asset_id)).unwrap()).send().await.unwrap();
    let disposition = format!("attachment; filename=\"{}.json\"", asset.asset_id);
    assert_eq!(header(&file, "content-disposition"), disposition);

    for path in [
        "assets/x",
        "assets/0198c0de-0000-7000-8000-000000000000",
        "ipfs/x",
        "ipfs/QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o",
    ] {
        assert_eq!(client.get(media.http.join(path).unwrap()).send().await.unwrap().status(), 404, "{path}");
    }
    media.stop().await;
}
