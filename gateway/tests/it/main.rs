//! The gateway without its services: the schema, and what becomes of an answer when a field fails.

mod nulls;
mod schema;
