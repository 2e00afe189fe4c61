//! Connections from frontends: HTTP/1.1, bounded in number, and none may take forever to say what it wants.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::Request;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::patience::Patient;

/// How long a client may take to send a request's head, and may keep a connection without one.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
const HEADERS: usize = 100;
/// Bytes of a request's head, and of what is read ahead: browsers send far less.
const HEAD: usize = 32 * 1024;
/// How long a client may take nothing of what it is sent.
const STALLED_FOR: Duration = Duration::from_secs(30);
/// Connections that are open at once, apart from sockets, which are counted by themselves.
const CONNECTIONS: usize = 10_000;
/// After an accept that failed, as when no file descriptor is left.
const PAUSE: Duration = Duration::from_millis(200);
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until told to stop, then lets requests in hand finish within a bound.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    // The one version needs no look at the first bytes, which nothing would put a bound on.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_headers(HEADERS)
        .max_buf_size(HEAD);
    let connections = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = next(&listener, &permits) => accepted,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(err) => {
                tracing::warn!(error = %err, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let service = router.clone().map_request(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.map(Body::new)
        });
        let connection = builder
            .serve_connection_with_upgrades(
                TokioIo::new(Patient::new(stream, STALLED_FOR)),
                TowerToHyperService::new(service),
            )
            .into_owned();
        let watched = connections.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off is nobody's failure.
            if let Err(err) = watched.await {
                tracing::trace!(error = %err, "connection ended early");
            }
            drop(permit);
        });
    }
    if tokio::time::timeout(DRAIN, connections.shutdown()).await.is_err() {
        tracing::warn!("requests did not finish in time and are cut off");
    }
    Ok(())
}

async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}
