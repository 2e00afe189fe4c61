//! Whose money in a currency counts.

use std::collections::{HashMap, HashSet};

use ids::{Address, ChainId};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::error::Error;

/// Of one chain. Every one of them is in the memory of its worker, and whoever can sign an offer can add one.
pub(crate) const MOST_PAYERS: i64 = 100_000;

/// What became of the wish to follow somebody's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Followed {
    /// From the next block on.
    Now,
    /// It was followed before.
    Already,
    /// No currency of the chain, or the chain has not begun.
    NoCurrency,
    /// As many as are followed of one chain.
    Full,
}

/// All payers of a chain, by currency.
pub(crate) async fn list_payers(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
) -> Result<HashMap<Address, HashSet<Address>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select token as "token: Address", account as "account: Address"
         from followed_payers where chain_id = $1"#,
        chain_id.as_i64(),
    )
    .fetch_all(db)
    .await?;
    let mut payers: HashMap<Address, HashSet<Address>> = HashMap::new();
    for row in rows {
        payers.entry(row.token).or_default().insert(row.account);
    }
    Ok(payers)
}

/// Adds (currency, account) pairs in the follower's own commit, which knows them already; what is no currency of the
/// chain is left out. Beyond the most that are followed none is added, the first ones first, as in the follower's memory:
/// an offer that was shown to the exchange alone is looked at when it is to be filled.
pub(crate) async fn insert_payers(
    tx: &mut PgConnection,
    chain_id: ChainId,
    payers: &[(Address, Address)],
) -> Result<u64, sqlx::Error> {
    if payers.is_empty() {
        return Ok(0);
    }
    let (tokens, accounts): (Vec<Address>, Vec<Address>) = payers.iter().copied().unzip();
    let inserted = sqlx::query!(
        "insert into followed_payers (chain_id, token, account)
         select $1::bigint, new.token, new.account
         from unnest($2::bytea[], $3::bytea[]) with ordinality as new (token, account, place)
         join followed_contracts on chain_id = $1 and address = new.token and standard = 'ERC20'
         where not exists (
             select from followed_payers old
             where old.chain_id = $1 and old.token = new.token and old.account = new.account
         )
         group by new.token, new.account order by min(new.place)
         limit greatest($4 - (select count(*) from followed_payers where chain_id = $1), 0)
         on conflict on constraint followed_payers_pkey do nothing",
        chain_id.as_i64(),
        tokens as _,
        accounts as _,
        MOST_PAYERS,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected())
}

/// The same otherwise than in the follower's commit: one under the version before is refused if anybody is new. Who is
/// known costs the follower nothing.
pub(crate) async fn insert_and_bump(
    tx: &mut PgConnection,
    chain_id: ChainId,
    payers: &[(Address, Address)],
) -> Result<u64, sqlx::Error> {
    if payers.is_empty() {
        return Ok(0);
    }
    // First of all its row: whoever adds a payer holds it, so that none of them is counted past another.
    sqlx::query!(
        "select chain_id from indexer_checkpoints where chain_id = $1 for update",
        chain_id.as_i64(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let added = insert_payers(tx, chain_id, payers).await?;
    if added > 0 {
        super::chain::bump_followed_version(tx, chain_id).await?;
    }
    Ok(added)
}

/// Follows somebody's money in a currency from the next committed block on: the follower's commits under the version
/// before are refused, so that no block is committed without.
pub(crate) async fn follow_payer(
    db: &PgPool,
    chain_id: ChainId,
    token: Address,
    account: Address,
) -> Result<Followed, Error> {
    let known = sqlx::query!(
        r#"select
             exists (select 1 from followed_contracts where chain_id = $1 and address = $2 and standard = 'ERC20')
                 as "is_currency!",
             exists (select 1 from followed_payers where chain_id = $1 and token = $2 and account = $3)
                 as "is_followed!""#,
        chain_id.as_i64(),
        token.as_slice(),
        account.as_slice(),
    )
    .fetch_one(db)
    .await?;
    match (known.is_currency, known.is_followed) {
        (false, _) => return Ok(Followed::NoCurrency),
        (true, true) => return Ok(Followed::Already),
        (true, false) => {}
    }
    let mut tx = db.begin().await?;
    // First of all: with it the row is locked, and who asks for the same payer at the same time waits here.
    let bumped = sqlx::query!(
        "update indexer_checkpoints set followed_version = followed_version + 1 where chain_id = $1",
        chain_id.as_i64(),
    )
    .execute(&mut *tx)
    .await?;
    if bumped.rows_affected() == 0 {
        return Ok(Followed::NoCurrency);
    }
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from followed_payers where chain_id = $1"#,
        chain_id.as_i64(),
    )
    .fetch_one(&mut *tx)
    .await?;
    if count >= MOST_PAYERS {
        return Ok(Followed::Full);
    }
    let inserted = sqlx::query!(
        "insert into followed_payers (chain_id, token, account) values ($1, $2, $3)
         on conflict on constraint followed_payers_pkey do nothing",
        chain_id.as_i64(),
        token.as_slice(),
        account.as_slice(),
    )
    .execute(&mut *tx)
    .await?;
    if inserted.rows_affected() == 0 {
        // Somebody was faster; dropped with the transaction, the version stays what they made it.
        return Ok(Followed::Already);
    }
    tx.commit().await?;
    Ok(Followed::Now)
}
