//! A chain of one's own: anvil on a free port, killed when dropped.

use std::{
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolValue,
};
use serde_json::{Value, json};

use crate::{eventually, variable};

/// The private keys of anvil's first accounts. Everybody knows them.
pub const KEYS: [&str; 4] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
];

const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A running anvil with chain id 31337.
#[derive(Debug)]
pub struct Chain {
    /// For HTTP.
    pub url: String,
    /// For WebSocket.
    pub ws_url: String,
    child: Child,
    client: reqwest::Client,
}

/// Where the contracts are.
#[derive(Debug, Clone, Copy)]
pub struct Deployed {
    /// The factory.
    pub factory: Address,
    /// What its ERC-721 clones point to.
    pub erc721: Address,
    /// What its ERC-1155 clones point to.
    pub erc1155: Address,
    /// The block of the factory's creation.
    pub block: u64,
}

/// A chain that mines a block for each transaction.
pub async fn chain() -> Chain {
    chain_with(&[]).await
}

/// A chain with more arguments for anvil, as `["--block-time", "1"]`.
pub async fn chain_with(arguments: &[&str]) -> Chain {
    let binary = variable("VITRINE_TEST_ANVIL_BIN");
    let mut child = Command::new(&binary)
        .args(["--host", "127.0.0.1", "--port", "0", "--chain-id", "31337"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|err| panic!("VITRINE_TEST_ANVIL_BIN is {binary}: {err}"));
    let stdout = child.stdout.take().expect("the output is piped");
    let reading = tokio::task::spawn_blocking(move || address(stdout));
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .no_proxy()
        .build()
        .expect("a plain client");
    let mut chain = Chain { url: String::new(), ws_url: String::new(), child, client };
    let address = tokio::time::timeout(STARTS_WITHIN, reading).await.ok().and_then(Result::ok).flatten();
    let address =
        address.unwrap_or_else(|| panic!("anvil did not say where it listens within {STARTS_WITHIN:?}"));
    chain.url = format!("http://{address}");
    chain.ws_url = format!("ws://{address}");
    eventually(STARTS_WITHIN, "anvil answers", async || chain.try_rpc("eth_chainId", json!([])).await.ok())
        .await;
    chain
}

/// Reads on to the line `Listening on 127.0.0.1:41234`, and drains what comes after it for as long as anvil lives.
fn address(stdout: ChildStdout) -> Option<String> {
    use std::io::BufRead;
    let mut lines = std::io::BufReader::new(stdout).lines();
    let found = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| Some(line.strip_prefix("Listening on ")?.to_owned()));
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    found
}

impl Chain {
    /// A JSON-RPC call that must succeed.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        self.try_rpc(method, params).await.unwrap_or_else(|err| panic!("{method}: {err}"))
    }

    /// A JSON-RPC call that may be refused.
    pub async fn try_rpc(&self, method: &str, params: Value) -> Result<Value, String> {
        let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let response = self.client.post(&self.url).json(&ask).send().await.map_err(|err| err.to_string())?;
        let mut answer: Value = response.json().await.map_err(|err| err.to_string())?;
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Mines so many blocks now.
    pub async fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", json!([format!("{blocks:#x}")])).await;
    }

    /// The height of the head.
    pub async fn head(&self) -> u64 {
        number(&self.rpc("eth_blockNumber", json!([])).await)
    }

    /// Sends a transaction from anvil's first account and waits for its receipt, which must say success.
    pub async fn send(&self, mut transaction: Value) -> Value {
        let accounts = self.rpc("eth_accounts", json!([])).await;
        transaction["from"] = accounts[0].clone();
        let hash = self.rpc("eth_sendTransaction", json!([transaction])).await;
        let receipt = eventually(STARTS_WITHIN, "the transaction is mined", async || {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash])).await;
            (!receipt.is_null()).then_some(receipt)
        })
        .await;
        assert_eq!(receipt["status"], "0x1", "transaction {hash} failed");
        receipt
    }

    /// Deploys a contract and says where.
    pub async fn deploy(&self, code: Bytes) -> (Address, u64) {
        let receipt = self.send(json!({ "data": code, "gas": "0x1000000" })).await;
        let address = receipt["contractAddress"].as_str().and_then(|text| text.parse().ok());
        (address.expect("a creation has an address"), number(&receipt["blockNumber"]))
    }

    /// Deploys both kinds of collection and the factory that clones them.
    pub async fn deploy_factory(&self) -> Deployed {
        let code = |name| abi::artifact(name).unwrap_or_else(|| panic!("{name} is compiled in"));
        let (erc721, _) = self.deploy(code("VitrineERC721")).await;
        let (erc1155, _) = self.deploy(code("VitrineERC1155")).await;
        let arguments = (erc721, erc1155).abi_encode_params();
        let (factory, block) =
            self.deploy([code("VitrineFactory").as_ref(), &arguments].concat().into()).await;
        Deployed { factory, erc721, erc1155, block }
    }
}

fn number(hex: &Value) -> u64 {
    let digits =
        hex.as_str().and_then(|text| text.strip_prefix("0x")).expect("the node writes numbers as 0x");
    u64::from_str_radix(digits, 16).expect("the node writes hexadecimal")
}

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
