//! Authenticated channels: Noise between participants, mutual TLS for gRPC; the only sockets between nodes.
