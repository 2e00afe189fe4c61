//! Applies mints, transfers and burns, in whatever order they come.
//!
//! An ERC-721's owner is read off the ledger anew. Sums (supplies, balances, figures) grow by exactly what flipped, in
//! the transaction in which it flipped and under the collection's lock; so they are at any time the sums over what
//! stands. However many events a message has, the number of statements is the same.

use std::collections::{BTreeMap, HashMap};

use bigdecimal::BigDecimal;
use events::Standard;
use ids::Address;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{
    error::Error,
    model::{Entry, Kind},
    record::{Flip, record},
    store::{
        self,
        collections::{self, Shift},
        metadata, tokens,
        tokens::{Change, Gain, Touched},
    },
    tell::{self, Cause},
};

type Holdings = BTreeMap<(Uuid, Address), BigDecimal>;

pub(crate) async fn apply_moves(db: &PgPool, entries: &[Entry], cause: &Cause) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut tx = store::begin(db).await?;
    let recorded = record(&mut tx, entries).await?;
    if !recorded.flips.is_empty() {
        let is_live = |id: &Uuid| recorded.statuses.get(id).is_some_and(|status| status == "LIVE");
        let applied = move_tokens(&mut tx, &recorded.flips, is_live).await?;
        let messages = tell::moves(&mut tx, &recorded.flips, &applied, cause).await?;
        bus::outbox::put_all(&mut tx, &messages).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// What moving tokens did.
pub(crate) struct Applied {
    /// Each token as it was and as it is.
    pub(crate) tokens: HashMap<Uuid, Change>,
    /// The collections whose supply changed and that people see.
    pub(crate) told: Vec<Uuid>,
}

async fn move_tokens(
    conn: &mut PgConnection,
    flips: &[Flip],
    is_live: impl Fn(&Uuid) -> bool,
) -> Result<Applied, Error> {
    let (touched, gains) = tally(flips);
    let Some(Flip { entry, .. }) = flips.last() else {
        return Ok(Applied { tokens: HashMap::new(), told: Vec::new() });
    };
    // A message is of one block, and so is all that it takes back.
    let block = (entry.block_number, entry.mark.block_hash);
    let changes = tokens::upsert(conn, &touched, entry.mark.chain_id, block).await?;
    let changes: HashMap<Uuid, Change> = changes.into_iter().map(|change| (change.id, change)).collect();
    if !gains.is_empty() {
        tokens::update_balances(conn, &gains, entry.mark.chain_id).await?;
    }

    let mut shifts: BTreeMap<Uuid, Shift> = BTreeMap::new();
    let mut holdings = Holdings::new();
    for gain in &gains {
        *holdings.entry((gain.token.collection_id, gain.owner)).or_default() += &gain.quantity;
    }
    for token in &touched {
        let shift = shifts.entry(token.collection_id).or_insert_with(|| Shift::at(block));
        let Some(change) = changes.get(&token.id) else { continue };
        for (sums, sign) in [(change.before.as_ref(), -1), (Some(&change.after), 1)] {
            let Some(sums) = sums else { continue };
            shift.supply += &sums.supply * BigDecimal::from(sign);
            shift.items += i64::from(sums.is_item) * i64::from(sign);
            if let Some(owner) = sums.owner {
                *holdings.entry((token.collection_id, owner)).or_default() += BigDecimal::from(sign);
            }
        }
    }
    hold(conn, holdings, &mut shifts).await?;
    let zero = BigDecimal::default();
    for (id, shift) in &mut shifts {
        shift.is_told = shift.supply != zero && is_live(id);
    }
    let told = shifts.iter().filter(|(_, shift)| shift.is_told).map(|(id, _)| *id).collect();
    // Where tokens only changed hands, the supply is what it was.
    let supplies: Vec<(Uuid, Shift)> =
        shifts.iter().filter(|(_, shift)| shift.supply != zero).map(|(id, s)| (*id, s.clone())).collect();
    if !supplies.is_empty() {
        collections::update_supplies(conn, &supplies).await?;
    }
    let stats: Vec<(Uuid, Shift)> =
        shifts.into_iter().filter(|(_, shift)| shift.items != 0 || shift.owners != 0).collect();
    if !stats.is_empty() {
        collections::update_stats(conn, &stats).await?;
    }

    let new: Vec<_> = touched
        .iter()
        .filter(|token| changes.get(&token.id).is_some_and(Change::is_new))
        .map(|token| (token.id, token.collection_id, token.number.clone()))
        .collect();
    if !new.is_empty() {
        metadata::request_tokens(conn, &new).await?;
    }
    Ok(Applied { tokens: changes, told })
}

/// Adds to what accounts hold, and counts who became or ceased to be an owner.
async fn hold(
    conn: &mut PgConnection,
    holdings: Holdings,
    shifts: &mut BTreeMap<Uuid, Shift>,
) -> Result<(), Error> {
    let zero = BigDecimal::default();
    let changed: Vec<((Uuid, Address), BigDecimal)> =
        holdings.iter().filter(|(_, gain)| **gain != zero).map(|(key, gain)| (*key, gain.clone())).collect();
    if changed.is_empty() {
        return Ok(());
    }
    for (key, now) in tokens::update_holders(conn, &changed).await? {
        let Some(gain) = holdings.get(&key) else { continue };
        let (is_owner, was_owner) = (now > zero, &now - gain > zero);
        shifts.entry(key.0).or_default().owners += i64::from(is_owner) - i64::from(was_owner);
    }
    Ok(())
}

/// What each token and each balance gains from the flips, in the order of their keys.
fn tally(flips: &[Flip]) -> (Vec<Touched>, Vec<Gain>) {
    let mut touched: BTreeMap<Uuid, Touched> = BTreeMap::new();
    let mut gains: BTreeMap<(Uuid, Address), BigDecimal> = BTreeMap::new();
    for Flip { stands, entry } in flips {
        let (Some(moved), Some(collection_id)) = (&entry.moved, entry.collection_id) else { continue };
        let token = touched.entry(moved.token_row_id).or_insert_with(|| Touched {
            id: moved.token_row_id,
            collection_id,
            contract: entry.contract,
            number: amounts::to_decimal(moved.token_id.number()),
            minted: BigDecimal::default(),
            has_mint: false,
        });
        token.has_mint |= entry.kind == Kind::Minted;
        if moved.standard == Standard::Erc721 {
            continue;
        }
        let quantity = amounts::to_decimal(moved.quantity) * BigDecimal::from(if *stands { 1 } else { -1 });
        match entry.kind {
            Kind::Minted => token.minted += &quantity,
            Kind::Burned => token.minted -= &quantity,
            _ => {}
        }
        // The zero address is where mints come from and burns go to; it holds nothing.
        if !moved.to.is_zero() {
            *gains.entry((moved.token_row_id, moved.to)).or_default() += &quantity;
        }
        if !moved.from.is_zero() {
            *gains.entry((moved.token_row_id, moved.from)).or_default() -= &quantity;
        }
    }
    let gains = gains
        .into_iter()
        .filter_map(|((token, owner), quantity)| {
            Some(Gain { token: touched.get(&token)?.clone(), owner, quantity })
        })
        .collect();
    (touched.into_values().collect(), gains)
}
