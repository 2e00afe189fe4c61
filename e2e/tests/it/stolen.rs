//! A refresh token in two hands: whoever comes first, the session ends; the owner who lost an answer keeps it.

use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, bail, ensure};
use e2e::Stage;
use futures::{SinkExt, StreamExt};
use http::HeaderValue;
use serde_json::json;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame};

use crate::{
    count::note,
    frontend::{Frontend, Person},
    replay::flush,
};

/// How long an access token may be taken after its session ended.
const EXPOSURE: Duration = Duration::from_secs(5);
const RACES: usize = 10;

pub(crate) fn a_stolen_refresh_token_ends_the_session(stage: &Stage) -> anyhow::Result<()> {
    let begun = Instant::now();
    let victim = Frontend::new(stage)?;
    let thief = victim.on("thief/1.0");
    let runtime = tokio::runtime::Runtime::new()?;
    let revoked = runtime.block_on(async {
        lost_answers(&victim).await?;
        note(begun, "an owner who lost the answer gets the same one again");
        let revoked = vec![
            owner_first(stage, &victim, &thief).await.context("the owner first")?,
            thief_first(&victim, &thief).await.context("the thief first")?,
        ];
        note(begun, "whoever came first, the session ended");
        let mut detected = 0;
        for _ in 0..RACES {
            detected += u32::from(at_once(&victim, &thief).await.context("both at once")?);
        }
        ensure!(detected as usize == RACES, "{detected} of {RACES} races were seen");
        note(begun, &format!("{RACES} races, each seen"));
        anyhow::Ok(revoked)
    })?;

    // Nothing that is in force rests on what Redis or a gateway's memory holds.
    runtime.block_on(flush(stage))?;
    stage.fleet().kill("gateway")?;
    stage.fleet().start("gateway", &[])?;
    runtime.block_on(async {
        for person in revoked {
            victim.shut_out(&person.access, EXPOSURE).await.context("after a restart")?;
            let again = victim.refresh(&person.refresh).await?.err();
            ensure!(
                matches!(again.as_deref(), Some("REFRESH_EXPIRED" | "REFRESH_REUSED")),
                "after a restart: {again:?}"
            );
        }
        anyhow::Ok(())
    })?;
    note(begun, "still so after Redis was flushed and the gateway killed");
    Ok(())
}

/// Eight retries of one refresh from the same device give the same successor, and the session lives on.
async fn lost_answers(victim: &Frontend) -> anyhow::Result<()> {
    let person = victim.sign_in(&PrivateKeySigner::random()).await?;
    let attempts = (0..8).map(|_| victim.refresh(&person.refresh));
    let mut successors = Vec::new();
    for opened in futures::future::try_join_all(attempts).await? {
        successors.push(opened.map_err(|code| anyhow::anyhow!("a retry was refused: {code}"))?.1);
    }
    let (first, _) = successors.split_first().context("there were retries")?;
    ensure!(successors.iter().all(|token| token == first), "retries got different tokens");
    let Ok((access, _)) = victim.refresh(first).await? else { bail!("the successor is not taken") };
    ensure!(victim.is_let_in(&access).await?, "a retry ended the session");
    Ok(())
}

/// The owner has refreshed; the thief comes with the old token.
async fn owner_first(stage: &Stage, victim: &Frontend, thief: &Frontend) -> anyhow::Result<Person> {
    let mut person = victim.sign_in(&PrivateKeySigner::random()).await?;
    let mut socket = open_socket(stage, Some(&person.access)).await?;
    let stolen = person.refresh.clone();
    let Ok((access, refresh)) = victim.refresh(&stolen).await? else {
        bail!("the owner's refresh was refused")
    };
    (person.access, person.refresh) = (access, refresh);
    let begun = Instant::now();
    let refused = thief.refresh(&stolen).await?.err();
    ensure!(refused.as_deref() == Some("REFRESH_REUSED"), "the thief: {refused:?}");

    let closed = tokio::time::timeout(EXPOSURE, closed(&mut socket)).await;
    let closed = closed.context("the socket is open")??;
    ensure!(u16::from(closed.code) == 4401, "the socket was closed with {closed}");
    note(begun, "the socket was closed");
    let took = victim.shut_out(&person.access, EXPOSURE).await?;
    note(begun, &format!("its access token was refused {} ms later", took.as_millis()));
    let refused = victim.refresh(&person.refresh).await?.err();
    ensure!(refused.as_deref() == Some("REFRESH_EXPIRED"), "the owner's newest token: {refused:?}");
    ensure!(open_socket(stage, Some(&person.access)).await.is_err(), "a new socket was opened");
    Ok(person)
}

/// The thief has refreshed, from another device; the owner comes with the same token, even at once.
async fn thief_first(victim: &Frontend, thief: &Frontend) -> anyhow::Result<Person> {
    let person = victim.sign_in(&PrivateKeySigner::random()).await?;
    let Ok((taken, next)) = thief.refresh(&person.refresh).await? else {
        bail!("the thief's refresh was refused")
    };
    let refused = victim.refresh(&person.refresh).await?.err();
    ensure!(refused.as_deref() == Some("REFRESH_REUSED"), "the owner: {refused:?}");
    let refused = thief.refresh(&next).await?.err();
    ensure!(refused.as_deref() == Some("REFRESH_EXPIRED"), "the thief's newest token: {refused:?}");
    victim.shut_out(&taken, EXPOSURE).await.context("the thief's access token")?;
    victim.shut_out(&person.access, EXPOSURE).await.context("the owner's access token")?;
    Ok(person)
}

/// Both come at the same moment: one of them is answered, and then the session has ended for both.
async fn at_once(victim: &Frontend, thief: &Frontend) -> anyhow::Result<bool> {
    let person = victim.sign_in(&PrivateKeySigner::random()).await?;
    let (owner, thief) = tokio::try_join!(victim.refresh(&person.refresh), thief.refresh(&person.refresh))?;
    let codes: Vec<&String> =
        [&owner, &thief].into_iter().filter_map(|opened| opened.as_ref().err()).collect();
    ensure!(codes.iter().all(|code| *code == "REFRESH_REUSED"), "{codes:?}");
    for (_, next) in [&owner, &thief].into_iter().flatten() {
        let again = victim.refresh(next).await?.err();
        ensure!(again.as_deref() == Some("REFRESH_EXPIRED"), "a token of the race lives on: {again:?}");
    }
    victim.shut_out(&person.access, EXPOSURE).await?;
    Ok(codes.len() == 1)
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A socket that has been acknowledged.
pub(crate) async fn open_socket(stage: &Stage, access: Option<&str>) -> anyhow::Result<Socket> {
    let mut request = stage.variable("WS_URL")?.into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let payload = match access {
        Some(access) => json!({ "authorization": format!("Bearer {access}") }),
        None => json!({}),
    };
    socket.send(Message::text(json!({ "type": "connection_init", "payload": payload }).to_string())).await?;
    let first = socket.next().await.context("the socket was closed at once")??;
    ensure!(first.to_text()?.contains("connection_ack"), "no acknowledgement: {first}");
    Ok(socket)
}

/// Reads on to the end, and says how it came.
pub(crate) async fn closed(socket: &mut Socket) -> anyhow::Result<CloseFrame> {
    while let Some(message) = socket.next().await {
        if let Message::Close(frame) = message? {
            return frame.context("the socket was closed without a word");
        }
    }
    bail!("the socket ended without a closing frame")
}
