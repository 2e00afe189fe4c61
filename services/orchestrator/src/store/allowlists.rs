//! Lists of addresses, and the trees over them.

use chrono::{DateTime, Utc};
use ids::{Address, Hash32, RowId, UserId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{
    allowlist::{Allowlist, Snapshot},
    page::Position,
    store::decode,
};

struct Row {
    allowlist_id: Uuid,
    name: String,
    root: String,
    size: i32,
    created_at: DateTime<Utc>,
    chain_id: Option<String>,
    contract_address: Option<String>,
    block_number: Option<i64>,
    block_hash: Option<String>,
    block_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Allowlist {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Allowlist, sqlx::Error> {
        let parts = (row.chain_id, row.contract_address, row.block_number, row.block_hash, row.block_time);
        let snapshot = match parts {
            (Some(chain_id), Some(contract), Some(number), Some(hash), Some(block_time)) => Some(Snapshot {
                chain_id: chain_id.parse().map_err(decode)?,
                contract: contract.parse().map_err(decode)?,
                block_number: number.unsigned_abs(),
                block_hash: hash.parse().map_err(decode)?,
                block_time,
            }),
            _ => None,
        };
        Ok(Allowlist {
            allowlist_id: RowId(row.allowlist_id),
            name: row.name,
            root: row.root.parse().map_err(decode)?,
            count: row.size.unsigned_abs(),
            created_at: row.created_at,
            snapshot,
        })
    }
}

/// The one list of columns; `$ending` says which lists.
macro_rules! lists {
    ($ending:literal, $($bound:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            "select l.allowlist_id, l.name, t.root, t.size, l.created_at, l.chain_id, l.contract_address, l.block_number,
                    l.block_hash, l.block_time
             from allowlists l join allowlist_trees t on t.tree_id = l.tree_id " + $ending,
            $($bound),+
        )
    };
}

/// The user's list with this root.
pub(crate) async fn find_by_root(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    root: Hash32,
) -> Result<Option<Allowlist>, sqlx::Error> {
    let row = lists!("where l.user_id = $1 and t.root = $2", user_id.0, root.to_string())
        .fetch_optional(db)
        .await?;
    row.map(Allowlist::try_from).transpose()
}

/// A list of the user.
pub(crate) async fn find_list(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    list_id: RowId,
) -> Result<Option<Allowlist>, sqlx::Error> {
    let row = lists!("where l.user_id = $1 and l.allowlist_id = $2", user_id.0, list_id.0)
        .fetch_optional(db)
        .await?;
    row.map(Allowlist::try_from).transpose()
}

/// The user's lists, newest first.
pub(crate) async fn list_lists(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    after: Position,
    limit: i64,
) -> Result<Vec<Allowlist>, sqlx::Error> {
    let rows = lists!(
        "where l.user_id = $1 and (l.created_at, l.allowlist_id) < ($2, $3)
         order by l.created_at desc, l.allowlist_id desc limit $4",
        user_id.0,
        after.created_at,
        after.id,
        limit
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Allowlist::try_from).collect()
}

/// The addresses of a list of the user, in order; none for a list of somebody else.
pub(crate) async fn list_members(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    list_id: RowId,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "select m.address from allowlists l join allowlist_members m on m.tree_id = l.tree_id
         where l.user_id = $1 and l.allowlist_id = $2 and m.address > $3 order by m.address limit $4",
        user_id.0,
        list_id.0,
        after,
        limit
    )
    .fetch_all(db)
    .await
}

/// One writer at a time for the lists of a user; false while there is another.
pub(crate) async fn try_lock_lists(tx: &mut PgConnection, user_id: UserId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as "is_locked!""#,
        format!("allowlists of {user_id}")
    )
    .fetch_one(tx)
    .await
}

/// How many lists the user has, and how many addresses they have, each list counted by itself.
pub(crate) async fn count_lists(db: impl PgExecutor<'_>, user_id: UserId) -> Result<(i64, i64), sqlx::Error> {
    let row = sqlx::query!(
        r#"select count(*) as "lists!", coalesce(sum(t.size), 0) as "addresses!"
           from allowlists l join allowlist_trees t on t.tree_id = l.tree_id where l.user_id = $1"#,
        user_id.0
    )
    .fetch_one(db)
    .await?;
    Ok((row.lists, row.addresses))
}

/// The tree with this root.
pub(crate) async fn find_tree(db: impl PgExecutor<'_>, root: Hash32) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("select tree_id from allowlist_trees where root = $1", root.to_string())
        .fetch_optional(db)
        .await
}

/// Stores a tree, and says whether it was new: another user may have stored it since it was looked for, with its
/// members.
pub(crate) async fn insert_tree(
    tx: &mut PgConnection,
    root: Hash32,
    size: usize,
    nodes: &[u8],
) -> Result<(Uuid, bool), sqlx::Error> {
    let tree_id = Uuid::now_v7();
    let inserted = sqlx::query!(
        "insert into allowlist_trees (tree_id, root, size, nodes) values ($1, $2, $3, $4)
         on conflict on constraint allowlist_trees_root_key do nothing",
        tree_id,
        root.to_string(),
        i32::try_from(size).map_err(decode)?,
        nodes
    )
    .execute(&mut *tx)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok((tree_id, true));
    }
    Ok((find_tree(tx, root).await?.ok_or(sqlx::Error::RowNotFound)?, false))
}

/// Stores where the leaves of these addresses are.
pub(crate) async fn insert_members(
    tx: &mut PgConnection,
    tree_id: Uuid,
    addresses: &[Address],
    leaves: &[i32],
) -> Result<(), sqlx::Error> {
    let addresses: Vec<String> = addresses.iter().map(|address| address.to_lower()).collect();
    sqlx::query!(
        "insert into allowlist_members (tree_id, address, leaf)
         select $1, address, leaf from unnest($2::text[], $3::integer[]) as m (address, leaf)",
        tree_id,
        &addresses,
        leaves
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Stores what the user calls a tree.
pub(crate) async fn insert_list(
    tx: &mut PgConnection,
    user_id: UserId,
    tree_id: Uuid,
    list: &Allowlist,
) -> Result<(), sqlx::Error> {
    let snapshot = list.snapshot.as_ref();
    sqlx::query!(
        "insert into allowlists (allowlist_id, user_id, name, tree_id, chain_id, contract_address, block_number,
                                 block_hash, block_time, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        list.allowlist_id.0,
        user_id.0,
        list.name,
        tree_id,
        snapshot.map(|of| of.chain_id.to_string()),
        snapshot.map(|of| of.contract.to_lower()),
        snapshot.map(|of| i64::try_from(of.block_number)).transpose().map_err(decode)?,
        snapshot.map(|of| of.block_hash.to_string()),
        snapshot.map(|of| of.block_time),
        list.created_at
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The tree with this root, and the wallet's leaf where it is on the list.
pub(crate) async fn find_leaf(
    db: impl PgExecutor<'_>,
    root: Hash32,
    wallet: Address,
) -> Result<Option<(Uuid, Option<i32>)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select t.tree_id, m.leaf as "leaf?"
           from allowlist_trees t left join allowlist_members m on m.tree_id = t.tree_id and m.address = $2
           where t.root = $1"#,
        root.to_string(),
        wallet.to_lower()
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (row.tree_id, row.leaf)))
}

/// These nodes of a tree. The column is stored in pieces, of which only those are read that hold a node.
pub(crate) async fn list_nodes(
    db: impl PgExecutor<'_>,
    tree_id: Uuid,
    places: &[i32],
) -> Result<Vec<Hash32>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select substring(t.nodes from 32 * k.at + 1 for 32) as "node!: Hash32"
           from unnest($2::integer[]) with ordinality as k (at, place) join allowlist_trees t on t.tree_id = $1
           order by k.place"#,
        tree_id,
        places
    )
    .fetch_all(db)
    .await
}
