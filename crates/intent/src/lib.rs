//! Canonical bytes of an act, manifest, key certificate; signatures of people and services.
