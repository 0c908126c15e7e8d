//! HMAC authentication of calls (`docs/authentication.md`).
//!
//! It says who calls and what may be seen. What may be done is said by the intent's own Ed25519
//! signature, which this never replaces.

mod check;
mod credentials;
mod lines;

pub(crate) use check::{Identity, authenticate};
pub use credentials::{Credential, Credentials, CredentialsError};
pub use lines::{SignedHeaders, sign_request};
