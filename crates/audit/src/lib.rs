//! Hash-chained audit records and their verifier.
