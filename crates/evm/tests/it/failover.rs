//! Endpoints that lie, hang, limit or drown: left at once, and taken back when they behave.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy::{eips::BlockId, rpc::types::Filter};
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use evm::{Endpoint, Limits, Node, NodeError};
use ids::ChainId;
use serde_json::{Value, json};

/// What an endpoint does with a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mood {
    /// Answers with this block number.
    Well(u64),
    /// Serves another chain.
    OtherChain,
    /// Says 429.
    Limits,
    /// Says 500 with no JSON.
    Broken,
    /// Never answers.
    Hangs,
    /// Sends more than anybody reads.
    Drowns,
    /// Answers with a revert.
    Reverts,
    /// Refuses the range.
    TooWide,
    /// Answers this method (each, where it is empty) with a status, a code and words, and others as if it were well.
    Says(&'static str, u16, i64, &'static str),
    /// Never answers this method.
    HangsOn(&'static str),
    /// Knows of nothing.
    Null,
}

#[derive(Clone)]
pub(crate) struct Scripted {
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicUsize>,
    endpoint: Endpoint,
}

impl Scripted {
    pub(crate) async fn start(mood: Mood, priority: i32) -> Scripted {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/s3cret", listener.local_addr().unwrap());
        let endpoint = Endpoint::parse(&url, "url", priority, 1).unwrap();
        let scripted = Scripted { mood: Arc::new(Mutex::new(mood)), asked: Arc::default(), endpoint };
        let routes = Router::new().route("/s3cret", post(answer)).with_state(scripted.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        scripted
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(State(scripted): State<Scripted>, Json(question): Json<Value>) -> axum::response::Response {
    let mood = *scripted.mood.lock().unwrap();
    scripted.asked.fetch_add(1, Ordering::SeqCst);
    let method = question["method"].as_str().unwrap_or_default();
    match mood {
        Mood::Says(to, status, code, message) if to.is_empty() || to == method => {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": message } });
            return (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
        }
        Mood::HangsOn(on) if on == method => std::future::pending().await,
        _ => {}
    }
    let mood = if matches!(mood, Mood::Says(..) | Mood::HangsOn(_)) { Mood::Well(7) } else { mood };
    let is_chain = question["method"] == "eth_chainId";
    if question["method"] == "eth_getBlockByNumber" && matches!(mood, Mood::Well(_) | Mood::OtherChain) {
        let asked = &question["params"][0];
        let number = if asked == "latest" { json!("0x1") } else { asked.clone() };
        let hash = format!("0x{}", "7".repeat(64));
        let block = json!({ "number": number, "hash": hash, "parentHash": hash, "timestamp": "0x1" });
        return Json(json!({ "jsonrpc": "2.0", "id": 1, "result": block })).into_response();
    }
    let ok = |result: &str| Json(json!({ "jsonrpc": "2.0", "id": 1, "result": result })).into_response();
    let error = |code: i64, message: &str, data: Option<&str>| {
        Json(
            json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": message, "data": data } }),
        )
        .into_response()
    };
    match mood {
        Mood::OtherChain if is_chain => ok("0x1"),
        Mood::Well(_) | Mood::Null | Mood::OtherChain | Mood::Drowns | Mood::Reverts | Mood::TooWide
            if is_chain =>
        {
            ok("0x7a69")
        }
        Mood::Well(number) => ok(&format!("{number:#x}")),
        Mood::Null => Json(json!({ "jsonrpc": "2.0", "id": 1, "result": null })).into_response(),
        Mood::Says(..) | Mood::HangsOn(_) => unreachable!("it is well otherwise"),
        Mood::OtherChain => ok("0xdead"),
        Mood::Limits => (StatusCode::TOO_MANY_REQUESTS, "slow down").into_response(),
        Mood::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "<html>").into_response(),
        Mood::Hangs => std::future::pending().await,
        Mood::Drowns => ok(&format!("0x{}", "0".repeat(100_000))),
        Mood::Reverts => error(3, "execution reverted", Some("0x82b42900")),
        Mood::TooWide => error(-32005, "query returned more than 10000 results, narrow the range", None),
    }
}

pub(crate) fn node(endpoints: &[&Scripted]) -> Node {
    let chain_id = ChainId::new(31337).unwrap();
    let limits = Limits {
        endpoint: Duration::from_millis(300),
        call: Duration::from_millis(900),
        answer_bytes: 10_000,
    };
    Node::new(chain_id, endpoints.iter().map(|scripted| scripted.endpoint.clone()).collect())
        .with_limits(limits)
}

#[tokio::test]
async fn an_endpoint_that_misbehaves_is_left_for_the_next_one_within_the_call() {
    for mood in [Mood::OtherChain, Mood::Limits, Mood::Broken, Mood::Hangs] {
        let (bad, good) = (Scripted::start(mood, 0).await, Scripted::start(Mood::Well(7), 1).await);
        let node = node(&[&bad, &good]);
        assert_eq!(node.block_number().await.unwrap(), 7, "{mood:?}");
        let asked = bad.asked();
        assert!(asked >= 1);
        // While it cools down it is not asked again.
        assert_eq!(node.block_number().await.unwrap(), 7);
        assert_eq!(bad.asked(), asked, "{mood:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_behaves_again_is_taken_back() {
    let (first, second) = (Scripted::start(Mood::Broken, 0).await, Scripted::start(Mood::Well(2), 1).await);
    let node = node(&[&first, &second]);
    assert_eq!(node.block_number().await.unwrap(), 2);
    first.set(Mood::Well(1));
    testkit::eventually(Duration::from_secs(10), "the first endpoint is asked again", async || {
        (node.block_number().await.unwrap() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn when_all_fail_the_call_ends_in_time_with_what_the_last_one_said() {
    let (a, b) = (Scripted::start(Mood::Hangs, 0).await, Scripted::start(Mood::Hangs, 1).await);
    let node = node(&[&a, &b]);
    let began = std::time::Instant::now();
    assert!(matches!(node.block_number().await, Err(NodeError::Timeout(_))));
    assert!(began.elapsed() < Duration::from_secs(5));
    // One that cools down is asked all the same when there is no better one.
    b.set(Mood::Well(5));
    a.set(Mood::Limits);
    assert_eq!(node.block_number().await.unwrap(), 5);
    assert!(matches!(self::node(&[]).block_number().await, Err(NodeError::Transport(_))));
}

#[tokio::test]
async fn a_chain_of_another_number_is_never_heard() {
    let other = Scripted::start(Mood::OtherChain, 0).await;
    let expected = NodeError::WrongChain { expected: ChainId::new(31337).unwrap(), found: 1 };
    assert_eq!(node(&[&other]).block_number().await, Err(expected));
}

#[tokio::test]
async fn an_endpoint_that_comes_to_serve_another_chain_is_noticed_when_the_proof_is_asked_for_anew() {
    let endpoint = Scripted::start(Mood::Well(7), 0).await;
    let node = node(&[&endpoint]);
    assert_eq!(node.block_number().await, Ok(7));
    endpoint.set(Mood::OtherChain);
    assert_eq!(node.block_number().await, Ok(0xdead), "one proof is enough for most");
    node.prove_chain_anew();
    assert!(matches!(node.block_number().await, Err(NodeError::WrongChain { found: 1, .. })));
}

#[tokio::test]
async fn what_the_question_caused_comes_back_and_blames_no_endpoint() {
    let (first, second) = (Scripted::start(Mood::Reverts, 0).await, Scripted::start(Mood::Well(2), 1).await);
    let node = node(&[&first, &second]);
    let reverted = node.block_number().await.unwrap_err();
    assert!(reverted.is_revert());
    assert_eq!(reverted.revert_data().unwrap().to_string(), "0x82b42900");
    first.set(Mood::Drowns);
    let code = node.code(Default::default(), BlockId::latest()).await;
    assert_eq!(code, Err(NodeError::TooLarge { limit: 10_000 }));
    first.set(Mood::TooWide);
    let logs = node.logs(&Filter::new().from_block(0).to_block(5)).await;
    assert!(matches!(logs, Err(NodeError::Rpc { code: -32005, .. })));
    assert_eq!(second.asked(), 0);
    first.set(Mood::Well(1));
    assert_eq!(node.block_number().await.unwrap(), 1);
}

#[tokio::test]
async fn endpoints_are_replaced_while_the_node_is_used() {
    let (old, new) = (Scripted::start(Mood::Well(1), 0).await, Scripted::start(Mood::Well(2), 0).await);
    let node = node(&[&old]);
    assert_eq!(node.block_number().await.unwrap(), 1);
    node.update_endpoints(vec![new.endpoint.clone()]);
    assert_eq!(node.block_number().await.unwrap(), 2);
}

#[tokio::test]
async fn no_error_shows_the_path_of_an_endpoint() {
    for mood in [Mood::Limits, Mood::Broken, Mood::Hangs, Mood::OtherChain] {
        let bad = Scripted::start(mood, 0).await;
        let err = node(&[&bad]).block_number().await.unwrap_err();
        assert!(!format!("{err} {err:?}").contains("s3cret"), "{err:?}");
    }
    let nowhere = Endpoint::parse("http://127.0.0.1:1/s3cret", "url", 0, 1).unwrap();
    let err = Node::new(ChainId::new(1).unwrap(), vec![nowhere]).block_number().await.unwrap_err();
    assert!(!format!("{err} {err:?}").contains("s3cret"), "{err:?}");
}
