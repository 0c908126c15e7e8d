//! Whether this machine computes on edwards25519 as it should.
//!
//! `curve25519-dalek` chooses wide instructions by itself where the processor has them. One that computed
//! wrongly with them (an erratum, a hypervisor that emulates badly) would have honest nodes blamed for
//! bad signatures, or worse: what a wrong point says of a nonce is not known. The kernels of our own
//! fall back to portable code; this library has no such switch at run time, so whoever signs tests it
//! once, and does not start.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity as _, VartimeMultiscalarMul as _};
use sha2::{Digest as _, Sha512};

/// RFC 8032 §7.1, TEST 1 to 3: secret, public key, message, signature.
const KNOWN: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

/// How often the operations are compared with each other, on numbers without a pattern.
const ROUNDS: u64 = 32;

/// What the product computes with points.
struct Arithmetic {
    mul_base: fn(&Scalar) -> EdwardsPoint,
    mul: fn(&EdwardsPoint, &Scalar) -> EdwardsPoint,
    /// a·P + b·B
    double: fn(&Scalar, &EdwardsPoint, &Scalar) -> EdwardsPoint,
    /// a·P + b·Q
    sum: fn([Scalar; 2], [EdwardsPoint; 2]) -> EdwardsPoint,
}

#[expect(clippy::disallowed_methods, reason = "public: known answers")]
const LIBRARY: Arithmetic = Arithmetic {
    mul_base: EdwardsPoint::mul_base,
    mul: |point, scalar| point * scalar,
    double: EdwardsPoint::vartime_double_scalar_mul_basepoint,
    sum: |scalars, points| EdwardsPoint::vartime_multiscalar_mul(scalars, points),
};

/// Computes known answers on edwards25519, with the instructions that this process uses, and tells
/// whether they came out right. Takes a few milliseconds.
#[must_use]
pub fn edwards25519_is_right() -> bool {
    KNOWN
        .iter()
        .all(|known| answers(&LIBRARY, known) == Some(true))
        && agrees(&LIBRARY)
}

/// Whether the operations give what the RFC says. `None`: a point of it could not be decoded.
fn answers(library: &Arithmetic, [secret, public, message, signature]: &[&str; 4]) -> Option<bool> {
    let message = hex::decode(message).ok()?;
    let signature = bytes::<64>(signature)?;
    let (r, s) = signature.split_first_chunk::<32>()?;
    let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
    let public = bytes::<32>(public)?;
    // §5.1.5 and §5.1.6
    let expanded = Sha512::digest(bytes::<32>(secret)?);
    let (a, prefix) = expanded.split_first_chunk::<32>()?;
    let a = Scalar::from_bytes_mod_order(curve25519_dalek::scalar::clamp_integer(*a));
    let nonce = wide(&[prefix, &message]);
    let challenge = wide(&[r, &public, &message]);
    let [key, commitment] = [public, *r].map(|point| CompressedEdwardsY(point).decompress());
    let (key, commitment) = (key?, commitment?);
    let multiples = [
        ((library.mul_base)(&a), public),
        ((library.mul_base)(&nonce), *r),
        ((library.double)(&-challenge, &key, &s), *r),
        (
            (library.mul)(&key, &challenge) + commitment,
            encoded(&LIBRARY, &s),
        ),
        (
            (library.sum)([challenge, Scalar::ONE], [key, commitment]),
            encoded(&LIBRARY, &s),
        ),
    ];
    let is_right = |(found, known): &(EdwardsPoint, [u8; 32])| found.compress().0 == *known;
    Some(multiples.iter().all(is_right) && s == nonce + challenge * a)
}

fn encoded(library: &Arithmetic, scalar: &Scalar) -> [u8; 32] {
    (library.mul_base)(scalar).compress().0
}

/// Whether the operations agree with each other, also at the edges.
fn agrees(library: &Arithmetic) -> bool {
    let edges = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE];
    let others = (0..ROUNDS).map(|round| wide(&[b"quorate self-test", &round.to_le_bytes()]));
    let scalars: Vec<Scalar> = edges.into_iter().chain(others).collect();
    let mut point = (library.mul_base)(&Scalar::from(7_u8));
    let agree = scalars.iter().zip(scalars.iter().rev()).all(|(a, b)| {
        let apart = (library.mul)(&point, a) + (library.mul_base)(b);
        let together = (library.double)(a, &point, b);
        let base = (library.mul_base)(&Scalar::ONE);
        let sum = (library.sum)([*a, *b], [point, base]);
        point += base;
        apart == together && together == sum
    });
    let whole = (library.mul_base)(&-Scalar::ONE) + (library.mul_base)(&Scalar::ONE);
    agree && whole.is_identity()
}

fn wide(parts: &[&[u8]]) -> Scalar {
    let hash = parts
        .iter()
        .fold(Sha512::new(), |hash, part| hash.chain_update(part));
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(library: &Arithmetic) -> (bool, bool) {
        let known = KNOWN
            .iter()
            .all(|known| answers(library, known) == Some(true));
        (known, agrees(library))
    }

    #[test]
    fn self_test__must_pass_here() {
        assert!(edwards25519_is_right());
        assert_eq!(passes(&LIBRARY), (true, true));
    }

    #[test]
    fn self_test__must_refuse_any_operation_that_is_wrong() {
        let wrong = [
            Arithmetic {
                mul_base: |scalar| -EdwardsPoint::mul_base(scalar),
                ..LIBRARY
            },
            Arithmetic {
                mul: |point, scalar| point * -scalar,
                ..LIBRARY
            },
            Arithmetic {
                double: |a, point, b| -(LIBRARY.double)(a, point, b),
                ..LIBRARY
            },
            Arithmetic {
                sum: |scalars, points| (LIBRARY.sum)(scalars, points) + points[0],
                ..LIBRARY
            },
        ];
        for library in &wrong {
            assert_eq!(passes(library), (false, false));
        }
    }

    #[test]
    fn self_test__must_refuse_what_is_wrong_of_few_numbers() {
        let wrong = Arithmetic {
            mul: |point, scalar| {
                let is_wrong = *scalar == -Scalar::ONE;
                if is_wrong { *point } else { point * scalar }
            },
            ..LIBRARY
        };
        assert_eq!(passes(&wrong), (true, false));
    }
}
