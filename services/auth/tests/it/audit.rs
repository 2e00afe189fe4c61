//! Each attempt leaves a row whose result is a word of the closed list; its owner, and nobody else, can read it.

use std::num::NonZeroU32;

use alloy::signers::local::PrivateKeySigner;
use chrono::{TimeDelta, Utc};
use proto::{
    auth::v1::{
        IssueNonceRequest, IssueNonceResponse, ListLoginEventsRequest, ListLoginEventsResponse, NoncePurpose,
        RefreshSessionRequest, Session, VerifyOwnershipRequest,
    },
    common::v1::Caller,
};
use rpc::{Code, Problem};
use tonic::Status;

use crate::{
    fleet::{Fleet, account, message, reason, signed, start, start_with, unlimited},
    world::CHAIN,
};

fn caller(session: &Session) -> Caller {
    Caller {
        user_id: session.user_id.clone(),
        session_id: session.session_id.clone(),
        account_id: session.account_id.clone(),
        roles: vec!["user".to_owned()],
    }
}

/// The closed list as the column's constraint has it.
async fn closed_list(fleet: &Fleet) -> Vec<String> {
    let constraint: String = sqlx::query_scalar(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = 'login_events_result_check'",
    )
    .fetch_one(&fleet.db.pool)
    .await
    .unwrap();
    constraint.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Signs a message that differs from the good one.
async fn changed(fleet: &Fleet, from: &str, to: &str) -> Result<(), Status> {
    let signer = PrivateKeySigner::random();
    let text = message(&signer, &fleet.nonce().await).replacen(from, to, 1);
    fleet.verify(signed(&signer, &text)).await.map(|_| ())
}

async fn issued_at(fleet: &Fleet, seconds: i64) -> Result<(), Status> {
    let signer = PrivateKeySigner::random();
    let text = message(&signer, &fleet.nonce().await);
    let (head, _) = text.split_once("Issued At: ").unwrap();
    let at = (Utc::now() + TimeDelta::seconds(seconds)).to_rfc3339();
    fleet.verify(signed(&signer, &format!("{head}Issued At: {at}"))).await.map(|_| ())
}

async fn nonce_for(fleet: &Fleet, request: IssueNonceRequest, caller: &Caller) -> IssueNonceResponse {
    let acting = rpc::caller::acting(request, caller);
    fleet.gateways()[0].issue_nonce(acting).await.unwrap().into_inner()
}

/// Makes an attempt that ends with this result.
async fn provoke(fleet: &Fleet, result: &str) -> Result<(), Status> {
    let signer = PrivateKeySigner::random();
    match result {
        "success" => fleet.sign_in(&signer).await.map(|_| ()),
        "message_malformed" => changed(fleet, "Version: 1", "Version: 2").await,
        "nonce_unknown" => changed(fleet, "Nonce: ", "Nonce: x").await,
        "nonce_used" => {
            let request = signed(&signer, &message(&signer, &fleet.nonce().await));
            fleet.verify(request.clone()).await?;
            fleet.verify(request).await.map(|_| ())
        }
        "nonce_expired" => {
            let nonce = fleet.nonce().await;
            let expire = "update auth_nonces set expires_at = now() where nonce = $1";
            sqlx::query(expire).bind(&nonce.nonce).execute(&fleet.db.pool).await.unwrap();
            fleet.verify(signed(&signer, &message(&signer, &nonce))).await.map(|_| ())
        }
        "nonce_foreign" => {
            let session = fleet.sign_in(&signer).await?.session.unwrap();
            let request = IssueNonceRequest { purpose: NoncePurpose::Link.into(), ..Default::default() };
            let nonce = nonce_for(fleet, request, &caller(&session)).await;
            fleet.verify(signed(&signer, &message(&signer, &nonce))).await.map(|_| ())
        }
        "domain_mismatch" => changed(fleet, "localhost:8081 wants", "evil.com wants").await,
        "uri_mismatch" => changed(fleet, "URI: http://localhost:8081", "URI: http://evil.com").await,
        "chain_mismatch" => {
            let request =
                IssueNonceRequest { account_id: account(&signer).to_string(), ..Default::default() };
            let nonce = fleet.gateways()[0].issue_nonce(request).await?.into_inner();
            let text = message(&signer, &nonce).replace(&format!("Chain ID: {CHAIN}"), "Chain ID: 5");
            fleet.verify(signed(&signer, &text)).await.map(|_| ())
        }
        "chain_disabled" => changed(fleet, &format!("Chain ID: {CHAIN}"), "Chain ID: 5").await,
        "message_expired" => issued_at(fleet, -700).await,
        "message_not_yet_valid" => issued_at(fleet, 120).await,
        "signature_invalid" => {
            let text = message(&signer, &fleet.nonce().await);
            fleet.verify(signed(&PrivateKeySigner::random(), &text)).await.map(|_| ())
        }
        "user_suspended" => {
            let session = fleet.sign_in(&signer).await?.session.unwrap();
            let suspend = "update user_states set status = 'suspended' where user_id = $1::uuid";
            sqlx::query(suspend).bind(session.user_id).execute(&fleet.db.pool).await.unwrap();
            fleet.sign_in(&signer).await.map(|_| ())
        }
        "rate_limited" => {
            for _ in 0..20 {
                fleet.sign_in(&signer).await?;
            }
            Ok(())
        }
        "unavailable" => {
            fleet.others.world().is_wallet_down = true;
            let answer = fleet.sign_in(&signer).await.map(|_| ());
            fleet.others.world().is_wallet_down = false;
            answer
        }
        "refresh_reused" => {
            let tokens = fleet.sign_in(&signer).await?.tokens.unwrap();
            let mut request = RefreshSessionRequest { refresh_token: tokens.refresh_token, client: None };
            fleet.gateways()[0].refresh_session(request.clone()).await?;
            // Another device: no lost answer that is asked for again.
            request.client = signed(&signer, "x").client;
            fleet.gateways()[0].refresh_session(request).await.map(|_| ())
        }
        other => panic!("nothing here provokes {other}: the list has a new word"),
    }
}

#[tokio::test]
async fn every_result_of_the_closed_list_is_what_an_attempt_leaves() {
    let few = NonZeroU32::new(6).unwrap();
    let limits = auth::Limits { sessions_per_minute: few, ..unlimited() };
    let fleet = start_with(1, testkit::redis().await, limits).await;
    let results = closed_list(&fleet).await;
    assert!(results.len() >= 17, "{results:?}");
    for result in &results {
        let before = fleet.count("login_events").await;
        let answer = provoke(&fleet, result).await;
        assert_eq!(answer.is_ok(), result == "success", "{result}: {answer:?}");
        let rows = fleet.results().await;
        assert_eq!(rows.last(), Some(result), "after {} rows: {answer:?}", before);
        let (purpose, told): (String, Option<String>) =
            sqlx::query_as("select purpose, error_message from login_events order by id desc limit 1")
                .fetch_one(&fleet.db.pool)
                .await
                .unwrap();
        assert_eq!(purpose, if result == "refresh_reused" { "refresh" } else { "sign_in" });
        assert_eq!(told.is_none(), result == "success", "{result} says why");
    }
    fleet.end().await;
}

async fn page(fleet: &Fleet, who: &Session, page_size: i32, page_token: &str) -> ListLoginEventsResponse {
    let request = ListLoginEventsRequest { page_size, page_token: page_token.to_owned() };
    let acting = rpc::caller::acting(request, &caller(who));
    fleet.gateways()[0].list_login_events(acting).await.unwrap().into_inner()
}

#[tokio::test]
async fn everybody_reads_their_own_attempts_page_by_page_and_nobody_elses() {
    let fleet = start().await;
    let (mine, other) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    let session = fleet.sign_in(&mine).await.unwrap().session.unwrap();
    fleet.sign_in(&other).await.unwrap();
    for _ in 0..4 {
        fleet.sign_in(&mine).await.unwrap();
    }
    // Somebody names the account without its key: that is not its owner's attempt.
    let forged = signed(&other, &message(&mine, &fleet.nonce().await));
    assert!(fleet.verify(forged).await.is_err());

    let all = page(&fleet, &session, 100, "").await;
    assert_eq!((all.events.len(), all.next_page_token.as_str()), (5, ""));
    assert!(all.events.iter().all(|event| event.user_id == session.user_id && event.result == "success"));
    assert_eq!(all.events[4].session_id, session.session_id, "the newest comes first");
    assert_eq!(all.events[0].account_id, account(&mine).to_lower());
    assert_eq!(
        (all.events[0].user_agent.as_str(), all.events[0].domain.as_str()),
        ("testagent", "localhost:8081")
    );

    let mut walked = Vec::new();
    let mut token = String::new();
    loop {
        let part = page(&fleet, &session, 2, &token).await;
        assert_eq!(part.positions.len(), part.events.len());
        walked.extend(part.events);
        if part.next_page_token.is_empty() {
            break;
        }
        assert_eq!(part.positions.last(), Some(&part.next_page_token));
        token = part.next_page_token;
    }
    assert_eq!(walked, all.events);

    for (page_size, page_token) in [(0, ""), (101, ""), (10, "x"), (10, "1.2.3")] {
        let request = ListLoginEventsRequest { page_size, page_token: page_token.to_owned() };
        let acting = rpc::caller::acting(request, &caller(&session));
        let problem = Problem::from(&fleet.gateways()[0].list_login_events(acting).await.unwrap_err());
        assert_eq!(problem.code, Code::BadInput);
    }
    let nobody = fleet.gateways()[0].list_login_events(ListLoginEventsRequest::default()).await.unwrap_err();
    assert_eq!(Problem::from(&nobody).code, Code::Unauthenticated);
    fleet.end().await;
}

#[tokio::test]
async fn what_people_send_is_recorded_without_control_characters() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let mut request = signed(&signer, &message(&signer, &fleet.nonce().await));
    request.client.as_mut().unwrap().user_agent =
        "a\r\nb\u{1b}[31m\u{0}c\u{9b}d".to_owned() + &"e".repeat(5000);
    fleet.verify(request).await.unwrap();
    let recorded: String =
        sqlx::query_scalar("select user_agent from login_events").fetch_one(&fleet.db.pool).await.unwrap();
    assert!(recorded.starts_with("ab[31mcde"), "{recorded}");
    assert!(recorded.len() <= 512 && !recorded.contains(char::is_control));
    fleet.end().await;
}

#[tokio::test]
async fn a_refusal_stays_one_where_it_cannot_be_recorded_and_a_session_does_not_open() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let nonce = fleet.nonce().await;
    sqlx::query("alter table login_events rename to hidden").execute(&fleet.db.pool).await.unwrap();
    let forged = signed(&PrivateKeySigner::random(), &message(&signer, &fleet.nonce().await));
    assert_eq!(reason(&fleet.verify(forged).await.unwrap_err()), "SIGNATURE_INVALID");

    let failed = Problem::from(&fleet.verify(signed(&signer, &message(&signer, &nonce))).await.unwrap_err());
    assert_eq!((failed.code, failed.message.as_str()), (Code::Internal, "internal error"));
    assert_eq!((fleet.count("sessions").await, fleet.count("outbox").await), (0, 0));
    fleet.end().await;
}

#[tokio::test]
async fn a_proof_of_a_further_account_is_recorded_as_one() {
    let fleet = start().await;
    let (signer, further) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    let session = fleet.sign_in(&signer).await.unwrap().session.unwrap();
    let purpose = NoncePurpose::Link.into();
    for expected in ["success", "nonce_unknown"] {
        let nonce = match expected {
            "success" => {
                let request = IssueNonceRequest { purpose, ..Default::default() };
                nonce_for(&fleet, request, &caller(&session)).await
            }
            _ => IssueNonceResponse { nonce: "a".repeat(24), ..fleet.nonce().await },
        };
        let signed = signed(&further, &message(&further, &nonce));
        let request = VerifyOwnershipRequest {
            message: signed.message,
            signature: signed.signature,
            user_id: session.user_id.clone(),
            client: signed.client,
        };
        let answer = fleet.client("wallet").verify_ownership(request).await;
        assert_eq!(answer.is_ok(), expected == "success", "{answer:?}");
    }
    let rows: Vec<(String, String)> = sqlx::query_as("select purpose, result from login_events order by id")
        .fetch_all(&fleet.db.pool)
        .await
        .unwrap();
    let rows: Vec<(&str, &str)> =
        rows.iter().map(|(purpose, result)| (purpose.as_str(), result.as_str())).collect();
    assert_eq!(rows, [("sign_in", "success"), ("link", "success"), ("link", "nonce_unknown")]);
    fleet.end().await;
}
