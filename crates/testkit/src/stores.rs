//! A database of one's own for each test, on the stores that run for the whole test run.

use std::{str::FromStr, time::Duration};

use sqlx::{
    Connection, Executor, PgConnection, PgPool, Row,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{clean_up, variable};

/// A migrated database that goes when the test does.
#[derive(Debug)]
pub struct TestDb {
    /// Connections to it.
    pub pool: PgPool,
    /// Its URL, for a service's configuration.
    pub url: String,
    name: String,
    server: PgConnectOptions,
}

/// A fresh database with these migrations: the copy of a template that is made once for each set of migrations.
pub async fn database(migrator: &Migrator) -> TestDb {
    let server_url = variable("VITRINE_TEST_POSTGRES");
    let server = PgConnectOptions::from_str(&server_url).expect("VITRINE_TEST_POSTGRES is a PostgreSQL URL");
    let mut admin = PgConnection::connect_with(&server).await.expect("the test PostgreSQL answers");
    let template = template(&mut admin, &server, migrator).await;
    let name = format!("x_{}", uuid::Uuid::new_v4().simple());
    run(&mut admin, format!("create database {name} template {template}")).await;
    admin.close().await.expect("the test PostgreSQL answers");

    let options = server.clone().database(&name);
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(20))
        .connect_with(options)
        .await
        .expect("the new database answers");
    let mut url = url::Url::parse(&server_url).expect("VITRINE_TEST_POSTGRES is a URL");
    url.set_path(&name);
    TestDb { pool, url: url.into(), name, server }
}

/// The name of the template, made first if need be. It is named by what is in the migrations, so that a changed
/// migration never meets an old template; a lock lets one of many test processes make it.
async fn template(admin: &mut PgConnection, server: &PgConnectOptions, migrator: &Migrator) -> String {
    let hash = fingerprint(migrator);
    let name = format!("t_{hash:016x}");
    let lock = "select pg_advisory_lock($1)";
    sqlx::query(lock)
        .bind(hash as i64)
        .execute(&mut *admin)
        .await
        .expect("the lock is free within the test's time");
    let known = sqlx::query("select count(*) as n from pg_database where datname = $1")
        .bind(&name)
        .fetch_one(&mut *admin)
        .await
        .expect("pg_database is readable");
    if known.get::<i64, _>("n") == 0 {
        // Renamed only when it is complete: one that a killed test left half done is begun anew.
        let draft = format!("{name}_draft");
        run(admin, format!("drop database if exists {draft} with (force)")).await;
        run(admin, format!("create database {draft}")).await;
        let mut inside =
            PgConnection::connect_with(&server.clone().database(&draft)).await.expect("the draft answers");
        migrator.run(&mut inside).await.expect("the migrations apply to an empty database");
        inside.close().await.expect("the draft answers");
        run(admin, format!("alter database {draft} rename to {name}")).await;
    }
    let unlock = "select pg_advisory_unlock($1)";
    sqlx::query(unlock).bind(hash as i64).execute(&mut *admin).await.expect("the lock is ours");
    name
}

/// FNV-1a over the checksums: the same in every test process.
fn fingerprint(migrator: &Migrator) -> u64 {
    let bytes = migrator
        .iter()
        .flat_map(|step| step.version.to_be_bytes().into_iter().chain(step.checksum.iter().copied()));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

async fn run(admin: &mut PgConnection, statement: String) {
    // The names are made of hexadecimal digits here, nothing comes from outside.
    admin
        .execute(sqlx::AssertSqlSafe(statement.clone()))
        .await
        .unwrap_or_else(|err| panic!("{statement}: {err}"));
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        clean_up(async move {
            if let Ok(mut admin) = PgConnection::connect_with(&server).await {
                let statement = format!("drop database if exists {name} with (force)");
                let _ = admin.execute(sqlx::AssertSqlSafe(statement)).await;
            }
        });
    }
}

/// The URL of an empty logical database of the test Redis. There are fifteen, given out in turn.
pub async fn redis() -> String {
    let server = variable("VITRINE_TEST_REDIS");
    let client = redis::Client::open(server.as_str()).expect("VITRINE_TEST_REDIS is a Redis URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("the test Redis answers");
    let turn: u64 =
        redis::cmd("INCR").arg("testkit:turn").query_async(&mut connection).await.expect("INCR works");
    let mut url = url::Url::parse(&server).expect("VITRINE_TEST_REDIS is a URL");
    url.set_path(&format!("/{}", turn % 15 + 1));
    let client = redis::Client::open(url.as_str()).expect("the URL stays one");
    let mut connection = client.get_multiplexed_async_connection().await.expect("the test Redis answers");
    let _: () = redis::cmd("FLUSHDB").query_async(&mut connection).await.expect("FLUSHDB works");
    url.into()
}

/// A client of the test Mongo and a prefix for the names of this test's databases.
pub async fn mongo() -> (mongodb::Client, String) {
    let client = mongodb::Client::with_uri_str(variable("VITRINE_TEST_MONGO"))
        .await
        .expect("VITRINE_TEST_MONGO is a URL");
    (client, format!("t{}_", &uuid::Uuid::new_v4().simple().to_string()[..12]))
}
