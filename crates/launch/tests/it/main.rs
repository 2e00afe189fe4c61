//! The process edge, from outside: configuration, a real process with real signals, a real PostgreSQL.

mod configuration;
mod database;
mod life;
mod sample;
mod watching;
