//! A node that lies in every way there is, beside one that does not: what is told is what the chain says.

use std::time::Duration;

use abi::launchpad::VitrineERC721;
use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use serde_json::json;
use testkit::{Liar, Lie, eventually};

use crate::rig::{self, HOLDER, Rig, SOON, Stores};

/// Every lie that an indexer can meet: it asks for no receipts where all logs are transactions'.
pub(crate) const LIES: &[Lie] = &[
    // What it says is not so.
    Lie::MissingLogs,
    Lie::MissingInRanges,
    Lie::TruncatesRanges,
    Lie::IndexHoles,
    Lie::InventsLogs,
    Lie::ForeignLogs,
    Lie::RemovedLogs,
    Lie::DuplicatedLogs,
    Lie::LogsBackwards,
    Lie::WrongHash,
    Lie::WrongBlock,
    Lie::WrongParent,
    Lie::OtherChain,
    Lie::StaleHead(30),
    // As far as nobody may be behind: a few blocks are no lie.
    Lie::Lags(30),
    Lie::FutureHead(500),
    Lie::Fabricates(5),
    // It does not say it.
    Lie::TooMany(1),
    Lie::Limited,
    Lie::TooWide,
    Lie::RangesOf(2),
    Lie::Slow(Duration::from_millis(300)),
    Lie::HalfOpen,
    Lie::Garbage,
    Lie::Drowns,
    Lie::ServerError,
    // It does not take questions in batches, or mixes them up.
    Lie::NoBatches,
    Lie::BatchesOf(2),
    Lie::PartOfBatches,
    Lie::ShuffledBatches,
    Lie::MixedBatches,
];

/// So little is taken back that a few dozen blocks are asked for in ranges.
const DEPTH: u32 = 2;
/// So often there is something to lie about, before the lie counts as never told.
const CHANCES: u64 = 10;

/// Each answer fits its question, and only what follows shows that it cannot be: that takes long.
const SHOWN_LATE: &[Lie] = &[Lie::Fabricates(5), Lie::WrongParent];

fn shown_at_once() -> (Vec<Lie>, Vec<Lie>) {
    let mut lies: Vec<Lie> = LIES.iter().filter(|lie| !SHOWN_LATE.contains(lie)).copied().collect();
    // Ranges that were refused are not asked for soon again, and much of the rest is said of ranges.
    lies.sort_by_key(|lie| (*lie == Lie::TooWide, matches!(lie, Lie::RangesOf(_))));
    let rest = lies.split_off(lies.len() / 2);
    (lies, rest)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_node_lies_about_each_event_is_told_once_and_as_the_chain_has_it() {
    told_in_spite_of(&shown_at_once().0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_node_does_not_say_or_mixes_up_each_event_is_told_once_and_as_the_chain_has_it() {
    told_in_spite_of(&shown_at_once().1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_that_fit_each_question_by_itself_hold_nothing_up_for_good() {
    told_in_spite_of(SHOWN_LATE).await;
}

async fn told_in_spite_of(lies: &[Lie]) {
    let rig = Rig::new().await;
    rig.register(&[("factory", rig.deployed.factory, rig.deployed.block)], DEPTH);
    let honest = Liar::before(&rig.chain.url).await;
    rig.endpoint(&honest.url);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Doubtful").await;
    stores.caught_up(&rig).await;
    let (mut minted, began) = (0, std::time::Instant::now());
    for lie in lies {
        // Who was found to lie is left alone for long: each lie is told by somebody who is trusted until then.
        let liar = Liar::before(&rig.chain.url).await;
        if *lie == Lie::OtherChain {
            // Which chain it is, an endpoint says before anything else, and then not again for a while.
            liar.set(*lie);
        }
        rig.endpoints(&liar.url, &honest.url);
        eventually(SOON, "the new endpoint is asked", async || (liar.asked() > 0).then_some(())).await;
        liar.set(*lie);
        minted += lied_to(&rig, &stores, &liar, collection).await;
        assert!(liar.lied() > 0, "{lie:?} was never told");
        liar.set(Lie::Honest);
        minted += burst(&rig, collection, 1).await;
        stores.caught_up(&rig).await;
        println!("{lie:?}: {} lies after {:?}", liar.lied(), began.elapsed());
    }
    running.stop().await;
    let told = stores.told().await;
    rig::assert_told_once(&told);
    let mints = rig::net(&told).into_values().filter(|(kind, _)| kind == "vitrine.mints.minted.v1").count();
    assert_eq!(mints as u64, minted);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

/// Makes what there is to lie about until it was lied about; says how much was minted.
async fn lied_to(rig: &Rig, stores: &Stores, liar: &Liar, collection: Address) -> u64 {
    let mut minted = 0;
    for _ in 0..CHANCES {
        minted += burst(rig, collection, 2).await;
        stores.caught_up(rig).await;
        if liar.lied() > 0 {
            break;
        }
    }
    minted
}

/// Blocks at one moment, which are more than may be taken back: two with mints, and many without.
async fn burst(rig: &Rig, collection: Address, quantity: u64) -> u64 {
    let from = rig.chain.rpc("eth_accounts", json!([])).await[0].clone();
    rig.chain.rpc("evm_setAutomine", json!([false])).await;
    for _ in 0..2 {
        let quantity = U256::from(quantity);
        let mint = VitrineERC721::mintCall { to: HOLDER, quantity, stageId: U256::ZERO, proof: vec![] };
        let data = Bytes::from(mint.abi_encode());
        let transaction = json!({ "from": from, "to": collection, "data": data, "gas": "0x100000" });
        rig.chain.rpc("eth_sendTransaction", json!([transaction])).await;
        rig.chain.mine(8).await;
    }
    rig.chain.rpc("evm_setAutomine", json!([true])).await;
    2 * quantity
}
