//! A target that does not answer is left alone, then tried again, then used again.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use proto::indexer::v1::ListCheckpointsRequest;
use rpc::{Code, Problem, Refusal};
use tonic::Status;

use crate::{
    authority::Authority,
    fleet::{Server, handler},
};

#[tokio::test]
async fn a_breaker_opens_lets_one_call_through_and_closes() {
    let authority = Authority::new();
    let (calls, broken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
    let (counted, state) = (calls.clone(), broken.clone());
    let server = Server::indexer(
        &authority,
        handler(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            let broken = state.load(Ordering::SeqCst);
            async move {
                match broken {
                    true => Err(Status::unavailable("not now")),
                    false => Ok(()),
                }
            }
        }),
    );
    let client = server.indexer_client(&authority.settings("gateway"));
    let ask = || {
        let mut client = client.clone();
        async move { client.list_checkpoints(ListCheckpointsRequest::default()).await }
    };
    for _ in 0..5 {
        assert!(ask().await.is_err());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 5);

    let problem = Problem::from(&ask().await.expect_err("the breaker is open"));
    assert_eq!(calls.load(Ordering::SeqCst), 5, "the sixth call was not sent");
    assert_eq!(problem.code, Code::Unavailable);
    let wait = problem.retry_after.expect("it says when to come back");
    assert!(wait <= Duration::from_millis(1200), "{wait:?}");

    broken.store(false, Ordering::SeqCst);
    tokio::time::sleep(wait).await;
    ask().await.expect("the probe is answered");
    ask().await.expect("and the way is open again");
}

#[tokio::test]
async fn refusals_do_not_open_a_breaker() {
    let authority = Authority::new();
    let server = Server::indexer(
        &authority,
        handler(|_| async { Err(Refusal::new(Code::NotFound, "NOT_FOUND", "no").into()) }),
    );
    let mut client = server.indexer_client(&authority.settings("gateway"));
    for _ in 0..30 {
        let status =
            client.list_checkpoints(ListCheckpointsRequest::default()).await.expect_err("it refuses");
        assert_eq!(status.code(), tonic::Code::NotFound);
    }
}

#[tokio::test]
async fn a_service_that_says_what_it_lacks_is_still_asked() {
    let authority = Authority::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let server = Server::indexer(
        &authority,
        handler(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Err(Refusal::new(Code::Unavailable, "UNAVAILABLE", "wallet does not answer").into()) }
        }),
    );
    let mut client = server.indexer_client(&authority.settings("gateway"));
    for _ in 0..30 {
        let asked = client.list_checkpoints(ListCheckpointsRequest::default()).await;
        assert_eq!(asked.expect_err("it refuses").code(), tonic::Code::Unavailable);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 30);
}
