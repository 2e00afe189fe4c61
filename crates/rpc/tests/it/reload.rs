//! Certificates change under a running fleet, and no call notices.
use std::{
    fs,
    time::{Duration, Instant},
};

use proto::indexer::v1::ListCheckpointsRequest;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;

use crate::{
    authority::{Authority, Validity},
    fleet::{Server, fine},
};

/// The certificate that the server shows to a new connection.
async fn shown(server: &Server, settings: &rpc::Settings) -> Vec<u8> {
    let mut roots = rustls::RootCertStore::empty();
    let ca = fs::read(&settings.ca).expect("written before");
    roots.add(CertificateDer::from_pem_slice(&ca).expect("PEM")).expect("an authority");
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.addr).await.expect("it listens");
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let name = ServerName::try_from("indexer").expect("a name");
    let stream = connector.connect(name, stream).await.expect("the server's side is good");
    let chain = stream.get_ref().1.peer_certificates().expect("a server has one");
    chain[0].to_vec()
}

#[tokio::test]
async fn new_certificates_are_used_within_five_seconds_and_no_call_fails() {
    let authority = Authority::new();
    let settings = authority.settings("indexer");
    let server = Server::indexer(&authority, fine());
    let client_settings = authority.settings("gateway");
    let mut client = server.indexer_client(&client_settings);
    let before = shown(&server, &settings).await;

    authority.issue("indexer", "indexer", "indexer", Validity::Good);
    authority.issue("gateway", "gateway", "gateway", Validity::Good);
    let began = Instant::now();
    let mut calls = 0;
    let after = loop {
        client.list_checkpoints(ListCheckpointsRequest::default()).await.expect("no call fails");
        // A fresh client too: its certificate is the new one, the server's trust the same.
        let mut fresh = server.indexer_client(&client_settings);
        fresh.list_checkpoints(ListCheckpointsRequest::default()).await.expect("no new connection fails");
        calls += 1;
        let now = shown(&server, &settings).await;
        if now != before {
            break now;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "still the old certificate after {calls} calls");
    };
    let file = fs::read(&settings.cert).expect("written before");
    assert_eq!(after, CertificateDer::from_pem_slice(&file).expect("PEM").to_vec());
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_last_good_certificate_in_place() {
    let authority = Authority::new();
    let settings = authority.settings("indexer");
    let server = Server::indexer(&authority, fine());
    let before = shown(&server, &settings).await;
    let good = fs::read(&settings.cert).expect("written before");
    fs::write(&settings.cert, "not a certificate").expect("writable");

    let failed = || {
        let families = prometheus::gather();
        let reloads = families.iter().find(|family| family.name() == "tls_reloads_total");
        let metrics = reloads.map(|family| family.get_metric().to_vec()).unwrap_or_default();
        metrics.iter().any(|m| m.get_label().iter().any(|l| l.value() == "error"))
    };
    let began = Instant::now();
    while !failed() {
        assert!(began.elapsed() < Duration::from_secs(10), "the broken file was not noticed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(shown(&server, &settings).await, before);
    fs::write(&settings.cert, good).expect("writable");
    let mut client = server.indexer_client(&authority.settings("gateway"));
    client.list_checkpoints(ListCheckpointsRequest::default()).await.expect("it serves");
}
