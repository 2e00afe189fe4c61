//! **bench** measures the fleet against named peers and limits; `cargo xtask bench <name>` builds everything in release,
//! brings a fleet up on ports of its own, runs this in its environment, and takes it down.

mod cpu;
mod login;
mod logins;
mod peer;
mod recovery;
mod table;

use clap::Parser;

/// What to measure.
#[derive(Debug, Parser)]
#[command(name = "bench")]
enum Line {
    /// Sign-ins end to end, and what of them is the recovery of the signature
    Logins(logins::Wish),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Line::parse() {
        Line::Logins(wish) => logins::logins(&wish).await,
    }
}
