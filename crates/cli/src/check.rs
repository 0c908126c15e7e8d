//! What is checked before anything is shown: nothing that the service says is believed.

mod key;
mod mismatch;
mod signature;

pub use key::{Asked, CertifiedKey, certified_key};
pub use mismatch::Mismatch;
pub use signature::{VerifiedSignature, verified_signature};
