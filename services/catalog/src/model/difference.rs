//! What an audit finds.

/// Something that is not as the ledger says. An empty list is the promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table and the column, or what is wrong with the row.
    pub what: String,
    /// The row.
    pub key: String,
    /// What is stored.
    pub stored: Option<String>,
    /// What it would have to be.
    pub recomputed: Option<String>,
}
