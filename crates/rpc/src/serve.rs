//! A gRPC server as every service has it.
use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use rand::Rng;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};
use tonic_health::ServingStatus;

use crate::{Identity, accept, calls, guard::GuardLayer};

const CALLS_PER_CONNECTION: usize = 256;
/// Plus up to a minute, so that connections opened together do not end together.
const AGE_SECS: u64 = 480;
/// Streams do not end by themselves; those that are open when the process stops get this long.
const DRAIN: Duration = Duration::from_secs(10);

/// Where a server listens: an address, or a socket that a test has bound already.
#[derive(Debug)]
pub enum Listen {
    Addr(SocketAddr),
    Bound(std::net::TcpListener),
    Ready(TcpListener),
}

impl From<SocketAddr> for Listen {
    fn from(addr: SocketAddr) -> Self {
        Self::Addr(addr)
    }
}

impl From<std::net::TcpListener> for Listen {
    fn from(listener: std::net::TcpListener) -> Self {
        Self::Bound(listener)
    }
}

impl From<TcpListener> for Listen {
    fn from(listener: TcpListener) -> Self {
        Self::Ready(listener)
    }
}

impl Listen {
    async fn open(self) -> anyhow::Result<TcpListener> {
        match self {
            Self::Addr(addr) => {
                TcpListener::bind(addr).await.with_context(|| format!("grpc.addr: cannot listen on {addr}"))
            }
            Self::Bound(listener) => {
                listener.set_nonblocking(true)?;
                Ok(TcpListener::from_std(listener)?)
            }
            Self::Ready(listener) => Ok(listener),
        }
    }
}

/// Serves `routes` with health and reflection until `stopping`, then lets calls in hand finish within a bound.
pub async fn serve(
    listen: impl Into<Listen>,
    identity: Identity,
    routes: Routes,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let listener = listen.into().open().await?;
    let address = listener.local_addr()?;
    let (health, health_server) = tonic_health::server::health_reporter();
    let names = calls::services_of(&identity.name());
    for name in &names {
        health.set_service_status(name, ServingStatus::Serving).await;
    }
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;

    let age = Duration::from_secs(AGE_SECS + rand::rng().random_range(0..60));
    let server = Server::builder()
        .layer(GuardLayer)
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION)
        .max_concurrent_streams(u32::try_from(CALLS_PER_CONNECTION).ok())
        .max_connection_age(age)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(32 * 1024)
        .add_routes(routes.add_service(health_server).add_service(reflection));

    tracing::info!(grpc.addr = %address, "serving calls");
    let incoming = accept::incoming(listener, identity, stopping.clone());
    let told = async {
        stopping.cancelled().await;
        for name in names.iter().map(String::as_str).chain([""]) {
            health.set_service_status(name, ServingStatus::NotServing).await;
        }
    };
    let serving = server.serve_with_incoming_shutdown(incoming, told);
    let late = async {
        stopping.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving => served.context("the gRPC server failed"),
        () = late => {
            tracing::warn!("calls did not finish in time and are cut off");
            Ok(())
        }
    }
}
