//! Where the indexer keeps what it knows: SQL in `chain`, `contract` and `lease`, raw events of MongoDB in `raw`.

pub(crate) mod chain;
pub(crate) mod contract;
pub(crate) mod job;
pub(crate) mod late;
pub(crate) mod lease;
pub(crate) mod payer;
pub(crate) mod raw;
pub(crate) mod status;

/// Both stores, as every worker holds them.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) db: sqlx::PgPool,
    pub(crate) raw: raw::RawStore,
}
