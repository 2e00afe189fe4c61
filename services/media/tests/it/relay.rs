//! What changed is told once, whatever stops in between.

use std::time::Duration;

use bson::doc;
use events::{Envelope, media::AssetUpserted};
use lapin::{Connection, ConnectionProperties, options::BasicGetOptions};
use testkit::{Vhost, eventually};

use crate::running::{png, somebody, upload, world};

const QUEUE: &str = "subs.media.upserted";
const WITHIN: Duration = Duration::from_secs(60);

/// Takes the next message off the queue.
async fn next(vhost: &Vhost) -> Option<Envelope> {
    let connection = Connection::connect(&vhost.url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let got = channel.basic_get(QUEUE.into(), BasicGetOptions { no_ack: true }).await.unwrap();
    let envelope = got.map(|message| serde_json::from_slice(&message.delivery.data).unwrap());
    connection.close(200, "done".into()).await.unwrap();
    envelope
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_asset_is_told_once_and_then_forgotten() {
    let world = world("http://127.0.0.1:1").await;
    let media = world.start().await;
    let bytes = png(10);
    let asset = upload(&media, &somebody(), "image/png", &bytes).await;
    let envelope = eventually(WITHIN, "the asset is told", async || next(&world.vhost).await).await;
    let fact: AssetUpserted = envelope.open().unwrap();
    assert_eq!(envelope.id, format!("asset/{}/1", asset.asset_id));
    assert_eq!(
        (fact.asset_id.to_string(), fact.status.as_str(), fact.cid),
        (asset.asset_id, "READY", Some(asset.cid))
    );

    let told = || doc! { "outbox": { "$size": 0 } };
    eventually(WITHIN, "it is cleared", async || {
        (world.count("media", "assets", told()).await == 1).then_some(())
    })
    .await;
    // The same bytes again change nothing that is told.
    upload(&media, &somebody(), "image/png", &bytes).await;
    media.stop().await;
    assert_eq!(next(&world.vhost).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_could_not_tell_the_next_one_does() {
    let world = world("http://127.0.0.1:1").await;
    let without_broker = world.start_with(|config| config.amqp_url = "amqp://127.0.0.1:1/none".into()).await;
    let asset = upload(&without_broker, &somebody(), "image/png", &png(10)).await;
    without_broker.stop().await;
    assert_eq!(world.count("media", "assets", doc! { "outbox.revision": 1_i64 }).await, 1, "it waits");

    let media = world.start().await;
    let envelope = eventually(WITHIN, "the asset is told", async || next(&world.vhost).await).await;
    assert_eq!(envelope.id, format!("asset/{}/1", asset.asset_id));
    media.stop().await;
    assert_eq!(next(&world.vhost).await, None, "once");
    assert_eq!(world.count("media", "assets", doc! { "outbox": { "$size": 0 } }).await, 1);
}
