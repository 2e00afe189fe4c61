//! Limits hold whatever the asker says of itself, with Redis and without it, and lock nobody else out.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use alloy::signers::local::PrivateKeySigner;
use futures::future::join_all;
use proto::auth::v1::{ClientInfo, IssueNonceRequest, IssueNonceResponse};
use rpc::{Code, Problem};
use testkit::{Fault, Proxy};
use tonic::Status;

use crate::fleet::{Fleet, account, message, reason, signed_from, start_with, unlimited};

fn at_most(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// A busy machine may keep Redis from answering in time; then half of a limit is what is granted, and never less.
fn assert_granted(granted: usize, limit: usize) {
    assert!(granted >= limit / 2, "{granted} of {limit}");
}

/// The bar: of what a bucket holds, and got since, no more than a twentieth too much is granted.
fn assert_held(granted: usize, limit: u32, since: Instant) {
    let fair = f64::from(limit) * (1.0 + since.elapsed().as_secs_f64() / 60.0);
    let ratio = granted as f64 / fair;
    assert!(ratio <= 1.05, "{granted} were granted where {fair:.1} are fair: {ratio:.3}");
}

/// Asks for a nonce from an address, each time as somebody else.
async fn nonce_from(fleet: &Fleet, door: usize, ip: &str, turn: usize) -> Result<IssueNonceResponse, Status> {
    let client = ClientInfo {
        ip_address: ip.to_owned(),
        user_agent: format!("agent/{turn} X-Forwarded-For: 10.0.0.{turn}"),
        device_id: uuid::Uuid::new_v4().to_string(),
    };
    let account_id = match turn % 2 {
        0 => String::new(),
        _ => account(&PrivateKeySigner::random()).to_string(),
    };
    let request = IssueNonceRequest { client: Some(client), account_id, ..Default::default() };
    Ok(fleet.gateways()[door].issue_nonce(request).await?.into_inner())
}

async fn nonces_from(fleet: &Fleet, ips: &[&str], asks: usize) -> usize {
    let doors = fleet.gateways().len();
    let ask = |turn: usize| nonce_from(fleet, turn % doors, ips[turn % ips.len()], turn);
    join_all((0..asks).map(ask)).await.iter().filter(|answer| answer.is_ok()).count()
}

#[tokio::test]
async fn an_address_gets_its_nonces_and_no_more_from_all_processes_together() {
    let limits = auth::Limits { nonces_per_minute: at_most(10), ..unlimited() };
    let fleet = start_with(2, testkit::redis().await, limits).await;
    let began = Instant::now();
    let granted = nonces_from(&fleet, &["203.0.113.7", "::ffff:203.0.113.7"], 80).await;
    assert_granted(granted, 10);
    assert_held(granted, 10, began);

    let refused = nonce_from(&fleet, 0, "203.0.113.7", 0).await.unwrap_err();
    let problem = Problem::from(&refused);
    assert_eq!((problem.code, problem.reason.as_str()), (Code::RateLimited, "RATE_LIMITED"));
    assert!(problem.retry_after.is_some_and(|after| after <= Duration::from_secs(12)));

    // A network of IPv6 is one; others have buckets of their own, and so have those of whom no address is known.
    let began = Instant::now();
    let granted = nonces_from(&fleet, &["2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:9"], 60).await;
    assert_granted(granted, 10);
    assert_held(granted, 10, began);
    assert!(nonce_from(&fleet, 1, "2001:db8:0:1::1", 0).await.is_ok());
    assert!(nonce_from(&fleet, 0, "", 0).await.is_ok());
    assert_eq!(fleet.count("login_events").await, 0, "a nonce is no attempt yet");

    let client = redis::Client::open(fleet.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    for key in ["rate:auth:nonce:203.0.113.7", "rate:auth:nonce:2001:db8:0:0::"] {
        let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut redis).await.unwrap();
        assert!((1..=60_000).contains(&left), "{key} goes by itself: {left}");
    }
    fleet.end().await;
}

#[tokio::test]
async fn messages_of_many_accounts_and_agents_from_one_address_are_one_flood() {
    let limits = auth::Limits { sign_ins_per_minute: at_most(20), ..unlimited() };
    let fleet = start_with(1, testkit::redis().await, limits).await;
    let began = Instant::now();
    let attempt = async |turn: usize| {
        let signer = PrivateKeySigner::random();
        let text = match turn % 3 {
            0 => format!("no message at all {turn}"),
            _ => message(&signer, &fleet.nonce().await),
        };
        let mut request = signed_from("203.0.113.7", &signer, &text);
        request.client.as_mut().unwrap().user_agent = format!("agent/{turn}");
        let answer = fleet.verify(request).await;
        !matches!(answer, Err(status) if reason(&status) == "RATE_LIMITED")
    };
    let judged = join_all((0..90).map(attempt)).await.into_iter().filter(|judged| *judged).count();
    assert_granted(judged, 20);
    assert_held(judged, 20, began);

    // Of the flood one row a while is kept: it must not fill the table instead.
    let recorded = fleet.results().await.iter().filter(|result| *result == "rate_limited").count();
    let whiles = 1 + usize::try_from(began.elapsed().as_secs() / 10).unwrap();
    assert!((1..=whiles).contains(&recorded), "{recorded} of them are recorded");
    assert_eq!(fleet.results().await.len(), judged + recorded);
    fleet.end().await;
}

#[tokio::test]
async fn without_redis_a_process_grants_half() {
    let limits = auth::Limits { nonces_per_minute: at_most(20), ..unlimited() };
    let fleet = start_with(1, "redis://127.0.0.1:1".to_owned(), limits).await;
    let began = Instant::now();
    let granted = nonces_from(&fleet, &["203.0.113.7"], 60).await;
    assert!(granted >= 10, "{granted}");
    assert_held(granted, 10, began);
    fleet.end().await;
}

#[tokio::test]
async fn a_redis_that_goes_stalls_or_comes_back_empty_gives_nobody_a_second_helping() {
    let redis_url = testkit::redis().await;
    let target = url::Url::parse(&redis_url).unwrap();
    let proxy = Proxy::to(&format!("{}:{}", target.host_str().unwrap(), target.port().unwrap_or(6379))).await;
    let limits = auth::Limits { nonces_per_minute: at_most(40), ..unlimited() };
    let mut fleet = start_with(1, proxy.url(&redis_url), limits).await;
    let began = Instant::now();
    let first = nonces_from(&fleet, &["203.0.113.7"], 8).await;
    assert_eq!(first, 8);

    for fault in [Fault::Down, Fault::Stall] {
        proxy.set(fault);
        // Of a bucket of twenty, eight are gone already; whoever asks waits for Redis a moment at most, and once.
        let granted = first + nonces_from(&fleet, &["203.0.113.7"], 60).await;
        assert!(granted <= 20 + usize::try_from(began.elapsed().as_secs() / 3).unwrap(), "{granted}");
        let asked = Instant::now();
        let _ = nonce_from(&fleet, 0, "203.0.113.7", 0).await;
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }

    proxy.set(Fault::Pass);
    fleet.redis_url = redis_url;
    let mut total = fleet.count("auth_nonces").await;
    for _ in 0..3 {
        fleet.flush_redis().await;
        nonces_from(&fleet, &["203.0.113.7"], 120).await;
        total = fleet.count("auth_nonces").await;
        assert_held(usize::try_from(total).unwrap(), 40, began);
    }
    assert!(total >= 20, "{total}");
    fleet.end().await;
}

#[tokio::test]
async fn whoever_names_an_account_does_not_lock_its_owner_out() {
    let limits = auth::Limits { sessions_per_minute: at_most(4), ..unlimited() };
    let fleet = start_with(1, testkit::redis().await, limits).await;
    let (victim, attacker) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    for turn in 0..12 {
        let mut request = signed_from("203.0.113.66", &attacker, &message(&victim, &fleet.nonce().await));
        request.client.as_mut().unwrap().user_agent = format!("agent/{turn}");
        assert_eq!(reason(&fleet.verify(request).await.unwrap_err()), "SIGNATURE_INVALID");
    }
    assert!(fleet.sign_in(&victim).await.is_ok());
    assert!(fleet.sign_in(&victim).await.is_ok());

    // Who does hold the key opens no more sessions than that, from wherever.
    let mut refused = 0;
    for turn in 0..6 {
        let request =
            signed_from(&format!("198.51.100.{turn}"), &victim, &message(&victim, &fleet.nonce().await));
        refused +=
            usize::from(matches!(fleet.verify(request).await, Err(why) if reason(&why) == "RATE_LIMITED"));
    }
    assert!(refused >= 3, "{refused}");
    assert!(fleet.sign_in(&attacker).await.is_ok(), "other accounts are not concerned");
    let limited: Option<String> =
        sqlx::query_scalar("select account_id from login_events where result = 'rate_limited'")
            .fetch_one(&fleet.db.pool)
            .await
            .unwrap();
    assert_eq!(limited, Some(account(&victim).address.to_lower()));
    fleet.end().await;
}
