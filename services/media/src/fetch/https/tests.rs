//! Hostile hosts and names, against listeners that count who comes.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// A server on the loopback that answers every request with the same bytes and counts its connections.
struct Host {
    port: u16,
    visits: Arc<AtomicUsize>,
}

async fn host(answer: impl Into<Vec<u8>>) -> Host {
    host_at("127.0.0.1:0", answer).await
}

async fn host_at(address: &str, answer: impl Into<Vec<u8>>) -> Host {
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (visits, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer.into()));
    let counted = Arc::clone(&visits);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    Host { port, visits }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn redirect_to(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

const STRICT: Guard = Guard { allow_loopback: false, any_port: true };
const DEVELOPMENT: Guard = Guard { allow_loopback: true, any_port: false };

fn resolving_to(guard: Guard, answers: &'static [&'static str]) -> Https {
    let lookup: Lookup = Arc::new(move |_| {
        async move { Ok(answers.iter().map(|address| address.parse().unwrap()).collect()) }.boxed()
    });
    Https::with_lookup(guard, lookup).unwrap()
}

#[tokio::test]
async fn no_spelling_of_the_loopback_is_connected_to() {
    let (v4, v6) = (host(ok("{}")).await, host_at("[::1]:0", ok("{}")).await);
    let https = Https::new(STRICT).unwrap();
    let hosts = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[::]",
        "0.0.0.0",
        "a@127.0.0.1",
        "example.com:80@127.0.0.1",
    ];
    for name in hosts {
        for port in [v4.port, v6.port] {
            let uri = format!("http://{name}:{port}/1.json");
            let answer = https.fetch(&uri).await;
            assert!(matches!(answer, Err(Unfetched::Refused(_))), "{uri}: {answer:?}");
        }
    }
    assert_eq!((v4.visits.load(Ordering::SeqCst), v6.visits.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn a_name_with_a_private_address_is_not_connected_to_even_among_public_ones() {
    let target = host(ok("{}")).await;
    for answers in
        [&["127.0.0.1"][..], &["::1"], &["::ffff:127.0.0.1"], &["1.1.1.1", "127.0.0.1"], &["10.0.0.1"]]
    {
        let uri = format!("http://nft.example:{}/", target.port);
        let https = resolving_to(STRICT, answers);
        assert_eq!(https.fetch(&uri).await, Err(Unfetched::Refused(NOT_PUBLIC)), "{answers:?}");
    }
    assert_eq!(target.visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_answer_is_checked_each_time() {
    let target = host(ok("{}")).await;
    let turn = Arc::new(AtomicUsize::new(0));
    let lookup: Lookup = Arc::new(move |_| {
        // First loopback, which this guard allows, then a private network.
        let address = if turn.fetch_add(1, Ordering::SeqCst) == 0 { "127.0.0.1" } else { "192.168.0.1" };
        async move { Ok(vec![address.parse().unwrap()]) }.boxed()
    });
    let https = Https::with_lookup(Guard { allow_loopback: true, any_port: true }, lookup).unwrap();
    let uri = format!("http://nft.example:{}/", target.port);
    assert_eq!(https.fetch(&uri).await, Ok(Bytes::from_static(b"{}")));
    assert_eq!(https.fetch(&uri).await, Err(Unfetched::Refused(NOT_PUBLIC)));
}

#[tokio::test]
async fn a_redirect_leads_to_no_private_address() {
    let https = Https::new(DEVELOPMENT).unwrap();
    let locations = [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://0xa000001/",
        "file:///etc/passwd",
        "ftp://1.1.1.1/",
        "http://u:p@1.1.1.1/",
        "//192.168.0.1/x",
        "http://1.1.1.1:22/",
    ];
    for location in locations {
        let from = host(redirect_to(location)).await;
        let answer = https.fetch(&format!("http://127.0.0.1:{}/", from.port)).await;
        assert!(matches!(answer, Err(Unfetched::Refused(_))), "{location}: {answer:?}");
        assert_eq!(from.visits.load(Ordering::SeqCst), 1, "{location}");
    }
}

#[tokio::test]
async fn three_redirects_are_followed_and_a_fourth_is_not() {
    let https = Https::new(DEVELOPMENT).unwrap();
    let mut at = host(ok(r#"{"name":"end"}"#)).await;
    for hop in 1..=4 {
        at = host(redirect_to(&format!("http://127.0.0.1:{}/", at.port))).await;
        let answer = https.fetch(&format!("http://127.0.0.1:{}/", at.port)).await;
        match hop {
            1..=3 => assert_eq!(answer, Ok(Bytes::from_static(br#"{"name":"end"}"#)), "{hop}"),
            _ => assert!(matches!(answer, Err(Unfetched::Refused(_))), "{answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_long_answer_ends_at_its_bound_whether_it_says_its_length_or_not() {
    let https = Https::new(DEVELOPMENT).unwrap();
    let body = "x".repeat(DOCUMENT_BYTES + 1);
    for answer in [ok(&body), format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}")] {
        let from = host(answer).await;
        let uri = format!("http://127.0.0.1:{}/", from.port);
        assert_eq!(https.fetch(&uri).await, Err(Unfetched::TooLarge));
    }
}

#[tokio::test]
async fn failures_have_their_names() {
    let https = Https::new(DEVELOPMENT).unwrap();
    for (status, expected) in [("404 Not Found", Unfetched::NotFound), ("500 Oops", Unfetched::Unreachable)] {
        let from = host(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(https.fetch(&format!("http://127.0.0.1:{}/", from.port)).await, Err(expected));
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(https.fetch(&format!("http://{nobody}/")).await, Err(Unfetched::Unreachable));
}
