//! The endpoint's socket: passes on what the node's own socket says, unless it lies.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{accept_async, connect_async, tungstenite::Message};

use super::{Lie, Script};

/// One connection, until one of both sides ends it.
pub(super) async fn converse(stream: TcpStream, script: Arc<Script>) {
    let lie = || *script.lie.lock().unwrap_or_else(PoisonError::into_inner);
    script.asked.fetch_add(1, Ordering::SeqCst);
    if lie() == Lie::HalfOpen {
        return;
    }
    let Ok(mut asker) = accept_async(stream).await else { return };
    let Ok((mut node, _)) = connect_async(script.target.replacen("http", "ws", 1)).await else { return };
    loop {
        if lie() == Lie::Hangs {
            // Neither reads nor writes, and the connection stays.
            std::future::pending::<()>().await;
        }
        let passed = tokio::select! {
            asked = asker.next() => match asked {
                Some(Ok(asked @ (Message::Text(_) | Message::Binary(_)))) => node.send(asked).await,
                Some(Ok(_)) => Ok(()),
                _ => return,
            },
            told = node.next() => match told {
                Some(Ok(Message::Text(told))) => match distort(lie(), told.as_str()) {
                    Some(told) => asker.send(Message::text(told)).await,
                    None if lie() == Lie::SilentSocket => Ok(()),
                    None => return,
                },
                Some(Ok(_)) => Ok(()),
                _ => return,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}

/// None for what is not passed on.
fn distort(lie: Lie, told: &str) -> Option<String> {
    let mut heard: Value = serde_json::from_str(told).ok()?;
    match lie {
        Lie::HalfOpen => return None,
        Lie::SilentSocket if heard.get("method").is_some() => return None,
        Lie::Garbage => return Some("<!doctype html>".to_owned()),
        Lie::Drowns => return Some(json!({ "id": 9, "result": "0".repeat(4 << 20) }).to_string()),
        Lie::OtherChain if heard["id"] == 1 => heard["result"] = json!("0x1"),
        _ => {}
    }
    Some(heard.to_string())
}
