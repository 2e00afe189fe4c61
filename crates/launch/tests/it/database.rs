//! Migrations are verified at the start and applied by command only.
use std::sync::atomic::{AtomicU32, Ordering};

use launch::{Process, Secret};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// An empty database of the test's own. It goes away with the throw-away server.
async fn database() -> Secret {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var("VITRINE_TEST_POSTGRES").expect("VITRINE_TEST_POSTGRES names a test server");
    let name = format!("launch_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
    let mut connection = PgConnection::connect(&server).await.expect("the test server answers");
    for statement in [format!("drop database if exists {name}"), format!("create database {name}")] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("a database can be made");
    }
    let mut url = url::Url::parse(&server).expect("it is a URL");
    url.set_path(&name);
    Secret::new(url.to_string())
}

fn migrator(texts: &[(i64, &'static str, &'static str)]) -> &'static Migrator {
    let migrations = texts.iter().map(|(version, name, text)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*text).into_sql_str(), false)
    });
    Box::leak(Box::new(Migrator::with_migrations(migrations.collect())))
}

async fn start(url: &Secret, migrator: &'static Migrator) -> Result<sqlx::PgPool, String> {
    let mut process = Process::for_test("wallet");
    launch::postgres(url, 2, migrator, &mut process).await.map_err(|err| format!("{err:#}"))
}

const FIRST: (i64, &str, &str) = (1, "first", "create table a (id bigint)");
const SECOND: (i64, &str, &str) = (2, "wallet links", "create table b (id bigint)");

#[tokio::test]
async fn a_start_says_which_migration_is_missing_and_applies_none() {
    let url = database().await;
    let name = url.expose().rsplit('/').next().expect("a path").to_owned();
    let missing =
        |migration: &str| format!("database {name} lacks migration {migration}: run `wallet migrate`");

    assert_eq!(start(&url, migrator(&[FIRST])).await.expect_err("nothing is applied"), missing("0001_first"));
    launch::migrate(&url, migrator(&[FIRST])).await.expect("it applies");
    assert_eq!(
        start(&url, migrator(&[FIRST, SECOND])).await.expect_err("one lacks"),
        missing("0002_wallet_links")
    );
    launch::migrate(&url, migrator(&[FIRST, SECOND])).await.expect("it applies");
    launch::migrate(&url, migrator(&[FIRST, SECOND])).await.expect("twice is fine");
    let db = start(&url, migrator(&[FIRST, SECOND])).await.expect("all is applied");
    // Applied, not only written down as applied.
    sqlx::query("insert into a (id) select id from b").execute(&db).await.expect("both tables are there");
    start(&url, migrator(&[FIRST])).await.expect("a binary older than its database runs on");
}

#[tokio::test]
async fn a_migration_that_was_changed_after_it_was_applied_is_refused() {
    let url = database().await;
    launch::migrate(&url, migrator(&[FIRST])).await.expect("it applies");
    let changed = migrator(&[(1, "first", "create table a (id integer)")]);
    let said = start(&url, changed).await.expect_err("the texts differ");
    assert!(said.ends_with("migration 0001_first was changed after it was applied"), "{said}");
}

/// A migration that begins with `-- no-transaction`, as it is read from a file.
fn indexing() -> &'static Migrator {
    let text = "-- no-transaction\ncreate unique index concurrently if not exists a_id_key on a (id);";
    let first = Migration::new(1, FIRST.1.into(), MigrationType::Simple, FIRST.2.into_sql_str(), false);
    let second = Migration::new(2, "key".into(), MigrationType::Simple, text.into_sql_str(), true);
    Box::leak(Box::new(Migrator::with_migrations(vec![first, second])))
}

#[tokio::test]
async fn an_index_that_was_left_half_made_is_made_by_the_next_run() {
    let url = database().await;
    launch::migrate(&url, migrator(&[FIRST])).await.expect("it applies");
    let mut connection = PgConnection::connect(url.expose()).await.expect("it answers");
    sqlx::query("insert into a (id) values (1), (1)").execute(&mut connection).await.expect("no key yet");
    launch::migrate(&url, indexing()).await.expect_err("two rows are the same");
    let is_valid = "select indisvalid from pg_index where indexrelid = 'a_id_key'::regclass";
    let found: bool = sqlx::query_scalar(is_valid).fetch_one(&mut connection).await.expect("it is there");
    assert!(!found, "what is left behind");

    sqlx::query("delete from a").execute(&mut connection).await.expect("it answers");
    // Eight at once, which do not wait for one another in a circle.
    let runs = (0..8).map(|_| launch::migrate(&url, indexing()));
    for run in futures::future::join_all(runs).await {
        run.expect("it applies");
    }
    let found: bool = sqlx::query_scalar(is_valid).fetch_one(&mut connection).await.expect("it is there");
    assert!(found, "nobody takes the half for the whole");
    start(&url, indexing()).await.expect("all is applied");
}

#[tokio::test]
async fn a_statement_cannot_run_for_ever() {
    let url = database().await;
    launch::migrate(&url, migrator(&[FIRST])).await.expect("it applies");
    let pool = start(&url, migrator(&[FIRST])).await.expect("it starts");
    let (timeout, name): (String, String) =
        sqlx::query_as("select current_setting('statement_timeout'), current_setting('application_name')")
            .fetch_one(&pool)
            .await
            .expect("settings can be read");
    assert_eq!((timeout.as_str(), name.as_str()), ("15s", "wallet"));
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_without_being_shown() {
    let said = start(&Secret::new("hunter2"), migrator(&[])).await.expect_err("it is no URL");
    assert!(!said.contains("hunter2"), "{said}");
}
