//! What a failure says after it has travelled.
use std::time::Duration;

use proto::indexer::v1::{GetTransactionEventsRequest, ListCheckpointsRequest};
use rpc::{Code, Problem, Refusal, Violation};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    authority::Authority,
    fleet::{Server, fine, handler},
};

#[tokio::test]
async fn a_refusal_arrives_as_it_was_said() {
    let codes = [
        Code::BadInput,
        Code::Unauthenticated,
        Code::Forbidden,
        Code::NotFound,
        Code::Conflict,
        Code::RateLimited,
        Code::Internal,
        Code::DeadlineExceeded,
        Code::Unavailable,
    ];
    let authority = Authority::new();
    for code in codes {
        let server = Server::indexer(
            &authority,
            handler(move |_| async move {
                let refusal = Refusal::new(code, "NONCE_USED", "the nonce was used: ask for another")
                    .violation("nonce", "USED", "used at 12:00: too late")
                    .retry_after(Duration::from_millis(1500));
                Err(refusal.into())
            }),
        );
        let mut client = server.indexer_client(&authority.settings("gateway"));
        let status =
            client.list_checkpoints(ListCheckpointsRequest::default()).await.expect_err("it refuses");
        let expected = Problem {
            code,
            reason: "NONCE_USED".into(),
            message: "the nonce was used: ask for another".into(),
            violations: vec![Violation {
                path: "nonce".into(),
                code: "USED".into(),
                message: "used at 12:00: too late".into(),
            }],
            retry_after: Some(Duration::from_millis(1500)),
        };
        assert_eq!(Problem::from(&status), expected);
    }
}

#[tokio::test]
async fn an_unexpected_failure_keeps_its_cause_to_itself() {
    let authority = Authority::new();
    let server = Server::indexer(
        &authority,
        handler(|_| async { Err(rpc::internal(anyhow::anyhow!("password=hunter2").context("connecting"))) }),
    );
    let mut client = server.indexer_client(&authority.settings("gateway"));
    let status = client.list_checkpoints(ListCheckpointsRequest::default()).await.expect_err("it fails");
    assert_eq!(Problem::from(&status).code, Code::Internal);
    assert!(!format!("{status:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_handler_that_panics_answers_internal_and_the_next_call_is_served() {
    let authority = Authority::new();
    let server = Server::indexer(&authority, fine());
    let mut client = server.indexer_client(&authority.settings("operator"));
    let status =
        client.get_transaction_events(GetTransactionEventsRequest::default()).await.expect_err("it panics");
    assert_eq!(status.code(), tonic::Code::Internal);
    client.list_checkpoints(ListCheckpointsRequest::default()).await.expect("the server lives");
}

#[tokio::test]
async fn every_service_of_the_fleet_may_ask_for_health() {
    let authority = Authority::new();
    let server = Server::indexer(&authority, fine());
    let mut client = HealthClient::new(server.channel("indexer", &authority.settings("wallet")));
    for service in ["", "vitrine.indexer.v1.IndexerService"] {
        let answer =
            client.check(HealthCheckRequest { service: service.into() }).await.expect("health answers");
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = client.check(HealthCheckRequest { service: "vitrine.auth.v1.AuthService".into() }).await;
    assert_eq!(unknown.expect_err("it is not served here").code(), tonic::Code::NotFound);
}
