//! A TCP proxy on loopback that can lose the peer or fall silent.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They work.
    Pass,
    /// Those that stand are cut, new ones are closed at once.
    Down,
    /// They stand, and nothing comes through.
    Stall,
}

/// Stands between a client and a store; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where clients connect to.
    pub addr: SocketAddr,
    fault: watch::Sender<Fault>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Forwards to `target`, as `127.0.0.1:5672`.
    pub async fn to(target: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let addr = listener.local_addr().expect("the listener is bound");
        let (fault, state) = watch::channel(Fault::Pass);
        let target = target.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target.clone(), state.clone()));
            }
        });
        Proxy { addr, fault, accepting }
    }

    /// Changes what happens, for standing connections too.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// The same URL with this proxy's address in it.
    pub fn url(&self, of: &str) -> String {
        let mut url = url::Url::parse(of).expect("a store's address is a URL");
        url.set_ip_host(self.addr.ip())
            .and_then(|()| url.set_port(Some(self.addr.port())))
            .expect("a store's URL has a host");
        url.into()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.fault.send_replace(Fault::Down);
        self.accepting.abort();
    }
}

async fn forward(client: TcpStream, target: String, mut state: watch::Receiver<Fault>) {
    if *state.borrow() == Fault::Down {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (there, back) = (state.clone(), state.clone());
    tokio::select! {
        () = carry(from_client, to_server, there) => {}
        () = carry(from_server, to_client, back) => {}
        _ = state.wait_for(|fault| *fault == Fault::Down) => {}
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<Fault>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 || state.wait_for(|fault| *fault != Fault::Stall).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
