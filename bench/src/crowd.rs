//! The chain that both sides read: a collection with ten thousand tokens that are moved about, on a node that mines when it
//! is told to and so stands still while it is read.

use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::{Address, Bytes, U256, hex},
    sol,
    sol_types::SolCall,
};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use xtask::{cache::ANVIL, fleet::Fleet, ports::Port};

sol! {
    function stir(uint256 seed, uint256 transfers) external;
    function totalMinted() external view returns (uint256);
    function ownersFrom(uint256 first, uint256 count) external view returns (address[] memory owners);
}

const ARTIFACT: &str = include_str!("../contracts/Crowd.json");
pub(crate) const CHAIN: u64 = 31_337;
/// The chain is two days old, so that nobody takes its blocks for news.
const AGE: Duration = Duration::from_secs(2 * 24 * 3600);
const BLOCK_SECS: u64 = 12;
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// Enough for ten transfers to accounts that had nothing.
const GAS: u64 = 1_500_000;
const OWNERS_AT_ONCE: u64 = 1_000;

/// Who owns which token.
pub(crate) type Owners = BTreeMap<u64, Address>;

/// How much happens in a block.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Shape {
    /// Blocks of the first half; the second half has as many
    #[arg(long, default_value_t = 2_000)]
    pub(crate) blocks: u64,
    /// Transactions of a block
    #[arg(long, default_value_t = 5)]
    pub(crate) transactions: u64,
    /// Transfers of a transaction, the first of which is a mint
    #[arg(long, default_value_t = 10)]
    pub(crate) transfers: u64,
}

impl Shape {
    pub(crate) fn events(&self) -> u64 {
        self.blocks * self.transactions * self.transfers
    }
}

/// A running node with the collection.
pub(crate) struct Crowd {
    http: reqwest::Client,
    pub(crate) url: String,
    sender: Value,
    pub(crate) collection: Address,
    /// The block that made it.
    pub(crate) created: u64,
    /// Transactions so far, one of which made the collection.
    nonce: u64,
}

#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytes,
}

impl Crowd {
    /// Starts the node in place of the fleet's own and deploys the collection.
    pub(crate) async fn start(fleet: &Fleet) -> anyhow::Result<Crowd> {
        fleet.stop("anvil")?;
        let port = fleet.ports().of(Port::Anvil);
        let folder = fleet.place().data.join("anvil-crowd");
        std::fs::create_dir_all(&folder)?;
        let began = (SystemTime::now() - AGE).duration_since(UNIX_EPOCH)?.as_secs();
        let mut node = Command::new(ANVIL.path()?);
        node.current_dir(&folder).env("HOME", &folder);
        node.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--chain-id", &CHAIN.to_string()]);
        node.args(["--no-mining", "--quiet", "--gas-limit", "100000000", "--balance", "1000000"]);
        // Logs and receipts stay; states of the past, which nobody asks for, would take gigabytes.
        node.args(["--prune-history", "--timestamp", &began.to_string()]);
        fleet.room().spawn("anvil", node)?;

        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy().build()?;
        let url = format!("http://127.0.0.1:{port}");
        let mut crowd =
            Crowd { http, url, sender: Value::Null, collection: Address::ZERO, created: 0, nonce: 0 };
        crowd.answers().await?;
        crowd.sender = crowd.ask("eth_accounts", json!([])).await?[0].take();
        crowd.ask("anvil_setBlockTimestampInterval", json!([BLOCK_SECS])).await?;
        let artifact: Artifact = serde_json::from_str(ARTIFACT)?;
        let deploy = json!([{ "from": crowd.sender, "data": artifact.bytecode, "gas": "0x989680" }]);
        let hash = crowd.ask("eth_sendTransaction", deploy).await?;
        crowd.nonce += 1;
        crowd.mine().await?;
        let receipt = crowd.ask("eth_getTransactionReceipt", json!([hash])).await?;
        crowd.collection = serde_json::from_value(receipt["contractAddress"].clone())
            .context("the collection could not be deployed")?;
        crowd.created = crowd.head().await?;
        Ok(crowd)
    }

    async fn answers(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.ask("eth_chainId", json!([])).await.is_err() {
            ensure!(began.elapsed() < STARTS_WITHIN, "anvil does not answer at {}", self.url);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Adds blocks full of transfers.
    pub(crate) async fn extend(&mut self, shape: Shape) -> anyhow::Result<()> {
        for _ in 0..shape.blocks {
            self.stir(shape.transactions, shape.transfers).await?;
            self.mine().await?;
        }
        // A transaction that failed would be a hole in the count.
        let made = self.ask_of_collection(totalMintedCall {}).await?;
        ensure!(made == U256::from(self.nonce - 1), "{made} tokens after {} transactions", self.nonce - 1);
        Ok(())
    }

    /// Sends transactions for the next block.
    pub(crate) async fn stir(&mut self, transactions: u64, transfers: u64) -> anyhow::Result<()> {
        let calls = (self.nonce..self.nonce + transactions).map(|nonce| {
            let call = stirCall { seed: U256::from(nonce), transfers: U256::from(transfers - 1) };
            let transaction = json!({
                "from": self.sender, "to": self.collection, "nonce": format!("{nonce:#x}"),
                "gas": format!("{GAS:#x}"), "data": hex::encode_prefixed(call.abi_encode()),
            });
            json!({ "jsonrpc": "2.0", "id": nonce, "method": "eth_sendTransaction", "params": [transaction] })
        });
        let calls: Vec<Value> = calls.collect();
        let answers: Vec<Value> = self.http.post(&self.url).json(&calls).send().await?.json().await?;
        if let Some(refused) = answers.iter().find(|answer| answer.get("error").is_some()) {
            bail!("a transaction was refused: {refused}");
        }
        self.nonce += transactions;
        Ok(())
    }

    /// Mines a block now.
    pub(crate) async fn mine(&self) -> anyhow::Result<()> {
        self.ask("evm_mine", json!([])).await.map(drop)
    }

    pub(crate) async fn head(&self) -> anyhow::Result<u64> {
        let answer = self.ask("eth_blockNumber", json!([])).await?;
        let number: U256 = serde_json::from_value(answer)?;
        Ok(u64::try_from(number)?)
    }

    /// Who owns each token, as the contract says.
    pub(crate) async fn owners(&self) -> anyhow::Result<Owners> {
        let minted = u64::try_from(self.ask_of_collection(totalMintedCall {}).await?)?;
        let mut owners = Owners::new();
        for first in (1..=minted).step_by(usize::try_from(OWNERS_AT_ONCE)?) {
            let count = OWNERS_AT_ONCE.min(minted + 1 - first);
            let call = ownersFromCall { first: U256::from(first), count: U256::from(count) };
            owners.extend((first..).zip(self.ask_of_collection(call).await?));
        }
        Ok(owners)
    }

    async fn ask_of_collection<C: SolCall>(&self, call: C) -> anyhow::Result<C::Return> {
        let ask = json!({ "to": self.collection, "data": hex::encode_prefixed(call.abi_encode()) });
        let answer: Bytes = serde_json::from_value(self.ask("eth_call", json!([ask, "latest"])).await?)?;
        Ok(C::abi_decode_returns(&answer)?)
    }

    async fn ask(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer: Value = self.http.post(&self.url).json(&call).send().await?.json().await?;
        match answer.get("error") {
            Some(error) => bail!("{method}: {error}"),
            None => Ok(answer["result"].take()),
        }
    }
}
