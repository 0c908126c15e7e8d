//! Checks of signatures with public keys alone; holds no secret type of a share.
//!
//! Every signature is checked here before anybody outside sees it, and every public point before
//! anybody computes with it (attack rows C10 and C11 of `SECURITY.md`). The checks are stricter
//! than the standards: one encoding per key, one signature form per (r, s), no small-order keys.
//!
//! Architecture invariant: this crate does no IO, reads no clock, and has no secret to hold.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod ecdsa;
mod eddsa;
mod error;
mod known_keys;
mod known_points;
mod point;
mod schnorr;
mod self_test;
mod signature;

pub use ecdsa::{EcdsaSignature, recover_ecdsa, recover_ecdsa_near, recovery_id_for, verify_ecdsa};
pub use eddsa::verify_ed25519;
pub use error::{PointFault, VerifyError};
pub use point::{check_ed25519_point, check_point, check_secp256k1_point, secp256k1_coordinates};
pub use schnorr::{taproot_output_key, verify_bip340};
pub use self_test::edwards25519_is_right;
pub use signature::Signature;
