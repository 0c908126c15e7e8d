//! A coordinator with scripted participant doubles on real sockets with real mutual TLS.

pub mod authority;
pub mod client;
pub mod double;
pub mod world;
