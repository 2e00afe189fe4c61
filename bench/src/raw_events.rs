//! What a raw event costs in the document store: the server's CPU time a document, by the size of a batch and by what a
//! document holds. In the stand-in for MongoDB it is fields that cost, more than bytes.

use std::time::{Duration, Instant};

use alloy::primitives::hex;
use anyhow::Context;
use bson::{Binary, Document, doc, spec::BinarySubtype};
use mongodb::{Client, IndexModel};

use crate::{cpu, ours::DOCUMENTS, table::Table, variable::variable};

const PER_BLOCK: usize = 50;
const BATCHES: [usize; 4] = [100, 500, 1_000, 5_000];
const USUAL_BATCH: usize = 1_000;

/// How much to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// Documents of each kind
    #[arg(long, default_value_t = 20_000)]
    documents: usize,
}

/// One way to keep a log.
type Shape = fn(usize) -> Document;

pub(crate) async fn raw_events(wish: &Wish) -> anyhow::Result<()> {
    let client = Client::with_uri_str(variable("VITRINE_MONGO_URL")?).await?;
    let mut table = Table::default();
    for batch in BATCHES {
        one(&client, wish, &mut table, "nested fields and facts", nested, batch).await?;
    }
    for (name, shape) in
        [("nested fields, no facts", plain as Shape), ("what is asked for, the rest in one value", packed)]
    {
        one(&client, wish, &mut table, name, shape, USUAL_BATCH).await?;
    }
    print!("{table}");
    Ok(())
}

async fn one(
    client: &Client,
    wish: &Wish,
    table: &mut Table,
    name: &str,
    shape: Shape,
    batch: usize,
) -> anyhow::Result<()> {
    let events = client.database("bench").collection::<Document>("raw");
    events.drop().await?;
    events.create_index(IndexModel::builder().keys(doc! { "chainId": 1, "txHash": 1 }).build()).await?;
    let documents: Vec<Document> = (0..wish.documents).map(shape).collect();
    let bytes = bson::serialize_to_vec(documents.first().context("at least one document")?)?.len();
    let used = || -> anyhow::Result<Duration> {
        cpu::now()?.get(DOCUMENTS).copied().context("the document store is not ours to look at")
    };
    let (before, began) = (used()?, Instant::now());
    for some in documents.chunks(batch) {
        events.insert_many(some).ordered(false).await?;
    }
    let each = (used()? - before).as_secs_f64() * 1e6 / documents.len() as f64;
    table.row(
        format!("{name}: {bytes} bytes, {batch} at once"),
        format!("{each:.0} us CPU, {:.1} s", began.elapsed().as_secs_f64()),
    );
    events.drop().await?;
    Ok(())
}

fn word(seed: usize, salt: u8) -> String {
    hex::encode_prefixed(alloy::primitives::keccak256([&seed.to_be_bytes()[..], &[salt]].concat()))
}

fn frame(number: usize) -> Document {
    let block = number / PER_BLOCK;
    let (hash, log_index) = (word(block, 0), (number % PER_BLOCK) as i32);
    doc! {
        "_id": format!("eip155:31337/{hash}/{log_index}"), "chainId": "eip155:31337", "blockHash": hash,
        "logIndex": log_index, "txHash": word(number / 10, 1), "block_number": block as i64,
        "event_type": "Transfer", "canonical": true, "generation": 1,
    }
}

/// Everything a field of its own, and what was decoded beside it.
fn nested(number: usize) -> Document {
    let mut document = plain(number);
    let fact = doc! {
        "batchIndex": 0, "kind": "transferred", "from": &word(number, 2)[..42], "to": &word(number, 3)[..42],
        "tokenId": number.to_string(), "amount": "1",
    };
    if let Ok(data) = document.get_document_mut("event_data") {
        data.insert("facts", vec![fact]);
    }
    document
}

fn plain(number: usize) -> Document {
    let mut document = frame(number);
    let topics: Vec<String> = (4..8).map(|salt| word(number, salt)).collect();
    let data = Binary { subtype: BinarySubtype::Generic, bytes: Vec::new() };
    document.insert("block_time", bson::DateTime::from_millis(1_763_000_000_000));
    document.insert("contract", &word(0, 9)[..42]);
    document.insert("event_data", doc! { "topics": topics, "data": data });
    document
}

/// Contract, sender, time, topics and data as one value.
fn packed(number: usize) -> Document {
    let mut document = frame(number);
    let bytes = (4..10).flat_map(|salt| hex::decode(word(number, salt)).unwrap_or_default()).collect();
    document.insert("event_data", Binary { subtype: BinarySubtype::Generic, bytes });
    document
}
