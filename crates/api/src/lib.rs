//! Wire types: protobuf and REST bodies.
