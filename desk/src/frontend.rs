//! The gateway, called as a frontend calls it: nothing here is private to the project.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use url::Url;

/// A client of the public API.
#[derive(Clone)]
pub(crate) struct Frontend {
    http: reqwest::Client,
    url: Url,
    token: Option<String>,
}

impl Frontend {
    pub(crate) fn new(gateway: &Url) -> anyhow::Result<Frontend> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy().build()?;
        Ok(Frontend { http, url: gateway.join("/graphql")?, token: None })
    }

    pub(crate) fn signed_in(self, token: String) -> Frontend {
        Frontend { token: Some(token), ..self }
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The socket's address.
    pub(crate) fn socket_url(&self) -> anyhow::Result<Url> {
        let mut url = self.url.clone();
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).map_err(|()| anyhow::anyhow!("{url} cannot be a socket's address"))?;
        Ok(url)
    }

    /// The `data` of an answer; errors of the answer are errors here.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> anyhow::Result<Value> {
        let mut request = self
            .http
            .post(self.url.clone())
            .header("accept", "application/graphql-response+json")
            .json(&json!({ "query": query, "variables": variables }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.with_context(|| format!("no gateway answers at {}", self.url))?;
        let mut body: Value = answer.json().await.context("the gateway's answer is not JSON")?;
        if let Some(errors) = body.get("errors") {
            bail!("the gateway answered {errors}");
        }
        Ok(body["data"].take())
    }
}

/// The member of a union that was hoped for; a problem becomes an error in its own words.
pub(crate) fn hoped(mut answer: Value, kind: &str) -> anyhow::Result<Value> {
    if answer["__typename"] == kind {
        return Ok(answer.take());
    }
    bail!("{}: {} {}", answer["__typename"], answer["code"], answer["message"])
}
