//! Tokens, balances and holders.

use bigdecimal::BigDecimal;
use ids::{Address, BlockHash};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::model::Token;

/// The columns of a [`Token`], for statements that differ in what follows.
macro_rules! tokens {
    ($tail:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Token,
            r#"select t.id as "id!", t.collection_id as "collection_id!", t.chain_id as "chain_id!",
                   t.contract_address as "contract!: Address",
                   t.token_number::text as "token_number!", t.token_standard as "standard!", t.name, t.description,
                   t.image_url, t.metadata_url, t.metadata_status as "metadata_status!",
                   t.metadata_json::text as metadata_json,
                   t.owner_address as "owner: Address", greatest(t.supply, 0)::text as "supply!",
                   t.burned as "is_burned!", t.minted_at, t.is_removed as "is_removed!", t.revision as "revision!",
                   t.changed_block_number as "changed_block_number!",
                   t.changed_block_hash as "changed_block_hash!: BlockHash"
               "# + $tail
            $(, $argument)*
        )
    };
}
pub(crate) use tokens;

/// What sums over tokens need of one.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    pub(crate) owner: Option<Address>,
    pub(crate) supply: BigDecimal,
    pub(crate) is_item: bool,
    pub(crate) is_removed: bool,
}

/// A token that was computed anew: as it was, if it was there, and as it is.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) id: Uuid,
    pub(crate) before: Option<Sums>,
    pub(crate) after: Sums,
}

impl Change {
    /// It came into being, or came back.
    pub(crate) fn is_new(&self) -> bool {
        !self.after.is_removed && self.before.as_ref().is_none_or(|before| before.is_removed)
    }
}

/// The tokens as they are now, in the order of their ids.
pub(crate) async fn list_by_ids(db: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<Vec<Token>, sqlx::Error> {
    tokens!("from tokens t where t.id = any($1) order by t.id", ids).fetch_all(db).await
}

/// A token that events have touched.
#[derive(Debug, Clone)]
pub(crate) struct Touched {
    pub(crate) id: Uuid,
    pub(crate) collection_id: Uuid,
    pub(crate) contract: Address,
    pub(crate) number: BigDecimal,
    /// What the events added to an ERC-1155 supply.
    pub(crate) minted: BigDecimal,
    /// Whether one of the events was a mint: else the token came into being when it did.
    pub(crate) has_mint: bool,
}

/// Computes the touched tokens from what stands in the ledger, and says what they were and what they are. The last move
/// says the standard and, for an ERC-721, the owner. The supply of an ERC-1155 is added up anew only where there is no
/// sum yet to add to.
pub(crate) async fn upsert(
    conn: &mut PgConnection,
    touched: &[Touched],
    chain_id: i64,
    block: (i64, BlockHash),
) -> Result<Vec<Change>, sqlx::Error> {
    let ids: Vec<Uuid> = touched.iter().map(|t| t.id).collect();
    let collections: Vec<Uuid> = touched.iter().map(|t| t.collection_id).collect();
    let contracts: Vec<Address> = touched.iter().map(|t| t.contract).collect();
    let numbers: Vec<BigDecimal> = touched.iter().map(|t| t.number.clone()).collect();
    let minted: Vec<BigDecimal> = touched.iter().map(|t| t.minted.clone()).collect();
    let has_mint: Vec<bool> = touched.iter().map(|t| t.has_mint).collect();
    // What is computed is what is written: so the picture after is known without reading it again.
    let rows = sqlx::query!(
        r#"with computed as materialized (
             select k.id, k.collection_id, k.contract, k.number, old.id is not null as was_there,
                 old.owner_address as owner_before, old.supply as supply_before,
                 not old.burned and not old.is_removed as was_item, old.is_removed as was_removed,
                 coalesce(last.standard, old.token_standard, 'ERC721') as standard,
                 case when last.standard = 'ERC721' and last.to_address <> $7 then last.to_address end as owner,
                 s.supply,
                 case when last.standard is null then false when last.standard = 'ERC721' then last.to_address = $7
                     else s.supply <= 0 end as burned,
                 case when k.has_mint or old.minted_at is null then (
                     select l.block_time from chain_ledger l
                     where l.token_row_id = k.id and l.stands and l.kind = 'minted'
                     order by l.block_number, l.log_index, l.batch_index
                     limit 1) else old.minted_at end as minted_at,
                 last.standard is null as is_removed
             from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::numeric[], $5::numeric[], $6::boolean[])
                 as k (id, collection_id, contract, number, minted, has_mint)
             left join tokens old on old.id = k.id
             left join lateral (
                 select l.standard, l.to_address from chain_ledger l
                 where l.token_row_id = k.id and l.stands
                 order by l.block_number desc, l.log_index desc, l.batch_index desc
                 limit 1) last on true
             cross join lateral (
                 select case
                     when last.standard is null then 0
                     when last.standard = 'ERC721' then (last.to_address <> $7)::int
                     when old.token_standard = 'ERC1155' and not old.is_removed then old.supply + k.minted
                     else (
                         select coalesce(sum(case l.kind when 'minted' then l.quantity
                             when 'burned' then -l.quantity end), 0)
                         from chain_ledger l
                         where l.token_row_id = k.id and l.stands and l.standard = 'ERC1155')
                     end as supply) s),
         written as (
             insert into tokens as t (id, collection_id, chain_id, contract_address, token_number, token_standard,
                 owner_address, supply, burned, minted_at, is_removed, revision, changed_block_number,
                 changed_block_hash)
             select id, collection_id, $8, contract, number, standard, owner, supply, burned, minted_at, is_removed, 1,
                 $9, $10
             from computed order by id
             on conflict on constraint tokens_pkey do update
             set token_standard = excluded.token_standard, owner_address = excluded.owner_address,
                 supply = excluded.supply, burned = excluded.burned, minted_at = excluded.minted_at,
                 is_removed = excluded.is_removed, revision = t.revision + 1,
                 changed_block_number = excluded.changed_block_number,
                 changed_block_hash = excluded.changed_block_hash, updated_at = now())
         select id as "id!", was_there as "was_there!", owner_before as "owner_before?: Address",
             supply_before as "supply_before?", was_item as "was_item?", was_removed as "was_removed?", owner as "owner?: Address", supply as "supply!",
             not burned and not is_removed as "is_item!", is_removed as "is_removed!"
         from computed"#,
        &ids,
        &collections,
        &contracts as &[Address],
        &numbers,
        &minted,
        &has_mint,
        Address::ZERO.as_slice(),
        chain_id,
        block.0,
        block.1 as BlockHash,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Change {
            id: r.id,
            before: r.was_there.then(|| Sums {
                owner: r.owner_before,
                supply: r.supply_before.unwrap_or_default(),
                is_item: r.was_item.unwrap_or_default(),
                is_removed: r.was_removed.unwrap_or_default(),
            }),
            after: Sums { owner: r.owner, supply: r.supply, is_item: r.is_item, is_removed: r.is_removed },
        })
        .collect())
}

/// What an account gained (or lost) of an ERC-1155 token.
#[derive(Debug, Clone)]
pub(crate) struct Gain {
    pub(crate) token: Touched,
    pub(crate) owner: Address,
    pub(crate) quantity: BigDecimal,
}

/// Adds to the balances.
pub(crate) async fn update_balances(
    conn: &mut PgConnection,
    gains: &[Gain],
    chain_id: i64,
) -> Result<(), sqlx::Error> {
    let tokens: Vec<Uuid> = gains.iter().map(|g| g.token.id).collect();
    let owners: Vec<Address> = gains.iter().map(|g| g.owner).collect();
    let contracts: Vec<Address> = gains.iter().map(|g| g.token.contract).collect();
    let numbers: Vec<BigDecimal> = gains.iter().map(|g| g.token.number.clone()).collect();
    let collections: Vec<Uuid> = gains.iter().map(|g| g.token.collection_id).collect();
    let quantities: Vec<BigDecimal> = gains.iter().map(|g| g.quantity.clone()).collect();
    sqlx::query!(
        "insert into token_balances as b (token_row_id, owner, chain_id, contract, token_id, collection_id, quantity)
         select n.token_row_id, n.owner, $3, n.contract, n.token_id, n.collection_id, n.quantity
         from unnest($1::uuid[], $2::bytea[], $4::bytea[], $5::numeric[], $6::uuid[], $7::numeric[])
             as n (token_row_id, owner, contract, token_id, collection_id, quantity)
         on conflict on constraint token_balances_pkey do update
         set quantity = b.quantity + excluded.quantity, updated_at = now()",
        &tokens,
        &owners as &[Address],
        chain_id,
        &contracts as &[Address],
        &numbers,
        &collections,
        &quantities,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds to what accounts hold of collections, and says for each what it is now.
pub(crate) async fn update_holders(
    conn: &mut PgConnection,
    gains: &[((Uuid, Address), BigDecimal)],
) -> Result<Vec<((Uuid, Address), BigDecimal)>, sqlx::Error> {
    let collections: Vec<Uuid> = gains.iter().map(|((id, _), _)| *id).collect();
    let owners: Vec<Address> = gains.iter().map(|((_, owner), _)| *owner).collect();
    let quantities: Vec<BigDecimal> = gains.iter().map(|(_, quantity)| quantity.clone()).collect();
    let rows = sqlx::query!(
        r#"insert into collection_owners as o (collection_id, owner, quantity)
           select * from unnest($1::uuid[], $2::bytea[], $3::numeric[])
           on conflict on constraint collection_owners_pkey do update set quantity = o.quantity + excluded.quantity
           returning collection_id, owner as "owner: Address", quantity"#,
        &collections,
        &owners as &[Address],
        &quantities,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.collection_id, row.owner), row.quantity)).collect())
}
