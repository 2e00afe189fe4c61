//! The ledger: what has been seen, and what of it stands.

use bigdecimal::BigDecimal;
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
    /// Another entry of the same event, of a lower rank, stood when this one came.
    pub(crate) outranks: bool,
}

/// Writes the entries that are new; `decides` says which of them outrank the others of the same event in the list.
/// All of them are of one message, and so of one block and one generation of it. The caller holds the locks of all
/// collections that they are about.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    entries: &[Entry],
    decides: &[bool],
) -> Result<Vec<Inserted>, sqlx::Error> {
    let Some(of) = entries.first() else { return Ok(Vec::new()) };
    let each = entries.iter();
    let logs: Vec<i64> = each.clone().map(|e| e.mark.log_index).collect();
    let batches: Vec<i64> = each.clone().map(|e| e.mark.batch_index).collect();
    let ids: Vec<Uuid> = each.clone().map(|e| e.id).collect();
    let contracts: Vec<Address> = each.clone().map(|e| e.contract).collect();
    let collections: Vec<Option<Uuid>> = each.clone().map(|e| e.collection_id).collect();
    let moved = each.clone().map(|e| e.moved.as_ref());
    let tokens: Vec<Option<Uuid>> = moved.clone().map(|m| m.map(|m| m.token_row_id)).collect();
    let numbers: Vec<Option<BigDecimal>> =
        moved.clone().map(|m| m.map(|m| amounts::to_decimal(m.token_id.number()))).collect();
    let standards: Vec<Option<&str>> = each
        .clone()
        .map(|e| e.moved.as_ref().map(|m| m.standard).or(e.standard).map(|s| s.as_str()))
        .collect();
    let from: Vec<Option<Address>> = moved.clone().map(|m| m.map(|m| m.from)).collect();
    let to: Vec<Option<Address>> = moved.clone().map(|m| m.map(|m| m.to)).collect();
    let quantities: Vec<Option<BigDecimal>> =
        moved.map(|m| m.map(|m| amounts::to_decimal(m.quantity))).collect();
    let txs: Vec<TxHash> = each.clone().map(|e| e.tx_hash).collect();
    let senders: Vec<Address> = each.clone().map(|e| e.tx_from).collect();
    // Moves have neither: a column that is null in every row costs nothing as no array at all.
    let aspects: Option<Vec<Option<String>>> = each
        .clone()
        .any(|e| e.aspect.is_some())
        .then(|| each.clone().map(|e| e.aspect.map(Aspect::word)).collect());
    let facts: Option<Vec<Option<Value>>> =
        each.clone().any(|e| e.fact.is_some()).then(|| each.clone().map(|e| e.fact.clone()).collect());
    let rows = sqlx::query!(
        r#"with written as (
               insert into chain_ledger (chain_id, block_hash, log_index, batch_index, generation, removed, stands, id,
                   kind, contract, collection_id, aspect, token_row_id, token_id, standard, from_address, to_address,
                   quantity, block_number, block_time, fork_block, tx_hash, tx_from, fact)
               select $1, $2, n.log_index, n.batch_index, $3, $4,
                   n.decides and not $4 and not exists (
                       select from chain_ledger l
                       where l.chain_id = $1 and l.block_hash = $2 and l.log_index = n.log_index
                           and l.batch_index = n.batch_index and (l.generation, l.removed) > ($3, $4)),
                   n.id, $5, n.contract, n.collection_id, n.aspect, n.token_row_id, n.token_id, n.standard, n.src,
                   n.dst, n.quantity, $6, $7, $8, n.tx_hash, n.tx_from, n.fact
               from unnest($9::bigint[], $10::bigint[], $11::boolean[], $12::uuid[], $13::bytea[], $14::uuid[],
                   $15::text[], $16::uuid[], $17::numeric[], $18::text[], $19::bytea[], $20::bytea[], $21::numeric[],
                   $22::bytea[], $23::bytea[], $24::jsonb[])
                   as n (log_index, batch_index, decides, id, contract, collection_id, aspect, token_row_id, token_id,
                       standard, src, dst, quantity, tx_hash, tx_from, fact)
               order by n.log_index, n.batch_index
               on conflict on constraint chain_ledger_pkey do nothing
               returning log_index, batch_index, stands)
           select w.log_index as "log_index!", w.batch_index as "batch_index!", w.stands as "stands!", exists (
                   select from chain_ledger l
                   where l.chain_id = $1 and l.block_hash = $2 and l.log_index = w.log_index
                       and l.batch_index = w.batch_index and l.stands) as "outranks!"
           from written w"#,
        of.mark.chain_id,
        of.mark.block_hash as BlockHash,
        of.generation,
        of.removed,
        of.kind.as_str(),
        of.block_number,
        of.block_time,
        of.fork_block,
        &logs,
        &batches,
        decides,
        &ids,
        &contracts as &[Address],
        &collections as &[Option<Uuid>],
        aspects.as_deref() as Option<&[Option<String>]>,
        &tokens as &[Option<Uuid>],
        &numbers as &[Option<BigDecimal>],
        &standards as &[Option<&str>],
        &from as &[Option<Address>],
        &to as &[Option<Address>],
        &quantities as &[Option<BigDecimal>],
        &txs as &[TxHash],
        &senders as &[Address],
        facts.as_deref() as Option<&[Option<Value>]>,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Inserted {
            mark: Mark { log_index: r.log_index, batch_index: r.batch_index, ..of.mark },
            generation: of.generation,
            removed: of.removed,
            stands: r.stands,
            outranks: r.outranks,
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
