//! Whose figures may be behind the catalog's.

use ids::{Address, ChainId, CollectionId, UserId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// Figures of a user who has nothing yet.
pub(crate) async fn insert_stats(tx: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into user_stats (user_id) values ($1)", user_id.0).execute(tx).await?;
    Ok(())
}

/// The users who have these addresses, on whatever chain.
pub(crate) async fn list_owners(
    db: impl PgExecutor<'_>,
    addresses: &[String],
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select distinct user_id as "user_id!" from user_accounts where address = any($1) and user_id is not null"#,
        addresses
    )
    .fetch_all(db)
    .await
}

/// Marks users. A mark is renewed, so that whoever asks for figures meanwhile does not take it away. In order of id, so
/// that two such statements cannot wait for each other.
pub(crate) async fn mark_dirty(tx: &mut PgConnection, users: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update user_stats set dirty_at = clock_timestamp()
         where user_id in (select user_id from user_stats where user_id = any($1) order by user_id for update)",
        users
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Marks a collection of which nobody said who has its tokens.
pub(crate) async fn upsert_dirty_collection(
    tx: &mut PgConnection,
    collection_id: CollectionId,
    chain_id: ChainId,
    contract: Address,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into dirty_collections (collection_id, chain_id, contract) values ($1, $2, $3)
         on conflict on constraint dirty_collections_pkey do update set dirty_at = clock_timestamp()",
        collection_id.0,
        chain_id.to_string(),
        contract.to_lower(),
    )
    .execute(tx)
    .await?;
    Ok(())
}
