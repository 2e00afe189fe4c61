//! Each consumer, delivered twice, too early, and side by side.

use std::time::Duration;

use amounts::U256;
use events::{
    ChainBatch, ChainEvent, Envelope, Finality, Standard,
    collections::CollectionUpdated,
    mints::MetadataChanged,
    wallets::{ApprovalChanged, approval_changed},
};
use ids::Address;
use sqlx::PgPool;

use super::{
    fake::{
        What, address, at_the_head, block, chain, created, deliver, hash, messages, moved, moved_many,
        token_id, updated,
    },
    naive::{read, walk},
};

const C721: u64 = 0xc0;
const C1155: u64 = 0xc2;

async fn outbox(db: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from outbox").fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn every_message_delivered_twice_has_its_effect_once() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let (nfts, editions) = (address(C721), address(C1155));
    let blocks = [
        block(
            0,
            1,
            vec![
                created(nfts, Standard::Erc721, "Nfts", address(1)),
                created(editions, Standard::Erc1155, "Editions", address(1)),
            ],
        ),
        block(
            1,
            1,
            vec![
                updated(nfts, Standard::Erc721, CollectionUpdated::Paused),
                moved(nfts, 1, Address::ZERO, address(2)),
                moved_many(editions, 7, Address::ZERO, address(2), 10),
            ],
        ),
        block(
            2,
            1,
            vec![
                moved(nfts, 1, address(2), address(3)),
                moved_many(editions, 7, address(2), address(3), 4),
                moved_many(editions, 7, address(3), Address::ZERO, 1),
            ],
        ),
    ];
    for block in &blocks {
        deliver(&db.pool, &messages(chain(1), block, 0, false)).await;
    }
    let (world, told) = (read(&db.pool, chain(1)).await, outbox(&db.pool).await);
    assert_eq!(world, walk(&blocks));
    for block in &blocks {
        deliver(&db.pool, &messages(chain(1), block, 0, false)).await;
    }
    assert_eq!(read(&db.pool, chain(1)).await, world);
    assert_eq!(outbox(&db.pool).await, told, "a second delivery tells nothing");
    assert_eq!(catalog::audit(&db.pool).await.unwrap(), []);
}

#[tokio::test]
async fn a_mint_before_its_collection_waits_for_nothing_and_is_complete_afterwards() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let blocks = [
        block(0, 1, vec![created(address(C721), Standard::Erc721, "Late", address(1))]),
        block(1, 1, vec![moved(address(C721), 5, Address::ZERO, address(2))]),
    ];
    deliver(&db.pool, &messages(chain(1), &blocks[1], 0, false)).await;
    let status: String =
        sqlx::query_scalar("select status from collections").fetch_one(&db.pool).await.unwrap();
    assert_eq!(status, "HIDDEN");
    deliver(&db.pool, &messages(chain(1), &blocks[0], 0, false)).await;
    assert_eq!(read(&db.pool, chain(1)).await, walk(&blocks));
}

#[tokio::test]
async fn a_retraction_before_its_event_lets_nothing_stand_until_the_block_comes_again() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let minted = block(1, 1, vec![moved(address(C721), 5, Address::ZERO, address(2))]);
    deliver(&db.pool, &messages(chain(1), &minted, 0, true)).await;
    deliver(&db.pool, &messages(chain(1), &minted, 0, false)).await;
    assert!(read(&db.pool, chain(1)).await.tokens.is_empty());
    assert_eq!(outbox(&db.pool).await, 0, "what never stood is not told");

    deliver(&db.pool, &messages(chain(1), &minted, 1, false)).await;
    assert_eq!(read(&db.pool, chain(1)).await.tokens.len(), 1);
    deliver(&db.pool, &messages(chain(1), &minted, 0, true)).await;
    assert_eq!(read(&db.pool, chain(1)).await.tokens.len(), 1, "an old retraction is outranked");
    deliver(&db.pool, &messages(chain(1), &minted, 1, true)).await;
    assert!(read(&db.pool, chain(1)).await.tokens.is_empty());
    assert_eq!(catalog::audit(&db.pool).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_and_its_retraction_side_by_side_end_with_nothing() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    for round in 0..20 {
        let minted = block(
            round,
            1,
            vec![
                moved(address(C721), round, Address::ZERO, address(2)),
                moved_many(address(C1155), 1, Address::ZERO, address(2), 3),
            ],
        );
        let given = messages(chain(1), &minted, 0, false);
        let taken = messages(chain(1), &minted, 0, true);
        let (one, two) = (db.pool.clone(), db.pool.clone());
        let one = tokio::spawn(async move { deliver(&one, &given).await });
        let two = tokio::spawn(async move { deliver(&two, &taken).await });
        tokio::time::timeout(Duration::from_secs(20), async { (one.await.unwrap(), two.await.unwrap()) })
            .await
            .expect("nobody waits in a circle");
    }
    let world = read(&db.pool, chain(1)).await;
    assert!(world.tokens.is_empty() && world.balances.is_empty(), "{world:?}");
    assert_eq!(catalog::audit(&db.pool).await.unwrap(), []);
}

#[tokio::test]
async fn approvals_and_orders_are_kept_as_they_came() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let minted =
        messages(chain(1), &block(1, 1, vec![moved(address(C721), 5, Address::ZERO, address(2))]), 0, false);
    let batch: ChainBatch<events::mints::TokenMinted> = minted[0].open().unwrap();
    let approval = ChainBatch {
        chain_id: batch.chain_id,
        block: batch.block.clone(),
        generation: 0,
        removed: false,
        fork_block: None,
        events: vec![ChainEvent {
            id: "eip155:1/b/t/9/0".to_owned(),
            contract: address(C721),
            standard: None,
            tx_hash: hash(1),
            tx_from: address(2),
            log_index: 9,
            batch_index: 0,
            finality: Finality::Latest,
            fact: ApprovalChanged {
                owner: address(2),
                operator: address(3),
                token_id: None,
                is_approved: true,
            },
        }],
    };
    let approval = approval_changed(&approval, 0).envelope;
    let mut order = approval.clone();
    order.kind = "vitrine.orders.fulfilled.v1".to_owned();
    order.data["events"][0]["logIndex"] = 10.into();
    order.data["events"][0]["orderHash"] = "0x01".into();
    order.data["events"][0]["memo"] = "a\0b".into();
    for envelope in [&approval, &order, &approval, &order] {
        deliver(&db.pool, std::slice::from_ref(envelope)).await;
    }
    let kept: Vec<(String, bool, serde_json::Value)> =
        sqlx::query_as("select kind, stands, fact from chain_ledger order by log_index")
            .fetch_all(&db.pool)
            .await
            .unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!((kept[0].0.as_str(), kept[0].1), ("approval", true));
    assert_eq!(kept[1].2["orderHash"], "0x01");
    let collections: i64 =
        sqlx::query_scalar("select count(*) from collections").fetch_one(&db.pool).await.unwrap();
    assert_eq!(collections, 0, "an approval makes no collection");
}

#[tokio::test]
async fn a_bad_element_dies_alone_and_a_message_of_another_type_dies_whole() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let minted = block(
        1,
        1,
        vec![
            moved(address(C721), 1, Address::ZERO, address(2)),
            moved(address(C721), 2, Address::ZERO, address(2)),
            moved(address(C721), 3, Address::ZERO, address(2)),
        ],
    );
    let mut envelope = messages(chain(1), &minted, 0, false).remove(0);
    envelope.data["events"][1]["tokenId"] = "-2".into();
    let handled = catalog::apply(&db.pool, &envelope, at_the_head()).await.unwrap();
    assert_eq!(handled.dead.iter().map(|dead| dead.index).collect::<Vec<_>>(), [1]);
    assert_eq!(read(&db.pool, chain(1)).await.tokens.len(), 2);

    envelope.kind = "vitrine.mints.minted.v2".to_owned();
    let refused = catalog::apply(&db.pool, &envelope, at_the_head()).await;
    assert!(matches!(refused, Err(bus::Failure::Never { .. })), "{refused:?}");
    let mut headless: Envelope = messages(chain(1), &minted, 0, false).remove(0);
    headless.data["block"] = serde_json::Value::Null;
    let refused = catalog::apply(&db.pool, &headless, at_the_head()).await;
    assert!(matches!(refused, Err(bus::Failure::Never { .. })), "{refused:?}");
}

#[tokio::test]
async fn names_that_no_row_can_keep_and_amounts_beyond_any_sum_stop_nothing() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let mut events = vec![created(address(C1155), Standard::Erc1155, "a\0\nb", address(1))];
    let mut huge = moved_many(address(C1155), 1, Address::ZERO, address(2), 1);
    if let What::Moved(moved) = &mut huge.what {
        (moved.quantity, moved.token_id) = (U256::MAX, ids::TokenId::new(U256::MAX));
    }
    events.extend(std::iter::repeat_n(huge, 12));
    deliver(&db.pool, &messages(chain(1), &block(1, 1, events), 0, false)).await;
    let (name, supply): (String, String) =
        sqlx::query_as("select name, total_supply::text from collections").fetch_one(&db.pool).await.unwrap();
    assert_eq!(name, "a\u{fffd}b");
    assert_eq!(supply.len(), 79, "twelve times the largest amount");
    assert_eq!(catalog::audit(&db.pool).await.unwrap(), []);
}

#[tokio::test]
async fn a_contract_of_both_standards_ends_the_same_in_any_order() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let contract = address(C721);
    let blocks = [
        block(1, 1, vec![moved_many(contract, 5, Address::ZERO, address(2), 9)]),
        block(2, 1, vec![moved(contract, 5, Address::ZERO, address(3))]),
        block(3, 1, vec![moved_many(contract, 5, address(2), address(4), 2)]),
        block(4, 1, vec![moved_many(contract, 5, address(2), Address::ZERO, 3)]),
    ];
    for (nth, order) in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]].into_iter().enumerate() {
        let chain_id = chain(nth as u64 + 1);
        for at in order {
            deliver(&db.pool, &messages(chain_id, &blocks[at], 0, false)).await;
        }
        deliver(&db.pool, &messages(chain_id, &blocks[3], 0, true)).await;
        let world = read(&db.pool, chain_id).await;
        assert_eq!(world.tokens[&(contract, 5)].supply, 9, "{order:?}");
        assert_eq!(world.balances.len(), 2, "{order:?}");
    }
    assert_eq!(catalog::audit(&db.pool).await.unwrap(), []);
}

#[tokio::test]
async fn a_changed_range_is_asked_for_again_and_the_rest_is_not() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let mints = (1..=5).map(|n| moved(address(C721), n, Address::ZERO, address(2))).collect();
    deliver(&db.pool, &messages(chain(1), &block(1, 1, mints), 0, false)).await;
    sqlx::query("update metadata_jobs set state = 'DONE', finished_at = now() - interval '1 hour'")
        .execute(&db.pool)
        .await
        .unwrap();
    let range = MetadataChanged::Range { from_token_id: token_id(2), to_token_id: token_id(3) };
    let told = super::fake::Event {
        contract: address(C721),
        standard: Standard::Erc721,
        what: What::Metadata(range),
    };
    deliver(&db.pool, &messages(chain(1), &block(2, 1, vec![told]), 0, false)).await;
    let due: Vec<String> = sqlx::query_scalar(
        "select token_number::text from metadata_jobs where state = 'DUE' and next_try_at <= now() order by 1",
    )
    .fetch_all(&db.pool)
    .await
    .unwrap();
    assert_eq!(due, ["2", "3"]);
}
