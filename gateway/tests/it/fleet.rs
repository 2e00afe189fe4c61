//! A running gateway before the doors that it asks, and a client that says exactly what it is told to.

use std::{net::TcpListener, time::Duration};

use http::HeaderMap;
use ids::{SessionId, UserId};
use proto::{
    auth::v1::auth_service_server::AuthServiceServer,
    subscription::v1::subscription_service_server::SubscriptionServiceServer,
};
use reqwest::{Method, StatusCode, header};
use rpc::Identity;
use serde_json::{Value, json};
use testkit::{Certs, eventually};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;

use crate::{auth_door::AuthDoor, deliveries::Deliveries, signing::FIRST};

pub(crate) const ORIGIN: &str = "http://localhost:8081";

/// A running gateway.
pub(crate) struct Fleet {
    pub(crate) auth: AuthDoor,
    pub(crate) deliveries: Deliveries,
    pub(crate) url: String,
    client: reqwest::Client,
    _certs: Certs,
    _stop: DropGuard,
}

/// Starts it with nothing special.
pub(crate) async fn start() -> Fleet {
    start_behind(&[]).await
}

/// Starts it behind proxies of these networks.
pub(crate) async fn start_behind(trusted_proxies: &[&str]) -> Fleet {
    let fleet = launch(AuthDoor::default(), trusted_proxies).await;
    // Before it has heard from auth, it can check no token.
    let bearer = format!("Bearer {}", FIRST.sign(UserId::new(), SessionId::new(), 900));
    let settled = async || {
        let answer = fleet.get("/auth/session", &[("authorization", &bearer)]).await;
        (answer.status != 503).then_some(())
    };
    eventually(Duration::from_secs(20), "the gateway has heard from auth", settled).await;
    fleet
}

/// Starts it before this auth, and waits for nothing.
pub(crate) async fn launch(auth: AuthDoor, trusted_proxies: &[&str]) -> Fleet {
    let (certs, stop) = (testkit::certs(), CancellationToken::new());
    let deliveries = Deliveries::default();
    let open = |name: &str, routes: Routes| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let identity = Identity::load(&certs.settings_for(name)).unwrap();
        tokio::spawn(rpc::serve(listener, identity, routes, stop.clone()));
        url
    };
    let auth_url = open("auth", Routes::new(AuthServiceServer::new(auth.clone())));
    let log_url = open("subs-worker", Routes::new(SubscriptionServiceServer::new(deliveries.clone())));
    // Nobody listens there: the rest of the fleet is down, and none of this needs it.
    let nobody = "https://127.0.0.1:9";
    let grpc = certs.settings_for("gateway");
    let config: gateway::Config = serde_json::from_value(json!({
        "process": { "ops_addr": "127.0.0.1:0" },
        "grpc": { "ca": grpc.ca, "cert": grpc.cert, "key": grpc.key },
        "http_addr": "127.0.0.1:0",
        "public_url": ORIGIN,
        "origins": ["https://app.example"],
        "trusted_proxies": trusted_proxies,
        "cursor_key": "a key for tests",
        "peers": {
            "auth": auth_url, "subs_worker": log_url, "user": nobody, "wallet": nobody, "orchestrator": nobody,
            "media": nobody, "chain_registry": nobody, "catalog": nobody, "indexer": nobody,
        },
    }))
    .unwrap();
    let process = testkit::process("gateway");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stopping = process.stopping();
    tokio::spawn(gateway::serve(listener, config, process));
    tokio::spawn({
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            stopping.cancel();
        }
    });
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    Fleet { auth, deliveries, url, client, _certs: certs, _stop: stop.drop_guard() }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The whole `Set-Cookie` line of that name.
    pub(crate) fn cookie_line(&self, name: &str) -> Option<&str> {
        let lines = self.headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap());
        let lines: Vec<&str> = lines.filter(|line| line.starts_with(&format!("{name}="))).collect();
        assert!(lines.len() <= 1, "{lines:?}");
        lines.first().copied()
    }

    /// The value that the browser is to keep; nothing where it is to forget it or hears nothing.
    pub(crate) fn kept(&self, name: &str) -> Option<String> {
        let line = self.cookie_line(name)?;
        let value = line.split(';').next()?.split_once('=')?.1;
        (!line.contains("Max-Age=0")).then(|| value.to_owned())
    }

    /// The cookie that ties a nonce, with its name.
    pub(crate) fn pre(&self) -> Option<(String, String)> {
        let lines = self.headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap());
        let mut kept = lines.filter(|line| line.starts_with(PRE) && !line.contains("Max-Age=0"));
        let (name, value) = kept.next()?.split(';').next()?.split_once('=')?;
        assert!(kept.next().is_none(), "one nonce, one cookie");
        Some((name.to_owned(), value.to_owned()))
    }

    pub(crate) fn forgets(&self, name: &str) -> bool {
        self.cookie_line(name).is_some_and(|line| line.contains("Max-Age=0"))
    }
}

impl Fleet {
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, None).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, Some(body.to_string())).await
    }

    pub(crate) async fn graphql(&self, headers: &[(&str, &str)], query: &str) -> Answer {
        self.post("/graphql", headers, &json!({ "query": query })).await
    }

    /// A browser signs in: the cookies that it holds then.
    pub(crate) async fn sign_in_with_cookies(&self) -> Browser {
        let nonce = self.get("/auth/nonce", &[]).await;
        let (name, value) = nonce.pre().unwrap();
        let pre = format!("{name}={value}");
        let proof = json!({ "message": good(&nonce.text), "signature": "0x00" });
        let answer = self.post("/auth/verify", &[("cookie", &pre), ("origin", ORIGIN)], &proof).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Browser { session: answer.kept(SESSION).unwrap(), refresh: answer.kept(REFRESH).unwrap() }
    }
}

pub(crate) const SESSION: &str = "__Host-vitrine_session";
pub(crate) const REFRESH: &str = "__Host-vitrine_refresh";
pub(crate) const PRE: &str = "__Host-vitrine_pre_";

/// A message that auth likes.
pub(crate) fn good(nonce: &str) -> String {
    format!("good\nNonce: {nonce}")
}

/// A browser's cookies.
pub(crate) struct Browser {
    pub(crate) session: String,
    pub(crate) refresh: String,
}

impl Browser {
    pub(crate) fn cookies(&self) -> String {
        format!("theme=dark; {SESSION}={}; {REFRESH}={}", self.session, self.refresh)
    }

    /// When the access token's cookie is gone.
    pub(crate) fn refresh_cookie(&self) -> String {
        format!("{REFRESH}={}", self.refresh)
    }
}
