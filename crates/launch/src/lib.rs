//! **launch** is the process edge: what is true in every process of the fleet.
//!
//! A service's `main` asks [`start`] for its configuration and its [`Process`]; the service adds tasks and readiness
//! checks, and [`Process::run`] keeps them until the process is told to stop. Nothing here knows any business.

mod card;
mod document;
mod failpoint;
mod layers;
mod logs;
mod migrations;
mod ops;
mod postgres;
mod probe;
mod process;
mod secret;
mod settings;
mod shape;
mod telemetry;
pub mod trace;

pub use card::{Card, start, start_with};
pub use document::document;
pub use failpoint::failpoint;
pub use layers::{ConfigError, Resolved, resolve};
pub use migrations::migrate;
pub use postgres::postgres;
pub use process::Process;
pub use secret::Secret;
pub use settings::Settings;
