//! A client that signs in as a frontend does: two calls of the public API.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{Address, hex},
    signers::{SignerSync, local::PrivateKeySigner},
};
use anyhow::{Context, bail};
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

const NONCE: &str = "mutation { issueSiweNonce { nonce domain uri statement } }";
const VERIFY: &str = "mutation ($message: String!, $signature: Hex!) {
  verifySiwe(input: { message: $message, signature: $signature, delivery: BEARER }) {
    __typename
    ... on AuthSession { accessToken refreshToken session { account } }
    ... on SiweProblem { code message }
  }
}";
const CHAIN: u64 = 31_337;

/// What was sent.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) message: String,
    pub(crate) signature: [u8; 65],
    pub(crate) address: Address,
}

/// The gateway, as one client with connections that stay.
#[derive(Clone)]
pub(crate) struct Gateway {
    http: reqwest::Client,
    url: String,
}

impl Gateway {
    pub(crate) fn at(url: String) -> anyhow::Result<Gateway> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?;
        Ok(Gateway { http, url })
    }

    async fn ask(&self, query: &str, variables: Value) -> anyhow::Result<Value> {
        let request = self.http.post(&self.url).header("accept", "application/graphql-response+json");
        let answer = request.json(&json!({ "query": query, "variables": variables })).send().await?;
        let mut body: Value = answer.json().await.context("the gateway's answer is not JSON")?;
        match body.get("errors") {
            Some(errors) => bail!("the gateway answered {errors}"),
            None => Ok(body["data"].take()),
        }
    }

    /// Asks for a nonce and signs a message around it.
    pub(crate) async fn sign(&self, signer: &PrivateKeySigner) -> anyhow::Result<Signed> {
        let nonce = self.ask(NONCE, json!({})).await?;
        let text = |name: &str| nonce["issueSiweNonce"][name].as_str().unwrap_or_default().to_owned();
        let address = signer.address();
        let message = format!(
            "{} wants you to sign in with your Ethereum account:\n{address}\n\n{}\n\nURI: {}\nVersion: 1\n\
             Chain ID: {CHAIN}\nNonce: {}\nIssued At: {}",
            text("domain"),
            text("statement"),
            text("uri"),
            text("nonce"),
            Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        );
        let signature = signer.sign_message_sync(message.as_bytes())?.as_bytes();
        Ok(Signed { message, signature, address })
    }

    /// Whether the signed message opened a session of its account.
    pub(crate) async fn verify(&self, signed: &Signed) -> anyhow::Result<bool> {
        let signature = hex::encode_prefixed(signed.signature);
        let mut answer =
            self.ask(VERIFY, json!({ "message": signed.message, "signature": signature })).await?;
        let opened = answer["verifySiwe"].take();
        match opened["__typename"].as_str() {
            Some("AuthSession") => {
                let account = opened["session"]["account"].as_str().unwrap_or_default().to_lowercase();
                let is_its_own = account.ends_with(&signed.address.to_string().to_lowercase());
                Ok(is_its_own && opened["accessToken"].is_string() && opened["refreshToken"].is_string())
            }
            _ if opened["code"] == "SIGNATURE_INVALID" => Ok(false),
            _ => bail!("a sign-in was answered {opened}"),
        }
    }

    /// A whole sign-in, and how long it took.
    pub(crate) async fn sign_in(&self, signer: &PrivateKeySigner) -> anyhow::Result<(Signed, Duration)> {
        let began = Instant::now();
        let signed = self.sign(signer).await?;
        if !self.verify(&signed).await? {
            bail!("a good signature was refused");
        }
        Ok((signed, began.elapsed()))
    }
}
