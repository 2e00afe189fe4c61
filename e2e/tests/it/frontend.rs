//! The gateway as a frontend sees it, and people who sign in through it.

use std::time::{Duration, Instant};

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{SecondsFormat, Utc};
use e2e::Stage;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const LOCAL_CHAIN: u64 = 31_337;

const OPENED: &str = "__typename
  ... on AuthSession { accessToken refreshToken session { id } }
  ... on Problem { code message }";

/// A client of the public API.
#[derive(Clone)]
pub(crate) struct Frontend {
    http: reqwest::Client,
    url: String,
    agent: &'static str,
}

/// Somebody who has signed in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) signer: PrivateKeySigner,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) user_id: Uuid,
    pub(crate) session_id: Uuid,
}

/// Tokens, or the code of the problem.
pub(crate) type Opened = Result<(String, String), String>;

impl Frontend {
    pub(crate) fn new(stage: &Stage) -> anyhow::Result<Frontend> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy().build()?;
        Ok(Frontend { http, url: stage.variable("GRAPHQL_URL")?.to_owned(), agent: "story/1.0" })
    }

    /// The same on another device.
    pub(crate) fn on(&self, agent: &'static str) -> Frontend {
        Frontend { agent, ..self.clone() }
    }

    /// The whole answer, `errors` included.
    pub(crate) async fn answer(
        &self,
        token: Option<&str>,
        query: &str,
        variables: Value,
    ) -> anyhow::Result<Value> {
        let mut request = self
            .http
            .post(&self.url)
            .header("accept", "application/graphql-response+json")
            .header("user-agent", self.agent)
            .json(&json!({ "query": query, "variables": variables }));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Ok(request.send().await?.json().await?)
    }

    /// The `data` of an answer; errors of the answer are errors here.
    pub(crate) async fn ask(
        &self,
        token: Option<&str>,
        query: &str,
        variables: Value,
    ) -> anyhow::Result<Value> {
        let mut answer = self.answer(token, query, variables).await?;
        if let Some(code) = error_code(&answer) {
            bail!("{code}: {answer}");
        }
        Ok(answer["data"].take())
    }

    /// A message to sign in with.
    pub(crate) async fn message(&self, signer: &PrivateKeySigner) -> anyhow::Result<String> {
        self.message_for(signer, LOCAL_CHAIN).await
    }

    pub(crate) async fn message_for(&self, signer: &PrivateKeySigner, chain: u64) -> anyhow::Result<String> {
        let asked =
            self.ask(None, "mutation { issueSiweNonce { nonce domain uri statement } }", json!({})).await?;
        Ok(written(&asked["issueSiweNonce"], signer, chain))
    }

    /// Verifies a message that was signed: tokens, a problem's code, or no answer.
    pub(crate) async fn verify(&self, signer: &PrivateKeySigner, message: &str) -> anyhow::Result<Opened> {
        let query = format!(
            "mutation ($input: VerifySiweInput!) {{ opened: verifySiwe(input: $input) {{ {OPENED} }} }}"
        );
        let input =
            json!({ "message": message, "signature": signature(signer, message)?, "delivery": "BEARER" });
        self.opened(&query, json!({ "input": input })).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> anyhow::Result<Opened> {
        let query = format!(
            "mutation ($token: String) {{ opened: refreshSession(refreshToken: $token) {{ {OPENED} }} }}"
        );
        self.opened(&query, json!({ "token": token })).await
    }

    async fn opened(&self, query: &str, variables: Value) -> anyhow::Result<Opened> {
        let data = self.ask(None, query, variables).await?;
        let opened = &data["opened"];
        let text = |name: &str| opened[name].as_str().map(str::to_owned);
        match (text("accessToken"), text("refreshToken"), text("code")) {
            (Some(access), Some(refresh), None) => Ok(Ok((access, refresh))),
            (None, None, Some(code)) => Ok(Err(code)),
            _ => bail!("neither a session nor a problem: {opened}"),
        }
    }

    /// A whole sign-in.
    pub(crate) async fn sign_in(&self, signer: &PrivateKeySigner) -> anyhow::Result<Person> {
        let message = self.message(signer).await?;
        match self.verify(signer, &message).await? {
            Ok(tokens) => Person::of(signer.clone(), tokens),
            Err(code) => bail!("the sign-in was refused: {code}"),
        }
    }

    /// Whether the access token is still taken.
    pub(crate) async fn is_let_in(&self, access: &str) -> anyhow::Result<bool> {
        let answer = self.answer(Some(access), "{ viewer { roles } }", json!({})).await?;
        match error_code(&answer) {
            Some("UNAUTHENTICATED") => Ok(false),
            Some(code) => bail!("{code}: {answer}"),
            None => Ok(!answer["data"]["viewer"].is_null()),
        }
    }

    /// Waits until the access token is refused, and says how long it took.
    pub(crate) async fn shut_out(&self, access: &str, within: Duration) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while self.is_let_in(access).await? {
            ensure!(begun.elapsed() < within, "the access token is taken after {within:?}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Ok(begun.elapsed())
    }
}

impl Person {
    pub(crate) fn of(
        signer: PrivateKeySigner,
        (access, refresh): (String, String),
    ) -> anyhow::Result<Person> {
        let claims = claims(&access)?;
        let id = |name: &str| -> anyhow::Result<Uuid> {
            Ok(claims[name].as_str().with_context(|| format!("the token lacks {name}"))?.parse()?)
        };
        Ok(Person { user_id: id("sub")?, session_id: id("sid")?, signer, access, refresh })
    }

    pub(crate) fn address(&self) -> String {
        format!("{:#x}", self.signer.address())
    }
}

/// What an access token says; whether it is true is not looked at.
pub(crate) fn claims(access: &str) -> anyhow::Result<Value> {
    let payload = access.split('.').nth(1).context("an access token has three parts")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}

/// The opaque id of an entity, as the API makes them.
pub(crate) fn global_id(kind: &str, key: impl std::fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("{kind}:{key}"))
}

/// The EIP-4361 text around what the API asked for.
pub(crate) fn written(asked: &Value, signer: &PrivateKeySigner, chain: u64) -> String {
    let text = |name: &str| asked[name].as_str().unwrap_or_default();
    format!(
        "{} wants you to sign in with your Ethereum account:\n{}\n\n{}\n\nURI: {}\nVersion: 1\nChain ID: {chain}\nNonce: \
         {}\nIssued At: {}",
        text("domain"),
        signer.address(),
        text("statement"),
        text("uri"),
        text("nonce"),
        Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}

/// EIP-191, as wallets sign text.
pub(crate) fn signature(signer: &PrivateKeySigner, message: &str) -> anyhow::Result<String> {
    Ok(alloy::hex::encode_prefixed(signer.sign_message_sync(message.as_bytes())?.as_bytes()))
}

/// The code of an answer's first error.
pub(crate) fn error_code(answer: &Value) -> Option<&str> {
    let first = answer["errors"].as_array()?.first()?;
    Some(first["extensions"]["code"].as_str().unwrap_or("an error without a code"))
}
