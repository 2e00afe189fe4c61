//! What the indexer answers when it is asked.

use proto::indexer::v1::{GetTransactionEventsRequest, ListCheckpointsRequest};
use serde_json::{Value, json};

use crate::rig::{self, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn the_door_tells_how_far_a_chain_is_read_and_what_a_transaction_logged() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Asked").await;
    let receipt = rig.mint(collection, 2).await;
    stores.caught_up(&rig).await;

    let mut client = running.client(&rig, "operator");
    let all =
        client.list_checkpoints(ListCheckpointsRequest::default()).await.unwrap().into_inner().checkpoints;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].chain_id, rig::CHAIN);
    assert!(all[0].live && !all[0].halted);
    let (indexed, head) = (all[0].indexed.clone().unwrap(), all[0].head.clone().unwrap());
    assert_eq!(
        (indexed.number, indexed.hash.as_str()),
        (rig.chain.head().await, receipt["blockHash"].as_str().unwrap())
    );
    assert_eq!(head.number, indexed.number);

    let tx_hash = receipt["transactionHash"].as_str().unwrap().to_owned();
    let asked = GetTransactionEventsRequest { chain_id: rig::CHAIN.into(), tx_hash: tx_hash.clone() };
    let events = client.get_transaction_events(asked.clone()).await.unwrap().into_inner().events;
    assert_eq!(events.len(), 2);
    assert!(
        events
            .iter()
            .all(|event| event.event_type == "Transfer" && event.canonical && event.tx_hash == tx_hash)
    );
    assert_eq!(events[1].contract, format!("{collection:#x}"));
    let data: Value = serde_json::from_str(&events[1].data_json).unwrap();
    assert_eq!(data["topics"].as_array().unwrap().len(), 4);
    assert_eq!(data["data"], "0x");
    assert_eq!((&data["facts"][0]["fact"], &data["facts"][0]["tokenId"]), (&json!("minted"), &json!("2")));

    rig.chain.rpc("anvil_reorg", json!([1, []])).await;
    stores.caught_up(&rig).await;
    let events = client.get_transaction_events(asked).await.unwrap().into_inner().events;
    assert!(events.len() == 2 && events.iter().all(|event| !event.canonical), "kept, and said to be gone");

    for (chain_id, tx_hash) in [("eip155:0", tx_hash.as_str()), (rig::CHAIN, "0x12"), ("", "")] {
        let asked = GetTransactionEventsRequest { chain_id: chain_id.into(), tx_hash: tx_hash.into() };
        let refused = client.get_transaction_events(asked).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused:?}");
    }
    let nowhere = ListCheckpointsRequest { chain_id: "eip155:1".into() };
    assert!(client.list_checkpoints(nowhere).await.unwrap().into_inner().checkpoints.is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_on_the_list_is_refused() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let mut client = running.client(&rig, "catalog");
    let refused = testkit::eventually(rig::SOON, "the door is open", async || {
        let status = client.list_checkpoints(ListCheckpointsRequest::default()).await.unwrap_err();
        (status.code() != tonic::Code::Unavailable).then_some(status)
    })
    .await;
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    running.stop().await;
}
