//! What the indexer tells of a chain that only grows.

use abi::{
    launchpad::{PlainERC721, VitrineCollection},
    seaport::Seaport,
    standards::{Erc1155, Erc2309, PermanentUri},
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolCall, SolConstructor, SolEvent},
};
use serde_json::{Value, json};
use testkit::eventually;

use crate::rig::{self, Rig, SOON};

fn of_type<'a>(told: &'a [Value], kind: &str) -> Vec<&'a Value> {
    told.iter().filter(|message| message["type"] == format!("vitrine.{kind}.v1")).collect()
}

fn lower(address: Address) -> String {
    format!("{address:#x}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mint_is_told_once_and_reaches_the_broker() {
    let rig = Rig::new().await;
    let (stores, broker) = (rig.stores().await, testkit::vhost_of("indexer").await);
    let running = rig.start_with(&stores, &broker.url);
    let single = rig.create(false, "Single").await;
    let multi = rig.create(true, "Multi").await;
    let receipt = rig.mint(single, 3).await;
    rig.mint_multi(multi, &[7, 8], &[2, 5]).await;
    stores.caught_up(&rig).await;

    let told = stores.told().await;
    rig::assert_told_once(&told);
    let created = of_type(&told, "collections.created");
    assert_eq!(created.len(), 2);
    let event = &created[0]["data"]["events"][0];
    assert_eq!(event["contract"], lower(single));
    assert_eq!(event["standard"], "ERC721");
    assert_eq!(event["factory"], lower(rig.deployed.factory));
    assert_eq!((&event["name"], &event["symbol"]), (&json!("Single"), &json!("SYM")));
    assert_eq!((&event["maxSupply"], &event["royaltyBps"]), (&json!("1000"), &json!(500)));
    assert_eq!(event["contractUri"], "ipfs://contract");
    assert_eq!(event["owner"], event["creator"]);

    let minted = of_type(&told, "mints.minted");
    assert_eq!(minted.len(), 2, "one message a block");
    let block = &minted[0]["data"];
    assert_eq!(block["block"]["hash"], receipt["blockHash"]);
    let ids: Vec<&Value> =
        block["events"].as_array().unwrap().iter().map(|event| &event["tokenId"]).collect();
    assert_eq!(ids, [&json!("1"), &json!("2"), &json!("3")]);
    let first = &block["events"][0];
    assert_eq!(first["txHash"], receipt["transactionHash"]);
    assert_eq!(first["txFrom"], receipt["from"]);
    assert_eq!(first["to"], lower(rig::HOLDER));
    let batch = minted[1]["data"]["events"].as_array().unwrap();
    assert_eq!(
        (&batch[1]["tokenId"], &batch[1]["quantity"], &batch[1]["batchIndex"]),
        (&json!("8"), &json!("5"), &json!(1))
    );

    // The collection's own events of its first transaction are there too, though it was unknown before.
    let granted = of_type(&told, "collections.updated")
        .into_iter()
        .flat_map(|message| message["data"]["events"].as_array().unwrap().clone());
    let owned = granted
        .filter(|event| event["change"] == "ownershipTransferred" && event["contract"] == lower(single));
    assert_eq!(owned.count(), 1);

    eventually(SOON, "the broker has confirmed every message", async || {
        (stores.count("select count(*) from outbox where sent_at is null").await == 0).then_some(())
    })
    .await;
    let raw_id = format!("{}/{}/{}", rig::CHAIN, receipt["blockHash"].as_str().unwrap(), 0);
    let raw = stores.raw(&raw_id).await.expect("the log is kept");
    assert_eq!(raw.get_str("event_type").unwrap(), "Transfer");
    assert!(raw.get_bool("canonical").unwrap());
    running.stop().await;
    rig::assert_equals_rebuild(&rig, &stores).await;
}

/// Logs whatever three topics it is called with, and nothing else.
fn emitter() -> Bytes {
    let creation = "600f600c600039600f6000f3";
    // Topics from the calldata, last first; then size and offset of no data; LOG3.
    let runtime = "60403560203560003560006000a300";
    alloy::primitives::hex::decode(format!("{creation}{runtime}")).unwrap().into()
}

fn emit(topics: [B256; 3]) -> Vec<u8> {
    topics.iter().flat_map(|topic| topic.to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_of_the_predecessor_is_read_and_followed_from_its_first_log_on() {
    let rig = Rig::new().await;
    let (old_factory, block) = rig.chain.deploy(emitter()).await;
    let arguments =
        PlainERC721::constructorCall { name_: "Plain".into(), symbol_: "PLN".into() }.abi_encode();
    let code = [abi::artifact("PlainERC721").unwrap().to_vec(), arguments].concat();
    let (plain, _) = rig.chain.deploy(code.into()).await;
    rig.register(&[("factory", old_factory, block)], 64);

    // In one block: a mint, and only then the factory's word that there is such a collection.
    let from = rig.chain.rpc("eth_accounts", json!([])).await[0].clone();
    let creator: Address = from.as_str().unwrap().parse().unwrap();
    rig.chain.rpc("evm_setAutomine", json!([false])).await;
    let mint = Bytes::from(PlainERC721::mintCall { to: rig::HOLDER }.abi_encode());
    let topics = [abi::topics::ERC721_COLLECTION_CREATED, plain.into_word(), creator.into_word()];
    for (to, data) in [(plain, mint), (old_factory, emit(topics).into())] {
        let transaction = json!({ "from": from, "to": to, "data": data, "gas": "0x50000" });
        rig.chain.rpc("eth_sendTransaction", json!([transaction])).await;
    }
    rig.chain.mine(1).await;
    rig.chain.rpc("evm_setAutomine", json!([true])).await;

    let stores = rig.stores().await;
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    running.stop().await;
    let told = stores.told().await;
    let created = &of_type(&told, "collections.created")[0]["data"]["events"][0];
    assert_eq!((&created["name"], &created["symbol"]), (&json!("Plain"), &json!("PLN")));
    assert_eq!((&created["contract"], &created["creator"]), (&json!(lower(plain)), &json!(lower(creator))));
    assert_eq!(created["owner"], lower(creator), "who asked for it, where the contract names no owner");
    assert_eq!(of_type(&told, "mints.minted")[0]["data"]["events"][0]["tokenId"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_nobody_understands_are_kept_and_stop_nothing() {
    let rig = Rig::new().await;
    let (odd, block) = rig.chain.deploy(emitter()).await;
    rig.register(&[("factory", rig.deployed.factory, rig.deployed.block), ("ERC1155", odd, block)], 64);
    let unknown = rig.send(odd, emit([B256::repeat_byte(1); 3])).await;
    // A role of two topics is none.
    let malformed = rig.send(odd, emit([abi::topics::ROLE_GRANTED, B256::ZERO, B256::ZERO])).await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "After").await;
    rig.mint(collection, 1).await;
    stores.caught_up(&rig).await;
    running.stop().await;

    for (receipt, name) in [(unknown, ""), (malformed, "RoleGranted")] {
        let id = format!("{}/{}/0", rig::CHAIN, receipt["blockHash"].as_str().unwrap());
        let raw = stores.raw(&id).await.expect("the log is kept");
        assert_eq!(raw.get_str("event_type").unwrap(), name);
        // Facts are kept only where the contract was asked for them.
        assert!(!raw.get_document("event_data").unwrap().contains_key("facts"));
    }
    let told = stores.told().await;
    assert_eq!(of_type(&told, "mints.minted").len(), 1);
    let odd = lower(odd);
    assert!(rig::events(&told).iter().all(|(_, event)| event.fact["contract"] != odd));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_past_is_read_in_ranges_and_a_contract_uri_as_it_is_now() {
    let rig = Rig::new().await;
    let collection = rig.create(false, "Past").await;
    for _ in 0..4 {
        rig.mint(collection, 2).await;
        rig.chain.mine(150).await;
    }
    let changed = VitrineCollection::setContractURICall { newURI: "ipfs://new".into() };
    rig.send(collection, changed.abi_encode()).await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    running.stop().await;
    let told = stores.told().await;
    rig::assert_told_once(&told);
    assert_eq!(
        rig::events(&told).iter().filter(|(_, event)| event.kind == "vitrine.mints.minted.v1").count(),
        8
    );
    let uris: Vec<Value> = rig::events(&told)
        .into_iter()
        .filter(|(_, event)| event.fact["change"] == "contractUriUpdated")
        .map(|(_, event)| event.fact["uri"].clone())
        .collect();
    assert_eq!(uris, [json!("ipfs://new")]);
    // The window is swept: what cannot be taken back any more is not kept for it.
    assert!(stores.count("select count(*) from blocks").await < 300);
    assert!(stores.count("select count(*) from block_batches").await < 8);
}

/// Logs with so many topics, which come first in the calldata, last first; whatever follows them is the data.
fn emitter_of(topics: u8) -> Bytes {
    let head = topics * 32;
    // The data is what is behind the topics.
    let mut runtime = vec![0x60, head, 0x36, 0x03, 0x80, 0x60, head, 0x60, 0x00, 0x37];
    for place in (0..topics).rev() {
        runtime.extend([0x60, place * 32, 0x35, 0x90]);
    }
    runtime.extend([0x60, 0x00, 0xa0 + topics, 0x00]);
    let length = u8::try_from(runtime.len()).unwrap();
    [&[0x60, length, 0x60, 0x0c, 0x60, 0x00, 0x39, 0x60, length, 0x60, 0x00, 0xf3][..], &runtime]
        .concat()
        .into()
}

fn logged(event: impl SolEvent) -> Vec<u8> {
    let log = event.encode_log_data();
    let topics: Vec<u8> = log.topics().iter().flat_map(|topic| topic.to_vec()).collect();
    [topics, log.data.to_vec()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_frozen_metadata_and_orders_are_told_and_a_hostile_batch_is_only_kept() {
    let rig = Rig::new().await;
    let (four, block) = rig.chain.deploy(emitter_of(4)).await;
    let (two, _) = rig.chain.deploy(emitter_of(2)).await;
    let (multi, _) = rig.chain.deploy(emitter_of(4)).await;
    let (three, _) = rig.chain.deploy(emitter_of(3)).await;
    let factory = ("factory", rig.deployed.factory, rig.deployed.block);
    let named = [factory, ("ERC721", four, block), ("ERC721", two, block), ("ERC1155", multi, block)];
    rig.register(&[&named[..], &[("exchange", three, block)]].concat(), 64);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;

    let (first, last) = (U256::from(1), U256::from(u64::MAX));
    let range = Erc2309::ConsecutiveTransfer {
        fromTokenId: first,
        toTokenId: last,
        fromAddress: Address::ZERO,
        toAddress: rig::HOLDER,
    };
    rig.send(four, logged(range)).await;
    let frozen = PermanentUri::PermanentURI { _value: "ipfs://for-good".into(), _id: U256::from(3) };
    rig.send(two, logged(frozen)).await;
    let uneven = Erc1155::TransferBatch {
        operator: rig::HOLDER,
        from: Address::ZERO,
        to: rig::HOLDER,
        ids: vec![first; 3],
        values: vec![first; 2],
    };
    let hostile = rig.send(multi, logged(uneven)).await;
    let cancelled = Seaport::OrderCancelled {
        orderHash: B256::repeat_byte(9),
        offerer: rig::HOLDER,
        zone: Address::ZERO,
    };
    rig.send(three, logged(cancelled)).await;
    stores.caught_up(&rig).await;
    running.stop().await;

    let told = stores.told().await;
    let minted = &of_type(&told, "mints.minted")[0]["data"]["events"];
    assert_eq!(minted.as_array().unwrap().len(), 1, "a range is one event");
    assert_eq!((&minted[0]["tokenId"], &minted[0]["lastTokenId"]), (&json!("1"), &json!(last.to_string())));
    assert_eq!(minted[0]["quantity"], "1");
    let metadata = &of_type(&told, "mints.metadata")[0]["data"]["events"][0];
    assert_eq!((&metadata["change"], &metadata["uri"]), (&json!("frozen"), &json!("ipfs://for-good")));
    let order = &of_type(&told, "orders.cancelled")[0]["data"]["events"][0];
    assert_eq!((&order["contract"], &order["offerer"]), (&json!(lower(three)), &json!(lower(rig::HOLDER))));
    assert!(rig::events(&told).iter().all(|(_, event)| event.fact["contract"] != lower(multi)));
    let id = format!("{}/{}/0", rig::CHAIN, hostile["blockHash"].as_str().unwrap());
    assert_eq!(stores.raw(&id).await.unwrap().get_str("event_type").unwrap(), "TransferBatch");
}
