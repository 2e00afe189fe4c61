//! The ledger computed anew, against the tables. Nothing here trusts `stands`.

use sqlx::PgConnection;

use crate::model::Difference;

/// All that follows sees one state of the database.
pub(crate) async fn one_state(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("set transaction isolation level repeatable read read only").execute(conn).await?;
    Ok(())
}

/// Rows of the ledger that say the wrong thing of themselves.
pub(crate) async fn list_wrong_standing(conn: &mut PgConnection) -> Result<Vec<Difference>, sqlx::Error> {
    sqlx::query_as!(
        Difference,
        r#"select 'chain_ledger.stands' as "what!",
               chain_id || '/' || encode(block_hash, 'hex') || '/' || log_index || '/' || batch_index || '/' ||
                   generation || '/' || removed as "key!",
               stands::text as stored, should::text as recomputed
           from (
               select *, not removed and row_number() over (
                   partition by chain_id, block_hash, log_index, batch_index
                   order by generation desc, removed desc) = 1 as should
               from chain_ledger) l
           where stands <> should
           limit 100"#
    )
    .fetch_all(conn)
    .await
}

/// Tokens that are not what the standing moves make them.
pub(crate) async fn list_wrong_tokens(conn: &mut PgConnection) -> Result<Vec<Difference>, sqlx::Error> {
    sqlx::query_as!(
        Difference,
        r#"with deciding as (
               select distinct on (chain_id, block_hash, log_index, batch_index) * from chain_ledger
               where token_row_id is not null
               order by chain_id, block_hash, log_index, batch_index, generation desc, removed desc),
           moves as (
               select *, row_number() over (
                   partition by token_row_id order by block_number desc, log_index desc, batch_index desc) as nth
               from deciding where not removed),
           should as (
               select token_row_id,
                   max(standard) filter (where nth = 1) as standard,
                   max(encode(to_address, 'hex')) filter (where nth = 1) as holder,
                   min(block_time) filter (where kind = 'minted') as minted_at,
                   coalesce(sum(quantity) filter (where kind = 'minted' and standard = 'ERC1155'), 0)
                       - coalesce(sum(quantity) filter (where kind = 'burned' and standard = 'ERC1155'), 0) as sum
               from moves group by token_row_id),
           expected as (
               select token_row_id as id, case standard
                   when 'ERC721' then concat_ws(' ', standard,
                       'owner', nullif(holder, repeat('0', 40)), 'supply', (holder <> repeat('0', 40))::int,
                       'burned', holder = repeat('0', 40), minted_at at time zone 'UTC')
                   else concat_ws(' ', standard, 'owner', 'supply', sum, 'burned', sum <= 0,
                       minted_at at time zone 'UTC') end as says
               from should),
           actual as (
               select id, concat_ws(' ', token_standard, 'owner', encode(owner_address, 'hex'), 'supply', supply,
                   'burned', burned, minted_at at time zone 'UTC') as says
               from tokens where not is_removed)
           select 'tokens' as "what!", coalesce(expected.id, actual.id)::text as "key!", actual.says as stored,
               expected.says as recomputed
           from expected full join actual on actual.id = expected.id
           where actual.says is distinct from expected.says
           limit 100"#
    )
    .fetch_all(conn)
    .await
}

/// ERC-1155 balances that are not the sums of the standing moves.
pub(crate) async fn list_wrong_balances(conn: &mut PgConnection) -> Result<Vec<Difference>, sqlx::Error> {
    sqlx::query_as!(
        Difference,
        r#"with deciding as (
               select distinct on (chain_id, block_hash, log_index, batch_index) * from chain_ledger
               where token_row_id is not null
               order by chain_id, block_hash, log_index, batch_index, generation desc, removed desc),
           moves as (select * from deciding where not removed and standard = 'ERC1155'),
           gains as (
               select token_row_id, to_address as owner, quantity from moves
               union all
               select token_row_id, from_address, -quantity from moves),
           expected as (
               select token_row_id, owner, sum(quantity) as quantity from gains
               where owner <> decode(repeat('00', 20), 'hex')
               group by token_row_id, owner having sum(quantity) <> 0),
           actual as (select token_row_id, owner, quantity from token_balances where quantity <> 0)
           select 'token_balances' as "what!",
               coalesce(e.token_row_id, a.token_row_id) || '/' || encode(coalesce(e.owner, a.owner), 'hex')
                   as "key!",
               a.quantity::text as stored, e.quantity::text as recomputed
           from expected e full join actual a on a.token_row_id = e.token_row_id and a.owner = e.owner
           where a.quantity is distinct from e.quantity
           limit 100"#
    )
    .fetch_all(conn)
    .await
}

/// Holders that are not the sums over the tokens.
pub(crate) async fn list_wrong_holders(conn: &mut PgConnection) -> Result<Vec<Difference>, sqlx::Error> {
    sqlx::query_as!(
        Difference,
        r#"with held as (
               select collection_id, owner_address as owner, 1::numeric as quantity from tokens
               where owner_address is not null
               union all
               select collection_id, owner, quantity from token_balances),
           expected as (
               select collection_id, owner, sum(quantity) as quantity from held
               group by collection_id, owner having sum(quantity) <> 0),
           actual as (select collection_id, owner, quantity from collection_owners where quantity <> 0)
           select 'collection_owners' as "what!",
               coalesce(e.collection_id, a.collection_id) || '/' || encode(coalesce(e.owner, a.owner), 'hex')
                   as "key!",
               a.quantity::text as stored, e.quantity::text as recomputed
           from expected e full join actual a on a.collection_id = e.collection_id and a.owner = e.owner
           where a.quantity is distinct from e.quantity
           limit 100"#
    )
    .fetch_all(conn)
    .await
}

/// Collections whose state or figures are not what their events, tokens and holders make them.
pub(crate) async fn list_wrong_figures(conn: &mut PgConnection) -> Result<Vec<Difference>, sqlx::Error> {
    sqlx::query_as!(
        Difference,
        r#"with expected as (
               select c.id, concat_ws(' ',
                   case when exists (select from (
                           select distinct on (chain_id, block_hash, log_index, batch_index) removed
                           from chain_ledger l where l.collection_id = c.id and l.kind = 'created'
                           order by chain_id, block_hash, log_index, batch_index, generation desc, removed desc) d
                       where not d.removed) then 'LIVE' else 'not live' end,
                   'supply', (select coalesce(sum(supply), 0) from tokens t where t.collection_id = c.id),
                   'items', (select count(*) from tokens t
                       where t.collection_id = c.id and not t.burned and not t.is_removed),
                   'owners', (select count(*) from collection_owners o
                       where o.collection_id = c.id and o.quantity > 0)) as says
               from collections c),
           actual as (
               select c.id, concat_ws(' ', case c.status when 'LIVE' then 'LIVE' else 'not live' end,
                   'supply', c.total_supply, 'items', coalesce(s.items_count, 0),
                   'owners', coalesce(s.owners_count, 0)) as says
               from collections c left join collection_stats s on s.collection_id = c.id)
           select 'collections' as "what!", e.id::text as "key!", a.says as stored, e.says as recomputed
           from expected e join actual a on a.id = e.id
           where a.says <> e.says
           limit 100"#
    )
    .fetch_all(conn)
    .await
}
