//! A generated matrix: what one service's role may open.

use anyhow::{Context, bail, ensure};
use e2e::Stage;
use sqlx::{Connection, PgConnection};

const OWNERS: [&str; 7] = ["AUTH", "USER", "WALLET", "CHAIN_REGISTRY", "ORCHESTRATOR", "INDEXER", "CATALOG"];

pub(crate) fn each_database_role_sees_its_own_database_only(stage: &Stage) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut refused = 0;
        for role in OWNERS {
            let url = stage.variable(&format!("{role}_DATABASE_URL"))?;
            let (server, own) = url.rsplit_once('/').context("a database URL ends with its database")?;
            PgConnection::connect(url).await.with_context(|| format!("{role} opens its own database"))?;
            for other in OWNERS.iter().filter(|other| **other != role) {
                let other = stage.variable(&format!("{other}_DATABASE_URL"))?;
                let (_, database) =
                    other.rsplit_once('/').context("a database URL ends with its database")?;
                ensure!(database != own, "two services share {own}");
                let Err(err) = PgConnection::connect(&format!("{server}/{database}")).await else {
                    bail!("{role} opened {database}");
                };
                let code =
                    err.as_database_error().and_then(|err| err.code()).unwrap_or_default().into_owned();
                ensure!(code == "42501", "{role} at {database}: expected a refusal, got {err}");
                refused += 1;
            }
        }
        ensure!(refused == OWNERS.len() * (OWNERS.len() - 1), "{refused} pairs were tried");
        Ok(())
    })
}
