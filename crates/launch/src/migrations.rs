//! Migrations are applied by one command and only verified at a start: a service has no right to change its schema,
//! and two starting instances cannot fight over it.
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::{
    Connection, PgConnection,
    migrate::{AppliedMigration, Migrate, Migrator},
};

use crate::{Secret, postgres};

const TABLE: &str = "_sqlx_migrations";
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Brings the database up to date; waits a bounded time for the server, and for another run until that has ended. It may
/// be run again after any crash.
pub async fn migrate(url: &Secret, migrator: &'static Migrator) -> anyhow::Result<()> {
    let options = postgres::options(url, "migrate")?;
    let mut connection = postgres::patiently(|| PgConnection::connect_with(&options)).await?;
    wait_for_turn(&mut connection).await.context("waiting for another run")?;
    drop_half_made_indexes(&mut connection)
        .await
        .context("dropping half-made indexes (is somebody making one? then try again)")?;
    // The flag is `skip`: true would only note them as applied.
    migrator.run_direct(None, &mut connection, false).await.context("migrating")?;
    connection.close().await?;
    Ok(())
}

/// One run at a time, until its connection closes. Asked again and again: an index that is made concurrently waits for
/// every statement that is older than it, so a statement that waited for the lock here would wait for it for ever.
async fn wait_for_turn(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let ask = "select pg_try_advisory_lock(hashtextextended('migrate', 0))";
    while !sqlx::query_scalar::<_, bool>(ask).fetch_one(&mut *connection).await? {
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
    }
    Ok(())
}

/// `create index concurrently` that is cut off leaves an index that nobody reads, and that `if not exists` takes for made.
/// One that somebody is making right now looks the same: its maker holds a lock on the table, for which this waits a
/// moment and then gives up.
async fn drop_half_made_indexes(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "do $$
         declare half_made record;
         begin
             perform set_config('lock_timeout', '3s', true);
             for half_made in
                 select i.indexrelid::regclass as index, i.indrelid::regclass as heap
                 from pg_index i join pg_class c on c.oid = i.indexrelid
                 where not i.indisvalid and c.relkind = 'i' and c.relnamespace = current_schema()::regnamespace
             loop
                 execute format('lock table %s in share update exclusive mode', half_made.heap);
                 if exists (select from pg_index where indexrelid = half_made.index and not indisvalid) then
                     execute format('drop index %s', half_made.index);
                 end if;
             end loop;
         end $$",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Fails with one line unless every migration that this binary knows has been applied as it knows it.
/// Newer ones than it knows are fine: the old binary runs on while the new one is rolled out.
pub(crate) async fn verify(
    connection: &mut PgConnection,
    migrator: &Migrator,
    service: &str,
    database: &str,
) -> anyhow::Result<()> {
    let exists: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(TABLE)
        .fetch_one(&mut *connection)
        .await?;
    let applied = if exists {
        if let Some(version) = connection.dirty_version(TABLE).await? {
            bail!(
                "database {database}: migration {version} failed half-way: repair it, then run `{service} migrate`"
            );
        }
        connection.list_applied_migrations(TABLE).await?
    } else {
        Vec::new()
    };
    compare(&applied, migrator, service, database)
}

fn compare(
    applied: &[AppliedMigration],
    migrator: &Migrator,
    service: &str,
    database: &str,
) -> anyhow::Result<()> {
    for known in migrator.iter().filter(|m| !m.migration_type.is_down_migration()) {
        let name = format!("{:04}_{}", known.version, known.description.replace(' ', "_"));
        match applied.iter().find(|a| a.version == known.version) {
            None => bail!("database {database} lacks migration {name}: run `{service} migrate`"),
            Some(row) if row.checksum != known.checksum => {
                bail!("database {database}: migration {name} was changed after it was applied")
            }
            Some(_) => {}
        }
    }
    Ok(())
}
