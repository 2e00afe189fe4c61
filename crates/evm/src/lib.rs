//! **evm** asks a chain's nodes: several endpoints behind one [`Node`], each call with a deadline of its own.
//!
//! | promises | an endpoint that fails, lies, lags, limits or serves another chain is left once that shows, and asked  |
//! |          | last; it is taken back within seconds of behaving again, one that lied again and again within five     |
//! |          | minutes, one that asked for peace when that is over or ten minutes are. An old or invented head is found out by comparing |
//! |          | it with another endpoint's every five seconds; where there is no other one, it cannot be               |
//! | promises | no call goes out without a deadline, no answer is read beyond a bound, no secret of an endpoint is logged |
//!
//! Nothing here knows a contract: calldata comes in encoded and leaves as bytes.

mod ask;
mod ask_many;
mod batch;
mod believe;
mod check;
mod choose;
mod endpoint;
mod error;
mod heads;
mod health;
mod listen;
mod live;
mod logs;
mod node;
mod probe;
mod quota;
mod read;
mod simulate;
mod sockets;
mod standing;
mod wire;

pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::NodeError;
pub use health::Health;
pub use logs::BlockBloom;
pub use node::{Limits, Node};
pub use read::{Fees, Header, Receipt, Transaction};
pub use simulate::Simulated;
pub use sockets::HeadWakes;
