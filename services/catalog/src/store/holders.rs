//! Who held how much of a collection at a block, from the moves that stand.

use bigdecimal::BigDecimal;
use ids::Address;
use sqlx::PgPool;
use uuid::Uuid;

/// The account at which a page ends that looks at so many accounts after another, and whether there are more. Whoever
/// holds something has received something, so the receivers are all that there is to look at.
pub(crate) async fn find_page_end(
    db: &PgPool,
    collection: Uuid,
    after: &[u8],
    accounts: i64,
) -> Result<Option<(Address, i64)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select a.to_address as "to_address!: Address", a.accounts as "accounts!"
           from (
               select d.to_address, row_number() over (order by d.to_address) as accounts
               from (
                   select distinct to_address from chain_ledger
                   where collection_id = $1 and stands and kind in ('minted', 'transferred', 'burned')
                       and to_address > $2
                   order by to_address limit $3) d) a
           order by a.to_address desc limit 1"#,
        collection,
        after,
        accounts
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (row.to_address, row.accounts)))
}

/// An account with what it held over all tokens.
pub(crate) struct HolderAt {
    pub(crate) owner: Address,
    /// A whole number; a contract may have given out more than 2^256 in all.
    pub(crate) quantity: String,
}

/// What each account between the two held after the block, as far as it is enough: the second included, the first not.
pub(crate) async fn list_holders_at(
    db: &PgPool,
    collection: Uuid,
    block_number: i64,
    accounts: (&[u8], Address),
    least: &BigDecimal,
) -> Result<Vec<HolderAt>, sqlx::Error> {
    sqlx::query_as!(
        HolderAt,
        r#"select owner as "owner!: Address", sum(quantity)::text as "quantity!"
           from (
               select to_address as owner, quantity from chain_ledger
               where collection_id = $1 and stands and kind in ('minted', 'transferred', 'burned')
                   and to_address > $3 and to_address <= $4 and block_number <= $2
               union all
               select from_address, -quantity from chain_ledger
               where collection_id = $1 and stands and kind in ('minted', 'transferred', 'burned')
                   and from_address > $3 and from_address <= $4 and block_number <= $2) m
           group by owner having sum(quantity) >= $5 order by owner"#,
        collection,
        block_number,
        accounts.0,
        accounts.1 as Address,
        least
    )
    .fetch_all(db)
    .await
}

/// How many logs of the blocks, both ends included, moved tokens of the collection. A log may move several.
pub(crate) async fn count_moves(
    db: &PgPool,
    collection: Uuid,
    blocks: (i64, i64),
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(distinct (block_hash, log_index)) as "count!" from chain_ledger
           where collection_id = $1 and stands and kind in ('minted', 'transferred', 'burned')
               and block_number between $2 and $3"#,
        collection,
        blocks.0,
        blocks.1
    )
    .fetch_one(db)
    .await
}
