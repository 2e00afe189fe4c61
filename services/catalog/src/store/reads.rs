//! The pages that people read: keyset only, one row more than the page to know whether there is another.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use ids::{Address, BlockHash, TxHash};
use sqlx::PgPool;
use uuid::Uuid;

use super::{collections::collections, tokens::tokens};
use crate::{
    model::{Activity, Collection, Holding, Token},
    position::{Newest, Place},
};

/// A collection by its row.
pub(crate) async fn find_collection(db: &PgPool, id: Uuid) -> Result<Option<Collection>, sqlx::Error> {
    collections!("where c.id = $1", id).fetch_optional(db).await
}

/// A collection by the name in addresses of pages.
pub(crate) async fn find_collection_by_slug(
    db: &PgPool,
    slug: &str,
) -> Result<Option<Collection>, sqlx::Error> {
    collections!("where c.slug = $1", slug).fetch_optional(db).await
}

/// Live collections, newest first.
pub(crate) async fn list_collections(
    db: &PgPool,
    chains: &[i64],
    creator: Option<Address>,
    before: Newest,
    limit: i64,
) -> Result<Vec<Collection>, sqlx::Error> {
    let at = before.at();
    match creator {
        Some(creator) => {
            collections!(
                "where c.status = 'LIVE' and c.creator = $1 and (cardinality($2::bigint[]) = 0 or c.chain_id = any($2))
                     and (c.created_at, c.id) < ($3, $4)
                 order by c.created_at desc, c.id desc limit $5",
                creator as Address,
                chains,
                at,
                before.id,
                limit
            )
            .fetch_all(db)
            .await
        }
        None => {
            collections!(
                "where c.status = 'LIVE' and (cardinality($1::bigint[]) = 0 or c.chain_id = any($1))
                     and (c.created_at, c.id) < ($2, $3)
                 order by c.created_at desc, c.id desc limit $4",
                chains,
                at,
                before.id,
                limit
            )
            .fetch_all(db)
            .await
        }
    }
}

/// Tokens that there are, by their rows.
pub(crate) async fn list_tokens_by_ids(db: &PgPool, ids: &[Uuid]) -> Result<Vec<Token>, sqlx::Error> {
    tokens!("from tokens t where t.id = any($1) and not t.is_removed", ids).fetch_all(db).await
}

/// Tokens of a collection, by number.
pub(crate) async fn list_tokens(
    db: &PgPool,
    collection: Uuid,
    after: &BigDecimal,
    limit: i64,
) -> Result<Vec<Token>, sqlx::Error> {
    tokens!(
        "from tokens t where t.collection_id = $1 and t.token_number > $2 and not t.is_removed
         order by t.token_number limit $3",
        collection,
        after,
        limit
    )
    .fetch_all(db)
    .await
}

/// Tokens of an owner, of one collection or of all, by collection and number. A token has one owner or balances: the
/// two halves are merged where each is already in order.
pub(crate) async fn list_tokens_of_owner(
    db: &PgPool,
    owner: Address,
    collection: Option<Uuid>,
    after: (Uuid, &BigDecimal),
    limit: i64,
) -> Result<Vec<Token>, sqlx::Error> {
    tokens!(
        "from (
             (select o.id, o.collection_id, o.token_number from tokens o
              where o.owner_address = $1 and ($2::uuid is null or o.collection_id = $2)
                  and (o.collection_id, o.token_number) > ($3, $4)
              order by o.collection_id, o.token_number limit $5)
             union all
             (select b.token_row_id, b.collection_id, b.token_id from token_balances b
              where b.owner = $1 and b.quantity > 0 and ($2::uuid is null or b.collection_id = $2)
                  and (b.collection_id, b.token_id) > ($3, $4)
              order by b.collection_id, b.token_id limit $5)) k
         join tokens t on t.id = k.id
         where not t.is_removed
         order by k.collection_id, k.token_number limit $5",
        owner as Address,
        collection,
        after.0,
        after.1,
        limit
    )
    .fetch_all(db)
    .await
}

/// Who holds items of a collection, by address.
pub(crate) async fn list_holders(
    db: &PgPool,
    collection: Uuid,
    after: &[u8],
    limit: i64,
) -> Result<Vec<Holding>, sqlx::Error> {
    sqlx::query_as!(
        Holding,
        r#"select c.chain_id, o.owner as "owner: Address", o.quantity::text as "quantity!"
           from collection_owners o join collections c on c.id = o.collection_id
           where o.collection_id = $1 and o.owner > $2 and o.quantity > 0
           order by o.owner limit $3"#,
        collection,
        after,
        limit
    )
    .fetch_all(db)
    .await
}

/// Who holds a token, by address.
pub(crate) async fn list_holders_of_token(
    db: &PgPool,
    token: Uuid,
    after: &[u8],
    limit: i64,
) -> Result<Vec<Holding>, sqlx::Error> {
    sqlx::query_as!(
        Holding,
        r#"select chain_id as "chain_id!", owner as "owner!: Address", quantity::text as "quantity!"
           from (
               (select chain_id, owner_address as owner, supply as quantity from tokens
                where id = $1 and owner_address > $2 and not is_removed)
               union all
               (select chain_id, owner, quantity from token_balances
                where token_row_id = $1 and owner > $2 and quantity > 0
                order by owner limit $3)) k
           order by owner limit $3"#,
        token,
        after,
        limit
    )
    .fetch_all(db)
    .await
}

macro_rules! activities {
    ($tail:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Activity,
            r#"select id as "id!", type as "kind!", collection_id as "collection_id!", token_id as token_row_id,
                   from_address as "from: Address", to_address as "to: Address", quantity::text as quantity,
                   tx_hash as "tx_hash!: TxHash", log_index as "log_index!", batch_index as "batch_index!",
                   block_number as "block_number!", block_hash as "block_hash!: BlockHash",
                   "timestamp" as "occurred_at!"
               from activities
               "# + $tail
            $(, $argument)*
        )
    };
}

/// What happened in a collection, newest first.
pub(crate) async fn list_activities_of_collection(
    db: &PgPool,
    collection: Uuid,
    before: &Place,
    limit: i64,
) -> Result<Vec<Activity>, sqlx::Error> {
    activities!(
        "where collection_id = $1 and (block_number, log_index, batch_index, id) < ($2, $3, $4, $5)
         order by block_number desc, log_index desc, batch_index desc, id desc limit $6",
        collection,
        before.block_number,
        before.log_index,
        before.batch_index,
        before.id,
        limit
    )
    .fetch_all(db)
    .await
}

/// What happened to a token, newest first.
pub(crate) async fn list_activities_of_token(
    db: &PgPool,
    token: Uuid,
    before: &Place,
    limit: i64,
) -> Result<Vec<Activity>, sqlx::Error> {
    activities!(
        "where token_id = $1 and (block_number, log_index, batch_index, id) < ($2, $3, $4, $5)
         order by block_number desc, log_index desc, batch_index desc, id desc limit $6",
        token,
        before.block_number,
        before.log_index,
        before.batch_index,
        before.id,
        limit
    )
    .fetch_all(db)
    .await
}

/// What happened anywhere, newest first.
pub(crate) async fn list_activities(
    db: &PgPool,
    before: &Place,
    limit: i64,
) -> Result<Vec<Activity>, sqlx::Error> {
    let at: DateTime<Utc> = before.at();
    activities!(
        r#"where ("timestamp", block_number, log_index, batch_index, id) < ($1, $2, $3, $4, $5)
         order by "timestamp" desc, block_number desc, log_index desc, batch_index desc, id desc limit $6"#,
        at,
        before.block_number,
        before.log_index,
        before.batch_index,
        before.id,
        limit
    )
    .fetch_all(db)
    .await
}
