//! Refreshing: one successor, whoever asks at once; an answer that was lost comes again; a copy ends the session.

use std::{collections::BTreeSet, time::Duration};

use alloy::signers::local::PrivateKeySigner;
use events::{
    Message,
    users::{RolesChanged, StatusChanged, roles_changed, status_changed},
};
use futures::future::join_all;
use jsonwebtoken::dangerous::insecure_decode;
use proto::auth::v1::{
    ClientInfo, RefreshSessionRequest, RefreshSessionResponse, Session, VerifySiweResponse,
};
use rpc::{Code, Problem};
use serde_json::Value;
use tonic::{Request, Status};

use crate::{
    fleet::{Fleet, reason, start, start_at, start_many},
    world::CHAIN,
};

const WITHIN: Duration = Duration::from_secs(60);

/// The browser that signed in, and another one.
const HOME: &str = "testagent";
const AWAY: &str = "somebody's agent";

fn asked(token: &str, user_agent: &str) -> Request<RefreshSessionRequest> {
    let client = ClientInfo {
        ip_address: "198.51.100.9".to_owned(),
        user_agent: user_agent.to_owned(),
        device_id: String::new(),
    };
    let message = RefreshSessionRequest { refresh_token: token.to_owned(), client: Some(client) };
    let mut request = Request::new(message);
    // The machine may be busy; how long it takes is not what is tested.
    request.set_timeout(Duration::from_secs(30));
    request
}

async fn refresh(fleet: &Fleet, token: &str, user_agent: &str) -> Result<RefreshSessionResponse, Status> {
    Ok(fleet.gateways()[0].refresh_session(asked(token, user_agent)).await?.into_inner())
}

/// Many at once, in turn to each auth.
async fn at_once(fleet: &Fleet, asks: &[(&str, &str)]) -> Vec<Result<RefreshSessionResponse, Status>> {
    let doors = fleet.gateways();
    let ask = async |(turn, (token, user_agent)): (usize, &(&str, &str))| {
        let answer = doors[turn % doors.len()].clone().refresh_session(asked(token, user_agent)).await;
        answer.map(tonic::Response::into_inner)
    };
    join_all(asks.iter().enumerate().map(ask)).await
}

fn token(answer: &RefreshSessionResponse) -> String {
    answer.tokens.as_ref().unwrap().refresh_token.clone()
}

fn first(answer: &VerifySiweResponse) -> (Session, String) {
    (answer.session.clone().unwrap(), answer.tokens.as_ref().unwrap().refresh_token.clone())
}

fn claims(answer: &RefreshSessionResponse) -> Value {
    insecure_decode::<Value>(&answer.tokens.as_ref().unwrap().access_token).unwrap().claims
}

async fn signed_in(fleet: &Fleet) -> (Session, String) {
    first(&fleet.sign_in(&PrivateKeySigner::random()).await.unwrap())
}

/// The reason for which a session was ended, if it was, and how often that was told.
async fn end(fleet: &Fleet, session: &Session) -> (Option<String>, i64) {
    let id: uuid::Uuid = session.session_id.parse().unwrap();
    let reason = sqlx::query_scalar("select revoke_reason from sessions where session_id = $1")
        .bind(id)
        .fetch_one(&fleet.db.pool)
        .await
        .unwrap();
    let told = sqlx::query_scalar(
        "select count(*) from outbox where routing_key = 'session.revoked' and body::text like '%' || $1 || '%'",
    )
    .bind(&session.session_id)
    .fetch_one(&fleet.db.pool)
    .await
    .unwrap();
    (reason, told)
}

async fn is_ended(fleet: &Fleet, session: &Session, reason: &str) -> bool {
    end(fleet, session).await == (Some(reason.to_owned()), 1)
}

/// As if the grace of every used token were over.
async fn let_grace_pass(fleet: &Fleet) {
    sqlx::query(
        "update refresh_tokens set used_at = used_at - interval '11 seconds' where used_at is not null",
    )
    .execute(&fleet.db.pool)
    .await
    .unwrap();
}

async fn unused(fleet: &Fleet) -> i64 {
    let sql = "select count(*) from refresh_tokens where used_at is null";
    sqlx::query_scalar(sql).fetch_one(&fleet.db.pool).await.unwrap()
}

async fn tell(fleet: &Fleet, message: Message) {
    let bus = bus::Bus::open(&fleet.vhost.secret(), "test");
    assert_eq!(bus.publish(&[message]).await, [Ok(())]);
}

#[tokio::test]
async fn a_refresh_gives_the_next_tokens_of_the_same_session() {
    let fleet = start().await;
    let (session, one) = signed_in(&fleet).await;
    sqlx::query("update sessions set access_expires_at = access_expires_at - interval '10 minutes'")
        .execute(&fleet.db.pool)
        .await
        .unwrap();
    let answer = refresh(&fleet, &one, HOME).await.unwrap();
    let (tokens, after) = (answer.tokens.clone().unwrap(), answer.session.clone().unwrap());
    assert_ne!(tokens.refresh_token, one);
    assert_eq!(
        (after.session_id.as_str(), after.user_id.as_str()),
        (&*session.session_id, &*session.user_id)
    );
    assert_eq!((after.chain_id.as_str(), after.account_type.as_str()), ("eip155:31337", "eoa"));
    assert_eq!(after.fingerprint, session.fingerprint);
    assert_eq!((after.ip_address.as_str(), after.user_agent.as_str()), ("198.51.100.9", HOME));
    assert!(after.last_used_time.unwrap().seconds >= session.last_used_time.unwrap().seconds);
    assert_eq!(tokens.refresh_expire_time, after.expire_time);

    let claims = claims(&answer);
    assert_eq!(
        (claims["sid"].as_str(), claims["sub"].as_str()),
        (Some(&*session.session_id), Some(&*session.user_id))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_eq!(claims["exp"].as_i64().unwrap(), tokens.access_expire_time.unwrap().seconds);
    // A revocation is told as long as this token lives.
    let told_until: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select access_expires_at from sessions").fetch_one(&fleet.db.pool).await.unwrap();
    assert_eq!(told_until.timestamp(), claims["exp"].as_i64().unwrap());

    // At rest there are hashes, and of the used token what it takes to answer again, which the token itself is part of.
    let hashes: Vec<String> =
        sqlx::query_scalar("select token_hash from refresh_tokens").fetch_all(&fleet.db.pool).await.unwrap();
    assert!(hashes.iter().all(|hash| hash.len() == 64 && *hash != one && *hash != tokens.refresh_token));
    assert_eq!(fleet.results().await, ["success"], "what succeeds is in the session's row");
    fleet.end().await;
}

#[tokio::test]
async fn of_thirty_two_refreshes_at_once_over_four_auths_comes_one_successor() {
    let fleet = start_many(4).await;
    let (session, mut current) = signed_in(&fleet).await;
    for round in 1..=5_i64 {
        let answers = at_once(&fleet, &[(current.as_str(), HOME); 32]).await;
        let tokens: BTreeSet<String> = answers.into_iter().map(|answer| token(&answer.unwrap())).collect();
        assert_eq!(tokens.len(), 1, "tabs of one device converge");
        current = tokens.into_iter().next().unwrap();
        assert_eq!((fleet.count("refresh_tokens").await, unused(&fleet).await), (round + 1, 1));
        let_grace_pass(&fleet).await;
    }
    assert_eq!(end(&fleet, &session).await, (None, 0));
    fleet.end().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_comes_again_and_a_tab_that_is_late_gets_the_live_token() {
    let fleet = start().await;
    let (session, one) = signed_in(&fleet).await;
    let two = token(&refresh(&fleet, &one, HOME).await.unwrap());
    assert_eq!(token(&refresh(&fleet, &one, HOME).await.unwrap()), two);
    let three = token(&refresh(&fleet, &two, HOME).await.unwrap());
    assert_eq!(token(&refresh(&fleet, &one, HOME).await.unwrap()), three);
    assert_eq!(unused(&fleet).await, 1);
    assert_eq!(end(&fleet, &session).await, (None, 0));

    let_grace_pass(&fleet).await;
    assert_eq!(reason(&refresh(&fleet, &one, HOME).await.unwrap_err()), "REFRESH_REUSED");
    assert!(is_ended(&fleet, &session, "refresh_reused").await);
    fleet.end().await;
}

/// Whoever presents the used token, and whoever presents it from elsewhere: the session ends, its tokens are all dead, and
/// the end is told and recorded once.
async fn assert_over(fleet: &Fleet, session: &Session, tokens: &[&str]) {
    assert!(is_ended(fleet, session, "refresh_reused").await);
    for token in tokens {
        for agent in [HOME, AWAY] {
            let refused = refresh(fleet, token, agent).await.unwrap_err();
            let problem = Problem::from(&refused);
            assert_eq!((problem.code, problem.reason.as_str()), (Code::Unauthenticated, "REFRESH_EXPIRED"));
        }
    }
    assert!(is_ended(fleet, session, "refresh_reused").await, "and is not ended again");
    let recorded: Vec<(String, String)> = sqlx::query_as(
        "select purpose, user_agent from login_events where result = 'refresh_reused' and session_id::text = $1",
    )
    .bind(&session.session_id)
    .fetch_all(&fleet.db.pool)
    .await
    .unwrap();
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].0, "refresh");
}

#[tokio::test]
async fn a_stolen_token_ends_the_session_whoever_comes_first() {
    let fleet = start_many(2).await;

    // The thief comes first; the owner finds the token used by somebody else, grace or not.
    let (session, one) = signed_in(&fleet).await;
    let stolen = token(&refresh(&fleet, &one, AWAY).await.unwrap());
    let stolen = token(&refresh(&fleet, &stolen, AWAY).await.unwrap());
    assert_eq!(reason(&refresh(&fleet, &one, HOME).await.unwrap_err()), "REFRESH_REUSED");
    assert_over(&fleet, &session, &[&one, &stolen]).await;

    // The owner comes first; the thief is found, and with the owner's fingerprint after the grace.
    for (agent, is_late) in [(AWAY, false), (HOME, true)] {
        let (session, one) = signed_in(&fleet).await;
        let two = token(&refresh(&fleet, &one, HOME).await.unwrap());
        if is_late {
            let_grace_pass(&fleet).await;
        }
        assert_eq!(reason(&refresh(&fleet, &one, agent).await.unwrap_err()), "REFRESH_REUSED");
        assert_over(&fleet, &session, &[&one, &two]).await;
    }

    // Both at once, many times: whoever is second ends it.
    for _ in 0..10 {
        let (session, one) = signed_in(&fleet).await;
        let answers = at_once(&fleet, &[(&one, HOME), (&one, AWAY)]).await;
        let given: Vec<String> =
            answers.iter().filter_map(|answer| answer.as_ref().ok()).map(token).collect();
        assert_eq!(given.len(), 1, "one of them got a token");
        assert_over(&fleet, &session, &[&one, &given[0]]).await;
    }

    // And with the owner's tabs retrying meanwhile.
    let (session, one) = signed_in(&fleet).await;
    let mut asks = vec![(one.as_str(), HOME); 15];
    asks.push((&one, AWAY));
    let answers = at_once(&fleet, &asks).await;
    let given: BTreeSet<String> =
        answers.iter().filter_map(|answer| answer.as_ref().ok()).map(token).collect();
    assert!(given.len() <= 1, "no two tokens were ever given out");
    let mut dead: Vec<&str> = given.iter().map(String::as_str).collect();
    dead.push(&one);
    assert_over(&fleet, &session, &dead).await;
    fleet.end().await;
}

#[tokio::test]
async fn a_refresh_that_was_cut_off_leaves_the_token_good() {
    let fleet = start().await;
    let (session, one) = signed_in(&fleet).await;
    // The commit is what fails: everything was written before it.
    for sql in [
        "create function cut_off() returns trigger language plpgsql as $$ begin raise 'cut off'; end $$",
        "create constraint trigger cut_off after insert on refresh_tokens deferrable initially deferred
         for each row execute function cut_off()",
    ] {
        sqlx::query(sql).execute(&fleet.db.pool).await.unwrap();
    }
    assert_eq!(Problem::from(&refresh(&fleet, &one, HOME).await.unwrap_err()).code, Code::Internal);
    assert_eq!((fleet.count("refresh_tokens").await, unused(&fleet).await), (1, 1));
    sqlx::query("drop trigger cut_off on refresh_tokens").execute(&fleet.db.pool).await.unwrap();
    let two = token(&refresh(&fleet, &one, HOME).await.unwrap());
    assert!(refresh(&fleet, &two, HOME).await.is_ok());
    assert_eq!(end(&fleet, &session).await, (None, 0));
    fleet.end().await;
}

#[tokio::test]
async fn what_is_unknown_or_past_its_end_is_refused_all_alike() {
    let fleet = start().await;
    let mut refusals = BTreeSet::new();
    let mut refused = async |token: &str| {
        let status = refresh(&fleet, token, HOME).await.unwrap_err();
        let problem = Problem::from(&status);
        refusals.insert(format!("{:?} {} {}", problem.code, problem.reason, status.message()));
    };
    refused("").await;
    refused("nonsense").await;
    refused(&"x".repeat(2000)).await;
    for sql in [
        "update sessions set expires_at = now()",
        "update sessions set absolute_expires_at = now()",
        "update refresh_tokens set expires_at = now()",
        "update sessions set revoked_at = now(), revoke_reason = 'revoked'",
    ] {
        let (_, one) = signed_in(&fleet).await;
        sqlx::query(sql).execute(&fleet.db.pool).await.unwrap();
        refused(&one).await;
    }
    assert_eq!(refusals.len(), 1);
    assert!(refusals.first().unwrap().starts_with("Unauthenticated REFRESH_EXPIRED"), "{refusals:?}");
    fleet.end().await;
}

#[tokio::test]
async fn idle_time_begins_anew_with_each_refresh_and_the_session_ends_all_the_same() {
    let fleet = start().await;
    let (_, one) = signed_in(&fleet).await;
    sqlx::query("update sessions set expires_at = now() + interval '1 day'")
        .execute(&fleet.db.pool)
        .await
        .unwrap();
    let two = refresh(&fleet, &one, HOME).await.unwrap();
    let left = |answer: &RefreshSessionResponse| {
        answer.session.as_ref().unwrap().expire_time.unwrap().seconds - chrono::Utc::now().timestamp()
    };
    assert!((left(&two) - 30 * 86_400).abs() < 60);

    sqlx::query("update sessions set absolute_expires_at = now() + interval '5 minutes'")
        .execute(&fleet.db.pool)
        .await
        .unwrap();
    let three = refresh(&fleet, &token(&two), HOME).await.unwrap();
    assert!((left(&three) - 300).abs() < 60);
    let claims = claims(&three);
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 300, "no token outlives it");
    fleet.end().await;
}

#[tokio::test]
async fn roles_and_status_are_read_anew_and_a_suspended_user_hears_no_more_than_a_stranger() {
    let fleet = start().await;
    let (session, one) = signed_in(&fleet).await;
    let user_id = session.user_id.parse().unwrap();
    let roles = vec!["user".to_owned(), "creator".to_owned(), "moderator".to_owned()];
    tell(&fleet, roles_changed(&RolesChanged { user_id, roles, is_reduced: false, revision: 1 })).await;
    let mut current = one;
    testkit::eventually(WITHIN, "the new role", async || {
        let answer = refresh(&fleet, &current, HOME).await.unwrap();
        let roles = claims(&answer)["roles"].as_array().unwrap().len();
        (roles == 3).then_some(())
    })
    .await;
    // Every look rotated nothing but the first: they all presented the same token within the grace.
    current = token(&refresh(&fleet, &current, HOME).await.unwrap());

    // Suspended, and the end of the sessions did not come through: the refresh does it.
    sqlx::query("update user_states set status = 'suspended'").execute(&fleet.db.pool).await.unwrap();
    assert_eq!(reason(&refresh(&fleet, &current, HOME).await.unwrap_err()), "REFRESH_EXPIRED");
    assert!(is_ended(&fleet, &session, "suspended").await);

    // And by the event.
    let (session, one) = signed_in(&fleet).await;
    let user_id = session.user_id.parse().unwrap();
    tell(&fleet, status_changed(&StatusChanged { user_id, status: "suspended".to_owned(), revision: 1 }))
        .await;
    testkit::eventually(WITHIN, "ended", async || {
        is_ended(&fleet, &session, "suspended").await.then_some(())
    })
    .await;
    assert_eq!(reason(&refresh(&fleet, &one, HOME).await.unwrap_err()), "REFRESH_EXPIRED");
    fleet.end().await;
}

#[tokio::test]
async fn an_account_that_was_taken_away_since_ends_the_session() {
    let fleet = start().await;
    let (session, one) = signed_in(&fleet).await;
    sqlx::query("update account_users set user_id = null, updated_at = now() + interval '1 second'")
        .execute(&fleet.db.pool)
        .await
        .unwrap();
    assert_eq!(reason(&refresh(&fleet, &one, HOME).await.unwrap_err()), "REFRESH_EXPIRED");
    assert!(is_ended(&fleet, &session, "unlinked").await);
    fleet.end().await;
}

/// Makes the session one of a contract account that was asked so long ago.
async fn as_contract(fleet: &Fleet, session: &Session, ago: &str) {
    let id: uuid::Uuid = session.session_id.parse().unwrap();
    sqlx::query(
        "update sessions set verify_method = 'eip1271', account_type = 'contract', verified_at = now() - $2::interval
         where session_id = $1",
    )
    .bind(id)
    .bind(ago)
    .execute(&fleet.db.pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into session_proofs (session_id, message, signature, block_hash, block_number)
         values ($1, 'a message', '\\x00', '0x', 1) on conflict do nothing",
    )
    .bind(id)
    .execute(&fleet.db.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_contract_that_cannot_be_asked_is_believed_for_an_hour() {
    let fleet = start_at([(CHAIN, Vec::new())]).await;
    let (session, one) = signed_in(&fleet).await;
    as_contract(&fleet, &session, "2 hours").await;
    let problem = Problem::from(&refresh(&fleet, &one, HOME).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Unavailable, "UNAVAILABLE"));
    // The token was not used up: as soon as it may, it goes on.
    as_contract(&fleet, &session, "30 minutes").await;
    assert!(refresh(&fleet, &one, HOME).await.is_ok());
    assert_eq!(end(&fleet, &session).await, (None, 0));
    fleet.end().await;
}
