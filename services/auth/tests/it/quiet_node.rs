//! A node of chains on which nobody has deployed anything: every question about a signature is a no. For tests in which
//! a chain must answer and is not what they are about.

use abi::artifact;
use alloy::primitives::{Bytes, U256, hex};
use axum::{Json, Router, extract::Path, routing::post};
use serde_json::{Value, json};

/// Starts one; the chain's number is to be put after the URL.
pub(crate) fn start() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let routes = Router::new().route("/{chain}", post(answer));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

async fn answer(Path(chain): Path<u64>, Json(question): Json<Value>) -> Json<Value> {
    answer_for(chain)(question)
}

/// Its answers, for a node that has other moods too.
pub(crate) fn answer_for(chain: u64) -> impl Fn(Value) -> Json<Value> + Clone {
    move |question| answer_to(chain, &question)
}

fn answer_to(chain: u64, question: &Value) -> Json<Value> {
    let result = match question["method"].as_str().unwrap() {
        "eth_chainId" => json!(format!("{chain:#x}")),
        "eth_getBlockByNumber" => json!({
            "number": "0x1",
            "hash": format!("0x{}", "11".repeat(32)),
            "parentHash": format!("0x{}", "22".repeat(32)),
            "timestamp": "0x1",
            // More than an answer about a signature may be long.
            "transactions": vec![format!("0x{}", "33".repeat(32)); 2_000],
        }),
        "eth_call" => json!(verdict(&question["params"][0]["input"])),
        other => panic!("nobody asks a quiet node for {other}"),
    };
    Json(json!({ "jsonrpc": "2.0", "id": 1, "result": result }))
}

/// The probe passes; the validator says no.
fn verdict(input: &Value) -> String {
    let code: Bytes = input.as_str().unwrap().parse().unwrap();
    match code.strip_prefix(artifact("SignatureValidatorProbe").unwrap().as_ref()) {
        Some(arguments) => {
            let number = U256::from_be_slice(&arguments[32..64]);
            hex::encode_prefixed((number + U256::ONE).to_be_bytes::<32>())
        }
        None => "0x00".to_owned(),
    }
}
