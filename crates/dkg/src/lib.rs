//! Distributed key generation for every curve.
