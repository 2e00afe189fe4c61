//! At the end: what was told against a clean scan, against the logs, against the contracts, and the documents against the
//! chain.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use abi::{
    launchpad::VitrineCollection,
    seaport::Seaport,
    standards::{Erc721, Erc1155, Pausable},
};
use alloy::primitives::{Address, B256, U256};
use futures::TryStreamExt;
use serde_json::json;

use super::{
    compare,
    truth::{self, State},
    world::World,
};
use crate::rig::{CHAIN, Stores};

/// More of one kind says nothing new.
const MOST_SHOWN: usize = 12;

/// Where anything differs from anything.
pub(crate) async fn divergences(world: &World, stores: &Stores) -> Vec<String> {
    let told = stores.told().await;
    let mut found = compare::told_badly(&told);
    let events = compare::events(&told);
    let net = compare::net(&events);

    let anew = world.rig.stores().await;
    let running = world.rig.start(&anew);
    anew.caught_up(&world.rig).await;
    world.backfilled(&anew).await;
    running.stop().await;
    let rebuilt = anew.told().await;
    found.extend(compare::told_badly(&rebuilt).into_iter().map(|bad| format!("clean scan: {bad}")));
    let rebuilt = compare::events(&rebuilt);
    let rebuilt = compare::net(&rebuilt);
    found.extend(compare::differences("clean scan", &compare::said(&net), &compare::said(&rebuilt)));

    let truth = truth::read(&truth::logs(&world.rig.chain).await, &world.followed);
    found.extend(compare::differences("logs", &compare::lines(&net), &truth.lines));
    assert!(truth.lines.len() > 10, "a story in which something happens");
    found.extend(contracts(world, &truth.state).await);
    found.extend(documents(world, stores, &truth.documents).await);
    let more = found.len().saturating_sub(MOST_SHOWN);
    found.truncate(MOST_SHOWN);
    found.extend((more > 0).then(|| format!("and {more} more")));
    found
}

/// What the contracts themselves say, where the lines above agree with the logs.
async fn contracts(world: &World, state: &State) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |what: String, said: Option<Vec<U256>>, wanted: Option<U256>| {
        let said = said.map(|words| words[0]);
        if said != wanted {
            found.push(format!("{what}: the contract says {said:?}, the events {wanted:?}"));
        }
    };
    let word = |address: &Address| U256::from_be_slice(address.into_word().as_slice());
    for ((of, id), owner) in &state.owners {
        let (said, allowed) = tokio::join!(
            world.view(*of, Erc721::ownerOfCall { tokenId: *id }),
            world.view(*of, Erc721::getApprovedCall { tokenId: *id })
        );
        expect(format!("owner of {of}/{id}"), said, Some(word(owner)));
        let approved = state.approved.get(&(*of, *id)).copied().unwrap_or_default();
        expect(format!("approved for {of}/{id}"), allowed, Some(word(&approved)));
    }
    for (of, id) in &state.burned {
        let said = world.view(*of, Erc721::ownerOfCall { tokenId: *id }).await;
        expect(format!("owner of burned {of}/{id}"), said, None);
    }
    for ((of, id, holder), amount) in &state.balances {
        let said = world.view(*of, Erc1155::balanceOfCall { account: *holder, id: *id }).await;
        expect(format!("balance of {holder} in {of}/{id}"), said, Some(*amount));
    }
    for ((of, owner, operator), is_approved) in &state.operators {
        let asked = Erc721::isApprovedForAllCall { owner: *owner, operator: *operator };
        expect(
            format!("{operator} for {owner} in {of}"),
            world.view(*of, asked).await,
            Some(U256::from(*is_approved)),
        );
    }
    for (of, holder) in &state.holders {
        expect(
            format!("owner of {of}"),
            world.view(*of, VitrineCollection::ownerCall {}).await,
            Some(word(holder)),
        );
    }
    for (of, is_paused) in &state.paused {
        expect(
            format!("{of} paused"),
            world.view(*of, Pausable::pausedCall {}).await,
            Some(U256::from(*is_paused)),
        );
    }
    let exchange = world.followed.exchange.unwrap();
    for (offerer, counter) in &state.counters {
        let said = world.view(exchange, Seaport::getCounterCall { offerer: *offerer }).await;
        expect(format!("counter of {offerer}"), said, Some(*counter));
    }
    for (hash, [_, is_cancelled, is_filled]) in &state.orders {
        let said = world.view(exchange, Seaport::getOrderStatusCall { orderHash: *hash }).await.unwrap();
        expect(format!("order {hash} cancelled"), Some(vec![said[1]]), Some(U256::from(*is_cancelled)));
        expect(format!("order {hash} filled"), Some(vec![said[2]]), Some(U256::from(*is_filled)));
    }
    found
}

/// Number, hash, whether it is canonical, the places of its logs, and the generation.
type Row = (i64, Vec<u8>, bool, Vec<i32>, i32);

/// Every log of the chain has its document, and a document says of its block what the chain says.
async fn documents(world: &World, stores: &Stores, wanted: &BTreeSet<String>) -> Vec<String> {
    let rows: Vec<Row> =
        sqlx::query_as("select number, hash, is_canonical, raw_logs, generation from blocks order by number")
            .fetch_all(&stores.db.pool)
            .await
            .unwrap();
    let mut found = Vec::new();
    let mut known: HashMap<String, (bool, i32)> = HashMap::new();
    for (number, hash, is_canonical, raw_logs, generation) in rows {
        let hash = B256::from_slice(&hash);
        let block = world.rig.chain.rpc("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await;
        if is_canonical != (block["hash"] == json!(hash)) {
            found.push(format!(
                "block {number} {hash}: canonical is {is_canonical}, the node has {}",
                block["hash"]
            ));
        }
        let mut places = raw_logs.clone();
        places.sort_unstable();
        places.dedup();
        if places.len() != raw_logs.len() {
            found.push(format!("block {number} {hash}: raw_logs {raw_logs:?} repeats itself"));
        }
        for place in raw_logs {
            known.insert(format!("{CHAIN}/{hash}/{place}"), (is_canonical, generation));
        }
    }
    let raw = stores.mongo.database(&stores.mongo_database).collection::<bson::Document>("raw");
    let documents: Vec<bson::Document> = raw.find(bson::doc! {}).await.unwrap().try_collect().await.unwrap();
    let mut there: BTreeMap<String, (bool, i32)> = BTreeMap::new();
    for document in documents {
        let id = document.get_str("_id").unwrap().to_owned();
        let says = (document.get_bool("canonical").unwrap(), document.get_i32("generation").unwrap());
        there.insert(id, says);
    }
    for (id, wanted) in &known {
        match there.get(id) {
            Some(says) if says == wanted => {}
            says => found.push(format!("document {id}: is {says:?}, its block {wanted:?}")),
        }
    }
    for id in wanted {
        if there.get(id).is_none_or(|(is_canonical, _)| !is_canonical) {
            found.push(format!("document {id} of a log of the chain: {:?}", there.get(id)));
        }
    }
    found
}

/// Documents that call themselves canonical though their block is not: written before a death, by nobody taken back.
pub(crate) async fn orphans(world: &World, stores: &Stores) -> usize {
    let logs = truth::logs(&world.rig.chain).await;
    let standing: BTreeSet<String> =
        logs.iter().map(|log| format!("{CHAIN}/{}/{}", log.block, log.index)).collect();
    let raw = stores.mongo.database(&stores.mongo_database).collection::<bson::Document>("raw");
    let said: Vec<bson::Document> =
        raw.find(bson::doc! { "canonical": true }).await.unwrap().try_collect().await.unwrap();
    said.iter().filter(|document| !standing.contains(document.get_str("_id").unwrap())).count()
}
