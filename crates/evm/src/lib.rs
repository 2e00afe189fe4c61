//! **evm** asks a chain's nodes: several endpoints behind one [`Node`], each call with a deadline of its own.
//!
//! | promises | an endpoint that fails, lags out of time or serves another chain is left at once and tried again later |
//! | promises | no call goes out without a deadline, no answer is read beyond a bound, no secret of an endpoint is logged |
//!
//! Nothing here knows a contract: calldata comes in encoded and leaves as bytes.

mod endpoint;
mod error;
mod heads;
mod node;
mod read;
pub mod signature;
mod wire;

pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::NodeError;
pub use node::{Limits, Node};
pub use read::{Fees, Header, Receipt, Transaction};
