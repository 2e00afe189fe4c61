//! What the holders of addresses have.

use ids::{Address, ChainId};
use sqlx::PgExecutor;

use crate::model::Held;

/// One row a holder, in their order; without a chain it is every chain. Each count is a range of an index. A token that
/// is held counts whatever is known of its collection: HIDDEN is no more than a place for one of which nothing else was
/// told yet, and a count must not depend on which of the two was told first.
pub(crate) async fn count_holdings(
    db: impl PgExecutor<'_>,
    holders: &[(Address, Option<ChainId>)],
) -> Result<Vec<Held>, sqlx::Error> {
    let addresses: Vec<Vec<u8>> = holders.iter().map(|(address, _)| address.as_slice().to_vec()).collect();
    // -1 is no chain: an array of the wire has no nulls.
    let chains: Vec<i64> =
        holders.iter().map(|(_, chain)| chain.map_or(-1, |chain| chain.as_i64())).collect();
    sqlx::query_as!(
        Held,
        r#"select
               (select count(*) from collections c
                where c.creator = h.address and c.status = 'LIVE' and (h.chain_id = -1 or c.chain_id = h.chain_id))
                   as "collections!",
               (select count(*) from tokens t
                where t.owner_address = h.address and not t.burned and not t.is_removed
                    and (h.chain_id = -1 or t.chain_id = h.chain_id))
               + (select count(*) from token_balances b join tokens t on t.id = b.token_row_id
                  where b.owner = h.address and b.quantity > 0 and not t.is_removed
                      and (h.chain_id = -1 or b.chain_id = h.chain_id)) as "items!"
           from unnest($1::bytea[], $2::bigint[]) with ordinality as h (address, chain_id, place)
           order by h.place"#,
        &addresses,
        &chains
    )
    .fetch_all(db)
    .await
}
