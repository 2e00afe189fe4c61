//! The file that a registry starts with.

use proto::chainregistry::v1::GetChainRequest;

use crate::rig::{CHAIN, FACTORY, Rig, chain};

#[tokio::test]
async fn a_seed_adds_what_is_missing_and_undoes_nothing() {
    let folder = std::env::temp_dir().join(format!("vitrine-{}", ids::IntentId::new()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("chains.json");
    let seed = serde_json::json!({ "chains": [{
        "chain_id": CHAIN, "name": "Seeded", "native_symbol": "ETH", "confirmations": 1, "reorg_depth": 64,
        "endpoints": [{ "url": "http://127.0.0.1:8545" }],
        "contracts": [{ "name": "erc721_erc1155_factory", "address": FACTORY, "start_block": 3, "standard": "factory" }],
        "gas_policy": { "multiplier": "2" },
    }] });
    let redis = testkit::redis().await;
    let db = testkit::database(&chain_registry::MIGRATOR).await;
    let get = || GetChainRequest { chain_id: CHAIN.into() };

    // The file may come later than the first start.
    let rig = Rig::start_with(db, redis.clone(), Some(path.clone())).await;
    assert!(rig.client("operator").get_chain(get()).await.is_err());
    let db = rig.end().await;
    std::fs::write(&path, seed.to_string()).unwrap();

    let rig = Rig::start_with(db, redis.clone(), Some(path.clone())).await;
    let read = rig.client("operator").get_chain(get()).await.unwrap().into_inner().chain.unwrap();
    assert_eq!((read.name.as_str(), read.contracts.len(), read.version), ("Seeded", 1, 2));
    rig.client("operator").upsert_chain(chain(3)).await.unwrap();
    let db = rig.end().await;

    let rig = Rig::start_with(db, redis, Some(path)).await;
    let read = rig.client("operator").get_chain(get()).await.unwrap().into_inner().chain.unwrap();
    assert_eq!((read.name.as_str(), read.version), ("Anvil", 3), "what an operator changed stays");
    rig.end().await;
    std::fs::remove_dir_all(folder).unwrap();
}
