//! The ledger: what has been seen, and what of it stands.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use ids::{Address, BlockHash, TxHash};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::{Aspect, Entry, Mark, Told};

/// An entry that was not in the ledger before.
pub(crate) struct Inserted {
    pub(crate) mark: Mark,
    pub(crate) generation: i64,
    pub(crate) removed: bool,
    pub(crate) stands: bool,
}

/// Writes the entries that are new; `decides` says which of them outrank the others of the same event in the list.
/// The caller holds the locks of all collections that they are about.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    entries: &[Entry],
    decides: &[bool],
) -> Result<Vec<Inserted>, sqlx::Error> {
    let each = entries.iter();
    let chains: Vec<i64> = each.clone().map(|e| e.mark.chain_id).collect();
    let hashes: Vec<BlockHash> = each.clone().map(|e| e.mark.block_hash).collect();
    let logs: Vec<i64> = each.clone().map(|e| e.mark.log_index).collect();
    let batches: Vec<i64> = each.clone().map(|e| e.mark.batch_index).collect();
    let generations: Vec<i64> = each.clone().map(|e| e.generation).collect();
    let removed: Vec<bool> = each.clone().map(|e| e.removed).collect();
    let ids: Vec<Uuid> = each.clone().map(|e| e.id).collect();
    let kinds: Vec<String> = each.clone().map(|e| e.kind.as_str().to_owned()).collect();
    let contracts: Vec<Address> = each.clone().map(|e| e.contract).collect();
    let collections: Vec<Option<Uuid>> = each.clone().map(|e| e.collection_id).collect();
    let aspects: Vec<Option<String>> = each.clone().map(|e| e.aspect.map(Aspect::word)).collect();
    let moved = each.clone().map(|e| e.moved.as_ref());
    let tokens: Vec<Option<Uuid>> = moved.clone().map(|m| m.map(|m| m.token_row_id)).collect();
    let numbers: Vec<Option<BigDecimal>> =
        moved.clone().map(|m| m.map(|m| amounts::to_decimal(m.token_id.number()))).collect();
    let standards: Vec<Option<String>> = each
        .clone()
        .map(|e| e.moved.as_ref().map(|m| m.standard).or(e.standard).map(|s| s.as_str().to_owned()))
        .collect();
    let from: Vec<Option<Address>> = moved.clone().map(|m| m.map(|m| m.from)).collect();
    let to: Vec<Option<Address>> = moved.clone().map(|m| m.map(|m| m.to)).collect();
    let quantities: Vec<Option<BigDecimal>> =
        moved.map(|m| m.map(|m| amounts::to_decimal(m.quantity))).collect();
    let blocks: Vec<i64> = each.clone().map(|e| e.block_number).collect();
    let times: Vec<DateTime<Utc>> = each.clone().map(|e| e.block_time).collect();
    let forks: Vec<Option<i64>> = each.clone().map(|e| e.fork_block).collect();
    let txs: Vec<TxHash> = each.clone().map(|e| e.tx_hash).collect();
    let senders: Vec<Address> = each.clone().map(|e| e.tx_from).collect();
    let facts: Vec<Option<Value>> = each.map(|e| e.fact.clone()).collect();
    let rows = sqlx::query!(
        r#"insert into chain_ledger (chain_id, block_hash, log_index, batch_index, generation, removed, stands, id,
               kind, contract, collection_id, aspect, token_row_id, token_id, standard, from_address, to_address,
               quantity, block_number, block_time, fork_block, tx_hash, tx_from, fact)
           select n.chain_id, n.block_hash, n.log_index, n.batch_index, n.generation, n.removed,
               n.decides and not n.removed and not exists (
                   select from chain_ledger l
                   where l.chain_id = n.chain_id and l.block_hash = n.block_hash and l.log_index = n.log_index
                       and l.batch_index = n.batch_index
                       and (l.generation, l.removed) > (n.generation, n.removed)),
               n.id, n.kind, n.contract, n.collection_id, n.aspect, n.token_row_id, n.token_id, n.standard, n.src,
               n.dst, n.quantity, n.block_number, n.block_time, n.fork_block, n.tx_hash, n.tx_from, n.fact
           from unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[],
               $7::boolean[], $8::uuid[], $9::text[], $10::bytea[], $11::uuid[], $12::text[], $13::uuid[],
               $14::numeric[], $15::text[], $16::bytea[], $17::bytea[], $18::numeric[], $19::bigint[],
               $20::timestamptz[], $21::bigint[], $22::bytea[], $23::bytea[], $24::jsonb[])
               as n (chain_id, block_hash, log_index, batch_index, generation, removed, decides, id, kind, contract,
                   collection_id, aspect, token_row_id, token_id, standard, src, dst, quantity, block_number,
                   block_time, fork_block, tx_hash, tx_from, fact)
           order by n.chain_id, n.block_hash, n.log_index, n.batch_index, n.generation, n.removed
           on conflict on constraint chain_ledger_pkey do nothing
           returning chain_id, block_hash as "block_hash: BlockHash", log_index, batch_index, generation, removed,
               stands"#,
        &chains,
        &hashes as &[BlockHash],
        &logs,
        &batches,
        &generations,
        &removed,
        decides,
        &ids,
        &kinds,
        &contracts as &[Address],
        &collections as &[Option<Uuid>],
        &aspects as &[Option<String>],
        &tokens as &[Option<Uuid>],
        &numbers as &[Option<BigDecimal>],
        &standards as &[Option<String>],
        &from as &[Option<Address>],
        &to as &[Option<Address>],
        &quantities as &[Option<BigDecimal>],
        &blocks,
        &times,
        &forks as &[Option<i64>],
        &txs as &[TxHash],
        &senders as &[Address],
        &facts as &[Option<Value>],
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Inserted {
            mark: Mark {
                chain_id: r.chain_id,
                block_hash: r.block_hash,
                log_index: r.log_index,
                batch_index: r.batch_index,
            },
            generation: r.generation,
            removed: r.removed,
            stands: r.stands,
        })
        .collect())
}

/// An entry that stood and was outranked, with what it had moved.
pub(crate) struct Displaced {
    pub(crate) mark: Mark,
    pub(crate) kind: String,
    pub(crate) standard: Option<String>,
    pub(crate) from: Option<Address>,
    pub(crate) to: Option<Address>,
    pub(crate) quantity: Option<BigDecimal>,
}

/// Takes down what no longer stands because an entry of a higher rank has come.
pub(crate) async fn displace(conn: &mut PgConnection, by: &[&Entry]) -> Result<Vec<Displaced>, sqlx::Error> {
    let chains: Vec<i64> = by.iter().map(|e| e.mark.chain_id).collect();
    let hashes: Vec<BlockHash> = by.iter().map(|e| e.mark.block_hash).collect();
    let logs: Vec<i64> = by.iter().map(|e| e.mark.log_index).collect();
    let batches: Vec<i64> = by.iter().map(|e| e.mark.batch_index).collect();
    let generations: Vec<i64> = by.iter().map(|e| e.generation).collect();
    let removed: Vec<bool> = by.iter().map(|e| e.removed).collect();
    let rows = sqlx::query!(
        r#"update chain_ledger l
           set stands = false
           from unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[])
               as n (chain_id, block_hash, log_index, batch_index, generation, removed)
           where l.chain_id = n.chain_id and l.block_hash = n.block_hash and l.log_index = n.log_index
               and l.batch_index = n.batch_index and l.stands
               and (l.generation, l.removed) < (n.generation, n.removed)
           returning l.chain_id, l.block_hash as "block_hash: BlockHash", l.log_index, l.batch_index, l.kind,
               l.standard, l.from_address as "from_address: Address", l.to_address as "to_address: Address",
               l.quantity"#,
        &chains,
        &hashes as &[BlockHash],
        &logs,
        &batches,
        &generations,
        &removed,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Displaced {
            mark: Mark {
                chain_id: r.chain_id,
                block_hash: r.block_hash,
                log_index: r.log_index,
                batch_index: r.batch_index,
            },
            kind: r.kind,
            standard: r.standard,
            from: r.from_address,
            to: r.to_address,
            quantity: r.quantity,
        })
        .collect())
}

/// For entries that are about no collection: one writer at a time for the events of a block.
pub(crate) async fn lock_block(conn: &mut PgConnection, block: BlockHash) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", block.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// The last standing event of each aspect.
pub(crate) async fn list_last_told(
    conn: &mut PgConnection,
    aspects: &[(Uuid, Aspect)],
) -> Result<Vec<Told>, sqlx::Error> {
    let (collections, words): (Vec<Uuid>, Vec<String>) =
        aspects.iter().map(|(id, a)| (*id, a.word())).unzip();
    sqlx::query_as!(
        Told,
        r#"select k.collection_id as "collection_id!", k.aspect as "aspect!", l.fact as "fact!", l.block_number,
               l.block_hash as "block_hash: BlockHash", l.block_time, l.log_index, l.batch_index,
               l.tx_hash as "tx_hash: TxHash"
           from unnest($1::uuid[], $2::text[]) as k (collection_id, aspect)
           cross join lateral (
               select * from chain_ledger l
               where l.collection_id = k.collection_id and l.aspect = k.aspect and l.stands
               order by l.block_number desc, l.log_index desc, l.batch_index desc
               limit 1) l"#,
        &collections,
        &words,
    )
    .fetch_all(conn)
    .await
}
