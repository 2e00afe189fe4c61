//! Sign-in with Ethereum, as a wallet's page does it.

use chrono::{SecondsFormat, Utc};
use serde_json::json;

use crate::{
    frontend::{Frontend, hoped},
    wallet::{LOCAL_CHAIN, Wallet},
};

const NONCE: &str = "mutation { issueSiweNonce { nonce domain uri statement } }";
const VERIFY: &str = "mutation ($message: String!, $signature: Hex!) {
  verifySiwe(input: { message: $message, signature: $signature, delivery: BEARER }) {
    __typename
    ... on AuthSession { accessToken session { account } }
    ... on SiweProblem { code message }
  }
}";

pub(crate) async fn sign_in(frontend: Frontend, wallet: &Wallet) -> anyhow::Result<Frontend> {
    let asked = frontend.ask(NONCE, json!({})).await?;
    let text = |name: &str| asked["issueSiweNonce"][name].as_str().unwrap_or_default().to_owned();
    let message = format!(
        "{} wants you to sign in with your Ethereum account:\n{}\n\n{}\n\nURI: {}\nVersion: 1\nChain ID: {LOCAL_CHAIN}\n\
         Nonce: {}\nIssued At: {}",
        text("domain"),
        wallet.address(),
        text("statement"),
        text("uri"),
        text("nonce"),
        Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
    );
    let signature = wallet.sign(&message)?;
    let mut answer = frontend.ask(VERIFY, json!({ "message": message, "signature": signature })).await?;
    let session = hoped(answer["verifySiwe"].take(), "AuthSession")?;
    let token = session["accessToken"].as_str().unwrap_or_default().to_owned();
    Ok(frontend.signed_in(token))
}
