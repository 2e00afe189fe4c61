//! Connections in: accepted whatever happens to one of them, and shaken hands with before they count.
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, Sleep},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use crate::{Identity, caller::Peer, metrics::ACCEPT_ERRORS, spiffe};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const HANDSHAKES: usize = 128;
/// Out of descriptors means: somebody must close one first. Trying again at once would only burn the core.
const AFTER_ERROR: Duration = Duration::from_millis(50);
/// A connection, and the certificate that opened it, lives no longer; tonic asks for its end before.
const MAX_AGE: Duration = Duration::from_secs(600);

/// Verified connections. The accepting ends with `stopping` and never before.
pub(crate) fn incoming(
    listener: TcpListener,
    identity: Identity,
    stopping: CancellationToken,
) -> ReceiverStream<io::Result<Connection>> {
    let (verified, connections) = mpsc::channel(64);
    tokio::spawn(accept_until(stopping, listener, identity, verified));
    ReceiverStream::new(connections)
}

async fn accept_until(
    stopping: CancellationToken,
    listener: TcpListener,
    identity: Identity,
    verified: mpsc::Sender<io::Result<Connection>>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    let accepting = async {
        loop {
            // Waiting here leaves the surplus in the kernel's queue.
            let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(shake_hands(stream, identity.clone(), permit, verified.clone()));
                }
                Err(err) => {
                    ACCEPT_ERRORS.with_label_values(&["accept"]).inc();
                    tracing::warn!(error = %err, "could not accept a connection");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
    };
    stopping.run_until_cancelled(accepting).await;
}

async fn shake_hands(
    stream: TcpStream,
    identity: Identity,
    permit: OwnedSemaphorePermit,
    verified: mpsc::Sender<io::Result<Connection>>,
) {
    let _ = stream.set_nodelay(true);
    let address = stream.peer_addr().ok();
    let acceptor = TlsAcceptor::from(identity.live().server.clone());
    let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
    drop(permit);
    let refused = match shaken {
        Ok(Ok(stream)) => match peer_of(&stream) {
            Some(peer) => {
                let _ = verified.send(Ok(Connection::new(stream, peer))).await;
                return;
            }
            None => ("identity", "the certificate names no service of the fleet".to_owned()),
        },
        Ok(Err(err)) => ("handshake", err.to_string()),
        Err(_) => ("timeout", "no handshake in time".to_owned()),
    };
    ACCEPT_ERRORS.with_label_values(&[refused.0]).inc();
    tracing::warn!(error = refused.1, client.address = ?address, "refused a connection");
}

fn peer_of(stream: &TlsStream<TcpStream>) -> Option<Peer> {
    let (_, session) = stream.get_ref();
    spiffe::service(session.peer_certificates()?.first()?).map(Peer)
}

/// A connection whose other end is known.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    end: Pin<Box<Sleep>>,
}

impl Connection {
    fn new(stream: TlsStream<TcpStream>, peer: Peer) -> Self {
        Self { stream, peer, end: Box::pin(tokio::time::sleep_until(Instant::now() + MAX_AGE)) }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the connection is too old")));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
