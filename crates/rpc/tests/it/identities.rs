//! Who gets in: a certificate of our authority, in its time, naming a service that may make this very call.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use proto::{chainregistry::v1::ListChainsRequest, common::v1::Caller, indexer::v1::ListCheckpointsRequest};
use rpc::{Problem, caller};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::Code;

use crate::{
    authority::{Authority, Validity},
    fleet::{Handler, Server, fine, handler},
};

fn counting() -> (Handler, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let work = handler(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(()) }
    });
    (work, calls)
}

async fn code_of_a_call(server: &Server, client: &rpc::Settings) -> Code {
    let answer = server.indexer_client(client).list_checkpoints(ListCheckpointsRequest::default()).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test]
async fn a_service_that_the_list_names_is_let_in_and_known_by_name() {
    let authority = Authority::new();
    let server = Server::indexer(
        &authority,
        handler(
            |peer| async move { if peer == "gateway" { Ok(()) } else { Err(tonic::Status::unknown(peer)) } },
        ),
    );
    assert_eq!(code_of_a_call(&server, &authority.settings("gateway")).await, Code::Ok);
}

#[tokio::test]
async fn a_service_that_the_list_does_not_name_is_refused_whatever_its_certificate() {
    let authority = Authority::new();
    let (work, calls) = counting();
    let server = Server::indexer(&authority, work);
    assert_eq!(code_of_a_call(&server, &authority.settings("wallet")).await, Code::PermissionDenied);
    assert_eq!(calls.load(Ordering::SeqCst), 0, "the handler was not reached");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (work, calls) = counting();
    let server = Server::indexer(&authority, work);
    // It trusts our authority, so that the refusal is the server's.
    let mut client = stranger.settings("gateway");
    client.ca = authority.settings("gateway").ca;
    assert_eq!(code_of_a_call(&server, &client).await, Code::Unavailable);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let (work, calls) = counting();
    let server = Server::indexer(&authority, work);
    let client = authority.issue("old", "gateway", "gateway", Validity::Expired);
    assert_eq!(code_of_a_call(&server, &client).await, Code::Unavailable);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn without_a_certificate_nothing_is_answered() {
    let authority = Authority::new();
    let server = Server::indexer(&authority, fine());
    let ca = std::fs::read(authority.settings("gateway").ca).expect("written before");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&ca).expect("PEM")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];

    let stream = TcpStream::connect(server.addr).await.expect("it listens");
    let name = ServerName::try_from("indexer").expect("a name");
    // In TLS 1.3 the client is done before the server has looked; the refusal is what it reads first.
    let refused = match tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Err(_) => true,
        Ok(mut stream) => {
            let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
            stream.read(&mut [0; 64]).await.is_err()
        }
    };
    assert!(refused);
}

#[tokio::test]
async fn a_server_that_is_another_service_is_not_talked_to() {
    let authority = Authority::new();
    let (work, calls) = counting();
    // The right host name, the wrong identity.
    let settings = authority.issue("false", "indexer", "media", Validity::Good);
    let routes = tonic::service::Routes::new(
        proto::indexer::v1::indexer_service_server::IndexerServiceServer::new(crate::fleet::Indexer(work)),
    );
    let server = Server::start(&settings, routes);
    assert_eq!(code_of_a_call(&server, &authority.settings("gateway")).await, Code::Unavailable);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn only_the_gateway_is_believed_when_it_says_who_acts() {
    let authority = Authority::new();
    let server = Server::registry(&authority, fine());
    let ada = Caller { user_id: "ada".into(), ..Caller::default() };
    let ask = |client: &rpc::Settings, caller: Option<&Caller>| {
        let mut client = server.registry_client(client);
        let message = ListChainsRequest { include_disabled: true };
        let request = caller.map_or_else(|| tonic::Request::new(message), |c| caller::acting(message, c));
        async move { client.list_chains(request).await.expect_err("the handler always refuses") }
    };
    let (gateway, operator) = (authority.settings("gateway"), authority.settings("operator"));

    let heard = Problem::from(&ask(&gateway, Some(&ada)).await);
    assert_eq!((heard.code, heard.message.as_str()), (rpc::Code::NotFound, "ada"));
    assert_eq!(ask(&gateway, None).await.code(), Code::Unauthenticated);
    assert_eq!(ask(&operator, Some(&ada)).await.code(), Code::Unauthenticated);
}
