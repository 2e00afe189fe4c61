//! Collections: their locks, their pictures, their figures.

use std::collections::HashMap;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use ids::{Address, BlockHash, Hash32, IntentId, TxHash};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::model::{Birth, Collection, Pending, Picture, slug};

/// The columns of a [`Collection`], for statements that differ in what follows.
macro_rules! collections {
    ($tail:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Collection,
            r#"select c.id, c.chain_id, c.contract_address as "contract: Address", c.slug, c.name, c.symbol,
                   c.description, c.collection_type as standard, c.creator as "creator: Address",
                   c.owner as "owner: Address", c.royalty_percentage as royalty_bps,
                   c.royalty_recipient as "royalty_recipient: Address", c.max_supply::text as max_supply,
                   greatest(c.total_supply, 0)::text as "total_supply!", c.is_verified, c.status, c.metadata_url,
                   c.image_url, c.created_at, b.created_tx as "created_tx?: TxHash",
                   b.created_block_number as "created_block_number?",
                   coalesce(s.items_count, 0) as "items_count!", coalesce(s.owners_count, 0) as "owners_count!",
                   c.revision, c.changed_block_number, c.changed_block_hash as "changed_block_hash: BlockHash"
               from collections c
               left join collection_bindings b on b.collection_id = c.id
               left join collection_stats s on s.collection_id = c.id
               "# + $tail
            $(, $argument)*
        )
    };
}
pub(crate) use collections;

/// A contract that events are about.
#[derive(Debug, Clone)]
pub(crate) struct Contract {
    pub(crate) id: Uuid,
    pub(crate) chain_id: i64,
    pub(crate) address: Address,
    pub(crate) standard: &'static str,
}

/// Makes a hidden row for each contract that is not known yet; its creation is told by another queue.
pub(crate) async fn insert_unknown(
    conn: &mut PgConnection,
    contracts: &[Contract],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = contracts.iter().map(|c| c.id).collect();
    let slugs: Vec<String> = contracts.iter().map(|c| slug("", c.address, c.id)).collect();
    let chains: Vec<i64> = contracts.iter().map(|c| c.chain_id).collect();
    let addresses: Vec<Address> = contracts.iter().map(|c| c.address).collect();
    let standards: Vec<String> = contracts.iter().map(|c| c.standard.to_owned()).collect();
    sqlx::query!(
        "insert into collections (id, slug, chain_id, contract_address, collection_type, status)
         select n.id, n.slug, n.chain_id, n.address, n.standard, 'HIDDEN'
         from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bytea[], $5::text[])
             as n (id, slug, chain_id, address, standard)
         order by n.id
         on conflict do nothing",
        &ids,
        &slugs,
        &chains,
        &addresses as &[Address],
        &standards,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the locks, in the order of the ids, and says how each collection stands. Where one of them is not there it takes
/// none at all: to wait for one while another is held would be out of their order.
pub(crate) async fn lock_all(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, String>, sqlx::Error> {
    let rows = sqlx::query!(
        "select id, status from collections
         where id = any($1) and (select count(*) from collections k where k.id = any($1)) = cardinality($1::uuid[])
         order by id for no key update",
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.status)).collect())
}

/// The collections as they are now, in the order of their ids.
pub(crate) async fn list_by_ids(
    db: impl PgExecutor<'_>,
    ids: &[Uuid],
) -> Result<Vec<Collection>, sqlx::Error> {
    collections!("where c.id = any($1) order by c.id", ids).fetch_all(db).await
}

/// What minting and moving did to a collection's figures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shift {
    pub(crate) supply: BigDecimal,
    pub(crate) items: i64,
    pub(crate) owners: i64,
    pub(crate) is_told: bool,
    pub(crate) block: (i64, Option<BlockHash>),
}

impl Shift {
    /// Nothing yet, by events of that block.
    pub(crate) fn at(block: (i64, BlockHash)) -> Shift {
        Shift { block: (block.0, Some(block.1)), ..Shift::default() }
    }
}

/// Adds to the supplies; the revision grows where the change is told.
pub(crate) async fn update_supplies(
    conn: &mut PgConnection,
    shifts: &[(Uuid, Shift)],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = shifts.iter().map(|(id, _)| *id).collect();
    let supplies: Vec<BigDecimal> = shifts.iter().map(|(_, s)| s.supply.clone()).collect();
    let told: Vec<bool> = shifts.iter().map(|(_, s)| s.is_told).collect();
    let blocks: Vec<i64> = shifts.iter().map(|(_, s)| s.block.0).collect();
    let hashes: Vec<Option<BlockHash>> = shifts.iter().map(|(_, s)| s.block.1).collect();
    sqlx::query!(
        "update collections c
         set total_supply = c.total_supply + n.supply, revision = c.revision + n.told::int,
             changed_block_number = n.block_number, changed_block_hash = n.block_hash, updated_at = now()
         from unnest($1::uuid[], $2::numeric[], $3::boolean[], $4::bigint[], $5::bytea[])
             as n (id, supply, told, block_number, block_hash)
         where c.id = n.id",
        &ids,
        &supplies,
        &told,
        &blocks,
        &hashes as &[Option<BlockHash>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds to the figures.
pub(crate) async fn update_stats(
    conn: &mut PgConnection,
    shifts: &[(Uuid, Shift)],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = shifts.iter().map(|(id, _)| *id).collect();
    let items: Vec<i64> = shifts.iter().map(|(_, s)| s.items).collect();
    let owners: Vec<i64> = shifts.iter().map(|(_, s)| s.owners).collect();
    sqlx::query!(
        "insert into collection_stats as s (collection_id, items_count, owners_count)
         select * from unnest($1::uuid[], $2::bigint[], $3::bigint[])
         on conflict on constraint collection_stats_pkey do update
         set items_count = s.items_count + excluded.items_count,
             owners_count = s.owners_count + excluded.owners_count, updated_at = now()",
        &ids,
        &items,
        &owners,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what the chain says of these collections; a part that no standing event tells keeps what it was.
pub(crate) async fn update_pictures(
    conn: &mut PgConnection,
    pictures: &[(Uuid, Address, &Picture)],
    block: &[(i64, BlockHash)],
) -> Result<(), sqlx::Error> {
    let birth = || pictures.iter().map(|(_, _, p)| p.birth.as_ref());
    let ids: Vec<Uuid> = pictures.iter().map(|(id, ..)| *id).collect();
    let is_born: Vec<bool> = birth().map(|b| b.is_some()).collect();
    let name = |b: &Birth| crate::model::clean(&b.fact.name, 200);
    let names: Vec<Option<String>> = birth().map(|b| b.map(name)).collect();
    let slugs: Vec<Option<String>> =
        pictures.iter().map(|(id, at, p)| p.birth.as_ref().map(|b| slug(&name(b), *at, *id))).collect();
    let symbols: Vec<Option<String>> =
        birth().map(|b| b.map(|b| crate::model::clean(&b.fact.symbol, 50))).collect();
    let standards: Vec<Option<String>> = birth().map(|b| Some(b?.standard?.as_str().to_owned())).collect();
    let creators: Vec<Option<Address>> = birth().map(|b| b.map(|b| b.fact.creator)).collect();
    let max: Vec<Option<BigDecimal>> = birth()
        .map(|b| Some(amounts::to_decimal(amounts::parse(b?.fact.max_supply.as_deref()?).ok()?)))
        .collect();
    let royalties: Vec<Option<i32>> =
        birth().map(|b| b.map(|b| i32::try_from(b.fact.royalty_bps).unwrap_or(i32::MAX))).collect();
    let recipients: Vec<Option<Address>> = birth().map(|b| b?.fact.royalty_recipient).collect();
    let times: Vec<Option<DateTime<Utc>>> = birth().map(|b| b.map(|b| b.block_time)).collect();
    let owners: Vec<Option<Address>> = pictures.iter().map(|(.., p)| p.owner).collect();
    let uris: Vec<Option<String>> = pictures.iter().map(|(.., p)| p.uri.clone()).collect();
    let paused: Vec<bool> = pictures.iter().map(|(.., p)| p.is_paused).collect();
    let (blocks, hashes): (Vec<i64>, Vec<BlockHash>) = block.iter().copied().unzip();
    sqlx::query!(
        "update collections c
         set status = case when n.is_born then 'LIVE' when c.pending_intent_id is not null then 'PENDING'
                 else 'HIDDEN' end,
             name = coalesce(n.name, c.name), slug = coalesce(n.slug, c.slug),
             symbol = coalesce(n.symbol, c.symbol), collection_type = coalesce(n.standard, c.collection_type),
             creator = coalesce(n.creator, c.creator), owner = coalesce(n.owner, c.owner),
             max_supply = case when n.is_born then n.max_supply else c.max_supply end,
             royalty_percentage = coalesce(n.royalty, c.royalty_percentage),
             royalty_recipient = case when n.is_born then n.recipient else c.royalty_recipient end,
             created_at = coalesce(n.created_at, c.created_at),
             metadata_url = coalesce(n.uri, c.metadata_url), is_paused = n.is_paused,
             mint_price = (select min(m.price) from collection_mint_config m where m.collection_id = c.id),
             changed_block_number = n.block_number, changed_block_hash = n.block_hash,
             revision = c.revision + 1, updated_at = now()
         from unnest($1::uuid[], $2::boolean[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[],
             $8::numeric[], $9::int[], $10::bytea[], $11::timestamptz[], $12::bytea[], $13::text[], $14::boolean[],
             $15::bigint[], $16::bytea[])
             as n (id, is_born, name, slug, symbol, standard, creator, max_supply, royalty, recipient, created_at,
                 owner, uri, is_paused, block_number, block_hash)
         where c.id = n.id",
        &ids,
        &is_born,
        &names as &[Option<String>],
        &slugs as &[Option<String>],
        &symbols as &[Option<String>],
        &standards as &[Option<String>],
        &creators as &[Option<Address>],
        &max as &[Option<BigDecimal>],
        &royalties as &[Option<i32>],
        &recipients as &[Option<Address>],
        &times as &[Option<DateTime<Utc>>],
        &owners as &[Option<Address>],
        &uris as &[Option<String>],
        &paused,
        &blocks,
        &hashes as &[BlockHash],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Drops what was known of these contracts' creation, roles and stages, before what stands is written.
pub(crate) async fn delete_parts(
    conn: &mut PgConnection,
    collections: &[Uuid],
    roles: &[(Uuid, Hash32, Address)],
    stages: &[(Uuid, i64)],
) -> Result<(), sqlx::Error> {
    let role_of: Vec<Uuid> = roles.iter().map(|r| r.0).collect();
    let names: Vec<Hash32> = roles.iter().map(|r| r.1).collect();
    let accounts: Vec<Address> = roles.iter().map(|r| r.2).collect();
    let (stage_of, numbers): (Vec<Uuid>, Vec<i64>) = stages.iter().copied().unzip();
    sqlx::query!(
        "with bound as (delete from collection_bindings where collection_id = any($1)),
              held as (delete from collection_roles r using unnest($2::uuid[], $3::bytea[], $4::bytea[])
                  as n (id, role, account)
                  where r.collection_id = n.id and r.role = n.role and r.account = n.account)
         delete from collection_mint_config m using unnest($5::uuid[], $6::bigint[]) as n (id, stage)
         where m.collection_id = n.id and m.stage = n.stage",
        collections,
        &role_of,
        &names as &[Hash32],
        &accounts as &[Address],
        &stage_of,
        &numbers,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the contracts that the collections live in.
pub(crate) async fn insert_bindings(
    conn: &mut PgConnection,
    born: &[(Uuid, i64, Address, &Birth, Option<Address>)],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = born.iter().map(|b| b.0).collect();
    let chains: Vec<i64> = born.iter().map(|b| b.1).collect();
    let contracts: Vec<Address> = born.iter().map(|b| b.2).collect();
    let factories: Vec<Address> = born.iter().map(|b| b.3.fact.factory).collect();
    let salts: Vec<Option<Hash32>> = born.iter().map(|b| b.3.fact.salt).collect();
    let txs: Vec<TxHash> = born.iter().map(|b| b.3.tx_hash).collect();
    let blocks: Vec<i64> = born.iter().map(|b| b.3.block_number).collect();
    let hashes: Vec<BlockHash> = born.iter().map(|b| b.3.block_hash).collect();
    let implementations: Vec<Option<Address>> = born.iter().map(|b| b.4).collect();
    sqlx::query!(
        "insert into collection_bindings (collection_id, chain_id, contract_address, factory, salt, created_tx,
             created_block_number, created_block_hash, implementation)
         select * from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[],
             $7::bigint[], $8::bytea[], $9::bytea[])",
        &ids,
        &chains,
        &contracts as &[Address],
        &factories as &[Address],
        &salts as &[Option<Hash32>],
        &txs as &[TxHash],
        &blocks,
        &hashes as &[BlockHash],
        &implementations as &[Option<Address>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the roles that are held and the stages that are set.
pub(crate) async fn insert_parts(
    conn: &mut PgConnection,
    pictures: &[(Uuid, Address, &Picture)],
) -> Result<(), sqlx::Error> {
    let roles = || pictures.iter().flat_map(|(id, _, p)| p.roles.iter().map(|role| (*id, role)));
    let role_of: Vec<Uuid> = roles().map(|(id, _)| id).collect();
    let names: Vec<Hash32> = roles().map(|(_, r)| r.0).collect();
    let accounts: Vec<Address> = roles().map(|(_, r)| r.1).collect();
    let times: Vec<DateTime<Utc>> = roles().map(|(_, r)| r.2).collect();
    let stages = || pictures.iter().flat_map(|(id, _, p)| p.stages.iter().map(|stage| (*id, stage)));
    let stage_of: Vec<Uuid> = stages().map(|(id, _)| id).collect();
    let numbers: Vec<i64> = stages().map(|(_, s)| s.0).collect();
    let prices: Vec<BigDecimal> = stages().map(|(_, s)| amounts::to_decimal(s.1)).collect();
    let blocks: Vec<i64> = stages().map(|(_, s)| s.2).collect();
    sqlx::query!(
        "with held as (
             insert into collection_roles (collection_id, role, account, granted_at)
             select * from unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::timestamptz[]))
         insert into collection_mint_config (collection_id, stage, price, updated_block_number)
         select * from unnest($5::uuid[], $6::bigint[], $7::numeric[], $8::bigint[])",
        &role_of,
        &names as &[Hash32],
        &accounts as &[Address],
        &times,
        &stage_of,
        &numbers,
        &prices,
        &blocks,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Announces a collection. What the chain has told stays; whether the contract is free for this intent.
pub(crate) async fn upsert_pending(
    conn: &mut PgConnection,
    id: Uuid,
    slug: &str,
    pending: &Pending,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "insert into collections as c (id, slug, name, symbol, chain_id, contract_address, creator, owner,
             collection_type, status, max_supply, royalty_percentage, metadata_url, pending_intent_id)
         values ($1, $2, $3, $4, $5, $6, $7, $7, $8, 'PENDING', $9, $10, $11, $12)
         on conflict on constraint collections_pkey do update
         set pending_intent_id = excluded.pending_intent_id,
             status = case c.status when 'LIVE' then 'LIVE' else 'PENDING' end,
             slug = case c.status when 'LIVE' then c.slug else excluded.slug end,
             name = case c.status when 'LIVE' then c.name else excluded.name end,
             symbol = case c.status when 'LIVE' then c.symbol else excluded.symbol end,
             creator = case c.status when 'LIVE' then c.creator else excluded.creator end,
             owner = case c.status when 'LIVE' then c.owner else excluded.owner end,
             collection_type = case c.status when 'LIVE' then c.collection_type else excluded.collection_type end,
             max_supply = case c.status when 'LIVE' then c.max_supply else excluded.max_supply end,
             royalty_percentage = case c.status when 'LIVE' then c.royalty_percentage
                 else excluded.royalty_percentage end,
             metadata_url = case c.status when 'LIVE' then c.metadata_url else excluded.metadata_url end,
             updated_at = now()
         where c.pending_intent_id is null or c.pending_intent_id = excluded.pending_intent_id",
        id,
        slug,
        pending.name,
        pending.symbol,
        pending.chain_id.as_i64(),
        pending.contract as Address,
        pending.creator as Address,
        pending.standard.as_str(),
        pending.max_supply.map(amounts::to_decimal),
        i32::try_from(pending.royalty_bps).unwrap_or(i32::MAX),
        pending.metadata_uri,
        pending.intent_id.0,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes what only the intent knew of.
pub(crate) async fn delete_pending(conn: &mut PgConnection, intent: IntentId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from collections c
         where c.pending_intent_id = $1 and c.status = 'PENDING' and c.revision = 0
             and not exists (select from tokens t where t.collection_id = c.id)",
        intent.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Hides what the chain once told of, and lets what it tells of stand by itself.
pub(crate) async fn forget_intent(conn: &mut PgConnection, intent: IntentId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update collections
         set pending_intent_id = null, status = case status when 'PENDING' then 'HIDDEN' else status end,
             updated_at = now()
         where pending_intent_id = $1",
        intent.0
    )
    .execute(conn)
    .await?;
    Ok(())
}
