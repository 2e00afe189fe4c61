//! The awkward logins: others are down, accounts are on two chains or change hands, users are suspended meanwhile.

use std::{sync::Arc, time::Duration};

use alloy::signers::local::PrivateKeySigner;
use events::{
    Message,
    users::{StatusChanged, status_changed},
    wallets::{WalletLinked, WalletUnlinked, linked, unlinked},
};
use ids::{UserId, WalletId};
use proto::auth::v1::{Session, ValidateSessionRequest};
use rpc::{Code, Problem};
use tokio::sync::Semaphore;

use crate::{
    fleet::{Fleet, account, message, reason, signed, start, start_on_chains},
    world::CHAIN,
};

const WITHIN: Duration = Duration::from_secs(60);

fn shut(fleet: &Fleet, is_down: bool) {
    let mut world = fleet.others.world();
    (world.is_user_down, world.is_wallet_down) = (is_down, is_down);
}

async fn is_active(fleet: &Fleet, session: &Session) -> bool {
    let request = ValidateSessionRequest { session_id: session.session_id.clone() };
    fleet.client("gateway").validate_session(request).await.unwrap().into_inner().active
}

async fn tell(fleet: &Fleet, message: Message) {
    let bus = bus::Bus::open(&fleet.vhost.secret(), "test");
    assert_eq!(bus.publish(&[message]).await, [Ok(())]);
}

async fn session(fleet: &Fleet, signer: &PrivateKeySigner) -> Session {
    fleet.sign_in(signer).await.unwrap().session.unwrap()
}

#[tokio::test]
async fn an_unknown_account_that_was_told_to_retry_gets_in_with_a_new_nonce() {
    let fleet = start().await;
    let (known, unknown) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    let before = session(&fleet, &known).await;

    shut(&fleet, true);
    assert_eq!(session(&fleet, &known).await.user_id, before.user_id);
    let nonce = fleet.nonce().await;
    let request = signed(&unknown, &message(&unknown, &nonce));
    let problem = Problem::from(&fleet.verify(request.clone()).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Unavailable, "UNAVAILABLE"));
    assert!(problem.retry_after.is_some());
    assert!(!problem.message.contains("wallet") && !problem.message.contains("user"), "{}", problem.message);

    shut(&fleet, false);
    let again = Problem::from(&fleet.verify(request).await.unwrap_err());
    assert_eq!(again.reason, "NONCE_USED", "the nonce was burned before anybody was asked");
    assert!(fleet.sign_in(&unknown).await.unwrap().user_created);
    assert_eq!(fleet.results().await, ["success", "success", "unavailable", "nonce_used", "success"]);
    fleet.end().await;
}

#[tokio::test]
async fn one_key_on_two_chains_is_one_user() {
    let fleet = start_on_chains(&[10]).await;
    let signer = PrivateKeySigner::random();
    let here = session(&fleet, &signer).await;
    shut(&fleet, true);
    let text = message(&signer, &fleet.nonce().await).replace(&format!("Chain ID: {CHAIN}"), "Chain ID: 10");
    let there = fleet.verify(signed(&signer, &text)).await.unwrap().session.unwrap();
    assert_eq!(there.user_id, here.user_id);
    assert!(there.account_id.starts_with("eip155:10:"), "{}", there.account_id);
    let identities: Vec<String> =
        sqlx::query_scalar("select identity from account_users").fetch_all(&fleet.db.pool).await.unwrap();
    assert_eq!(identities, [account(&signer).address.to_lower()]);
    fleet.end().await;
}

#[tokio::test]
async fn a_chain_that_was_just_enabled_is_signed_in_on_at_once() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    // The list is known by now, and good for a minute.
    session(&fleet, &signer).await;
    fleet.others.world().more_chains.push(10);
    let before_it_is_old = Duration::from_secs(30);
    testkit::eventually(before_it_is_old, "the new chain is known", async || {
        let text =
            message(&signer, &fleet.nonce().await).replace(&format!("Chain ID: {CHAIN}"), "Chain ID: 10");
        let answer = fleet.verify(signed(&signer, &text)).await;
        answer.map_err(|status| assert_eq!(reason(&status), "CHAIN_DISABLED")).ok()
    })
    .await;
    fleet.end().await;
}

#[tokio::test]
async fn an_account_that_was_linked_to_an_older_user_signs_into_that_user_until_it_is_unlinked() {
    let fleet = start().await;
    let (first, second) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    let own = session(&fleet, &first).await;
    let user_id: UserId = own.user_id.parse().unwrap();
    let wallet_id = WalletId::new();
    let link = WalletLinked {
        user_id,
        wallet_id,
        account_id: account(&second),
        kind: "eoa".into(),
        is_primary: false,
    };
    tell(&fleet, linked(&link)).await;
    testkit::eventually(WITHIN, "the link is known", async || {
        let known = "select user_id from account_users where identity = $1";
        let owner = sqlx::query_scalar::<_, Option<uuid::Uuid>>(known)
            .bind(account(&second).address.to_lower())
            .fetch_optional(&fleet.db.pool)
            .await
            .unwrap();
        (owner.flatten() == Some(user_id.0)).then_some(())
    })
    .await;

    shut(&fleet, true);
    let linked_in = session(&fleet, &second).await;
    assert_eq!(linked_in.user_id, own.user_id);
    shut(&fleet, false);

    let end = WalletUnlinked {
        user_id,
        wallet_id,
        account_id: account(&second),
        kind: "eoa".into(),
        is_primary: false,
    };
    tell(&fleet, unlinked(&end)).await;
    let ended = async || (!is_active(&fleet, &linked_in).await).then_some(());
    testkit::eventually(WITHIN, "its session is ended", ended).await;
    assert!(is_active(&fleet, &own).await, "the user's other account keeps its session");
    let anew = fleet.sign_in(&second).await.unwrap();
    assert!(anew.user_created);
    assert_ne!(anew.session.unwrap().user_id, own.user_id);
    fleet.end().await;
}

#[tokio::test]
async fn a_user_who_is_suspended_while_the_user_service_is_down_is_out_when_the_fact_arrives() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let session = session(&fleet, &signer).await;
    shut(&fleet, true);
    let fact =
        StatusChanged { user_id: session.user_id.parse().unwrap(), status: "suspended".into(), revision: 1 };
    tell(&fleet, status_changed(&fact)).await;
    testkit::eventually(WITHIN, "its session is ended", async || {
        (!is_active(&fleet, &session).await).then_some(())
    })
    .await;
    let problem = Problem::from(&fleet.sign_in(&signer).await.unwrap_err());
    assert_eq!(problem.code, Code::Forbidden);
    assert_eq!(fleet.count("sessions").await, 1, "no second one was opened");

    // Who cannot sign as the account learns nothing of it.
    let stranger = PrivateKeySigner::random();
    let request = signed(&stranger, &message(&signer, &fleet.nonce().await));
    assert_eq!(Problem::from(&fleet.verify(request).await.unwrap_err()).reason, "SIGNATURE_INVALID");
    fleet.end().await;
}

#[tokio::test]
async fn an_attempt_that_nobody_waits_for_any_more_is_recorded_all_the_same() {
    let fleet = start().await;
    let hold = Arc::new(Semaphore::new(0));
    fleet.others.world().hold = Some(Arc::clone(&hold));
    let signer = PrivateKeySigner::random();
    let request = signed(&signer, &message(&signer, &fleet.nonce().await));
    let mut gateway = fleet.gateways()[0].clone();
    let waiting = tokio::spawn(async move { gateway.verify_siwe(request).await });
    let is_asked = async || (fleet.others.world().held == 1).then_some(());
    testkit::eventually(WITHIN, "wallet is asked", is_asked).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    // On the same connection: what came before it has arrived.
    fleet.nonce().await;
    assert_eq!(fleet.count("login_events").await, 0);
    hold.add_permits(1);
    let is_recorded = async || (fleet.count("login_events").await == 1).then_some(());
    testkit::eventually(WITHIN, "the attempt is recorded", is_recorded).await;
    fleet.end().await;
}

#[tokio::test]
async fn an_auth_that_starts_while_the_registry_is_down_lets_people_in_on_the_chains_that_it_knew() {
    let mut fleet = start_on_chains(&[10]).await;
    let signer = PrivateKeySigner::random();
    let before = session(&fleet, &signer).await;
    {
        let mut world = fleet.others.world();
        world.is_registry_down = true;
    }
    fleet.restart().await;
    assert_eq!(session(&fleet, &signer).await.user_id, before.user_id);
    let text = message(&signer, &fleet.nonce().await).replace(&format!("Chain ID: {CHAIN}"), "Chain ID: 5");
    let elsewhere = fleet.verify(signed(&signer, &text)).await.unwrap_err();
    assert_eq!(Problem::from(&elsewhere).reason, "CHAIN_DISABLED");

    // What is disabled meanwhile is forgotten, too.
    {
        let mut world = fleet.others.world();
        (world.is_registry_down, world.more_chains) = (false, Vec::new());
    }
    fleet.restart().await;
    let within = Duration::from_secs(30);
    testkit::eventually(within, "what is enabled is what is kept", async || {
        let kept = sqlx::query_scalar("select chain_id from known_chains").fetch_all(&fleet.db.pool);
        let kept: Vec<String> = kept.await.unwrap();
        (kept == [format!("eip155:{CHAIN}")]).then_some(())
    })
    .await;
    fleet.end().await;
}
