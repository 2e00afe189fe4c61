//! **media** keeps the bytes that people upload and reads the metadata that contracts point to.
//!
//! | door in  | `grpc.rs`: uploads, pins, metadata; `http.rs`: the bytes of assets and documents               |
//! | door out | `media.domain`: upserted; `chain-registry`: WatchSnapshot; chains, IPFS and metadata hosts      |
//! | owns     | Mongo `media` (assets, media_uploads) and `metadata` (docs, history); the object store's bucket |
//! | promises | an asset has its bytes, checked, under its hash; each change is told; no fetch reaches a        |
//! |          | private address                                                                                 |

mod blob;
mod chains;
mod complete_upload;
mod config;
mod content_id;
mod create_upload;
mod error;
mod fetch;
mod grpc;
mod http;
mod kubo;
mod media_type;
mod model;
mod normalise;
mod pin_metadata;
mod relay;
mod resolve_metadata;
mod store;

use tokio::net::TcpListener;

pub use config::{Bucket, Config, Peers};

/// What the binary knows of itself before it has read anything.
pub static CARD: launch::Card<Config> = launch::Card::new("media", include_str!("../config.toml"));

/// Serves until the process is told to stop.
pub async fn run(config: Config, process: launch::Process) -> anyhow::Result<()> {
    let http = TcpListener::bind(config.http_addr).await?;
    let grpc = config.grpc.addr;
    run_on(config, process, grpc, http).await
}

/// The same on sockets that are open already.
pub async fn run_on(
    config: Config,
    mut process: launch::Process,
    grpc: impl Into<rpc::Listen> + Send + 'static,
    http: TcpListener,
) -> anyhow::Result<()> {
    config.check()?;
    let identity = rpc::Identity::load(&config.grpc)?;
    let store = store::Store::connect(&config.mongo_url, &config.mongo_prefix, &mut process).await?;
    let blobs = blob::Blobs::open(&config.s3, config.upload_url.as_ref(), &mut process)?;
    let bus = bus::Bus::connect(&config.amqp_url, &mut process);
    let kubo = config.ipfs_url.as_ref().map(kubo::Kubo::new).transpose()?;
    let fetcher = fetch::Fetcher::new(store.clone(), blobs.clone(), kubo.clone(), config.allow_loopback)?;
    let stopping = process.stopping();
    let (chains, watching) = chains::Chains::connect(&config.peers, &identity, stopping.clone())?;
    let (bell, rung) = relay::bell();

    let bytes = http::Bytes { store: store.clone(), blobs: blobs.clone() };
    let door = grpc::Door {
        store: store.clone(),
        blobs,
        kubo,
        fetcher,
        chains,
        bell,
        public_url: config.public_url,
    };
    process.task("chains", watching);
    process.task("relay", relay::relay(store, bus, rung, stopping.clone()));
    process.task("http", http::serve(http, bytes, stopping.clone()));
    process.task("grpc", rpc::serve(grpc, identity, grpc::routes(door), stopping));
    process.run().await
}
