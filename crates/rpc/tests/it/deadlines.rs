//! A deadline comes in, what is left of it goes on, and nobody waits longer.
use std::time::{Duration, Instant};

use proto::{chainregistry::v1::ListChainsRequest, indexer::v1::ListCheckpointsRequest};
use tokio::sync::mpsc;
use tonic::{Code, Request};

use crate::{
    authority::Authority,
    fleet::{Server, handler},
};

#[tokio::test]
async fn what_remains_is_carried_on_to_the_next_service() {
    let authority = Authority::new();
    let (seen, mut heard) = mpsc::channel(8);
    let registry = Server::registry(
        &authority,
        handler(move |_| {
            let _ = seen.try_send((rpc::remaining(), rpc::request_id()));
            async { Ok(()) }
        }),
    );
    let onward = registry.registry_client(&authority.settings("operator"));
    let indexer = Server::indexer(
        &authority,
        handler(move |_| {
            let mut onward = onward.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                onward.list_chains(ListChainsRequest::default()).await.map(drop)
            }
        }),
    );

    let mut request = Request::new(ListCheckpointsRequest::default());
    request.set_timeout(Duration::from_secs(2));
    request.metadata_mut().insert("x-request-id", "r-1".parse().expect("ASCII"));
    indexer
        .indexer_client(&authority.settings("gateway"))
        .list_checkpoints(request)
        .await
        .expect("both answer");

    let (left, request_id) = heard.recv().await.expect("the second service was asked");
    let left = left.expect("a handler has a budget");
    assert!(left <= Duration::from_millis(1700), "{left:?} is not less than what was left");
    assert!(left > Duration::from_millis(500), "{left:?} is what was left, not a default");
    assert_eq!(request_id.as_deref(), Some("r-1"));
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_on_both_sides() {
    let authority = Authority::new();
    let (dropped, mut gone) = mpsc::channel::<()>(8);
    let server = Server::indexer(
        &authority,
        handler(move |_| {
            let held = dropped.clone();
            async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok(())
            }
        }),
    );
    let mut client = server.indexer_client(&authority.settings("gateway"));
    let began = Instant::now();
    let answer = rpc::within(Duration::from_millis(300), None, async {
        client.list_checkpoints(ListCheckpointsRequest::default()).await
    });
    assert_eq!(answer.await.expect_err("nobody answers").code(), Code::DeadlineExceeded);
    assert!(began.elapsed() < Duration::from_secs(2));
    // The handler's future is dropped with its sender; the server itself holds the last one.
    drop(server);
    let ended = tokio::time::timeout(Duration::from_secs(5), gone.recv()).await;
    assert!(matches!(ended, Ok(None)), "the handler still works for nobody");
}

#[tokio::test]
async fn with_no_time_left_nothing_is_sent() {
    let authority = Authority::new();
    let (seen, mut heard) = mpsc::channel(8);
    let server = Server::indexer(
        &authority,
        handler(move |_| {
            let _ = seen.try_send(());
            async { Ok(()) }
        }),
    );
    let mut client = server.indexer_client(&authority.settings("gateway"));
    let answer =
        rpc::within(Duration::ZERO, None, client.list_checkpoints(ListCheckpointsRequest::default())).await;
    assert_eq!(answer.expect_err("there is no time").code(), Code::DeadlineExceeded);
    drop(server);
    assert!(heard.try_recv().is_err());
}
