//! A contract that takes its signature back ends the session: at the next refresh, and after an hour without one.

use std::{num::NonZeroU32, time::Duration};

use alloy::{
    primitives::{Address, hex},
    signers::{SignerSync, local::PrivateKeySigner},
    sol,
    sol_types::{SolCall, SolValue},
};
use proto::auth::v1::{ClientInfo, RefreshSessionRequest, Session, VerifySiweRequest, VerifySiweResponse};
use serde_json::json;
use testkit::{Chain, trial_contract};
use tonic::Status;

use crate::{
    fleet::{Fleet, message, reason, start_at, start_limited_at, unlimited},
    world::CHAIN,
};

sol! {
    function transferOwnership(address newOwner) external;
}

const WITHIN: Duration = Duration::from_secs(120);

struct Wallet {
    chain: Chain,
    address: Address,
    owner: PrivateKeySigner,
}

async fn wallet(chain: Chain) -> Wallet {
    let owner = PrivateKeySigner::random();
    let code = [trial_contract("OwnedWallet").as_ref(), &owner.address().abi_encode()].concat();
    let address = chain.deploy(code.into()).await.0;
    chain.rpc("anvil_setBalance", json!([owner.address(), "0xde0b6b3a7640000"])).await;
    Wallet { chain, address, owner }
}

async fn start_with_wallet() -> (Fleet, Wallet) {
    let chain = testkit::chain().await;
    (start_at([(CHAIN, vec![chain.url.clone()])]).await, wallet(chain).await)
}

impl Wallet {
    async fn sign_in(&self, fleet: &Fleet) -> VerifySiweResponse {
        let nonce = fleet.nonce().await;
        let text = message(&self.owner, &nonce)
            .replace(&self.owner.address().to_string(), &self.address.to_string());
        let signature = self.owner.sign_message_sync(text.as_bytes()).unwrap().as_bytes().to_vec();
        let client = Some(ClientInfo { ip_address: "203.0.113.7".to_owned(), ..Default::default() });
        let request = VerifySiweRequest { message: text, signature, client, ..Default::default() };
        fleet.verify(request).await.unwrap()
    }

    /// From now on the wallet answers for somebody else's key.
    async fn give_away(&self) {
        let data = transferOwnershipCall { newOwner: PrivateKeySigner::random().address() }.abi_encode();
        self.chain.rpc("anvil_impersonateAccount", json!([self.owner.address()])).await;
        let data = hex::encode_prefixed(data);
        let sent = json!([{ "from": self.owner.address(), "to": self.address, "data": data }]);
        let hash = self.chain.rpc("eth_sendTransaction", sent).await;
        self.chain.mine(1).await;
        let receipt = self.chain.rpc("eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!(receipt["status"], "0x1");
    }
}

async fn refresh(fleet: &Fleet, token: &str) -> Result<String, Status> {
    let request = RefreshSessionRequest { refresh_token: token.to_owned(), client: None };
    let answer = fleet.client("gateway").refresh_session(request).await?.into_inner();
    Ok(answer.tokens.unwrap().refresh_token)
}

async fn let_pass(fleet: &Fleet, time: &str) {
    sqlx::query("update sessions set verified_at = verified_at - $1::interval")
        .bind(time)
        .execute(&fleet.db.pool)
        .await
        .unwrap();
}

/// Minutes since the contract was asked last, and why the session ended if it did.
async fn state(fleet: &Fleet, session: &Session) -> (i32, Option<String>) {
    sqlx::query_as(
        "select floor(extract(epoch from now() - verified_at) / 60)::int, revoke_reason from sessions
         where session_id::text = $1",
    )
    .bind(&session.session_id)
    .fetch_one(&fleet.db.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_contract_is_asked_again_at_a_refresh_and_its_no_ends_the_session() {
    let (fleet, wallet) = start_with_wallet().await;
    let signed_in = wallet.sign_in(&fleet).await;
    let (session, one) = (signed_in.session.unwrap(), signed_in.tokens.unwrap().refresh_token);
    assert_eq!(session.account_type, "contract");

    let_pass(&fleet, "10 minutes").await;
    let two = refresh(&fleet, &one).await.unwrap();
    assert_eq!(state(&fleet, &session).await, (0, None), "it stands by its signature");

    wallet.give_away().await;
    let three = refresh(&fleet, &two).await.unwrap();
    let_pass(&fleet, "10 minutes").await;
    assert_eq!(reason(&refresh(&fleet, &three).await.unwrap_err()), "REFRESH_EXPIRED");
    assert_eq!(state(&fleet, &session).await.1.as_deref(), Some("signature_withdrawn"));
    let told: i64 = sqlx::query_scalar(
        "select count(*) from outbox where routing_key = 'session.revoked' and body::text like '%signature_withdrawn%'",
    )
    .fetch_one(&fleet.db.pool)
    .await
    .unwrap();
    assert_eq!(told, 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_contract_is_asked_again_after_an_hour_without_a_refresh() {
    let (fleet, wallet) = start_with_wallet().await;
    let session = wallet.sign_in(&fleet).await.session.unwrap();
    let_pass(&fleet, "2 hours").await;
    let is_asked = async || (state(&fleet, &session).await == (0, None)).then_some(());
    testkit::eventually(WITHIN, "asked again", is_asked).await;

    wallet.give_away().await;
    let_pass(&fleet, "2 hours").await;
    let is_ended = async || {
        let (_, reason) = state(&fleet, &session).await;
        (reason.as_deref() == Some("signature_withdrawn")).then_some(())
    };
    testkit::eventually(WITHIN, "ended", is_ended).await;
    fleet.end().await;
}

#[tokio::test]
async fn what_a_chain_says_of_long_ago_is_no_answer() {
    let (fleet, wallet) = start_with_wallet().await;
    let signed_in = wallet.sign_in(&fleet).await;
    let (session, one) = (signed_in.session.unwrap(), signed_in.tokens.unwrap().refresh_token);
    wallet.give_away().await;
    let answered_later = async |blocks: i32| {
        sqlx::query("update session_proofs set block_number = block_number + $1")
            .bind(blocks)
            .execute(&fleet.db.pool)
            .await
            .unwrap();
    };
    // The endpoint is a thousand blocks behind the one that answered at the sign-in.
    answered_later(1_000).await;
    let_pass(&fleet, "10 minutes").await;
    let two = refresh(&fleet, &one).await.unwrap();
    assert_eq!(state(&fleet, &session).await, (10, None), "neither ended nor confirmed");
    answered_later(-1_000).await;
    assert_eq!(reason(&refresh(&fleet, &two).await.unwrap_err()), "REFRESH_EXPIRED");
    fleet.end().await;
}

#[tokio::test]
async fn a_chain_that_hangs_does_not_keep_the_others_from_being_asked() {
    const HUNG: u64 = 10;
    let chain = testkit::chain().await;
    // It takes every connection and never says a word.
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hung.local_addr().unwrap());
    let fleet = start_at([(CHAIN, vec![chain.url.clone()]), (HUNG, vec![url])]).await;
    let wallet = wallet(chain).await;
    let session = wallet.sign_in(&fleet).await.session.unwrap();
    for statement in [
        "insert into sessions (session_id, user_id, account_id, identity, account_type, chain_id, refresh_hash, expires_at,
             absolute_expires_at, access_expires_at, verify_method, verified_at)
         select gen_random_uuid(), gen_random_uuid(), 'eip155:10:0x' || repeat('77', 20), 'x', 'contract', 'eip155:10', 'x',
             now() + interval '1 day', now() + interval '1 day', now(), 'eip1271', now() - interval '1 day'
         from generate_series(1, 100)",
        "insert into session_proofs (session_id, message, signature, block_hash, block_number, asked_at)
         select session_id, 'x', '\\x00', 'x', 1, now() - interval '1 day' from sessions where chain_id = 'eip155:10'",
    ] {
        sqlx::query(statement).execute(&fleet.db.pool).await.unwrap();
    }
    let_pass(&fleet, "2 hours").await;
    let is_asked = async || (state(&fleet, &session).await == (0, None)).then_some(());
    testkit::eventually(Duration::from_secs(60), "asked again", is_asked).await;
    // And of the chain that hangs another one is asked each time.
    let are_passed = async || {
        let asked = "select count(*) from session_proofs where block_hash = 'x' and asked_at > now() - interval '1 hour'";
        let asked: i64 = sqlx::query_scalar(asked).fetch_one(&fleet.db.pool).await.unwrap();
        (asked >= 2).then_some(())
    };
    testkit::eventually(Duration::from_secs(60), "passed by", are_passed).await;
    fleet.end().await;
}

#[tokio::test]
async fn whoever_keeps_the_turns_busy_gets_no_contract_around_the_question() {
    const HUNG: u64 = 10;
    let chain = testkit::chain().await;
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hung.local_addr().unwrap());
    let limits = auth::Limits { contract_checks_at_once: NonZeroU32::MIN, ..unlimited() };
    let nodes = [(CHAIN, vec![chain.url.clone()]), (HUNG, vec![url])];
    let fleet = start_limited_at(limits, nodes).await;
    let wallet = wallet(chain).await;
    let mut current = wallet.sign_in(&fleet).await.tokens.unwrap().refresh_token;
    let text = message(&wallet.owner, &fleet.nonce().await)
        .replace(&format!("Chain ID: {CHAIN}"), &format!("Chain ID: {HUNG}"));
    let request = VerifySiweRequest { message: text, signature: vec![1; 65], ..Default::default() };
    // It has the one turn for seconds.
    let mut gateway = fleet.client("gateway");
    let hanging = tokio::spawn(async move { gateway.verify_siwe(request).await });
    let refused = loop {
        assert!(!hanging.is_finished(), "every refresh got through");
        let_pass(&fleet, "10 minutes").await;
        match refresh(&fleet, &current).await {
            Ok(next) => current = next,
            Err(status) => break reason(&status),
        }
    };
    assert_eq!(refused, "UNAVAILABLE");
    assert_eq!(reason(&hanging.await.unwrap().unwrap_err()), "UNAVAILABLE");
    assert!(refresh(&fleet, &current).await.is_ok());
    fleet.end().await;
}
