//! The proof that a fleet works: each step of a mint, and the milliseconds until a socket told of it.

use std::time::Instant;

use anyhow::ensure;

use crate::{
    Fleet,
    frontend::Frontend,
    mint::{PATIENCE, Steps, create_collection, follow, mint, watch},
    sign_in::sign_in,
    socket::Socket,
    wallet::Wallet,
};

const QUANTITY: u32 = 3;

pub(crate) async fn proof(fleet: &Fleet) -> anyhow::Result<()> {
    let wallet = Wallet::demo(2, &fleet.node).await?;
    let begun = Instant::now();
    let frontend = sign_in(Frontend::new(&fleet.gateway)?, &wallet).await?;
    line("signed in", begun.elapsed().as_millis(), &format!("as {}", wallet.address()));

    let mut socket = Socket::open(&frontend).await?;
    let (contract, steps) = create_collection(&frontend, &mut socket, &wallet, "Proof", "PROOF").await?;
    for (what, millis) in &steps.noted {
        line(&format!("collection {what}"), *millis, "");
    }
    println!("  the collection is {contract}");

    let mut tokens = watch(&mut socket, &contract).await?;
    let mut steps = Steps::begin();
    let intent = mint(&frontend, &wallet, &contract, QUANTITY, &mut steps).await?;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < QUANTITY as usize {
        let news = tokens.next(PATIENCE).await?;
        let number = news["tokenUpserted"]["token"]["tokenId"].to_string();
        seen.insert(number.clone());
        steps.note(&format!("token {number} pushed over the socket"));
    }
    follow(&mut socket, &intent, &mut steps).await?;
    for (what, millis) in &steps.noted {
        line(&format!("mint {what}"), *millis, "");
    }
    ensure!(seen.len() == QUANTITY as usize, "{} tokens were delivered, {QUANTITY} were minted", seen.len());
    println!("proof: the fleet works");
    Ok(())
}

fn line(what: &str, millis: u128, more: &str) {
    println!("  {millis:>6} ms  {what} {more}");
}
