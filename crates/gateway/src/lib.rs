//! REST for clients: the only HTTP.
