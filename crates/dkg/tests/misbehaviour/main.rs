//! One file per attack row or reason: is it refused, and is the right party blamed?

#![allow(
    non_snake_case,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test names are subject__should_result; tests stop at the first surprise"
)]

mod attack;
#[path = "../stage/stage.rs"]
mod stage;

mod a7_replayed_proof;
mod b1_wrong_degree;
mod b2_indices;
mod b3_rogue_key;
mod b4_abort_after_commitments;
mod b5_equivocation;
mod b6_wrong_share;
mod c10_invalid_points;
mod opening;

/// One test of a generic check for each curve.
macro_rules! on_both_curves {
    ($($check:ident),+ $(,)?) => {
        mod on_secp256k1 {
            $(#[test] fn $check() { super::$check::<quorate_crypto::Secp256k1>(); })+
        }
        mod on_ed25519 {
            $(#[test] fn $check() { super::$check::<quorate_crypto::Ed25519>(); })+
        }
    };
}
pub(crate) use on_both_curves;
