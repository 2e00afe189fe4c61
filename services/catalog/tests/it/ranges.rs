//! ERC-2309: one log that moved thousands of tokens.

use events::{
    Envelope, Fact, Standard,
    mints::{TokenUpserted, TokensUpserted},
};
use ids::Address;
use serde_json::json;
use sqlx::PgPool;

use super::{
    fake::{
        FakeBlock, address, at_the_head, block, chain, created, deliver, messages, moved, ranged, token_id,
    },
    naive::{read, walk},
};

const NFTS: u64 = 0xc0;
const LAST: u64 = 4_999;

/// A collection whose first tokens are all told in one log.
fn blocks() -> [FakeBlock; 2] {
    let nfts = address(NFTS);
    [
        block(1, 1, vec![created(nfts, Standard::Erc721, "Range", address(1))]),
        block(2, 1, vec![ranged(nfts, (0, LAST), Address::ZERO, address(2))]),
    ]
}

async fn told<F: Fact>(db: &PgPool) -> Vec<F> {
    let bodies: Vec<serde_json::Value> =
        sqlx::query_scalar("select body from outbox order by id").fetch_all(db).await.unwrap();
    let envelopes = bodies.into_iter().map(|body| serde_json::from_value::<Envelope>(body).unwrap());
    envelopes.filter(|envelope| envelope.kind == F::TYPE).map(|envelope| envelope.open().unwrap()).collect()
}

async fn settles(db: &PgPool, canonical: &[FakeBlock]) {
    assert_eq!(read(db, chain(1)).await, walk(canonical));
    assert_eq!(catalog::audit(db).await.unwrap(), []);
}

#[tokio::test]
async fn a_range_is_applied_once_told_in_batches_and_taken_back_whole() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let blocks = blocks();
    for block in &blocks {
        deliver(&db.pool, &messages(chain(1), block, 1, false)).await;
    }
    settles(&db.pool, &blocks).await;

    let batches = told::<TokensUpserted>(&db.pool).await;
    let numbers: std::collections::BTreeSet<_> =
        batches.iter().flat_map(|fact| fact.token_ids.iter().map(ToString::to_string)).collect();
    assert_eq!(
        (batches.len(), numbers.len()),
        (5, 5_000),
        "each piece is told once, with each of its tokens"
    );
    assert!(batches.iter().all(|fact| fact.tx_hashes.len() == 1 && fact.block_number == 2));
    assert_eq!(told::<TokenUpserted>(&db.pool).await, []);
    let of_outbox = "select count(*) from outbox";
    let before: i64 = sqlx::query_scalar(of_outbox).fetch_one(&db.pool).await.unwrap();

    deliver(&db.pool, &messages(chain(1), &blocks[1], 1, false)).await;
    let after: i64 = sqlx::query_scalar(of_outbox).fetch_one(&db.pool).await.unwrap();
    assert_eq!(before, after, "a second delivery tells nothing");
    settles(&db.pool, &blocks).await;

    deliver(&db.pool, &messages(chain(1), &blocks[1], 1, true)).await;
    settles(&db.pool, &blocks[..1]).await;
    let taken_back = told::<TokensUpserted>(&db.pool).await.split_off(5);
    assert_eq!(taken_back.iter().map(|fact| fact.token_ids.len()).sum::<usize>(), 5_000);
    assert!(taken_back.iter().all(|fact| fact.tx_hashes.is_empty()), "no transaction led there");

    deliver(&db.pool, &messages(chain(1), &blocks[1], 2, false)).await;
    settles(&db.pool, &blocks).await;
}

#[tokio::test]
async fn a_retraction_before_its_range_lets_no_token_stand() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let blocks = blocks();
    deliver(&db.pool, &messages(chain(1), &blocks[0], 1, false)).await;
    deliver(&db.pool, &messages(chain(1), &blocks[1], 1, true)).await;
    deliver(&db.pool, &messages(chain(1), &blocks[1], 1, false)).await;
    settles(&db.pool, &blocks[..1]).await;
    assert_eq!(told::<TokensUpserted>(&db.pool).await, [], "what never stood is not told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_and_its_retraction_side_by_side_end_with_nothing() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let blocks = blocks();
    deliver(&db.pool, &messages(chain(1), &blocks[0], 1, false)).await;
    let (given, taken) = (messages(chain(1), &blocks[1], 1, false), messages(chain(1), &blocks[1], 1, true));
    tokio::join!(deliver(&db.pool, &given), deliver(&db.pool, &taken));
    settles(&db.pool, &blocks[..1]).await;
}

#[tokio::test]
async fn tokens_of_a_range_move_on_by_themselves_whichever_is_known_first() {
    let nfts = address(NFTS);
    let [born, minted] = blocks();
    let canonical = [
        born,
        minted,
        block(
            3,
            1,
            vec![
                moved(nfts, 0, address(2), address(3)),
                moved(nfts, LAST, address(2), Address::ZERO),
                ranged(nfts, (1_500, 3_200), address(2), address(4)),
            ],
        ),
        block(
            4,
            1,
            vec![
                moved(nfts, 2_000, address(4), address(5)),
                ranged(nfts, (3_000, 3_010), address(4), Address::ZERO),
            ],
        ),
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let db = testkit::database(&catalog::MIGRATOR).await;
        for at in order {
            deliver(&db.pool, &messages(chain(1), &canonical[at], 1, false)).await;
        }
        settles(&db.pool, &canonical).await;
        deliver(&db.pool, &messages(chain(1), &canonical[3], 1, true)).await;
        deliver(&db.pool, &messages(chain(1), &canonical[2], 1, true)).await;
        settles(&db.pool, &canonical[..2]).await;
    }
}

#[tokio::test]
async fn a_short_range_is_told_token_by_token() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let minted = block(2, 1, vec![ranged(address(NFTS), (7, 9), Address::ZERO, address(2))]);
    deliver(&db.pool, &messages(chain(1), &minted, 1, false)).await;
    let facts = told::<TokenUpserted>(&db.pool).await;
    let mut numbers: Vec<_> = facts.iter().map(|fact| fact.token.token_id).collect();
    numbers.sort();
    assert_eq!(numbers, [7, 8, 9].map(token_id));
    assert!(facts.iter().all(|fact| fact.activities.len() == 1));
    deliver(&db.pool, &messages(chain(1), &minted, 1, true)).await;
    let gone = told::<TokenUpserted>(&db.pool).await.split_off(3);
    assert_eq!(gone.iter().filter(|fact| fact.removed).count(), 3);
}

#[tokio::test]
async fn a_range_that_is_too_long_or_backwards_dies_alone() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let nfts = address(NFTS);
    let range = |last| ranged(nfts, (1, last), Address::ZERO, address(2));
    let minted = block(2, 1, vec![range(3), range(4), range(5), moved(nfts, 9, Address::ZERO, address(2))]);
    let [mut message] = messages(chain(1), &minted, 1, false).try_into().unwrap();
    message.data["events"][0]["lastTokenId"] = json!("0");
    message.data["events"][1]["lastTokenId"] = json!(amounts::U256::MAX.to_string());
    message.data["events"][2]["lastTokenId"] = json!("100001");
    let handled = catalog::apply(&db.pool, &message, at_the_head()).await.unwrap();
    let dead: Vec<_> = handled.dead.iter().map(|dead| (dead.index, dead.reason)).collect();
    assert_eq!(dead, [(0, "malformed"), (1, "range_too_long"), (2, "range_too_long")]);
    assert!(handled.dead[2].error.contains("100001 tokens in one log"), "{}", handled.dead[2].error);
    let known: i64 = sqlx::query_scalar("select count(*) from tokens").fetch_one(&db.pool).await.unwrap();
    assert_eq!(known, 1, "the element beside them is applied");
}

#[tokio::test]
async fn while_a_chain_catches_up_each_range_of_a_message_is_told_beside_the_single_moves() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let nfts = address(NFTS);
    let of = |from, to| {
        vec![ranged(nfts, (10, 12), from, to), moved(nfts, 1, from, to), ranged(nfts, (20, 22), from, to)]
    };
    let blocks = [block(2, 1, of(Address::ZERO, address(2))), block(3, 1, of(address(2), address(3)))];
    let everything: Vec<_> = [1, 10, 11, 12, 20, 21, 22].map(token_id).to_vec();
    let catching_up = chrono::TimeDelta::minutes(10);
    for (block, removed) in [(0, false), (1, false), (1, true)] {
        let before = told::<TokensUpserted>(&db.pool).await.len();
        for message in messages(chain(1), &blocks[block], 1, removed) {
            // Twice: what was told is told.
            catalog::apply(&db.pool, &message, catching_up).await.unwrap();
            catalog::apply(&db.pool, &message, catching_up).await.unwrap();
        }
        let facts = told::<TokensUpserted>(&db.pool).await.split_off(before);
        let mut numbers: Vec<_> = facts.iter().flat_map(|fact| fact.token_ids.clone()).collect();
        numbers.sort();
        assert_eq!((facts.len(), &numbers), (3, &everything), "block {block}, removed: {removed}");
    }
    for message in messages(chain(1), &blocks[0], 1, true) {
        catalog::apply(&db.pool, &message, catching_up).await.unwrap();
    }
    let mut gone: Vec<_> = told::<TokenUpserted>(&db.pool)
        .await
        .into_iter()
        .map(|fact| (fact.removed, fact.token.token_id))
        .collect();
    gone.sort();
    assert_eq!(gone, everything.into_iter().map(|token| (true, token)).collect::<Vec<_>>());
}
