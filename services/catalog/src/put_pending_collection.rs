//! A collection that somebody is about to create: seen by its creator only, until the chain tells of it.

use sqlx::PgPool;

use crate::{
    error::Error,
    model::{Collection, Pending, clean, collection_row, slug},
    store::collections,
};

/// A second call with the same intent changes nothing; a collection that the chain has told of already stays as it is.
pub(crate) async fn put_pending_collection(db: &PgPool, mut pending: Pending) -> Result<Collection, Error> {
    pending.name = clean(&pending.name, 200);
    pending.symbol = clean(&pending.symbol, 50);
    let id = collection_row(pending.chain_id, pending.contract);
    let slug = slug(&pending.name, pending.contract, id);
    let mut tx = db.begin().await?;
    if !collections::upsert_pending(&mut tx, id, &slug, &pending).await? {
        return Err(Error::Announced);
    }
    let collection = collections::list_by_ids(&mut *tx, &[id]).await?.pop().ok_or(Error::Changed)?;
    tx.commit().await?;
    Ok(collection)
}
