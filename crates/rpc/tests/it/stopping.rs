//! A server that is told to stop finishes what it has begun, and a target that is full is left alone.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use proto::indexer::v1::ListCheckpointsRequest;
use tokio::sync::Notify;

use crate::{
    authority::Authority,
    fleet::{Server, handler},
};

#[tokio::test]
async fn a_call_in_hand_is_answered_and_a_new_one_is_not_accepted() {
    let authority = Authority::new();
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (begun.clone(), go_on.clone());
    let work = handler(move |_| {
        let (told, wait) = (told.clone(), wait.clone());
        async move {
            told.notify_one();
            wait.notified().await;
            Ok(())
        }
    });
    let server = Server::indexer(&authority, work);
    let gateway = authority.settings("gateway");
    let (mut client, mut late) = (server.indexer_client(&gateway), server.indexer_client(&gateway));
    let call = tokio::spawn(async move { client.list_checkpoints(ListCheckpointsRequest::default()).await });
    begun.notified().await;

    drop(server);
    let began = Instant::now();
    loop {
        let mut request = tonic::Request::new(ListCheckpointsRequest::default());
        request.set_timeout(Duration::from_millis(100));
        match late.list_checkpoints(request).await.expect_err("the handler waits").code() {
            tonic::Code::Unavailable => break,
            _ => assert!(began.elapsed() < Duration::from_secs(4), "it still accepts"),
        }
    }
    go_on.notify_waiters();
    call.await.expect("no panic").expect("what was begun is finished");
}

#[tokio::test]
async fn the_call_after_the_256th_in_flight_is_refused_at_once() {
    let authority = Authority::new();
    let arrived = Arc::new(AtomicUsize::new(0));
    let counted = arrived.clone();
    let work = handler(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    });
    let server = Server::indexer(&authority, work);
    let client = server.indexer_client(&authority.settings("gateway"));
    let ask = || {
        let mut client = client.clone();
        async move { client.list_checkpoints(ListCheckpointsRequest::default()).await }
    };
    let waiting: Vec<_> = (0..256).map(|_| tokio::spawn(ask())).collect();
    let began = Instant::now();
    while arrived.load(Ordering::SeqCst) < 256 {
        assert!(began.elapsed() < Duration::from_secs(4), "only {arrived:?} arrived");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = Instant::now();
    let status = ask().await.expect_err("there is no room");
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(status.message().contains("too many calls"), "{}", status.message());
    assert!(asked.elapsed() < Duration::from_millis(500), "it did not wait");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
