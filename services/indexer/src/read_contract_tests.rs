//! Nodes that answer calls in every way there is: which of them is the contract's own answer.

use evm::Endpoint;
use ids::ChainId;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// What a node says to a call of somebody, at a block: a result, or a code and words.
type Says = fn(to: Address, at: &Value) -> Result<&'static str, (i64, &'static str)>;

const CONTRACT: Address = Address::new([0xcc; 20]);
const WORD: &str = "0x0000000000000000000000000000000000000000000000000000000000000001";

async fn node(says: Says) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, says));
        }
    });
    let endpoint = Endpoint::parse(&url, "none", 0, 1).unwrap();
    Node::new(ChainId::new(1).unwrap(), vec![endpoint]).with_limits(LIMITS)
}

async fn serve(mut stream: TcpStream, says: Says) {
    let mut read = Vec::new();
    let asked: Value = loop {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(length) if length > 0 => read.extend_from_slice(&piece[..length]),
            _ => return,
        }
        let Some(head) = read.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        if let Ok(asked) = serde_json::from_slice(&read[head + 4..]) {
            break asked;
        }
    };
    let answer = match asked["method"].as_str().unwrap() {
        "eth_chainId" => Ok("0x1"),
        _ => says(asked["params"][0]["to"].as_str().unwrap().parse().unwrap(), &asked["params"][1]),
    };
    let body = match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }),
        Err((code, message)) => {
            json!({ "jsonrpc": "2.0", "id": asked["id"], "error": { "code": code, "message": message } })
        }
    }
    .to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let _ = stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
}

async fn asked(says: Says) -> Result<Option<Bytes>, NodeError> {
    view(&node(says).await, CONTRACT, BlockId::hash(B256::repeat_byte(7)), vec![1, 2, 3, 4], MOST_GAS).await
}

#[tokio::test]
async fn only_what_the_contract_did_counts_as_its_answer() {
    assert_eq!(asked(|_, _| Ok(WORD)).await, Ok(Some(WORD.parse().unwrap())));
    assert_eq!(asked(|_, _| Ok("0x")).await, Ok(Some(Bytes::new())));
    for no_answer in [
        (|_, _| Err((3, "execution reverted"))) as Says,
        |_, _| Err((-32000, "out of gas")),
        |_, _| Err((-32603, "EVM error InvalidJump")),
    ] {
        assert_eq!(asked(no_answer).await, Ok(None));
    }
}

#[tokio::test]
async fn a_node_that_cannot_say_is_no_contract_that_does_not_answer() {
    for no_answer in [
        (|_, _| Err((-32603, "internal error"))) as Says,
        |_, _| Err((-32000, "something else")),
        |_, _| Err((-32601, "the method eth_call does not exist")),
        |_, _| Err((-32005, "too many requests")),
        |_, _| Err((-32000, "missing trie node 0xabc (path )")),
    ] {
        assert!(matches!(asked(no_answer).await, Err(NodeError::Rpc { .. })));
    }
}

#[tokio::test]
async fn words_that_nobody_knows_are_the_contracts_where_the_node_answers_other_calls() {
    let odd: Says = |to, _| if to == CONTRACT { Err((-32000, "err: the frog jumped")) } else { Ok("0x") };
    assert_eq!(asked(odd).await, Ok(None));
}

#[tokio::test]
async fn where_the_state_of_the_block_is_gone_the_newest_one_is_asked() {
    let pruned: Says = |_, at| match at.as_str() {
        Some("latest") => Ok(WORD),
        _ => Err((-32000, "missing trie node 0xabc (path )")),
    };
    assert_eq!(asked(pruned).await, Ok(Some(WORD.parse().unwrap())));
    let reverts: Says = |_, at| match at.as_str() {
        Some("latest") => Err((3, "execution reverted")),
        _ => Err((-32602, "invalid params")),
    };
    assert_eq!(asked(reverts).await, Ok(None));
}

#[test]
fn text_is_a_string_or_a_word_and_never_more_than_there_is() {
    let mut string = [&[0; 31][..], &[32], &[0; 31], &[3]].concat();
    string.extend(b"Sea");
    assert_eq!(text(&string), Some(&b"Sea"[..]), "without its padding as well");
    let mut word = [0; 32];
    word[..3].copy_from_slice(b"MKR");
    assert_eq!((text(&word), text(&[0; 32])), (Some(&b"MKR"[..]), Some(&b""[..])));
    assert_eq!((text(&[]), text(&string[..65]), text(&[0xff; 96])), (None, None, None));
}
