//! Stores a signed order, or what the chain says now of one that is stored.

use chrono::{SubsecRound, Utc};
use sqlx::PgPool;

use crate::{
    error::Error,
    model::{Order, Standing, State, ToldOrder},
    store::orders,
};

/// The same order again changes nothing; other words under the hash of a stored one are refused. The state is that of
/// the newest block that was told of.
pub(crate) async fn put_order(db: &PgPool, told: &ToldOrder) -> Result<Order, Error> {
    let id = ids::order_row(told.chain_id, told.exchange, told.order_hash);
    let mut tx = db.begin().await?;
    orders::insert_marketplace(&mut tx, &told.signed.marketplace).await?;
    // As precise as the database keeps it, so that what is stored is what is answered.
    let is_new = orders::insert_order(&mut tx, id, told, Utc::now().trunc_subsecs(6)).await?;
    let stored = orders::lock_order(&mut tx, id).await?.ok_or(Error::Changed)?;
    if !is_new {
        if !stored.is_signed_as(&told.signed) {
            return Err(Error::OtherOrder);
        }
        let before = State {
            standing: Standing::from_word(&stored.status).ok_or(Error::Changed)?,
            filled: stored.quantity_filled.clone(),
            as_of_block: stored.as_of_block,
        };
        let after = before.clone().then(State {
            standing: told.standing.unwrap_or(before.standing),
            filled: amounts::to_decimal(told.quantity_filled),
            as_of_block: told.as_of_block,
        });
        if after != before {
            orders::update_state(&mut tx, id, &after).await?;
        }
    }
    let order = orders::find_order(&mut *tx, id).await?.ok_or(Error::Changed)?;
    tx.commit().await?;
    Ok(order)
}
