//! Inner loops of threshold ECDSA, where the profile says that time goes.
//!
//! - [`Tccr`]: tweakable circular correlation-robust hashing by AES-128.
//! - [`transpose()`]: rows of bits to columns of 128.
//! - [`CheckHash`]: the linear universal hash that OT extension is checked with.
//! - [`multiply_base`] and [`multiply_base_many`]: multiples of the base point of secp256k1, from a table.
//! - [`KnownPoint`]: what verification of signatures computes under a public key that is met often.
//! - [`correct`] and [`combine`]: the numbers of all OTs of a product, eight OTs at a time.
//! - [`Residue`] and [`WideSum`]: numbers modulo the order of secp256k1, and sums of products that
//!   are reduced once.
//!
//! Everything here takes the same time whatever its secrets are: no branch and no memory address
//! depends on one. AES and carry-less products use the processor's instructions where it has them
//! (found at run time) and constant-time software elsewhere, that by the crates `aes` and `polyval`.
//! Where the processor has AVX-512, functions of our own work on many numbers or blocks at once;
//! each has its portable twin beside it and a slow, literal one in its tests. Such a function is used
//! only once it has computed what its twin does in this process ([`in_use`]).
//!
//! Specification: `docs/protocols/dkls23.md`.
//!
//! Architecture invariant: no IO, no clock, no randomness. The only crate that may hold `unsafe`: one
//! call of libsecp256k1; calls of functions for AVX-512 behind their detection, and their loads and
//! stores; blocks seen as bytes.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod base_point;
mod check_hash;
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, unused_imports, reason = "there is no wide function")
)]
mod fixed_base;
mod inverse;
mod known_point;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod residue;
mod self_test;
mod tccr;
mod transpose;
mod triples;
mod wide_sum;

pub use base_point::{multiply_base, multiply_base_many};
pub use check_hash::{Check, CheckHash, Row};
pub use known_point::{Coordinates, KnownPoint};
pub use residue::{Residue, mask};
pub use self_test::{InUse, in_use};
pub use tccr::{Block, Tccr};
pub use transpose::transpose;
pub use triples::{Corrections, Group, SIDE_BY_SIDE, Triple, TripleBytes, combine, correct};
pub use wide_sum::WideSum;

/// The portable twins, whatever the processor has: for measurements, never for use.
#[doc(hidden)]
pub mod portable {
    pub use crate::base_point::multiply_by_library as multiply_base;
    pub use crate::known_point::by_library as sum;
    pub use crate::transpose::transpose_by_squares as transpose;
    pub use crate::triples::{combine_one_by_one as combine, correct_one_by_one as correct};
    use crate::{Block, Check, CheckHash, Row, Tccr};

    /// Of [`Tccr::hash`].
    pub fn hash<const OUTPUTS: usize>(
        tccr: &Tccr,
        (domain, first): (u32, u32),
        inputs: &[Block],
        out: &mut [[Block; OUTPUTS]],
    ) {
        tccr.hash_portable(domain, first, inputs, out);
    }

    /// Of [`CheckHash::fold_all`].
    pub fn fold_all(hash: &CheckHash, rows: &[Row], out: &mut [Check]) {
        hash.fold_one_by_one(rows, out);
    }
}
