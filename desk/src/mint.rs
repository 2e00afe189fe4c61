//! What a creator and a collector do: create a collection, mint from it, see it appear.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    Fleet,
    frontend::{Frontend, hoped},
    seed,
    sign_in::sign_in,
    socket::{News, Socket},
    wallet::{LOCAL_CHAIN, Wallet},
};

const CREATE: &str = "mutation ($input: PrepareCreateCollectionInput!) {
  prepared: prepareCreateCollection(input: $input) { ...P }
}";
const MINT: &str =
    "mutation ($input: PrepareMint721Input!) { prepared: prepareMint721(input: $input) { ...P } }";
const PREPARED: &str = "fragment P on PrepareResult {
  __typename
  ... on PreparedTransaction {
    intent { id previewAddress }
    steps { id transaction { to data value gas } }
  }
  ... on Problem { code message }
}";
const TRACK: &str = "mutation ($input: TrackTxInput!) {
  tracked: trackMintTx(input: $input) { __typename ... on TxIntent { id } ... on Problem { code message } }
}";
const STATUS: &str = "subscription ($id: ID!) {
  intentStatus(intentId: $id) { status txHash problem { message } collection { id address } }
}";
const TOKENS: &str = "subscription ($chain: ChainId!, $contract: Address!) {
  tokenUpserted(chainId: $chain, contract: $contract) { removed token { tokenId owner } }
}";
/// Long enough for a machine that builds something else at the same time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Tokens of one transaction, so that a demo of thousands is not one huge one.
const AT_ONCE: u32 = 20;

/// A free collection in which anybody may mint; answers its address once it is READY.
pub(crate) async fn create_collection(
    frontend: &Frontend,
    socket: &mut Socket,
    wallet: &Wallet,
    name: &str,
    symbol: &str,
) -> anyhow::Result<(String, Steps)> {
    let input = json!({
        "chainId": format!("eip155:{LOCAL_CHAIN}"),
        "standard": "ERC721",
        "name": name,
        "symbol": symbol,
        "creator": wallet.address().to_string(),
        "baseUri": "data:application/json,%7B%22name%22:%22Vitrine%22%7D#",
        "royaltyBps": 500,
        "mintStages": [{ "kind": "PUBLIC", "priceRaw": "0" }],
        "idempotencyKey": uuid::Uuid::new_v4().to_string(),
    });
    let mut steps = Steps::begin();
    let (intent, address) = send(frontend, wallet, CREATE, input, &mut steps).await?;
    follow(socket, &intent, &mut steps).await?;
    Ok((address, steps))
}

/// Mints to the wallet itself; the caller sees the tokens by its own subscription.
pub(crate) async fn mint(
    frontend: &Frontend,
    wallet: &Wallet,
    contract: &str,
    quantity: u32,
    steps: &mut Steps,
) -> anyhow::Result<String> {
    let input = json!({
        "collection": { "chainId": format!("eip155:{LOCAL_CHAIN}"), "address": contract },
        "minter": wallet.address().to_string(),
        "quantity": quantity,
        "idempotencyKey": uuid::Uuid::new_v4().to_string(),
    });
    Ok(send(frontend, wallet, MINT, input, steps).await?.0)
}

/// The tokens of a contract, as they are delivered.
pub(crate) async fn watch(socket: &mut Socket, contract: &str) -> anyhow::Result<News> {
    let variables = json!({ "chain": format!("eip155:{LOCAL_CHAIN}"), "contract": contract });
    socket.subscribe(TOKENS, variables).await
}

/// Follows an intent to READY, noting when each state was heard of.
pub(crate) async fn follow(socket: &mut Socket, intent: &str, steps: &mut Steps) -> anyhow::Result<()> {
    let mut news = socket.subscribe(STATUS, json!({ "id": intent })).await?;
    loop {
        let now = news.next(PATIENCE).await?;
        let status = now["intentStatus"]["status"].as_str().unwrap_or_default().to_owned();
        match status.as_str() {
            "MINED" | "CONFIRMED" => steps.note(&status.to_lowercase()),
            "READY" => {
                steps.note("ready");
                return Ok(());
            }
            "FAILED" | "REPLACED" | "CANCELLED" | "EXPIRED" => {
                anyhow::bail!("the intent ended {status}: {}", now["intentStatus"]["problem"]["message"])
            }
            _ => {}
        }
    }
}

/// `demo mint`: a line a token.
pub(crate) async fn demo(fleet: &Fleet, count: u32) -> anyhow::Result<()> {
    let wallet = Wallet::demo(1, &fleet.node).await?;
    let frontend = sign_in(Frontend::new(&fleet.gateway)?, &wallet).await?;
    let mut socket = Socket::open(&frontend).await?;
    let contract = match seed::find(&frontend).await? {
        Some(contract) => contract,
        None => create_collection(&frontend, &mut socket, &wallet, "Vitrine Demo", "DEMO").await?.0,
    };
    let mut tokens = watch(&mut socket, &contract).await?;
    let begun = Instant::now();
    let mut left = count;
    let mut seen = 0;
    while left > 0 {
        let now = left.min(AT_ONCE);
        mint(&frontend, &wallet, &contract, now, &mut Steps::begin()).await?;
        left -= now;
        while seen < count - left {
            let news = tokens.next(PATIENCE).await?;
            let token = &news["tokenUpserted"]["token"];
            // Other wallets may mint in the same collection meanwhile.
            if token["owner"] == wallet.address().to_string() {
                seen += 1;
                println!("{:>7} ms  token {} of {contract}", begun.elapsed().as_millis(), token["tokenId"]);
            }
        }
    }
    println!("{seen} tokens in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

async fn send(
    frontend: &Frontend,
    wallet: &Wallet,
    query: &str,
    input: Value,
    steps: &mut Steps,
) -> anyhow::Result<(String, String)> {
    let mut answer = frontend.ask(&format!("{query} {PREPARED}"), json!({ "input": input })).await?;
    let prepared = hoped(answer["prepared"].take(), "PreparedTransaction")?;
    steps.note("prepared");
    let step = &prepared["steps"][0];
    let hash = wallet.send_prepared(&step["transaction"]).await?;
    steps.note("sent");
    let intent = prepared["intent"]["id"].as_str().context("the intent has no id")?.to_owned();
    let input = json!({ "intentId": intent, "stepId": step["id"], "txHash": hash });
    let mut answer = frontend.ask(TRACK, json!({ "input": input })).await?;
    hoped(answer["tracked"].take(), "TxIntent")?;
    steps.note("tracked");
    let address = prepared["intent"]["previewAddress"].as_str().unwrap_or_default().to_owned();
    Ok((intent, address))
}

/// What happened when, in milliseconds since the beginning.
pub(crate) struct Steps {
    begun: Instant,
    pub(crate) noted: Vec<(String, u128)>,
}

impl Steps {
    pub(crate) fn begin() -> Steps {
        Steps { begun: Instant::now(), noted: Vec::new() }
    }

    pub(crate) fn note(&mut self, what: &str) {
        self.noted.push((what.to_owned(), self.begun.elapsed().as_millis()));
    }
}
