//! A contract that takes its signature back ends the session: at the next refresh, and after an hour without one.

use std::time::Duration;

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
    fleet::{Fleet, message, reason, start},
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

async fn wallet(fleet: &Fleet) -> Wallet {
    let (chain, owner) = (testkit::chain().await, PrivateKeySigner::random());
    fleet.others.world().endpoints.insert(CHAIN, vec![chain.url.clone()]);
    let code = [trial_contract("OwnedWallet").as_ref(), &owner.address().abi_encode()].concat();
    let address = chain.deploy(code.into()).await.0;
    chain.rpc("anvil_setBalance", json!([owner.address(), "0xde0b6b3a7640000"])).await;
    Wallet { chain, address, owner }
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
    let fleet = start().await;
    let wallet = wallet(&fleet).await;
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
    let fleet = start().await;
    let wallet = wallet(&fleet).await;
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
