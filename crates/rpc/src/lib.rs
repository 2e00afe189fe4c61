//! **rpc** is the gRPC edge: how calls come in, how they go out, and what a failure says on the way.
//!
//! | in   | [`serve`]: mutual TLS, the caller allow-list of `docs/calls.txt`, deadlines, traces, metrics |
//! | out  | [`channel`]: the deadline that remains, bulkhead, breaker, trace context                     |
//! | both | [`Identity`] and its reload; [`Refusal`] to `Status` and [`Problem`] back; [`caller`]        |
//!
//! It knows no service's messages and no user's rights: who may *call* is decided here, who may *do* is not.

mod accept;
mod body;
mod breaker;
mod budget;
pub mod caller;
mod calls;
mod channel;
mod connect;
mod guard;
mod identity;
mod metrics;
mod refusal;
mod serve;
mod settings;
mod spiffe;
mod trace;

pub use budget::{remaining, request_id, within};
pub use channel::{Channel, channel};
pub use identity::Identity;
pub use refusal::{Code, Problem, Refusal, Violation, internal};
pub use serve::{Listen, serve};
pub use settings::Settings;
