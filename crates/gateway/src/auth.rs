//! Authentication of calls by HMAC or Ed25519 (`docs/authentication.md`).
//!
//! It says who calls and what may be seen. What may be done is said by the intent's own Ed25519
//! signature, which this never replaces.

mod check;
mod credentials;
mod lines;
mod proof;

pub(crate) use check::{Identity, named, prove};
pub use credentials::{Credential, Credentials, CredentialsError, Verifier};
pub use lines::{SignedHeaders, sign_request};
pub(crate) use proof::Decoy;
