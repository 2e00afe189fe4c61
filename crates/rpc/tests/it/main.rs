//! The gRPC edge, from outside: real sockets, real certificates, the generated clients and servers.

mod accepting;
mod authority;
mod breaking;
mod deadlines;
mod failures;
mod fleet;
mod identities;
mod reload;
mod stopping;
