//! The figures of users, and whose may be behind the catalog's.

use chrono::{DateTime, Utc};
use ids::{AccountId, Address, ChainId, CollectionId, UserId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::model::Stats;

/// Figures of a user who has nothing yet.
pub(crate) async fn insert_stats(tx: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into user_stats (user_id) values ($1)", user_id.0).execute(tx).await?;
    Ok(())
}

/// Figures in the order of the ids; unknown ids are left out.
pub(crate) async fn list_stats(db: impl PgExecutor<'_>, users: &[Uuid]) -> Result<Vec<Stats>, sqlx::Error> {
    sqlx::query_as!(
        Stats,
        r#"select s.user_id as "user_id: UserId", collections_count, items_count, listings_count, sales_count,
               purchases_count, volume_sold::text as "volume_sold!", volume_purchased::text as "volume_purchased!",
               followers_count, following_count, updated_at
           from unnest($1::uuid[]) with ordinality as asked (user_id, place) join user_stats s using (user_id)
           order by asked.place"#,
        users
    )
    .fetch_all(db)
    .await
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

/// The user who made something with this account: a contract's account is somebody else's on another chain.
pub(crate) async fn list_creator_owners(
    db: impl PgExecutor<'_>,
    creator: &AccountId,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select distinct user_id as "user_id!" from user_accounts
           where identity in ($1, $2) and address = $1 and user_id is not null"#,
        creator.address.to_lower(),
        creator.to_lower()
    )
    .fetch_all(db)
    .await
}

/// Takes the rows of these users for this transaction, in order of id: two such statements cannot wait for each other.
pub(crate) async fn lock_stats(tx: &mut PgConnection, users: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "select 1 as one from user_stats where user_id = any($1) order by user_id for update",
        users
    )
    .fetch_all(tx)
    .await?;
    Ok(())
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

/// A user whose figures are being asked for, and the mark that led to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) user_id: Uuid,
    pub(crate) dirty_at: DateTime<Utc>,
    pub(crate) asked_at: DateTime<Utc>,
    /// Until when nobody else takes the user; by it a claim is known again.
    pub(crate) until: DateTime<Utc>,
}

/// Takes the longest marked users whose mark has settled, or whose figures are old: each block may renew a mark, and
/// then it never settles. Nobody else takes them for half a minute.
pub(crate) async fn claim_dirty(db: impl PgExecutor<'_>, most: i64) -> Result<Vec<Claimed>, sqlx::Error> {
    sqlx::query_as!(
        Claimed,
        r#"update user_stats s set claimed_until = clock_timestamp() + interval '30 seconds'
           from (select user_id from user_stats
                 where dirty_at is not null
                     and (dirty_at < clock_timestamp() - interval '1 second'
                          or refreshed_at < clock_timestamp() - interval '10 seconds')
                     and (claimed_until is null or claimed_until < clock_timestamp())
                 order by dirty_at limit $1 for update skip locked) c
           where s.user_id = c.user_id
           returning s.user_id, s.dirty_at as "dirty_at!", clock_timestamp() as "asked_at!",
               s.claimed_until as "until!""#,
        most
    )
    .fetch_all(db)
    .await
}

/// Lets others take them: the catalog did not answer. A claim that ran out may be another's by now, and stays. The rows
/// are locked already.
pub(crate) async fn release_claims(tx: &mut PgConnection, claimed: &[Claimed]) -> Result<(), sqlx::Error> {
    let users: Vec<Uuid> = claimed.iter().map(|row| row.user_id).collect();
    let untils: Vec<DateTime<Utc>> = claimed.iter().map(|row| row.until).collect();
    sqlx::query!(
        "update user_stats s set claimed_until = null
         from unnest($1::uuid[], $2::timestamptz[]) as c (user_id, until)
         where s.user_id = c.user_id and s.claimed_until = c.until",
        &users,
        &untils
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What one account of a user has, as the catalog says. Volumes are decimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FigureRow {
    pub(crate) user_id: Uuid,
    pub(crate) collections_count: i32,
    pub(crate) items_count: i32,
    pub(crate) listings_count: i32,
    pub(crate) sales_count: i32,
    pub(crate) purchases_count: i32,
    pub(crate) volume_sold: String,
    pub(crate) volume_purchased: String,
}

/// Writes the sums over each user's accounts. A mark that was renewed meanwhile stays, and so do figures that were asked
/// for later: the claim may have run out. The rows are locked already.
pub(crate) async fn write_figures(
    tx: &mut PgConnection,
    claimed: &[Claimed],
    figures: &[FigureRow],
) -> Result<(), sqlx::Error> {
    let users: Vec<Uuid> = claimed.iter().map(|row| row.user_id).collect();
    let marks: Vec<DateTime<Utc>> = claimed.iter().map(|row| row.dirty_at).collect();
    let asked: Vec<DateTime<Utc>> = claimed.iter().map(|row| row.asked_at).collect();
    let untils: Vec<DateTime<Utc>> = claimed.iter().map(|row| row.until).collect();
    let owners: Vec<Uuid> = figures.iter().map(|row| row.user_id).collect();
    let count = |of: fn(&FigureRow) -> i32| figures.iter().map(of).collect::<Vec<i32>>();
    let volume = |of: fn(&FigureRow) -> &String| figures.iter().map(of).cloned().collect::<Vec<String>>();
    sqlx::query!(
        "update user_stats s set
             collections_count = f.made, items_count = f.held, listings_count = f.listed,
             sales_count = f.sold, purchases_count = f.bought, volume_sold = f.taken, volume_purchased = f.paid,
             dirty_at = case when s.dirty_at = c.dirty_at then null else s.dirty_at end,
             claimed_until = case when s.claimed_until = c.until then null else s.claimed_until end,
             refreshed_at = c.asked_at, updated_at = now()
         from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $12::timestamptz[])
             as c (user_id, dirty_at, asked_at, until)
         cross join lateral (
             select least(coalesce(sum(made), 0), 2147483647)::int as made,
                 least(coalesce(sum(held), 0), 2147483647)::int as held,
                 least(coalesce(sum(listed), 0), 2147483647)::int as listed,
                 least(coalesce(sum(sold), 0), 2147483647)::int as sold,
                 least(coalesce(sum(bought), 0), 2147483647)::int as bought,
                 coalesce(sum(taken::numeric), 0) as taken, coalesce(sum(paid::numeric), 0) as paid
             from unnest($4::uuid[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::text[], $11::text[])
                 as of_account (user_id, made, held, listed, sold, bought, taken, paid)
             where of_account.user_id = c.user_id) f
         where s.user_id = c.user_id and s.refreshed_at <= c.asked_at",
        &users,
        &marks,
        &asked,
        &owners,
        &count(|row| row.collections_count),
        &count(|row| row.items_count),
        &count(|row| row.listings_count),
        &count(|row| row.sales_count),
        &count(|row| row.purchases_count),
        &volume(|row| &row.volume_sold),
        &volume(|row| &row.volume_purchased),
        &untils,
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

/// When the last change of a marked collection was told, once none was told for so long; none where none is marked.
pub(crate) async fn find_settled_collections(
    db: impl PgExecutor<'_>,
    quiet_secs: f64,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar!(
        "select max(dirty_at) from dirty_collections
         having max(dirty_at) < clock_timestamp() - make_interval(secs => $1)
             or min(dirty_at) < clock_timestamp() - 10 * make_interval(secs => $1)",
        quiet_secs
    )
    .fetch_optional(db)
    .await
    .map(Option::flatten)
}

/// Marks users whose figures were asked for before that moment and who have an account; at most so many.
pub(crate) async fn mark_older(
    tx: &mut PgConnection,
    than: DateTime<Utc>,
    most: i64,
) -> Result<u64, sqlx::Error> {
    let marked = sqlx::query!(
        "update user_stats set dirty_at = clock_timestamp()
         where user_id in (
             select user_id from user_stats where user_id in (
                 select s.user_id from user_stats s
                 where s.dirty_at is null and s.refreshed_at < $1
                     and exists (select 1 from user_accounts a where a.user_id = s.user_id)
                 order by s.refreshed_at limit $2)
             order by user_id for update)",
        than,
        most
    )
    .execute(tx)
    .await?;
    Ok(marked.rows_affected())
}

/// Forgets the collections whose changes everybody's figures show by now.
pub(crate) async fn delete_dirty_collections(
    tx: &mut PgConnection,
    until: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from dirty_collections where dirty_at <= $1", until).execute(tx).await?;
    Ok(())
}
