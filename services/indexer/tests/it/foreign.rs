//! Tokens and an exchange that other people wrote: what is told of them is what they say themselves when they are asked.

mod ask;
mod exchange;
mod multi;
mod single;
mod told;

use alloy::primitives::Address;

use crate::rig::{Rig, Running, Stores};

/// When the registry hears of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Before anything else happens to it.
    Early,
    /// When all has happened, while the indexer is at the head.
    Late,
}

/// A chain with foreign contracts, and an indexer that is told of them.
struct Stage {
    rig: Rig,
    stores: Stores,
    running: Option<Running>,
    contracts: Vec<(&'static str, Address, u64)>,
}

impl Stage {
    async fn new() -> Stage {
        let rig = Rig::new().await;
        let stores = rig.stores().await;
        let contracts = vec![("factory", rig.deployed.factory, rig.deployed.block)];
        Stage { rig, stores, running: None, contracts }
    }

    /// The registry hears of a contract that was made in that block.
    fn register(&mut self, standard: &'static str, (address, block): (Address, u64)) {
        self.contracts.push((standard, address, block));
        self.rig.register(&self.contracts, 64);
    }

    fn start(&mut self) {
        self.running = Some(self.rig.start(&self.stores));
    }

    /// Waits until everything is read, and gives what stands of what was told, in the order of the chain.
    async fn told(&mut self) -> Vec<told::Event> {
        self.stores.caught_up(&self.rig).await;
        let jobs = "select count(*) from jobs where state not in ('DONE', 'FAILED')";
        testkit::eventually(crate::rig::SOON, "what was heard of late is read", async || {
            let expected = self.contracts.len() as i64;
            let followed = self.stores.count("select count(*) from followed_contracts").await;
            (followed >= expected && self.stores.count(jobs).await == 0).then_some(())
        })
        .await;
        let failed = "select count(*) from jobs where state = 'FAILED'";
        assert_eq!(self.stores.count(failed).await, 0, "no work over old blocks failed");
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        let told = self.stores.told().await;
        crate::rig::assert_told_once(&told);
        told::standing(&told)
    }
}
