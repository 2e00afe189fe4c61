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

mod socket;

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
    /// Says another parent for a block that is asked for by its number.
    WrongParent,
    /// Says the logs in reverse order.
    LogsBackwards,
    /// Leaves out the first log of each block that has several.
    IndexHoles,
    /// Says the first half of the logs of a range alone.
    TruncatesRanges,
    /// Says of each log that it was taken back.
    RemovedLogs,
    /// Says one more log of each block than there is, of a contract of its own.
    InventsLogs,
    /// Status 413 to questions for the logs of more blocks than this.
    RangesOf(u64),
    /// Answers a batch with an error.
    NoBatches,
    /// Takes batches of so many questions.
    BatchesOf(usize),
    /// Never answers batches of more questions than this.
    SilentBeyond(usize),
    /// Says of batches of more questions than this that it is asked too much.
    LimitsBeyond(usize),
    /// Answers every other question of a batch.
    PartOfBatches,
    /// Answers the questions of a batch in another order.
    ShuffledBatches,
    /// Answers the questions of a batch with one another's answers.
    MixedBatches,
    /// Its socket takes subscriptions and tells of nothing.
    SilentSocket,
}

#[derive(Debug)]
struct Script {
    lie: Mutex<Lie>,
    asked: AtomicUsize,
    lied: AtomicUsize,
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
            lied: AtomicUsize::new(0),
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

    /// Where its socket is.
    pub fn ws_url(&self) -> String {
        self.url.replacen("http", "ws", 1)
    }

    /// How many questions it has heard.
    pub fn asked(&self) -> usize {
        self.script.asked.load(Ordering::SeqCst)
    }

    /// How many answers were not what an honest endpoint would have said: a lie that no question met does not count.
    pub fn lied(&self) -> usize {
        self.script.lied.load(Ordering::SeqCst)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection: question after question, as HTTP/1.1 has it.
async fn converse(mut stream: TcpStream, script: Arc<Script>) {
    let mut first = [0; 3];
    while !matches!(stream.peek(&mut first).await, Ok(0 | 3) | Err(_)) {
        tokio::task::yield_now().await;
    }
    if &first == b"GET" {
        socket::converse(stream, script).await;
        return;
    }
    let mut heard = Vec::new();
    while let Some(question) = next_question(&mut stream, &mut heard).await {
        let lie = *script.lie.lock().unwrap_or_else(PoisonError::into_inner);
        script.asked.fetch_add(1, Ordering::SeqCst);
        if lie == Lie::HalfOpen {
            script.count_lie();
            return;
        }
        let (status, headers, body) = match question {
            Value::Array(questions) => script.answer_batch(lie, questions).await,
            question => script.answer(lie, question).await,
        };
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
    /// Each question by itself, and all answers together.
    async fn answer_batch(&self, lie: Lie, questions: Vec<Value>) -> Said {
        match lie {
            Lie::NoBatches => {
                self.count_lie();
                return refused(-32600, "batch requests are not supported");
            }
            Lie::BatchesOf(most) if questions.len() > most => {
                self.count_lie();
                return refused(-32600, "too many requests in a batch");
            }
            Lie::SilentBeyond(most) if questions.len() > most => std::future::pending::<()>().await,
            Lie::LimitsBeyond(most) if questions.len() > most => {
                return refused(-32005, "a batch exceeds the units per second");
            }
            _ => {}
        }
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            let id = question["id"].clone();
            let said = self.answer(lie, question).await;
            let Ok(mut answer) = serde_json::from_slice::<Value>(&said.2) else { return said };
            answer["id"] = id;
            answers.push(answer);
        }
        if answers.len() > 1 && matches!(lie, Lie::PartOfBatches | Lie::ShuffledBatches | Lie::MixedBatches) {
            self.count_lie();
        }
        match lie {
            Lie::PartOfBatches => answers = answers.into_iter().step_by(2).collect(),
            Lie::ShuffledBatches => answers.reverse(),
            Lie::MixedBatches => {
                let ids: Vec<Value> = answers.iter().rev().map(|answer| answer["id"].clone()).collect();
                answers.iter_mut().zip(ids).for_each(|(answer, id)| answer["id"] = id);
            }
            _ => {}
        }
        ok(&json!(answers))
    }

    fn count_lie(&self) {
        self.lied.fetch_add(1, Ordering::SeqCst);
    }

    async fn answer(&self, lie: Lie, question: Value) -> Said {
        let (said, is_lie) = self.answer_or_lie(lie, question).await;
        if is_lie {
            self.count_lie();
        }
        said
    }

    /// What is said, and whether it is a lie.
    async fn answer_or_lie(&self, lie: Lie, mut question: Value) -> (Said, bool) {
        let method = question["method"].as_str().unwrap_or_default().to_owned();
        let asked = question.clone();
        match lie {
            Lie::TooMany(wait) => {
                let wait = format!("retry-after: {wait}\r\n");
                return (("429 Too Many Requests", wait, b"slow down".to_vec()), true);
            }
            Lie::Limited => {
                return (refused(-32005, "daily request count exceeded, request rate limited"), true);
            }
            Lie::TooWide if method == "eth_getLogs" => {
                let why = "query returned more than 10000 results, try a smaller block range";
                return (refused(-32005, why), true);
            }
            Lie::RangesOf(most) if method == "eth_getLogs" => {
                let end = |name: &str| number(&question["params"][0][name]);
                if end("fromBlock").zip(end("toBlock")).is_some_and(|(from, to)| to - from >= most) {
                    return (("413 Payload Too Large", String::new(), b"<html>".to_vec()), true);
                }
            }
            Lie::Slow(time) => tokio::time::sleep(time).await,
            Lie::Hangs => {
                self.count_lie();
                std::future::pending::<()>().await;
            }
            Lie::Garbage => return (("200 OK", String::new(), b"<!doctype html>".to_vec()), true),
            Lie::ServerError => {
                return (("500 Internal Server Error", String::new(), b"<html>".to_vec()), true);
            }
            Lie::Drowns => {
                return (ok(&json!({ "jsonrpc": "2.0", "id": 1, "result": "0".repeat(4 << 20) })), true);
            }
            Lie::WrongBlock if method == "eth_getBlockByNumber" => step_back(&mut question),
            Lie::Lags(blocks) if is_latest(&method, &question) => {
                let head = self.head().await.saturating_sub(blocks);
                question["params"][0] = json!(format!("{head:#x}"));
            }
            Lie::Lags(blocks) if method == "eth_getBlockByNumber" => {
                let head = self.head().await.saturating_sub(blocks);
                if number(&question["params"][0]).is_some_and(|asked| asked > head) {
                    return (ok(&json!({ "jsonrpc": "2.0", "id": 1, "result": null })), true);
                }
            }
            Lie::Fabricates(blocks) if method == "eth_getBlockByNumber" => {
                let head = self.head().await;
                let asked = number(&question["params"][0]).unwrap_or(head + blocks);
                if asked > head {
                    return (self.fabricate(asked).await, true);
                }
            }
            Lie::StaleHead(blocks) if is_latest(&method, &question) => {
                let head = self.head().await.saturating_sub(blocks);
                question["params"][0] = json!(format!("{head:#x}"));
            }
            Lie::Forgets(blocks) if method == "eth_getTransactionCount" => {
                let kept = self.head().await.saturating_sub(blocks);
                if number(&question["params"][1]).is_some_and(|asked| asked < kept) {
                    let why = "missing trie node 0xab (path ) state 0xab is not available";
                    return (refused(-32000, why), true);
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
            None => return (("502 Bad Gateway", String::new(), b"the node is away".to_vec()), false),
        };
        let honest = answer.clone();
        distort(lie, &method, &question, &mut answer["result"]);
        let is_lie = matches!(lie, Lie::Slow(_)) || question != asked || answer != honest;
        (ok(&answer), is_lie)
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
        (Lie::WrongParent, "eth_getBlockByNumber") if result.is_object() => result["parentHash"] = other,
        (Lie::TruncatesRanges, "eth_getLogs") if question["params"][0].get("blockHash").is_none() => {
            if let Some(logs) = result.as_array_mut() {
                logs.truncate(logs.len() / 2);
            }
        }
        (Lie::LogsBackwards | Lie::IndexHoles | Lie::RemovedLogs | Lie::InventsLogs, "eth_getLogs") => {
            distort_logs(lie, result.as_array_mut())
        }
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

fn distort_logs(lie: Lie, logs: Option<&mut Vec<Value>>) {
    let Some(logs) = logs else { return };
    match lie {
        Lie::LogsBackwards => logs.reverse(),
        Lie::RemovedLogs => logs.iter_mut().for_each(|log| log["removed"] = json!(true)),
        Lie::IndexHoles => {
            let all = std::mem::take(logs);
            let has_next = |log: &Value| {
                let is_next =
                    |other: &Value| other["blockHash"] == log["blockHash"] && other["logIndex"] == "0x1";
                all.iter().any(is_next)
            };
            logs.extend(all.iter().filter(|log| log["logIndex"] != "0x0" || !has_next(log)).cloned());
        }
        _ => {
            let last = logs.iter().enumerate().filter(|(at, log)| {
                logs.get(at + 1).is_none_or(|next| next["blockHash"] != log["blockHash"])
            });
            let mut invented: Vec<Value> = last.map(|(_, log)| log.clone()).collect();
            for log in &mut invented {
                shift(&mut log["logIndex"], |index| index + 1);
                log["address"] = json!(format!("0x{}", "5b".repeat(20)));
            }
            logs.extend(invented);
        }
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
