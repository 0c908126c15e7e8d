//! What differs between the two schemes.

mod bip340;
mod ed25519;

use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_core::{Ciphersuite, Element, Field, Group, GroupCommitment, Scalar};
use quorate_types::Algorithm;
use quorate_verify::{Signature, VerifyError};
use zeroize::Zeroize;

pub(crate) use frost_ed25519::Ed25519Sha512 as Ed25519;
pub(crate) use frost_secp256k1_tr::Secp256K1Sha256TR as Bip340;

use crate::payload::TaprootTweak;

/// A ciphersuite of the engine, with what we need beside it. Its scalars can be wiped: copies of
/// shares and nonces are.
pub(crate) trait Scheme: Ciphersuite<Group: Group<Field: Field<Scalar: Zeroize>>> {
    /// What its signatures are.
    const ALGORITHM: Algorithm;

    /// The group, in our key generation.
    type Keys: quorate_crypto::Group;

    /// `scalar · G` from tables, constant-time; `None` for zero.
    fn mul_base(scalar: &Scalar<Self>) -> Option<Element<Self>>;

    /// Whether a point that the engine decodes has this encoding and no other.
    fn is_canonical(encoded: &[u8]) -> bool;

    /// The share as it signs: moved to the output key, negated where the scheme wants it.
    fn at_output_key(key: KeyPackage<Self>, tweak: TaprootTweak) -> KeyPackage<Self>;

    /// Everybody's verifying shares, moved in the same way.
    fn shares_at_output_key(
        shares: PublicKeyPackage<Self>,
        tweak: TaprootTweak,
    ) -> PublicKeyPackage<Self>;

    /// Whether all nonces change their sign under this group commitment.
    fn negates_nonces(group_commitment: &GroupCommitment<Self>) -> bool;

    /// The signature, if it verifies under the output key.
    fn verified(key: &[u8], message: &[u8], bytes: [u8; 64]) -> Result<Signature, VerifyError>;
}

/// Length of an encoded point in bytes.
pub(crate) const fn point_length<S: Scheme>() -> usize {
    S::ALGORITHM.curve().point_length()
}
