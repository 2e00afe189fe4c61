//! Applies ERC-2309 ranges: one log that moved many tokens, one of each.
//!
//! A range becomes one entry of the ledger for each of its tokens, numbered by their places in it. So the retraction of
//! the range, which has the same numbers, undoes exactly what the range did, whichever of the two comes first, and a
//! token of it that moves on by itself is like any other. It is done in pieces, each a transaction of its own, so that no
//! lock is held for long: a piece that was done before changes nothing when the message comes again.

use amounts::U256;
use events::{chain::event_id, mints::TokenMoved};
use ids::TokenId;
use sqlx::PgPool;

use crate::{apply_moves::apply_moves, error::Error, model::Entry, tell::Cause};

/// More tokens than this in one log are not taken in while a message waits, nor any range after so many of one message.
pub(crate) const MOST_TOKENS: u32 = 100_000;
/// What one transaction does.
const PIECE: u32 = 1_000;
/// A range of no more tokens is told of token by token, as if each had a log.
const FEW: u32 = 100;

/// A range of tokens that went one way.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    /// Of the first of them, with nothing moved yet.
    entry: Entry,
    moved: TokenMoved,
    tokens: u32,
}

/// Why a range is none that can be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("lastTokenId: is below tokenId")]
    Backwards,
    #[error("lastTokenId: {0} tokens in one log, and no more than {MOST_TOKENS} are applied")]
    TooLong(U256),
    #[error("lastTokenId: {0} tokens, and the message's other ranges have {MOST_TOKENS} already")]
    TooMany(u32),
}

impl Unfit {
    /// The word for counting.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Unfit::Backwards => "malformed",
            Unfit::TooLong(_) | Unfit::TooMany(_) => "range_too_long",
        }
    }
}

impl Range {
    pub(crate) fn new(entry: Entry, moved: &TokenMoved, last: TokenId) -> Result<Range, Unfit> {
        let span = last.number().checked_sub(moved.token_id.number()).ok_or(Unfit::Backwards)?;
        // The whole of the numbers are one more than a number can say.
        let tokens = span.saturating_add(U256::ONE);
        match u32::try_from(tokens) {
            Ok(tokens) if tokens <= MOST_TOKENS => Ok(Range { entry, moved: moved.clone(), tokens }),
            _ => Err(Unfit::TooLong(tokens)),
        }
    }

    /// The pieces: the number of the first token in the range, and the entries.
    fn pieces(&self) -> impl Iterator<Item = (u32, Vec<Entry>)> {
        let starts = (0..self.tokens).step_by(PIECE as usize);
        starts.map(|start| {
            let end = self.tokens.min(start.saturating_add(PIECE));
            (start, (start..end).map(|nth| self.entry_of(nth)).collect())
        })
    }

    fn entry_of(&self, nth: u32) -> Entry {
        let mut entry = self.entry.clone();
        entry.mark.batch_index += i64::from(nth);
        let (log, place) = (number(entry.mark.log_index), number(entry.mark.batch_index));
        let name = event_id(entry.chain_id, entry.mark.block_hash, entry.tx_hash, log, place);
        entry.id = ids::derived_uuid("activity", &name);
        entry.moving(&TokenMoved {
            token_id: TokenId::new(self.moved.token_id.number() + U256::from(nth)),
            last_token_id: None,
            quantity: U256::ONE,
            ..self.moved.clone()
        })
    }
}

/// The ranges that a message may have applied, and those beyond, each with the index of its element. Short ones come
/// first, so that whoever tells of very long ones harms themselves. It depends on what the ranges are and on nothing else:
/// a retraction takes back what was applied.
pub(crate) fn within_bounds(mut ranges: Vec<(usize, Range)>) -> (Vec<Range>, Vec<(usize, Unfit)>) {
    ranges.sort_by_key(|(_, range)| (range.tokens, range.entry.mark.log_index, range.entry.mark.batch_index));
    let mut left = MOST_TOKENS;
    let (mut within, mut beyond) = (Vec::new(), Vec::new());
    for (index, range) in ranges {
        // The last one that is taken in may go beyond: a long one is not lost for a few short ones beside it.
        if left > 0 {
            left = left.saturating_sub(range.tokens);
            within.push((index, range));
        } else {
            beyond.push((index, Unfit::TooMany(range.tokens)));
        }
    }
    within.sort_by_key(|(index, _)| *index);
    (within.into_iter().map(|(_, range)| range).collect(), beyond)
}

/// Both places came as 32 bits.
fn number(place: i64) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

pub(crate) async fn apply_ranges(db: &PgPool, ranges: &[Range], cause: &Cause) -> Result<(), Error> {
    for range in ranges {
        for (start, entries) in range.pieces() {
            // A message may have several ranges of a collection beside its single moves, and each is told of.
            let piece = format!("{}/{start}", range.entry.mark.log_index);
            apply_moves(db, &entries, &cause.piece(piece, range.tokens > FEW)).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "apply_ranges_tests.rs"]
mod tests;
