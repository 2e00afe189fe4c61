//! What others are told of a change.

use chrono::TimeDelta;
use events::{
    Envelope, Fact, Standard,
    collections::CollectionUpserted,
    mints::{TokenUpserted, TokensUpserted},
};
use ids::Address;
use sqlx::PgPool;

use super::fake::{address, block, chain, created, deliver, hash, messages, moved};

const NFTS: u64 = 0xc0;

/// The messages of a type, in the order in which they were written.
async fn told<F: Fact>(db: &PgPool) -> Vec<F> {
    let bodies: Vec<serde_json::Value> =
        sqlx::query_scalar("select body from outbox order by id").fetch_all(db).await.unwrap();
    let envelopes = bodies.into_iter().map(|body| serde_json::from_value::<Envelope>(body).unwrap());
    envelopes.filter(|envelope| envelope.kind == F::TYPE).map(|envelope| envelope.open().unwrap()).collect()
}

#[tokio::test]
async fn a_collection_is_told_with_its_transaction_and_salt() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let born = block(3, 1, vec![created(address(NFTS), Standard::Erc721, "Cool Cats", address(1))]);
    deliver(&db.pool, &messages(chain(31337), &born, 0, false)).await;
    let [fact] = told::<CollectionUpserted>(&db.pool).await.try_into().unwrap();
    assert_eq!(fact.changed, ["created"]);
    assert_eq!((fact.salts, fact.tx_hashes), (vec![hash(0x5a17)], vec![hash(3000)]));
    assert_eq!((fact.collection.status.as_str(), fact.revision, fact.block_number), ("LIVE", 1, 3));
    assert!(fact.collection.slug.starts_with("cool-cats-"));
    let key: String = sqlx::query_scalar("select routing_key from outbox").fetch_one(&db.pool).await.unwrap();
    assert_eq!(key, format!("upserted.eip155.31337.{}", address(NFTS).to_lower()));
}

#[tokio::test]
async fn a_token_is_told_with_its_owners_and_activities_and_taken_back_as_such() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let born = block(1, 1, vec![created(address(NFTS), Standard::Erc721, "Cats", address(1))]);
    let minted = block(2, 1, vec![moved(address(NFTS), 7, Address::ZERO, address(2))]);
    let sent = block(3, 1, vec![moved(address(NFTS), 7, address(2), address(3))]);
    for block in [&born, &minted, &sent] {
        deliver(&db.pool, &messages(chain(1), block, 0, false)).await;
    }
    deliver(&db.pool, &messages(chain(1), &sent, 0, true)).await;
    deliver(&db.pool, &messages(chain(1), &minted, 0, true)).await;

    let facts = told::<TokenUpserted>(&db.pool).await;
    let revisions: Vec<i64> = facts.iter().map(|fact| fact.revision).collect();
    assert_eq!(revisions, [1, 2, 3, 4]);
    assert_eq!((facts[0].owner_before, facts[0].token.owner), (None, Some(address(2))));
    assert_eq!(facts[0].tx_hashes, [hash(2000)]);
    assert_eq!(facts[0].activities[0].kind, "MINT");
    assert_eq!((facts[1].owner_before, facts[1].token.owner), (Some(address(2)), Some(address(3))));
    // The transfer is taken back, the token is not.
    assert_eq!((facts[2].removed, facts[2].token.owner), (false, Some(address(2))));
    assert!(facts[2].tx_hashes.is_empty() && facts[2].activities[0].removed);
    assert_eq!(facts[2].activities[0].id, facts[1].activities[0].id);
    assert_eq!((facts[3].removed, facts[3].fork_block), (true, Some(1)));
    assert_eq!((&facts[3].tx_hashes, facts[3].token.owner), (&vec![hash(2000)], None));

    let supplies: Vec<(String, bool)> = told::<CollectionUpserted>(&db.pool)
        .await
        .into_iter()
        .map(|fact| (fact.collection.total_supply, fact.removed))
        .collect();
    let expected = [("0", false), ("1", false), ("0", false)];
    assert_eq!(supplies, expected.map(|(supply, removed)| (supply.to_owned(), removed)));

    deliver(&db.pool, &messages(chain(1), &born, 0, true)).await;
    let last = told::<CollectionUpserted>(&db.pool).await.pop().unwrap();
    assert!(last.removed && last.changed.contains(&"removed".to_owned()));
    assert_eq!((last.salts, last.collection.status.as_str()), (vec![hash(0x5a17)], "HIDDEN"));
}

#[tokio::test]
async fn while_a_chain_catches_up_a_message_is_told_once_for_each_collection() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let mints: Vec<_> =
        (0..500).map(|n| moved(address(NFTS + n % 2), n, Address::ZERO, address(n))).collect();
    let [minted] = messages(chain(1), &block(2, 1, mints), 0, false).try_into().unwrap();
    catalog::apply(&db.pool, &minted, TimeDelta::minutes(10)).await.unwrap();
    let facts = told::<TokensUpserted>(&db.pool).await;
    assert_eq!(facts.iter().map(|fact| fact.token_ids.len()).collect::<Vec<_>>(), [250, 250]);
    assert_eq!(facts[0].tx_hashes.len(), 250);
    assert!(told::<TokenUpserted>(&db.pool).await.is_empty());
    let due: i64 = sqlx::query_scalar("select count(*) from metadata_jobs where state = 'DUE'")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    assert_eq!(due, 500, "metadata is asked for all the same");
}
