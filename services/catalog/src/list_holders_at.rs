//! Who held how much of a collection at a block.

use amounts::U256;
use bigdecimal::BigDecimal;
use ids::Address;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    error::Error,
    store::{
        collections,
        holders::{self, HolderAt},
    },
};

/// The logs of moves of the collection that the catalog has heard of, in these blocks. Who asks for it along with holders
/// has it counted first: what comes in between is then among the holders.
pub(crate) async fn count_moves(db: &PgPool, collection: Uuid, blocks: (u64, u64)) -> Result<u64, Error> {
    let [first, last] = [blocks.0, blocks.1].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    Ok(holders::count_moves(db, collection, (first, last)).await?.unsigned_abs())
}

/// A page of holders, by address, and after which account the next one begins. The page looks at so many accounts; those
/// that held too little are not in it. Only what the catalog has heard of counts: the caller asks for a block that is
/// settled.
pub(crate) async fn list_holders_at(
    db: &PgPool,
    collection: Uuid,
    block_number: u64,
    least: U256,
    after: Option<Address>,
    page_size: i64,
) -> Result<(Vec<HolderAt>, Option<Address>), Error> {
    let found = collections::list_by_ids(db, &[collection]).await?;
    // A hidden one may be a contract whose creation nobody told; what is held is held all the same.
    let is_known = found.iter().any(|found| found.status == "LIVE" || found.status == "HIDDEN");
    if !is_known {
        return Err(Error::NotFound("collection"));
    }
    // No chain comes near the bound. The zero address is where mints come from and burns go to.
    let block_number = i64::try_from(block_number).unwrap_or(i64::MAX);
    let after = after.unwrap_or(Address::ZERO);
    let least: BigDecimal = amounts::to_decimal(least);
    let Some((end, accounts)) = holders::find_page_end(db, collection, after.as_slice(), page_size).await?
    else {
        return Ok((Vec::new(), None));
    };
    let held =
        holders::list_holders_at(db, collection, block_number, (after.as_slice(), end), &least).await?;
    Ok((held, (accounts == page_size).then_some(end)))
}
