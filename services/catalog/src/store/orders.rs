//! Orders and the marketplaces that they come from.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use ids::{Address, ChainId, OrderHash, TokenId};
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::{
    model::{Order, Side, Signed, Standing, State, ToldOrder, collection_row, marketplace_row},
    position::Newest,
};

/// The one list of columns; every way to an order leads through it.
macro_rules! orders {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Order,
            r#"select o.id, o.chain_id, o.exchange as "exchange: Address", o.order_hash as "order_hash: OrderHash",
                   m.name as marketplace, o.side, o.status, o.maker as "maker: Address", o.taker as "taker: Address",
                   o.contract as "contract: Address", o.token_number, o.token_standard, o.quantity, o.quantity_filled,
                   o.as_of_block, o.price_native as price, o.currency as "currency: Address", o.starts_at, o.ends_at, o.components,
                   o.signature, o.created_at
               from orders o join marketplaces m on m.id = o.marketplace_id "#
                + $rest
            $(, $argument)*
        )
    };
}

/// An order by its row.
pub(crate) async fn find_order(db: impl PgExecutor<'_>, id: Uuid) -> Result<Option<Order>, sqlx::Error> {
    orders!("where o.id = $1", id).fetch_optional(db).await
}

/// An order by its row, held until the transaction ends.
pub(crate) async fn lock_order(conn: &mut PgConnection, id: Uuid) -> Result<Option<Order>, sqlx::Error> {
    orders!("where o.id = $1 for update of o", id).fetch_optional(conn).await
}

/// Stores the name of a marketplace. The id follows from the name, so that a conflict may be of either.
pub(crate) async fn insert_marketplace(conn: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into marketplaces (id, name) values ($1, $2) on conflict do nothing",
        marketplace_row(name),
        name
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores an order that is not known; false where it is. The id follows from the hash, so that a conflict may be of
/// either.
pub(crate) async fn insert_order(
    conn: &mut PgConnection,
    id: Uuid,
    told: &ToldOrder,
    at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let Signed { side, marketplace, maker, taker, contract, token_id, standard, .. } = &told.signed;
    let inserted = sqlx::query!(
        "insert into orders (id, chain_id, exchange, order_hash, marketplace_id, side, status, maker, taker, contract,
             collection_id, token_number, token_standard, quantity, quantity_filled, price_native, currency, starts_at,
             ends_at, components, salt, signature, as_of_block, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
             $23, $24, $24)
         on conflict do nothing",
        id,
        told.chain_id.as_i64(),
        told.exchange as Address,
        told.order_hash as OrderHash,
        marketplace_row(marketplace),
        side.as_str(),
        told.standing.unwrap_or(Standing::Active).as_str(),
        *maker as Address,
        *taker as Option<Address>,
        *contract as Address,
        collection_row(told.chain_id, *contract),
        number(*token_id),
        standard.as_str(),
        amounts::to_decimal(told.signed.quantity),
        amounts::to_decimal(told.quantity_filled),
        amounts::to_decimal(told.signed.price),
        told.signed.currency as Option<Address>,
        told.signed.starts_at,
        told.signed.ends_at,
        told.signed.components,
        told.signed.salt().map(amounts::to_decimal),
        told.signature,
        told.as_of_block,
        at
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Writes how an order stands now.
pub(crate) async fn update_state(
    conn: &mut PgConnection,
    id: Uuid,
    state: &State,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update orders set status = $2, quantity_filled = $3, as_of_block = $4, revision = revision + 1,
             updated_at = clock_timestamp()
         where id = $1",
        id,
        state.standing.as_str(),
        state.filled,
        state.as_of_block
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a list of orders is about.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) side: Option<Side>,
    /// As people see them; all where empty.
    pub(crate) statuses: Vec<String>,
    pub(crate) maker: Option<Address>,
    pub(crate) contract: Option<(ChainId, Address)>,
    /// Needs the contract.
    pub(crate) token_id: Option<TokenId>,
    /// The moment at which orders are over or not.
    pub(crate) now: DateTime<Utc>,
}

/// Orders, newest first. Each kind of list has an index of its own; the other filters are looked at row by row.
pub(crate) async fn list_orders(
    db: &PgPool,
    wanted: &Wanted,
    before: Newest,
    limit: i64,
) -> Result<Vec<Order>, sqlx::Error> {
    let side = wanted.side.map(Side::as_str);
    let (statuses, now, at, id) = (&wanted.statuses, wanted.now, before.at(), before.id);
    match (wanted.contract, wanted.token_id, wanted.maker) {
        (Some((chain_id, contract)), Some(token_id), maker) => {
            orders!(
                "where o.chain_id = $1 and o.contract = $2 and o.token_number = $3 and ($4::bytea is null or o.maker = $4)
                     and ($5::text is null or o.side = $5)
                     and (cardinality($6::text[]) = 0 or case when o.status in ('ACTIVE', 'INACTIVE') and o.ends_at <= $7
                         then 'EXPIRED' else o.status end = any($6))
                     and (o.created_at, o.id) < ($8, $9)
                 order by o.created_at desc, o.id desc limit $10",
                chain_id.as_i64(),
                contract as Address,
                amounts::to_decimal(token_id.number()),
                maker as Option<Address>,
                side,
                statuses,
                now,
                at,
                id,
                limit
            )
            .fetch_all(db)
            .await
        }
        (contract, _, Some(maker)) => {
            let (chain_id, contract) = contract.unzip();
            orders!(
                "where o.maker = $1 and ($2::bigint is null or o.chain_id = $2) and ($3::bytea is null or o.contract = $3)
                     and ($4::text is null or o.side = $4)
                     and (cardinality($5::text[]) = 0 or case when o.status in ('ACTIVE', 'INACTIVE') and o.ends_at <= $6
                         then 'EXPIRED' else o.status end = any($5))
                     and (o.created_at, o.id) < ($7, $8)
                 order by o.created_at desc, o.id desc limit $9",
                maker as Address,
                chain_id.map(ChainId::as_i64),
                contract as Option<Address>,
                side,
                statuses,
                now,
                at,
                id,
                limit
            )
            .fetch_all(db)
            .await
        }
        (Some((chain_id, contract)), None, None) => {
            orders!(
                "where o.chain_id = $1 and o.contract = $2 and ($3::text is null or o.side = $3)
                     and (cardinality($4::text[]) = 0 or case when o.status in ('ACTIVE', 'INACTIVE') and o.ends_at <= $5
                         then 'EXPIRED' else o.status end = any($4))
                     and (o.created_at, o.id) < ($6, $7)
                 order by o.created_at desc, o.id desc limit $8",
                chain_id.as_i64(),
                contract as Address,
                side,
                statuses,
                now,
                at,
                id,
                limit
            )
            .fetch_all(db)
            .await
        }
        (None, _, None) => {
            orders!(
                "where ($1::text is null or o.side = $1)
                     and (cardinality($2::text[]) = 0 or case when o.status in ('ACTIVE', 'INACTIVE') and o.ends_at <= $3
                         then 'EXPIRED' else o.status end = any($2))
                     and (o.created_at, o.id) < ($4, $5)
                 order by o.created_at desc, o.id desc limit $6",
                side,
                statuses,
                now,
                at,
                id,
                limit
            )
            .fetch_all(db)
            .await
        }
    }
}

fn number(token_id: Option<TokenId>) -> Option<BigDecimal> {
    token_id.map(|id| amounts::to_decimal(id.number()))
}
