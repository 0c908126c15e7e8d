//! What differs between the two schemes.

mod bip340;
mod ed25519;

use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_core::{Ciphersuite, Field, Group, Scalar};
use quorate_types::{Algorithm, MAX_PARTIES, PartyIndex};
use quorate_verify::{Signature, VerifyError};
use zeroize::{Zeroize, Zeroizing};

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

    /// A point that everybody may know, of the library that computes with it: the engine's own are
    /// slower, and used only where somebody is to be blamed.
    type Point: Copy + Send + Sync;

    /// `scalar · G` from tables, constant-time; `None` for zero.
    fn mul_base(scalar: &Scalar<Self>) -> Option<Self::Point>;

    /// Commits to each of these nonces, constant-time; `None` if one is zero. Several at once cost
    /// less than one by one: encoding shares an inversion.
    fn commit(nonces: &[Zeroizing<Scalar<Self>>]) -> Option<Vec<Committed<Self>>>;

    /// The commitments that announced encodings stand for: `cofactor · A` of each.
    ///
    /// # Errors
    /// The place of the first that is refused.
    ///
    /// # Security
    /// Row C10: refused unless the encoding is the only one of `A`, and the commitment is in the
    /// prime-order group and not its identity. A multiple of the cofactor is always in that group,
    /// whatever `A` is: that check is not skipped, it cannot fail.
    fn announced(encoded: &[&[u8]]) -> Result<Vec<Committed<Self>>, usize>;

    /// The point behind a commitment of round 1.
    ///
    /// # Security
    /// Row C10: `None` unless it is in the prime-order group, in its one encoding, and not the
    /// identity.
    fn decode(encoded: &[u8]) -> Option<Self::Point>;

    /// `own + Σ (D_j + ρ_j·E_j)`, encoded; `None` for the identity.
    ///
    /// # Security
    /// Takes time that depends on all of them, which are public.
    fn group_commitment(own: Self::Point, others: &[Bound<Self>]) -> Option<Vec<u8>>;

    /// Small numbers and their inverses.
    fn small() -> &'static Small<Self>;

    /// Nonces of this scheme, as they are stocked with those of others.
    fn stocked(nonces: Nonces<Self>, announced: Announced<Self>) -> StockedNonces;

    /// Back again; `None` if they are of another scheme.
    fn own(stocked: StockedNonces) -> Option<(Nonces<Self>, Announced<Self>)>;

    /// Commitments of this scheme, as they are held with those of others.
    fn any(announced: Announced<Self>) -> AnyAnnounced;

    /// Back again; `None` if they are of another scheme.
    fn held(announced: AnyAnnounced) -> Option<Announced<Self>>;

    /// The share as it signs: moved to the output key, negated where the scheme wants it.
    fn at_output_key(key: KeyPackage<Self>, tweak: TaprootTweak) -> KeyPackage<Self>;

    /// Everybody's verifying shares, moved in the same way.
    fn shares_at_output_key(
        shares: PublicKeyPackage<Self>,
        tweak: TaprootTweak,
    ) -> PublicKeyPackage<Self>;

    /// Whether all nonces change their sign under this group commitment, which is encoded.
    fn negates_nonces(group_commitment: &[u8]) -> bool;

    /// The signature, if it verifies under the output key.
    fn verified(key: &[u8], message: &[u8], bytes: [u8; 64]) -> Result<Signature, VerifyError>;
}

/// A commitment to one nonce.
pub(crate) struct Committed<S: Scheme> {
    /// As it is announced ahead: a point `A` with `cofactor · A` = the commitment, so that the
    /// receiver need not check that what it makes of it is in the prime-order group.
    pub(crate) announced: Vec<u8>,
    /// As RFC 9591 encodes it.
    pub(crate) encoded: Vec<u8>,
    pub(crate) point: S::Point,
}

/// Another signer's part of the group commitment.
pub(crate) struct Bound<S: Scheme> {
    pub(crate) hiding: S::Point,
    pub(crate) binding: S::Point,
    /// Its binding factor.
    pub(crate) factor: Scalar<S>,
}

/// The numbers up to the highest index, and their inverses: what interpolation at indices needs.
pub(crate) struct Small<S: Scheme> {
    numbers: Vec<Scalar<S>>,
    inverses: Vec<Scalar<S>>,
}

impl<S: Scheme> Small<S> {
    fn new() -> Self {
        let one = <<S::Group as Group>::Field as Field>::one();
        let mut small = Self {
            numbers: vec![one],
            inverses: vec![one],
        };
        let mut number = one;
        for _ in 2..=MAX_PARTIES {
            number = number + one;
            let inverse = <<S::Group as Group>::Field as Field>::invert(&number);
            small.numbers.push(number);
            small
                .inverses
                .push(inverse.expect("a small number is not a multiple of the order"));
        }
        small
    }

    /// `λ_i` at zero for the signer `me` among `signers`, which are different ones; `None` if `me` is
    /// not there once.
    ///
    /// Each factor is `j / (j - i)`.
    pub(crate) fn lagrange_at_zero(
        &self,
        me: PartyIndex,
        signers: impl Iterator<Item = PartyIndex>,
    ) -> Option<Scalar<S>> {
        let at = |numbers: &[Scalar<S>], number: u8| {
            numbers.get(usize::from(number).checked_sub(1)?).copied()
        };
        let mut weight = <<S::Group as Group>::Field as Field>::one();
        let mut seen = false;
        for other in signers {
            if other == me {
                if std::mem::replace(&mut seen, true) {
                    return None;
                }
                continue;
            }
            let (i, j) = (me.get(), other.get());
            let factor = at(&self.numbers, j)? * at(&self.inverses, j.abs_diff(i))?;
            let zero = <<S::Group as Group>::Field as Field>::zero();
            weight = weight * if j > i { factor } else { zero - factor };
        }
        seen.then_some(weight)
    }
}

/// Length of an encoded point in bytes.
pub(crate) const fn point_length<S: Scheme>() -> usize {
    S::ALGORITHM.curve().point_length()
}

#[cfg(test)]
mod tests {
    use frost_core::compute_lagrange_coefficient;

    use super::*;
    use crate::share::identifier;

    fn party(number: u8) -> PartyIndex {
        PartyIndex::new(number).unwrap()
    }

    fn check_weights<S: Scheme>() {
        for set in [&[1, 2][..], &[2, 1], &[3, 19, 20], &[1, 5, 7, 20], &[20, 2]] {
            let signers = || set.iter().copied().map(party);
            let engine = signers().map(identifier::<S>).collect();
            for me in signers() {
                let expected = compute_lagrange_coefficient(&engine, None, identifier(me));
                assert!(S::small().lagrange_at_zero(me, signers()) == expected.ok());
            }
        }
        let twice = [1, 2, 1].map(party);
        assert!(
            S::small()
                .lagrange_at_zero(party(1), twice.into_iter())
                .is_none()
        );
        assert!(
            S::small()
                .lagrange_at_zero(party(3), twice.into_iter())
                .is_none()
        );
    }

    #[test]
    fn weight__should_be_the_engines() {
        check_weights::<Ed25519>();
        check_weights::<Bip340>();
    }

    /// What both libraries make of the same bytes.
    fn check_commitments<S: Scheme>() {
        let nonces: Vec<_> = [3_u8, 5, 7]
            .iter()
            .map(|number| Zeroizing::new(S::H1(&[*number])))
            .collect();
        let committed = S::commit(&nonces).unwrap();
        let announced: Vec<&[u8]> = committed.iter().map(|one| &*one.announced).collect();
        let read = S::announced(&announced).ok().unwrap();
        for ((one, theirs), nonce) in committed.iter().zip(&read).zip(&nonces) {
            let engine = S::Group::generator() * **nonce;
            let encoded = S::Group::serialize(&engine).unwrap();
            assert_eq!(one.encoded, encoded.as_ref());
            assert_eq!(theirs.encoded, encoded.as_ref());
            let decoded = S::decode(&one.encoded).unwrap();
            let again = S::group_commitment(decoded, &[]).unwrap();
            assert_eq!(again, one.encoded);
            assert_eq!(S::group_commitment(one.point, &[]), Some(again));
        }
        let (own, other) = (committed[0].point, &committed[1..]);
        let factor = S::H1(b"factor");
        let bound = Bound {
            hiding: other[0].point,
            binding: other[1].point,
            factor,
        };
        let expected = S::Group::generator() * (*nonces[0] + *nonces[1] + *nonces[2] * factor);
        let sum = S::group_commitment(own, &[bound]).unwrap();
        assert_eq!(sum, S::Group::serialize(&expected).unwrap().as_ref());
        let zero = <<S::Group as Group>::Field as Field>::zero();
        assert!(S::mul_base(&zero).is_none());
        assert!(S::commit(&[nonces[0].clone(), Zeroizing::new(zero)]).is_none());
        // Their sum is the identity.
        let negative = S::mul_base(&(zero - *nonces[1] - *nonces[2] * factor)).unwrap();
        let bound = Bound {
            hiding: other[0].point,
            binding: other[1].point,
            factor,
        };
        assert!(S::group_commitment(negative, &[bound]).is_none());
    }

    #[test]
    fn commitments__should_be_those_of_the_engine() {
        check_commitments::<Ed25519>();
        check_commitments::<Bip340>();
    }
}
