//! The enabled chains, as the registry told them last.

use ids::ChainId;
use sqlx::PgPool;

/// What was kept last; empty where nothing was.
pub(crate) async fn list_known_chains(db: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!("select chain_id from known_chains order by chain_id").fetch_all(db).await
}

/// Keeps these and no others.
pub(crate) async fn replace_known_chains(db: &PgPool, chains: &[ChainId]) -> Result<(), sqlx::Error> {
    let chains: Vec<String> = chains.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "with gone as (delete from known_chains where chain_id <> all($1))
         insert into known_chains (chain_id) select distinct told from unnest($1::text[]) as told order by told
         on conflict on constraint known_chains_pkey do nothing",
        &chains,
    )
    .execute(db)
    .await?;
    Ok(())
}
