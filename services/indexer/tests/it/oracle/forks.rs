//! Branches: blocks are taken back, and what was in them comes again, elsewhere, in another order, or never.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{rng::Rng, world::World};

/// A transaction as it was in a block that goes.
struct Was {
    sender: String,
    raw: Value,
    offset: u64,
}

impl World {
    async fn transactions(&self, depth: u64) -> Vec<Was> {
        let head = self.rig.chain.head().await;
        let mut found = Vec::new();
        for offset in 0..depth {
            let number = format!("{:#x}", head - depth + 1 + offset);
            let block = self.rig.chain.rpc("eth_getBlockByNumber", json!([number, true])).await;
            for tx in block["transactions"].as_array().unwrap() {
                let raw = self.rig.chain.rpc("eth_getRawTransactionByHash", json!([tx["hash"]])).await;
                found.push(Was { sender: tx["from"].as_str().unwrap().to_owned(), raw, offset });
            }
        }
        found
    }

    /// As many blocks anew: of a sender's transactions the first ones come again, some later than they were.
    pub(crate) async fn reorganise(&mut self, rng: &mut Rng, depth: u64) {
        let (mut earliest, mut dropped) = (BTreeMap::<String, u64>::new(), BTreeSet::new());
        let mut again = Vec::new();
        for was in self.transactions(depth).await {
            if rng.chance(15) || dropped.contains(&was.sender) {
                dropped.insert(was.sender);
                continue;
            }
            let least = earliest.get(&was.sender).copied().unwrap_or(0).max(was.offset);
            let offset = if rng.chance(25) { least + rng.below(3) } else { least }.min(depth - 1);
            earliest.insert(was.sender, offset);
            again.push(json!([was.raw, offset]));
        }
        self.replace(depth, again).await;
    }

    /// The newest block anew, with its transactions in another order; each sender's stay in theirs.
    pub(crate) async fn reorder(&mut self, rng: &mut Rng) {
        let was = self.transactions(1).await;
        let mut senders: Vec<String> = was.iter().map(|was| was.sender.clone()).collect();
        senders.sort();
        senders.dedup();
        rng.shuffle(&mut senders);
        let ordered = senders.iter().flat_map(|sender| was.iter().filter(move |was| was.sender == *sender));
        let again = ordered.map(|was| json!([was.raw, 0])).collect();
        self.replace(1, again).await;
    }

    /// Takes back blocks and puts as many in their place.
    pub(crate) async fn replace(&mut self, depth: u64, transactions: Vec<Value>) {
        // A block that came back by loading has no state of its own to branch from; one block further up there is one.
        let mut refused = 0;
        while let Err(why) = self.rig.chain.try_rpc("anvil_reorg", json!([depth, transactions])).await {
            refused += 1;
            assert!(refused < 10, "no reorganisation of depth {depth}: {why}");
            self.rig.chain.mine(1).await;
        }
        self.forget_pool().await;
    }

    /// Blocks are gone before others take their place.
    pub(crate) async fn shorten(&mut self, depth: u64) {
        let mut refused = 0;
        while let Err(why) = self.rig.chain.try_rpc("anvil_rollback", json!([depth])).await {
            refused += 1;
            assert!(refused < 10, "no rollback of {depth}: {why}");
            self.rig.chain.mine(1).await;
        }
        self.forget_pool().await;
    }

    pub(crate) async fn keep(&self) -> Value {
        self.rig.chain.rpc("anvil_dumpState", json!([])).await
    }

    /// The very same blocks again, which left the others after the block `fork`.
    pub(crate) async fn bring_back(&self, kept: &Value, fork: u64) {
        // The node forgets no branch by loading another one, keeps both the next time, and may then name a block of the
        // wrong one at a height.
        let others = self.rig.chain.head().await.saturating_sub(fork);
        let _ = self.rig.chain.try_rpc("anvil_rollback", json!([others])).await;
        self.rig.chain.rpc("anvil_loadState", json!([kept])).await;
        self.assert_linked().await;
        self.forget_pool().await;
    }

    /// Nobody can tell of a node whose own blocks do not build on one another.
    async fn assert_linked(&self) {
        let mut last: Option<Value> = None;
        for number in self.base..=self.rig.chain.head().await {
            let asked = json!([format!("{number:#x}"), false]);
            let block = self.rig.chain.rpc("eth_getBlockByNumber", asked).await;
            let is_linked = last.is_none_or(|last| last["hash"] == block["parentHash"]);
            assert!(
                is_linked,
                "the node itself shows a block at {number} that does not build on the one before"
            );
            last = Some(block);
        }
    }

    async fn forget_pool(&self) {
        self.rig.chain.rpc("anvil_dropAllTransactions", json!([])).await;
    }
}
