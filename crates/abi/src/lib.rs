//! The contracts' interfaces: what they can be asked, what they answer, and what they log.
//!
//! - [`launchpad`]: the factory and the collections of `contracts/`, word for word.
//! - [`standards`]: the ERC interfaces that any collection may speak.
//! - [`predecessor`]: the factory events of the public predecessor, which other chains still carry.
//! - [`seaport`]: the exchange that orders are signed for, and the wrapped native currency.
//! - [`topics`]: the first topic of every event above.
//! - [`artifact`]: the compiled contracts.
//!
//! Must never hold calls, or decoding into facts.

mod compiled;
pub mod launchpad;
pub mod predecessor;
pub mod seaport;
pub mod standards;
pub mod topics;

pub use compiled::{
    ERC721, ERC1155, FACTORY, LOCAL_CONDUIT_CONTROLLER, PLAIN_ERC721, SEAPORT, SIGNATURE_VALIDATOR,
    SIGNATURE_VALIDATOR_PROBE, WRAPPED_ETHER, artifact, json_abi,
};
