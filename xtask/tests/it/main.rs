//! The launcher against the real servers.

mod fleet_stores;
