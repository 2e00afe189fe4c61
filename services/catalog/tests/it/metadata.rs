//! What media says of tokens and collections.

use std::time::Duration;

use events::Standard;
use ids::Address;
use proto::media::v1::ResolveMetadataResponse;
use sqlx::PgPool;

use super::{
    fake::{address, block, chain, created, deliver, messages, moved},
    rig::serve,
};

const WITHIN: Duration = Duration::from_secs(60);

fn found(name: &str) -> Option<ResolveMetadataResponse> {
    Some(ResolveMetadataResponse {
        status: "READY".to_owned(),
        uri: "ipfs://meta".to_owned(),
        document_json: format!(r#"{{"name":"{name}","odd":"a\u0000b"}}"#),
        name: name.to_owned(),
        description: "said of itself".to_owned(),
        image_uri: "ipfs://image".to_owned(),
        ..ResolveMetadataResponse::default()
    })
}

async fn name_and_status(db: &PgPool, number: i64) -> (Option<String>, String, i64) {
    sqlx::query_as("select name, metadata_status, revision from tokens where token_number = $1")
        .bind(number)
        .fetch_one(db)
        .await
        .unwrap()
}

async fn job(db: &PgPool, number: Option<i64>) -> (String, Option<String>, i32) {
    sqlx::query_as("select state, last_error_class, attempts from metadata_jobs where token_number is not distinct from $1")
        .bind(number.map(sqlx::types::BigDecimal::from))
        .fetch_one(db)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_stored_and_told_and_one_that_fails_delays_no_other() {
    let catalog = serve().await;
    for (number, answer) in [("", found("The Cats")), ("1", found("One")), ("3", None)] {
        catalog.media.answers.lock().unwrap().insert(number.to_owned(), answer);
    }
    let db = &catalog.db.pool;
    let events = [1, 2, 3].map(|n| moved(address(0xc0), n, Address::ZERO, address(2)));
    let born = block(1, 1, vec![created(address(0xc0), Standard::Erc721, "Cats", address(1))]);
    deliver(db, &messages(chain(1), &born, 0, false)).await;
    deliver(db, &messages(chain(1), &block(2, 1, events.to_vec()), 0, false)).await;

    testkit::eventually(WITHIN, "one is found and two has failed", async || {
        let (one, two) = (name_and_status(db, 1).await, name_and_status(db, 2).await);
        (one.1 == "READY" && two.1 == "FAILED").then_some(())
    })
    .await;
    assert_eq!(name_and_status(db, 1).await, (Some("One".to_owned()), "READY".to_owned(), 2));
    assert_eq!(job(db, Some(1)).await, ("DONE".to_owned(), None, 1));
    let (state, class, _) = job(db, Some(2)).await;
    assert_eq!((state.as_str(), class.as_deref()), ("DUE", Some("NOT_FOUND")));
    // Media itself being away says nothing about the token.
    testkit::eventually(WITHIN, "three waits for media", async || {
        (job(db, Some(3)).await.1.as_deref() == Some("MEDIA_UNAVAILABLE")).then_some(())
    })
    .await;
    assert_eq!(name_and_status(db, 3).await.1, "PENDING");

    testkit::eventually(WITHIN, "the collection is described", async || {
        (job(db, None).await.0 == "DONE").then_some(())
    })
    .await;
    let (name, description, image): (String, String, String) =
        sqlx::query_as("select name, description, image_url from collections").fetch_one(db).await.unwrap();
    assert_eq!(
        (name.as_str(), description.as_str(), image.as_str()),
        ("Cats", "said of itself", "ipfs://image")
    );
    let told: i64 = sqlx::query_scalar(
        "select count(*) from outbox where exchange = 'mints.domain' and body->'data'->'changed' = '[\"metadata\"]'",
    )
    .fetch_one(db)
    .await
    .unwrap();
    assert_eq!(told, 2, "the found one and the failed one");
    let asked = catalog.media.asked.lock().unwrap().iter().find(|ask| ask.token_id == "1").cloned().unwrap();
    assert_eq!(asked.contract_account_id, format!("eip155:1:{}", address(0xc0).to_lower()));
    assert_eq!(asked.standard, "ERC721");

    // The document that came late is taken when it is there.
    catalog.media.answers.lock().unwrap().insert("2".to_owned(), found("Two"));
    sqlx::query("update metadata_jobs set next_try_at = now() where state = 'DUE'")
        .execute(db)
        .await
        .unwrap();
    testkit::eventually(WITHIN, "two is found at last", async || {
        (name_and_status(db, 2).await.1 == "READY").then_some(())
    })
    .await;
    assert_eq!(catalog::audit(db).await.unwrap(), []);
    catalog.end().await;
}
