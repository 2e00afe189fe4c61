//! Migrations are applied by one command and only verified at a start: a service has no right to change its schema,
//! and two starting instances cannot fight over it.
use anyhow::{Context, bail};
use sqlx::{
    Connection, PgConnection,
    migrate::{AppliedMigration, Migrate, Migrator},
};

use crate::{Secret, postgres};

const TABLE: &str = "_sqlx_migrations";

/// Brings the database up to date; waits a bounded time for the server.
pub async fn migrate(url: &Secret, migrator: &'static Migrator) -> anyhow::Result<()> {
    let options = postgres::options(url, "migrate")?;
    let mut connection = postgres::patiently(|| PgConnection::connect_with(&options)).await?;
    // The flag is `skip`: true would only note them as applied.
    migrator.run_direct(None, &mut connection, false).await.context("migrating")?;
    connection.close().await?;
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
