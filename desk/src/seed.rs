//! A collection to look at, so that a new fleet is not empty.

use serde_json::json;

use crate::{
    Fleet,
    frontend::Frontend,
    mint::{Steps, create_collection, follow, mint},
    sign_in::sign_in,
    socket::Socket,
    wallet::Wallet,
};

const NAME: &str = "Vitrine Genesis";
const FIND: &str = "query ($creator: Address!) {
  collections(first: 100, filter: { creator: $creator }) { nodes { name address } }
}";

pub(crate) async fn seed(fleet: &Fleet) -> anyhow::Result<()> {
    let wallet = Wallet::demo(0, &fleet.node).await?;
    let frontend = Frontend::new(&fleet.gateway)?;
    if let Some(address) = find(&frontend).await? {
        println!("seed: {NAME} {address} stands");
        return Ok(());
    }
    let frontend = sign_in(frontend, &wallet).await?;
    let mut socket = Socket::open(&frontend).await?;
    let (address, _) = create_collection(&frontend, &mut socket, &wallet, NAME, "GEN").await?;
    let mut steps = Steps::begin();
    let intent = mint(&frontend, &wallet, &address, 3, &mut steps).await?;
    follow(&mut socket, &intent, &mut steps).await?;
    println!("seed: {NAME} {address} with 3 tokens");
    Ok(())
}

/// The seeded collection's address, where there is one.
pub(crate) async fn find(frontend: &Frontend) -> anyhow::Result<Option<String>> {
    // The first of the local chain's keys, which everybody who develops on one knows by heart.
    let creator = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    let answer = frontend.ask(FIND, json!({ "creator": creator })).await?;
    let nodes = answer["collections"]["nodes"].as_array().cloned().unwrap_or_default();
    let seeded = nodes.iter().find(|node| node["name"] == NAME);
    Ok(seeded.and_then(|node| node["address"].as_str()).map(str::to_owned))
}
