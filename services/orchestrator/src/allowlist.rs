//! Lists of addresses that may mint. The contract knows a list by its Merkle root, and a wallet shows a proof.
//!
//! A tree is stored once for each root; who lists the same addresses under other names shares it. Anybody may ask for a
//! proof under a root that is stored, since anybody may see the root in the contract; who has which list is its
//! user's own to know. A proof tells of the asked address alone. A list stays for good: its root may be in a contract, which
//! nobody can be asked about, so nothing deletes one, and what a user may have is bounded.

mod count_moves;
mod find_proof;
mod merkle;
mod put_allowlist;
mod snapshot_allowlist;

use chrono::{DateTime, Utc};
use ids::{Address, BlockHash, ChainId, Hash32, RowId};

pub(crate) use find_proof::find_proof;
pub(crate) use merkle::{Tree, is_proved};
pub(crate) use put_allowlist::{NewList, put_allowlist};
pub(crate) use snapshot_allowlist::{SnapshotAsk, snapshot_allowlist};

/// Addresses in one list at most.
pub(crate) const MOST_ADDRESSES: usize = 100_000;
/// Lists of one user at most.
pub(crate) const MOST_LISTS: i64 = 100;
/// Addresses of one user over all lists at most.
pub(crate) const MOST_ADDRESSES_OF_USER: i64 = 500_000;
/// A request with as many addresses as there may be has 4.4 MB, more than gRPC takes unless told.
pub(crate) const MOST_BYTES: usize = 8 * 1024 * 1024;

/// A list as its user sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Allowlist {
    pub(crate) allowlist_id: RowId,
    pub(crate) name: String,
    pub(crate) root: Hash32,
    pub(crate) count: u32,
    pub(crate) created_at: DateTime<Utc>,
    /// Where the addresses come from, unless the user gave them.
    pub(crate) snapshot: Option<Snapshot>,
}

/// Whose holders a list was made of, and when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) chain_id: ChainId,
    pub(crate) contract: Address,
    pub(crate) block_number: u64,
    pub(crate) block_hash: BlockHash,
    pub(crate) block_time: DateTime<Utc>,
}
