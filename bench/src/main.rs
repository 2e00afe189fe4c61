//! **bench** measures the fleet against named peers and limits; `cargo xtask bench <name>` builds everything in release,
//! brings a fleet up on ports of its own, runs this in its environment, and takes it down.

mod cpu;
mod crowd;
mod indexer;
mod latency;
mod login;
mod logins;
mod operator;
mod ours;
mod peer;
mod raw_events;
mod recovery;
mod rival;
mod table;
mod variable;

use clap::Parser;

/// What to measure.
#[derive(Debug, Parser)]
#[command(name = "bench")]
enum Line {
    /// Sign-ins end to end, and what of them is the recovery of the signature
    Logins(logins::Wish),
    /// Events from log to catalog row, beside Ponder on the same chain
    Indexer(indexer::Wish),
    /// From a block to the broker's confirmation of what it told, at the head
    Latency(latency::Wish),
    /// What a raw event costs in the document store
    RawEvents(raw_events::Wish),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Line::parse() {
        Line::Logins(wish) => logins::logins(&wish).await,
        Line::Indexer(wish) => indexer::indexer(&wish).await,
        Line::Latency(wish) => latency::latency(&wish).await,
        Line::RawEvents(wish) => raw_events::raw_events(&wish).await,
    }
}
