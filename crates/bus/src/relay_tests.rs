//! Which rows a batch takes.

use super::*;

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Rows with so many bytes that no compressor makes fewer.
async fn put(db: &PgPool, name: &str, rows: i32, bytes: i32, claimed: Option<&str>) {
    sqlx::query(
        "insert into outbox (message_id, exchange, routing_key, body, claimed_until)
         select $1 || n, 'x', 'k', to_jsonb((select string_agg(md5(random()::text || n || m), '')
             from generate_series(1, $3 / 32) as m)), now() + $4::text::interval
         from generate_series(1, $2) as n",
    )
    .bind(name)
    .bind(rows)
    .bind(bytes)
    .bind(claimed)
    .execute(db)
    .await
    .expect("rows");
}

fn count(claimed: &Claimed, name: &str) -> usize {
    claimed.parcels.iter().filter(|parcel| parcel.id.starts_with(name)).count()
}

#[tokio::test]
async fn what_was_tried_before_takes_no_bytes_from_what_is_new_and_its_turn_comes() {
    let db = testkit::database(&MIGRATOR).await;
    put(&db.pool, "old", 20, 400_000, Some("-1 second")).await;
    put(&db.pool, "waits", 20, 320, Some("1 hour")).await;
    put(&db.pool, "new", 1_200, 320, None).await;
    let mut new = Vec::new();
    for _ in 0..3 {
        let claimed = claim(&db.pool).await.expect("a claim");
        new.push(count(&claimed, "new"));
        assert_eq!((count(&claimed, "old"), count(&claimed, "waits"), claimed.is_more), (2, 0, true));
    }
    assert_eq!(new, [500, 500, 200]);
    // A row that is larger than all that a batch may have goes too.
    put(&db.pool, "huge", 1, 6_000_000, None).await;
    let claimed = claim(&db.pool).await.expect("a claim");
    assert_eq!((count(&claimed, "huge"), count(&claimed, "old")), (1, 2));
}

#[tokio::test]
async fn one_that_was_tried_before_is_found_wherever_it_stands() {
    let db = testkit::database(&MIGRATOR).await;
    put(&db.pool, "new", 700, 32, None).await;
    // As if another relay had taken it and died: its transaction came later, or those below it did.
    put(&db.pool, "above", 1, 32, Some("-1 second")).await;
    let first = claim(&db.pool).await.expect("a claim");
    assert_eq!((count(&first, "new"), count(&first, "above"), first.is_more), (500, 0, true));
    let second = claim(&db.pool).await.expect("a claim");
    assert_eq!((count(&second, "new"), count(&second, "above")), (200, 1));
}
