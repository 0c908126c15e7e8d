//! Canonical bytes of an act, manifest, key certificate; signatures of people and services.
//!
//! Every act on a key is one [`Intent`]: the client builds and signs it, the gateway checks it, and
//! each participant verifies exactly these bytes against its own [`Manifest`] before it joins
//! anything. A coordinator can start nothing by itself.
//!
//! Specification: `docs/protocols/intent.md`.
//!
//! Architecture invariant: no clock and no IO; the time is passed in.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod act;
mod certificate;
mod error;
mod intent;
mod manifest;
mod manifest_file;
mod signed;

pub use act::{Act, ActKind, CreateKey, LiftBan, MAX_PAYLOAD, Sign};
pub use certificate::{CertificateError, KeyCertificate, KeyStatement, pairs_of};
pub use error::IntentError;
pub use intent::{Intent, MAX_INTENT, MAX_LIFETIME_SECONDS};
pub use manifest::{Initiator, Manifest, ManifestError, ManifestNode, Owner, SignedManifest};
pub use signed::{SignedIntent, VerifiedIntent};
