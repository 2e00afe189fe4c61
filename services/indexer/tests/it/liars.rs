//! A node that lies in every way there is, beside one that does not: what is told is what the chain says.

use std::time::Duration;

use testkit::{Liar, Lie};

use crate::rig::{self, Rig};

const LIES: [Lie; 14] = [
    Lie::MissingLogs,
    Lie::WrongHash,
    Lie::WrongBlock,
    Lie::DuplicatedLogs,
    Lie::OtherChain,
    Lie::StaleHead(30),
    Lie::FutureHead(500),
    Lie::TooMany(1),
    Lie::Limited,
    Lie::HalfOpen,
    Lie::Garbage,
    Lie::ServerError,
    Lie::NullReceipts,
    Lie::Slow(Duration::from_millis(300)),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_node_lies_about_each_event_is_told_once_and_as_the_chain_has_it() {
    let rig = Rig::new().await;
    let (liar, honest) = (Liar::before(&rig.chain.url).await, Liar::before(&rig.chain.url).await);
    rig.endpoints(&liar.url, &honest.url);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Doubtful").await;
    stores.caught_up(&rig).await;
    for lie in LIES {
        liar.set(lie);
        rig.mint(collection, 2).await;
        stores.caught_up(&rig).await;
        liar.set(Lie::Honest);
        rig.mint(collection, 1).await;
        stores.caught_up(&rig).await;
    }
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}
