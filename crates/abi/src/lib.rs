//! The contracts' interfaces: what they can be asked, what they answer, and what they log.
//!
//! - [`launchpad`]: the factory and the collections of `contracts/`, word for word.
//! - [`standards`]: the ERC interfaces that any collection may speak.
//! - [`predecessor`]: the factory events of the public predecessor, which other chains still carry.
//! - [`topics`]: the first topic of every event above.
//! - [`artifact`]: the compiled contracts.
//!
//! Must never hold calls, or decoding into facts.

mod compiled;
pub mod launchpad;
pub mod predecessor;
pub mod standards;
pub mod topics;

pub use compiled::{
    ERC721, ERC1155, FACTORY, PLAIN_ERC721, SIGNATURE_VALIDATOR, SIGNATURE_VALIDATOR_PROBE, artifact,
    json_abi,
};
