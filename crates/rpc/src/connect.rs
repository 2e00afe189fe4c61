//! Connections out: TLS with our certificate, and the other end must be the service that we mean.
use std::{
    io,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::Service;

use crate::{Identity, spiffe};

/// Opens a connection with the certificate of the moment, so that a new one is used from the next connection on.
#[derive(Clone)]
pub(crate) struct Connector {
    target: &'static str,
    name: ServerName<'static>,
    address: String,
    identity: Identity,
}

impl Connector {
    pub(crate) fn new(target: &'static str, address: String, identity: Identity) -> anyhow::Result<Self> {
        Ok(Self { target, name: ServerName::try_from(target)?, address, identity })
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { target, name, address, identity } = self.clone();
        Box::pin(async move {
            let stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            let stream = TlsConnector::from(identity.live().client.clone()).connect(name, stream).await?;
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            // The name was verified by TLS; the identity says that it is the service, not only its host.
            match certificate.and_then(spiffe::service) {
                Some(service) if *service == *target => Ok(TokioIo::new(stream)),
                other => {
                    let said = format!("expected {target}, the certificate names {:?}", other.as_deref());
                    Err(io::Error::new(io::ErrorKind::PermissionDenied, said))
                }
            }
        })
    }
}
