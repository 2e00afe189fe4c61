//! WebSockets: who may open one, until when it lives, and how it is renewed in place.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use ids::UserId;
use serde_json::{Value, json};
use testkit::eventually;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

use crate::{
    auth_door::AuthDoor,
    fleet::{Fleet, ORIGIN, SESSION, launch, start},
};

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

async fn open(fleet: &Fleet, headers: &[(&'static str, &str)]) -> Result<Socket, tungstenite::Error> {
    let mut request = format!("{}/graphql", fleet.url.replace("http", "ws")).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    connect_async(request).await.map(|(socket, _)| Socket(socket))
}

impl Socket {
    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, or the code that the socket was closed with.
    async fn hear(&mut self) -> Result<Value, u16> {
        loop {
            let heard = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.expect("a word");
            match heard.expect("a goodbye").unwrap() {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => return Err(frame.unwrap().code.into()),
                _ => {}
            }
        }
    }

    async fn init(&mut self, payload: Value) -> Result<Value, u16> {
        self.say(json!({ "type": "connection_init", "payload": payload })).await;
        self.hear().await
    }

    /// One operation with one answer.
    async fn ask(&mut self, id: &str, query: &str) -> Value {
        self.say(json!({ "id": id, "type": "subscribe", "payload": { "query": query } })).await;
        let answer = self.hear().await.expect("an answer");
        assert_eq!(self.hear().await.unwrap()["type"], "complete");
        answer["payload"].clone()
    }
}

async fn signed_in(fleet: &Fleet, token: &str) -> Socket {
    let mut socket = open(fleet, &[]).await.unwrap();
    let payload = json!({ "authorization": format!("Bearer {token}") });
    assert_eq!(socket.init(payload).await.unwrap()["type"], "connection_ack");
    socket
}

fn renewal(token: &str) -> String {
    format!("mutation {{ renewSocket(accessToken: \"{token}\") }}")
}

#[tokio::test]
async fn a_socket_ends_with_its_token_unless_it_was_renewed() {
    let fleet = start().await;
    let user = UserId::new();
    let (session, short) = fleet.auth.session(user, 4);
    let mut left_alone = signed_in(&fleet, &short).await;
    let mut renewed = signed_in(&fleet, &short).await;
    let longer = crate::signing::FIRST.sign(user, session, 900);
    assert_eq!(renewed.ask("1", &renewal(&longer)).await["data"]["renewSocket"], json!(true));

    assert_eq!(left_alone.hear().await, Err(4403), "nobody renewed it");
    // The other one was as old: it has outlived the token that it was opened with.
    assert_eq!(renewed.ask("2", "{ viewer { roles } }").await["data"]["viewer"]["roles"], json!(["USER"]));
}

#[tokio::test]
async fn a_socket_is_renewed_by_a_good_token_of_the_same_user_only() {
    let fleet = start().await;
    let (session, token) = fleet.auth.session(UserId::new(), 900);
    let mut socket = signed_in(&fleet, &token).await;
    let code = |answer: Value| answer["errors"][0]["extensions"]["code"].clone();

    let (_, foreign) = fleet.auth.session(UserId::new(), 900);
    assert_eq!(code(socket.ask("1", &renewal(&foreign)).await), "FORBIDDEN");
    assert_eq!(code(socket.ask("2", &renewal("nonsense")).await), "UNAUTHENTICATED");
    let (_, expired) = fleet.auth.session(UserId::new(), -60);
    assert_eq!(code(socket.ask("3", &renewal(&expired)).await), "UNAUTHENTICATED");
    // Of the same user, and nobody told this gateway that its session has ended.
    let user = fleet.auth.memory().sessions[&session];
    let (ended, dead) = fleet.auth.session(user, 900);
    fleet.auth.memory().ended.push(ended);
    assert_eq!(code(socket.ask("5", &renewal(&dead)).await), "UNAUTHENTICATED");
    assert!(
        socket.ask("4", "{ viewer { roles } }").await["data"]["viewer"].is_object(),
        "a refusal costs nothing"
    );

    let mut guest = open(&fleet, &[]).await.unwrap();
    assert_eq!(guest.init(json!({})).await.unwrap()["type"], "connection_ack");
    assert_eq!(code(guest.ask("1", &renewal(&token)).await), "UNAUTHENTICATED");

    let bearer = format!("Bearer {token}");
    let by_http = fleet.graphql(&[("authorization", &bearer)], &renewal(&token)).await;
    assert_eq!(by_http.json()["errors"][0]["extensions"]["code"], "BAD_INPUT");
}

#[tokio::test]
async fn a_socket_ends_with_its_session_and_a_dead_session_opens_none() {
    let fleet = start().await;
    let (_, token) = fleet.auth.session(UserId::new(), 900);
    let mut socket = signed_in(&fleet, &token).await;
    let bearer = format!("Bearer {token}");
    let left = fleet.graphql(&[("authorization", &bearer)], "mutation { signOut }").await;
    assert_eq!(left.json()["data"]["signOut"], json!(true));
    assert_eq!(socket.hear().await, Err(4401));
    let mut again = open(&fleet, &[]).await.unwrap();
    assert_eq!(again.init(json!({ "authorization": bearer })).await, Err(4401), "known to have ended");

    // This gateway was told by nobody; it asks when a socket begins.
    let (ended, token) = fleet.auth.session(UserId::new(), 900);
    fleet.auth.memory().ended.push(ended);
    let mut late = open(&fleet, &[]).await.unwrap();
    let refused = late.init(json!({ "authorization": format!("Bearer {token}") })).await;
    assert_eq!(refused, Err(4401));
}

#[tokio::test]
async fn no_cookie_is_set_or_read_over_a_socket() {
    let fleet = start().await;
    let browser = fleet.sign_in_with_cookies().await;
    let cookies = browser.cookies();
    let mut socket = open(&fleet, &[("cookie", &cookies), ("origin", ORIGIN)]).await.unwrap();
    assert_eq!(socket.init(json!({})).await.unwrap()["type"], "connection_ack");
    assert!(socket.ask("1", "{ viewer { roles } }").await["data"]["viewer"].is_object(), "by its cookie");

    let before = fleet.auth.memory().proofs.len();
    let verify = r#"mutation { verifySiwe(input: { message: "good", signature: "0x00" }) { __typename } }"#;
    let refused = socket.ask("2", verify).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_INPUT");
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("WebSocket"), "{refused}");
    assert_eq!(fleet.auth.memory().proofs.len(), before, "the nonce is not used up for nothing");
    let refresh = socket.ask("3", "mutation { refreshSession { ... on SiweProblem { code } } }").await;
    assert_eq!(refresh["data"]["refreshSession"]["code"], "REFRESH_EXPIRED");
}

#[tokio::test]
async fn a_socket_of_another_page_is_not_opened() {
    let fleet = start().await;
    let cookie = format!("{SESSION}={}", fleet.sign_in_with_cookies().await.session);
    for origin in ["https://evil.example", "null"] {
        for headers in [&[("origin", origin)][..], &[("origin", origin), ("cookie", cookie.as_str())]] {
            match open(&fleet, headers).await {
                Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403),
                _ => panic!("opened for {origin}"),
            }
        }
    }
    // Not a browser, yet with a browser's cookie.
    let mut socket = open(&fleet, &[("cookie", &cookie)]).await.unwrap();
    assert_eq!(socket.init(json!({})).await, Err(4403));
    // Where the upgrade shows a cookie, the browser's own word for the page is heard as well.
    assert!(open(&fleet, &[("cookie", &cookie), ("sec-fetch-site", "cross-site")]).await.is_err());
}

#[tokio::test]
async fn a_token_that_cannot_be_checked_is_told_to_come_again() {
    let auth = AuthDoor::default();
    auth.memory().is_down = true;
    let fleet = launch(auth, &[]).await;
    let (_, token) = fleet.auth.session(UserId::new(), 900);
    let (bearer, cookie) = (format!("Bearer {token}"), format!("{SESSION}={token}"));
    for headers in [[("authorization", bearer.as_str())], [("cookie", cookie.as_str())]] {
        let by_graphql = fleet.graphql(&headers, "{ viewer { roles } }").await;
        let by_twin = fleet.get("/auth/session", &headers).await;
        if headers[0].0 == "authorization" {
            assert_eq!(by_graphql.json()["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{by_graphql:?}");
            assert_eq!(by_graphql.status, 503);
        }
        assert_eq!((by_twin.status.as_u16(), by_twin.json()["code"].clone()), (503, json!("UNAVAILABLE")));
        for answer in [by_graphql, by_twin].iter().filter(|answer| answer.status == 503) {
            assert!(!answer.header("retry-after").is_empty() && answer.headers.get("set-cookie").is_none());
        }
    }
    let mut socket = open(&fleet, &[]).await.unwrap();
    let payload = json!({ "authorization": bearer });
    assert_eq!(socket.init(payload.clone()).await, Err(1013), "a code after which clients come back");

    // The keys can be had again; which sessions have ended, still nobody knows.
    fleet.auth.memory().hides_revocations = true;
    fleet.auth.memory().is_down = false;
    let within = Duration::from_secs(20);
    eventually(within, "the keys are known", async || {
        let keys = fleet.get("/.well-known/jwks.json", &[]).await;
        (keys.status == 200).then_some(())
    })
    .await;
    let (leaving, its_token) = fleet.auth.session(UserId::new(), 900);
    let me = [("authorization", bearer.as_str())];
    assert_eq!(fleet.get("/auth/session", &me).await.status, 503);
    eventually(within, "one may leave nevertheless", async || {
        let bearer = format!("Bearer {its_token}");
        let left = fleet.graphql(&[("authorization", &bearer)], "mutation { signOut }").await;
        (left.json()["data"]["signOut"] == json!(true)).then_some(())
    })
    .await;
    assert!(!fleet.auth.is_alive(leaving));
    fleet.auth.memory().hides_revocations = false;
    eventually(within, "the token is checked", async || {
        (fleet.get("/auth/session", &me).await.status == 200).then_some(())
    })
    .await;
}
