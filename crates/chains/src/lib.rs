//! **chains** knows every chain as the registry tells of it, each with its node, in the services that dial.
//!
//! Must never hold a rule of a service, nor call a chain itself.
//!
//! | door in  | chain-registry.WatchSnapshot: one stream a process, taken up again when it breaks |
//! | promises | who asks sees one version of all chains; a change is seen within a moment of its write |
//! | promises | while the registry is away, what it said last holds                                   |

mod chain;
mod watch;

pub use chain::{Chain, Contract, Snapshot};
pub use watch::{Chains, Lookup};
