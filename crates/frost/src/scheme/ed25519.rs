use std::sync::LazyLock;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar as Number;
use curve25519_dalek::traits::{IsIdentity as _, VartimeMultiscalarMul as _};
use frost_core::Scalar;
use frost_core::keys::{KeyPackage, PublicKeyPackage};
use quorate_types::Algorithm;
use quorate_verify::{Signature, VerifyError, verify_ed25519};
use zeroize::Zeroizing;

use super::{Bound, Committed, Ed25519, Scheme, Small};
use crate::payload::TaprootTweak;
use crate::sign::nonces::{Announced, Nonces};
use crate::stock::{AnyAnnounced, Own, StockedNonces};

/// One over the cofactor.
static EIGHTH: LazyLock<Number> = LazyLock::new(|| Number::from(8_u8).invert());

static SMALL: LazyLock<Small<Ed25519>> = LazyLock::new(Small::new);

/// The engine has the library in an older version, whose scalars are other ones.
fn number(scalar: &Scalar<Ed25519>) -> Zeroizing<Number> {
    let bytes = Zeroizing::new(scalar.to_bytes());
    Zeroizing::new(Number::from_bytes_mod_order(*bytes))
}

/// Whether the y-coordinate of an encoding is below p = 2^255 - 19. What else has two spellings is
/// of small order: `x = 0` with either sign.
fn is_reduced(encoded: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = encoded;
    !(last | 0x80 == 0xff && middle.iter().all(|byte| *byte == 0xff) && *first >= 0xed)
}

/// A point whose encoding is its only one, unless it is of small order.
fn reduced(encoded: &[u8]) -> Option<EdwardsPoint> {
    let encoded = encoded.try_into().ok().filter(is_reduced)?;
    CompressedEdwardsY(encoded).decompress()
}

/// Commitments that are the multiples by the cofactor of these points.
fn committed(announced: Vec<EdwardsPoint>) -> Vec<Committed<Ed25519>> {
    let count = announced.len();
    let mut points = announced;
    points.extend_from_within(..);
    for point in points.iter_mut().skip(count) {
        *point = point.mul_by_cofactor();
    }
    let encoded = EdwardsPoint::compress_batch_alloc(&points);
    let (announced, encoded) = encoded.split_at(count);
    let commitment = |((announced, encoded), point): ((&CompressedEdwardsY, _), _)| Committed {
        announced: announced.as_bytes().to_vec(),
        encoded: CompressedEdwardsY::as_bytes(encoded).to_vec(),
        point,
    };
    let points = points.into_iter().skip(count);
    announced
        .iter()
        .zip(encoded)
        .zip(points)
        .map(commitment)
        .collect()
}

impl Scheme for Ed25519 {
    const ALGORITHM: Algorithm = Algorithm::EdDsa;
    type Keys = quorate_crypto::Ed25519;

    type Point = EdwardsPoint;

    fn mul_base(scalar: &Scalar<Self>) -> Option<EdwardsPoint> {
        let point = EdwardsPoint::mul_base(&number(scalar));
        (!point.is_identity()).then_some(point)
    }

    fn commit(nonces: &[Zeroizing<Scalar<Self>>]) -> Option<Vec<Committed<Self>>> {
        let eighth = |nonce: &Zeroizing<Scalar<Self>>| {
            let eighth = Zeroizing::new(*number(nonce) * *EIGHTH);
            let point = EdwardsPoint::mul_base(&eighth);
            (!point.is_identity()).then_some(point)
        };
        let announced = nonces.iter().map(eighth).collect::<Option<Vec<_>>>()?;
        Some(committed(announced))
    }

    fn announced(encoded: &[&[u8]]) -> Result<Vec<Committed<Self>>, usize> {
        let mut announced = Vec::with_capacity(encoded.len());
        for (place, encoded) in encoded.iter().enumerate() {
            announced.push(reduced(encoded).ok_or(place)?);
        }
        let committed = committed(announced);
        match committed.iter().position(|one| one.point.is_identity()) {
            Some(place) => Err(place),
            None => Ok(committed),
        }
    }

    fn decode(encoded: &[u8]) -> Option<EdwardsPoint> {
        // The identity has a second spelling, and is refused in both.
        let point = reduced(encoded)?;
        (!point.is_identity() && point.is_torsion_free()).then_some(point)
    }

    fn group_commitment(own: EdwardsPoint, others: &[Bound<Self>]) -> Option<Vec<u8>> {
        let hiding: EdwardsPoint = others.iter().map(|other| other.hiding).sum();
        let factors = others.iter().map(|other| *number(&other.factor));
        let points = others.iter().map(|other| other.binding);
        #[expect(
            clippy::disallowed_methods,
            reason = "public: what signers have announced, and factors of it"
        )]
        let binding = EdwardsPoint::vartime_multiscalar_mul(factors, points);
        let sum = own + hiding + binding;
        (!sum.is_identity()).then(|| sum.compress().to_bytes().to_vec())
    }

    fn small() -> &'static Small<Self> {
        &SMALL
    }

    fn at_output_key(key: KeyPackage<Self>, _: TaprootTweak) -> KeyPackage<Self> {
        key
    }

    fn shares_at_output_key(
        shares: PublicKeyPackage<Self>,
        _: TaprootTweak,
    ) -> PublicKeyPackage<Self> {
        shares
    }

    fn stocked(nonces: Nonces<Self>, announced: Announced<Self>) -> StockedNonces {
        StockedNonces(Own::Ed25519(nonces, announced))
    }

    fn own(stocked: StockedNonces) -> Option<(Nonces<Self>, Announced<Self>)> {
        match stocked.0 {
            Own::Ed25519(nonces, announced) => Some((nonces, announced)),
            _ => None,
        }
    }

    fn any(announced: Announced<Self>) -> AnyAnnounced {
        AnyAnnounced::Ed25519(announced)
    }

    fn held(announced: AnyAnnounced) -> Option<Announced<Self>> {
        match announced {
            AnyAnnounced::Ed25519(announced) => Some(announced),
            _ => None,
        }
    }

    fn negates_nonces(_: &[u8]) -> bool {
        false
    }

    fn verified(key: &[u8], message: &[u8], bytes: [u8; 64]) -> Result<Signature, VerifyError> {
        let key = key.try_into().map_err(|_| VerifyError::Mismatch)?;
        verify_ed25519(key, message, &bytes)?;
        Ok(Signature::EdDsa(bytes))
    }
}
