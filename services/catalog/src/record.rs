//! Writes events into the ledger and says what of them changed what stands: the one place where it is decided whether
//! an event has its effect.

use std::collections::{BTreeMap, HashMap, HashSet};

use events::Standard;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    error::Error,
    model::{Entry, Kind, Mark, Moved, deciding},
    store::{
        collections::{self, Contract},
        ledger,
    },
};

/// An event that began to stand, or stands no more.
#[derive(Debug, Clone)]
pub(crate) struct Flip {
    pub(crate) stands: bool,
    pub(crate) entry: Entry,
}

/// What writing into the ledger changed.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) flips: Vec<Flip>,
    /// How the collections stood before, all of them locked now.
    pub(crate) statuses: HashMap<Uuid, String>,
}

/// Locks the collections, writes what is new, and finds what flipped. An event that is known already changes nothing; a
/// retraction that comes before its event lets nothing stand; of several generations the highest decides.
pub(crate) async fn record(conn: &mut PgConnection, entries: &[Entry]) -> Result<Recorded, Error> {
    let statuses = lock(conn, entries).await?;
    let decides = deciding(entries);
    let inserted = ledger::insert(conn, entries, &decides).await?;
    launch::failpoint("consumer.inbox_inserted");

    // An element that is twice in the message is one event.
    let mut new: HashMap<(Mark, i64, bool), &ledger::Inserted> =
        inserted.iter().map(|row| ((row.mark, row.generation, row.removed), row)).collect();
    let (mut flips, mut outranking) = (Vec::new(), Vec::new());
    for (entry, decides) in entries.iter().zip(decides) {
        let Some(row) = new.remove(&(entry.mark, entry.generation, entry.removed)) else { continue };
        if row.stands {
            flips.push(Flip { stands: true, entry: entry.clone() });
        }
        if decides && row.outranks {
            outranking.push(entry);
        }
    }
    if !outranking.is_empty() {
        let by: HashMap<Mark, &Entry> = outranking.iter().map(|entry| (entry.mark, *entry)).collect();
        for row in ledger::displace(conn, &outranking).await? {
            let Some(entry) = by.get(&row.mark) else { continue };
            flips.push(Flip { stands: false, entry: undone(entry, row)? });
        }
    }
    // The same block canonical again, with its retraction still on its way: nothing changed.
    let taken: HashSet<Mark> = flips.iter().filter(|flip| !flip.stands).map(|flip| flip.entry.mark).collect();
    let given: HashSet<Mark> = flips.iter().filter(|flip| flip.stands).map(|flip| flip.entry.mark).collect();
    flips.retain(|flip| !(taken.contains(&flip.entry.mark) && given.contains(&flip.entry.mark)));
    flips.sort_by_key(|flip| flip.entry.position());
    Ok(Recorded { flips, statuses })
}

/// Takes the locks of all collections that the entries are about. Unknown contracts get a hidden row: only so can a
/// mint that comes before its collection's creation be applied at once and be locked like any other.
async fn lock(conn: &mut PgConnection, entries: &[Entry]) -> Result<HashMap<Uuid, String>, Error> {
    let mut contracts: BTreeMap<Uuid, Contract> = BTreeMap::new();
    for entry in entries {
        let Some(id) = entry.collection_id else { continue };
        let standard = entry.moved.as_ref().map(|moved| moved.standard).or(entry.standard);
        contracts.entry(id).or_insert_with(|| Contract {
            id,
            chain_id: entry.mark.chain_id,
            address: entry.contract,
            standard: standard.unwrap_or(Standard::Erc721).as_str(),
        });
    }
    let ids: Vec<Uuid> = contracts.keys().copied().collect();
    let contracts: Vec<Contract> = contracts.into_values().collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // Nearly always all of them are known. A pending row may be removed between the two statements of a round; the next
    // round finds the hidden one.
    for _ in 0..4 {
        let statuses = collections::lock_all(conn, &ids).await?;
        if statuses.len() == ids.len() {
            return Ok(statuses);
        }
        collections::insert_unknown(conn, &contracts).await?;
    }
    Err(Error::Changed)
}

/// The entry with what the ledger says that it had moved.
fn undone(entry: &Entry, row: ledger::Displaced) -> Result<Entry, Error> {
    let mut entry = entry.clone();
    let Some(kind) = Kind::of_move(&row.kind) else { return Ok(entry) };
    entry.kind = kind;
    if let (Some(moved), Some(standard), Some(from), Some(to), Some(quantity)) =
        (entry.moved.take(), row.standard, row.from, row.to, row.quantity)
    {
        let quantity = amounts::from_decimal(&quantity).map_err(|_| Error::Amount)?;
        entry.moved = Some(Moved { standard: standard.parse()?, from, to, quantity, ..moved });
    }
    Ok(entry)
}
