//! An endpoint that stands before a real node and, when a test says so, lies about what it said, limits, hangs or breaks.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the endpoint does with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Passes the node's answer on.
    Honest,
    /// Says another hash for a block, a transaction or a receipt than it was asked for.
    WrongHash,
    /// Says the parent of the block whose number was asked for.
    WrongBlock,
    /// Says that there are no logs.
    MissingLogs,
    /// Says each log twice.
    DuplicatedLogs,
    /// Says logs of a contract that was not asked for.
    ForeignLogs,
    /// Says that it is another chain's.
    OtherChain,
    /// Says a head that lies so many blocks back.
    StaleHead(u64),
    /// Says a head that is so many blocks ahead.
    FutureHead(u64),
    /// Is behind by so many blocks and knows nothing of them.
    Lags(u64),
    /// Says a head that is so many blocks ahead, and a block of now for each of the heights in between.
    Fabricates(u64),
    /// Says that there are no logs when it is asked for those of a range.
    MissingInRanges,
    /// Status 429, and how many seconds to wait.
    TooMany(u64),
    /// Error -32005 to everything.
    Limited,
    /// Error -32005 to questions for logs: the range is too large.
    TooWide,
    /// Answers after this time.
    Slow(Duration),
    /// Never answers.
    Hangs,
    /// Accepts a connection and closes it.
    HalfOpen,
    /// Says what is no JSON.
    Garbage,
    /// Status 500 with a page.
    ServerError,
    /// Says null for every receipt.
    NullReceipts,
    /// Has forgotten the states of blocks that are deeper than this.
    Forgets(u64),
    /// Says far more than anybody reads.
    Drowns,
    /// Says a history of fees without fees.
    NoFees,
}

#[derive(Debug)]
struct Script {
    lie: Mutex<Lie>,
    asked: AtomicUsize,
    target: String,
    client: reqwest::Client,
}

/// The endpoint; it ends when dropped.
#[derive(Debug)]
pub struct Liar {
    /// Where it is asked; the path stands for a key.
    pub url: String,
    script: Arc<Script>,
    accepting: JoinHandle<()>,
}

impl Liar {
    /// Stands before the node at this URL, honest at first.
    pub async fn before(target: &str) -> Liar {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address: SocketAddr = listener.local_addr().expect("the listener is bound");
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        let script = Arc::new(Script {
            lie: Mutex::new(Lie::Honest),
            asked: AtomicUsize::new(0),
            target: target.to_owned(),
            client: client.expect("a plain client"),
        });
        let heard = Arc::clone(&script);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&heard)));
            }
        });
        Liar { url: format!("http://{address}/s3cret"), script, accepting }
    }

    /// Changes what it does from the next question on.
    pub fn set(&self, lie: Lie) {
        *self.script.lie.lock().unwrap_or_else(PoisonError::into_inner) = lie;
    }

    /// How many questions it has heard.
    pub fn asked(&self) -> usize {
        self.script.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection: question after question, as HTTP/1.1 has it.
async fn converse(mut stream: TcpStream, script: Arc<Script>) {
    let mut heard = Vec::new();
    while let Some(question) = next_question(&mut stream, &mut heard).await {
        let lie = *script.lie.lock().unwrap_or_else(PoisonError::into_inner);
        script.asked.fetch_add(1, Ordering::SeqCst);
        if lie == Lie::HalfOpen {
            return;
        }
        let (status, headers, body) = script.answer(lie, question).await;
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(head.as_bytes()).await.is_err() || stream.write_all(&body).await.is_err() {
            return;
        }
    }
}

async fn next_question(stream: &mut TcpStream, heard: &mut Vec<u8>) -> Option<Value> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&heard[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length?.trim().parse().ok()?;
            if heard.len() >= end + 4 + length {
                let question = serde_json::from_slice(&heard[end + 4..end + 4 + length]).ok()?;
                heard.drain(..end + 4 + length);
                return Some(question);
            }
        }
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        heard.extend_from_slice(&buffer[..read]);
    }
}

type Said = (&'static str, String, Vec<u8>);

fn ok(body: &Value) -> Said {
    ("200 OK", String::new(), body.to_string().into_bytes())
}

fn refused(code: i64, message: &str) -> Said {
    ok(&json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": message } }))
}

impl Script {
    async fn answer(&self, lie: Lie, mut question: Value) -> Said {
        let method = question["method"].as_str().unwrap_or_default().to_owned();
        match lie {
            Lie::TooMany(wait) => {
                return ("429 Too Many Requests", format!("retry-after: {wait}\r\n"), b"slow down".to_vec());
            }
            Lie::Limited => return refused(-32005, "daily request count exceeded, request rate limited"),
            Lie::TooWide if method == "eth_getLogs" => {
                return refused(-32005, "query returned more than 10000 results, try a smaller block range");
            }
            Lie::Slow(time) => tokio::time::sleep(time).await,
            Lie::Hangs => std::future::pending::<()>().await,
            Lie::Garbage => return ("200 OK", String::new(), b"<!doctype html>".to_vec()),
            Lie::ServerError => return ("500 Internal Server Error", String::new(), b"<html>".to_vec()),
            Lie::Drowns => {
                return ok(&json!({ "jsonrpc": "2.0", "id": 1, "result": "0".repeat(4 << 20) }));
            }
            Lie::WrongBlock if method == "eth_getBlockByNumber" => step_back(&mut question),
            Lie::Lags(blocks) if is_latest(&method, &question) => {
                let head = self.head().await.saturating_sub(blocks);
                question["params"][0] = json!(format!("{head:#x}"));
            }
            Lie::Lags(blocks) if method == "eth_getBlockByNumber" => {
                let head = self.head().await.saturating_sub(blocks);
                if number(&question["params"][0]).is_some_and(|asked| asked > head) {
                    return ok(&json!({ "jsonrpc": "2.0", "id": 1, "result": null }));
                }
            }
            Lie::Fabricates(blocks) if method == "eth_getBlockByNumber" => {
                let head = self.head().await;
                let asked = number(&question["params"][0]).unwrap_or(head + blocks);
                if asked > head {
                    return self.fabricate(asked).await;
                }
            }
            Lie::StaleHead(blocks) if is_latest(&method, &question) => {
                let head = self.head().await.saturating_sub(blocks);
                question["params"][0] = json!(format!("{head:#x}"));
            }
            Lie::Forgets(blocks) if method == "eth_getTransactionCount" => {
                let kept = self.head().await.saturating_sub(blocks);
                if number(&question["params"][1]).is_some_and(|asked| asked < kept) {
                    return refused(-32000, "missing trie node 0xab (path ) state 0xab is not available");
                }
            }
            Lie::ForeignLogs if method == "eth_getLogs" => {
                if let Some(filter) = question["params"][0].as_object_mut() {
                    filter.remove("address");
                    filter.remove("topics");
                }
            }
            _ => {}
        }
        let mut answer = match self.ask(&question).await {
            Some(answer) => answer,
            None => return ("502 Bad Gateway", String::new(), b"the node is away".to_vec()),
        };
        distort(lie, &method, &question, &mut answer["result"]);
        ok(&answer)
    }

    async fn ask(&self, question: &Value) -> Option<Value> {
        self.client.post(&self.target).json(question).send().await.ok()?.json().await.ok()
    }

    async fn fabricate(&self, number: u64) -> Said {
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["latest", false] });
        let mut block = self.ask(&question).await.unwrap_or_default()["result"].take();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        block["number"] = json!(format!("{number:#x}"));
        block["hash"] = json!(format!("{number:#066x}"));
        block["timestamp"] = json!(format!("{now:#x}"));
        ok(&json!({ "jsonrpc": "2.0", "id": 1, "result": block }))
    }

    async fn head(&self) -> u64 {
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": [] });
        self.ask(&question).await.and_then(|answer| number(&answer["result"])).unwrap_or(0)
    }
}

fn is_latest(method: &str, question: &Value) -> bool {
    method == "eth_getBlockByNumber" && question["params"][0] == "latest"
}

fn step_back(question: &mut Value) {
    if let Some(asked) = number(&question["params"][0]) {
        question["params"][0] = json!(format!("{:#x}", asked.saturating_sub(1)));
    }
}

fn distort(lie: Lie, method: &str, question: &Value, result: &mut Value) {
    let other = json!(format!("0x{}", "ab".repeat(32)));
    match (lie, method) {
        (Lie::OtherChain, "eth_chainId") => *result = json!("0x1"),
        (Lie::WrongHash, "eth_getBlockByHash" | "eth_getTransactionByHash") if result.is_object() => {
            result["hash"] = other;
        }
        (Lie::WrongHash, "eth_getTransactionReceipt") if result.is_object() => {
            result["transactionHash"] = other;
        }
        (Lie::WrongHash, "eth_getBlockReceipts" | "eth_getLogs") => {
            for each in result.as_array_mut().into_iter().flatten() {
                each["blockHash"] = other.clone();
            }
        }
        (Lie::MissingLogs, "eth_getLogs") => *result = json!([]),
        (Lie::DuplicatedLogs, "eth_getLogs") => {
            if let Some(logs) = result.as_array_mut() {
                logs.extend_from_within(..);
            }
        }
        (Lie::NoFees, "eth_feeHistory") => *result = json!({ "oldestBlock": "0x0" }),
        (Lie::NullReceipts, "eth_getTransactionReceipt" | "eth_getBlockReceipts") => *result = Value::Null,
        (Lie::MissingInRanges, "eth_getLogs") if question["params"][0].get("blockHash").is_none() => {
            *result = json!([]);
        }
        (Lie::StaleHead(blocks) | Lie::Lags(blocks), "eth_blockNumber") => {
            shift(result, |head| head.saturating_sub(blocks))
        }
        (Lie::FutureHead(blocks) | Lie::Fabricates(blocks), "eth_blockNumber") => {
            shift(result, |head| head + blocks)
        }
        (Lie::FutureHead(blocks), _) if is_latest(method, question) => {
            shift(&mut result["number"], |head| head + blocks);
        }
        _ => {}
    }
}

fn shift(hex: &mut Value, to: impl FnOnce(u64) -> u64) {
    if let Some(head) = number(hex) {
        *hex = json!(format!("{:#x}", to(head)));
    }
}

fn number(hex: &Value) -> Option<u64> {
    u64::from_str_radix(hex.as_str()?.strip_prefix("0x")?, 16).ok()
}
