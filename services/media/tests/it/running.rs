//! One service under test, with everything around it that it needs.

use std::{net::Ipv4Addr, time::Duration};

use ids::UserId;
use proto::{
    common::v1::Caller,
    media::v1::{self as pb, media_service_client::MediaServiceClient},
};
use testkit::{Certs, Registry, RegistryDoor, Vhost};
use tokio::{net::TcpListener, sync::OnceCell, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use url::Url;

pub(crate) type Client = MediaServiceClient<rpc::Channel>;

/// What outlives a restart of the service.
pub(crate) struct World {
    pub(crate) certs: Certs,
    pub(crate) vhost: Vhost,
    pub(crate) mongo: mongodb::Client,
    pub(crate) prefix: String,
    registry: RegistryDoor,
}

/// The running service.
pub(crate) struct Media {
    /// As the gateway calls it.
    pub(crate) gateway: Client,
    /// As the catalog calls it.
    pub(crate) catalog: Client,
    pub(crate) http: Url,
    stopping: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

/// A world whose registry knows one chain, at this address.
pub(crate) async fn world(chain_url: &str) -> World {
    let certs = testkit::certs();
    let (mongo, prefix) = testkit::mongo().await;
    let (registry, door) = testkit::registry(&certs);
    let mut chain = Registry::chain("eip155:31337", chain_url);
    chain.endpoints.insert(0, Registry::endpoint("ws://127.0.0.1:1"));
    registry.put(chain);
    bucket().await;
    World { certs, vhost: testkit::vhost_of("media").await, mongo, prefix, registry: door }
}

impl World {
    pub(crate) fn config(&self) -> media::Config {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        media::Config {
            process: launch::Settings {
                ops_addr: (Ipv4Addr::LOCALHOST, 0).into(),
                log: "info".to_owned(),
                drain_secs: 0,
                stop_secs: 10,
                otlp_url: None,
            },
            grpc: self.certs.settings_for("media"),
            http_addr: (Ipv4Addr::LOCALHOST, 0).into(),
            public_url: "https://media.test/".parse().unwrap(),
            amqp_url: self.vhost.secret(),
            mongo_url: variable("VITRINE_TEST_MONGO").into(),
            mongo_prefix: self.prefix.clone(),
            s3: media::Bucket {
                endpoint: variable("VITRINE_TEST_S3").parse().unwrap(),
                region: "us-east-1".to_owned(),
                access_key: variable("VITRINE_TEST_S3_KEY"),
                secret_key: variable("VITRINE_TEST_S3_SECRET").into(),
                bucket: BUCKET.to_owned(),
            },
            upload_url: None,
            ipfs_url: None,
            allow_loopback: false,
            peers: media::Peers { chain_registry: self.registry.url.clone() },
        }
    }

    pub(crate) async fn start(&self) -> Media {
        self.start_with(|_| ()).await
    }

    pub(crate) async fn start_with(&self, change: impl FnOnce(&mut media::Config)) -> Media {
        let mut config = self.config();
        change(&mut config);
        let process = testkit::process("media");
        let stopping = process.stopping();
        let grpc = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = Url::parse(&format!("https://{}", grpc.local_addr().unwrap())).unwrap();
        let bytes = Url::parse(&format!("http://{}", http.local_addr().unwrap())).unwrap();
        let running = tokio::spawn(media::run_on(config, process, grpc, http));
        Media {
            gateway: self.client("gateway", &url),
            catalog: self.client("catalog", &url),
            http: bytes,
            stopping,
            running,
        }
    }

    fn client(&self, name: &str, url: &Url) -> Client {
        let identity = rpc::Identity::load(&self.certs.settings_for(name)).unwrap();
        MediaServiceClient::new(rpc::channel("media", url, &identity).unwrap())
            .max_decoding_message_size(8 << 20)
    }

    /// The documents of an asset or of anything else, as Mongo has them.
    pub(crate) async fn count(&self, database: &str, collection: &str, filter: bson::Document) -> u64 {
        let database = self.mongo.database(&format!("{}{database}", self.prefix));
        database.collection::<bson::Document>(collection).count_documents(filter).await.unwrap()
    }
}

impl Media {
    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// Somebody who is signed in.
pub(crate) fn somebody() -> Caller {
    Caller { user_id: UserId::new().to_string(), ..Caller::default() }
}

/// A PNG as far as anybody looks, with content of its own.
pub(crate) fn png(filling: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend_from_slice(UserId::new().0.as_bytes());
    bytes.resize(bytes.len() + filling, 7);
    bytes
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(bytes))
}

pub(crate) async fn declare(
    media: &Media,
    caller: &Caller,
    mime_type: &str,
    bytes: &[u8],
) -> pb::CreateUploadResponse {
    let ask = pb::CreateUploadRequest {
        filename: "picture".to_owned(),
        mime_type: mime_type.to_owned(),
        byte_size: bytes.len() as u64,
        sha256: sha256(bytes),
    };
    media.gateway.clone().create_upload(rpc::caller::acting(ask, caller)).await.unwrap().into_inner()
}

/// Sends bytes to a presigned URL as a browser would, with the headers that were given.
pub(crate) async fn put(upload: &pb::CreateUploadResponse, bytes: &[u8]) -> reqwest::StatusCode {
    assert_eq!((upload.method.as_str(), upload.expires_in_seconds), ("PUT", 900));
    let mut request = http_client().put(&upload.url).body(bytes.to_vec());
    for (name, value) in &upload.headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status()
}

pub(crate) async fn complete(media: &Media, caller: &Caller, upload_id: &str) -> Result<pb::Asset, Status> {
    let ask = pb::CompleteUploadRequest { upload_id: upload_id.to_owned() };
    let answer = media.gateway.clone().complete_upload(rpc::caller::acting(ask, caller)).await?;
    Ok(answer.into_inner().asset.expect("an answer has an asset"))
}

/// From bytes to an asset, the whole way.
pub(crate) async fn upload(media: &Media, caller: &Caller, mime_type: &str, bytes: &[u8]) -> pb::Asset {
    let declared = declare(media, caller, mime_type, bytes).await;
    assert_eq!(put(&declared, bytes).await, 200);
    complete(media, caller, &declared.upload_id).await.unwrap()
}

pub(crate) fn http_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap()
}

const BUCKET: &str = "media-tests";

/// Makes the bucket once; a presigned PUT of nothing at the bucket's own URL is how S3 does it.
async fn bucket() {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(async || {
        let url = presigned("").await;
        let status = http_client().put(url).send().await.unwrap().status();
        assert!(status.is_success() || status == 409, "{status}");
    })
    .await;
}

/// Puts an object behind the service's back.
pub(crate) async fn put_object(key: &str, bytes: &[u8]) {
    let answer = http_client().put(presigned(key).await).body(bytes.to_vec()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

async fn presigned(key: &str) -> Url {
    use object_store::{aws::AmazonS3Builder, path::Path, signer::Signer};
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let store = AmazonS3Builder::new()
        .with_endpoint(variable("VITRINE_TEST_S3"))
        .with_region("us-east-1")
        .with_bucket_name(BUCKET)
        .with_access_key_id(variable("VITRINE_TEST_S3_KEY"))
        .with_secret_access_key(variable("VITRINE_TEST_S3_SECRET"))
        .with_allow_http(true)
        .build()
        .unwrap();
    store.signed_url(reqwest::Method::PUT, &Path::from(key), Duration::from_secs(60)).await.unwrap()
}
