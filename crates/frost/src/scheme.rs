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
use crate::sign::nonces::{Announced, Nonces};
use crate::stock::{AnyAnnounced, StockedNonces};

/// A ciphersuite of the engine, with what we need beside it. Its scalars and their encodings can be
/// wiped: copies of shares and nonces are.
pub(crate) trait Scheme:
    Ciphersuite<Group: Group<Field: Field<Scalar: Zeroize, Serialization: Zeroize>>>
{
    /// What its signatures are.
    const ALGORITHM: Algorithm;

    /// The group, in our key generation.
    type Keys: quorate_crypto::Group;

    /// `scalar · G` from tables, constant-time; `None` for zero.
    fn mul_base(scalar: &Scalar<Self>) -> Option<Element<Self>>;

    /// A commitment as it is announced ahead, and the point that it stands for: `scalar · G`, from
    /// tables, constant-time; `None` for zero.
    ///
    /// What is announced is a point `A` with `cofactor · A = scalar · G`: the receiver need not check
    /// that what it makes of it is in the prime-order group ([`Scheme::announced`]).
    fn announce(scalar: &Scalar<Self>) -> Option<(Vec<u8>, Element<Self>)>;

    /// The commitment that an announced encoding stands for: `cofactor · A`.
    ///
    /// # Security
    /// Row C10: `None` unless the encoding is the only one of `A`, and the commitment is in the
    /// prime-order group and not its identity. A multiple of the cofactor is always in that group,
    /// whatever `A` is: that check is not skipped, it cannot fail.
    fn announced(encoded: &[u8]) -> Option<Element<Self>>;

    /// Nonces of this scheme, as they are stocked with those of others.
    fn stocked(nonces: Nonces<Self>, announced: Announced<Self>) -> StockedNonces;

    /// Back again; `None` if they are of another scheme.
    fn own(stocked: StockedNonces) -> Option<(Nonces<Self>, Announced<Self>)>;

    /// Commitments of this scheme, as they are held with those of others.
    fn any(announced: Announced<Self>) -> AnyAnnounced;

    /// Back again; `None` if they are of another scheme.
    fn held(announced: AnyAnnounced) -> Option<Announced<Self>>;

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
