//! What happened: each fact's shape, its exchange and routing key, and (in [`topology`]) who listens.
//!
//! Everything that travels through the broker is declared here, once, for its publisher and its consumers. Nothing in
//! this crate connects to anything.

pub mod auth;
pub mod chain;
pub mod collections;
mod envelope;
pub mod intents;
pub mod media;
pub mod mints;
pub mod orders;
pub mod topology;
pub mod users;
pub mod wallets;

pub use chain::{Block, ChainBatch, ChainEvent, Finality, Standard};
pub use envelope::{Envelope, Fact, Message, NotThisFact};

/// The exchanges, by the names that the documents gave them.
pub mod exchange {
    /// Sign-ins and ended sessions, from auth.
    pub const AUTH: &str = "auth.events";
    /// Status and roles, from user.
    pub const USERS: &str = "users.events";
    /// Links from wallet, approvals from the indexer.
    pub const WALLETS: &str = "wallets.events";
    /// Collections as the chain tells of them.
    pub const COLLECTIONS: &str = "collections.events";
    /// Tokens as the chain tells of them.
    pub const MINTS: &str = "mints.events";
    /// Orders as the chain tells of them.
    pub const ORDERS: &str = "orders.events";
    /// Collections as the catalog knows them.
    pub const COLLECTIONS_DOMAIN: &str = "collections.domain";
    /// Tokens as the catalog knows them.
    pub const MINTS_DOMAIN: &str = "mints.domain";
    /// Orders as the catalog knows them.
    pub const ORDERS_DOMAIN: &str = "orders.domain";
    /// Intents as the orchestrator knows them.
    pub const INTENTS_DOMAIN: &str = "intents.domain";
    /// Assets as media knows them.
    pub const MEDIA_DOMAIN: &str = "media.domain";
    /// Retries and dead letters, each key one queue's own.
    pub const DEAD_LETTERS: &str = "dlx.events";
}
