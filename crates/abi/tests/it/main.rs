//! What this crate says about the contracts is what the compiler says, and what the world says.

mod compiled;
mod interfaces;
mod topics;
