//! `a·G + b·P` for public numbers and a public point `P` that is met again and again: what the
//! verification of a signature computes.

use std::sync::OnceLock;

use secp256k1::{PublicKey, Scalar, SecretKey};

use crate::base_point::multiply_by_library;
use crate::fixed_base::WideTable;
use crate::residue::{Residue, words};

/// A point with a table of its multiples, 40 KB.
pub struct KnownPoint(WideTable);

/// A point other than the identity: both coordinates, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coordinates {
    /// Below p.
    pub x: [u8; 32],
    /// Below p.
    pub y: [u8; 32],
}

impl Coordinates {
    fn of(point: &PublicKey) -> Self {
        let [_tag, coordinates @ ..] = point.serialize_uncompressed();
        let (x, y) = coordinates.split_at(32);
        Self {
            x: x.try_into().expect("64 bytes begin with 32"),
            y: y.try_into().expect("64 bytes end with 32"),
        }
    }

    /// Whether the second coordinate is odd.
    #[must_use]
    pub const fn is_odd(&self) -> bool {
        let [.., lowest] = self.y;
        lowest & 1 == 1
    }
}

impl KnownPoint {
    /// Makes the table, in a tenth to a fifth of a millisecond. `None` where the processor cannot use one or has
    /// failed the self-test.
    #[must_use]
    pub fn new(point: &PublicKey) -> Option<Self> {
        wide_is_used().then(|| Self::without_self_test(point))?
    }

    fn without_self_test(point: &PublicKey) -> Option<Self> {
        let Coordinates { x, y } = Coordinates::of(point);
        WideTable::new(&[words(&x), words(&y)]).map(Self)
    }

    /// `base · G + factor · P`; `None` for the identity.
    ///
    /// # Security
    /// For public numbers: nobody has looked at how long it takes for secret ones.
    #[must_use]
    pub fn sum(&self, base: &Residue, factor: &Residue) -> Option<Coordinates> {
        let [x, y] = self.0.sum(base, factor)?;
        // No point has y = 0: the order is odd.
        let bytes = |words| Residue(words).to_be_bytes();
        (y != [0; 4]).then(|| Coordinates {
            x: bytes(x),
            y: bytes(y),
        })
    }
}

/// Whether tables are used for points: the processor has the instructions, and the self-test, which
/// runs once, has passed.
pub(crate) fn wide_is_used() -> bool {
    static IS_USED: OnceLock<bool> = OnceLock::new();
    *IS_USED.get_or_init(|| {
        passes(|point, base, factor| KnownPoint::without_self_test(point)?.sum(base, factor))
    })
}

/// The self-test: whether a function computes what libsecp256k1 does.
fn passes(sum: impl Fn(&PublicKey, &Residue, &Residue) -> Option<Coordinates>) -> bool {
    let [a, b, c, d, e, f] = crate::self_test::blocks(6);
    let one = Residue([1, 0, 0, 0]);
    let minus_one = Residue::default().minus(&one);
    let any = [(a, b), (c, d), (e, f)].map(|(low, high)| Residue::from_blocks(low, high));
    let [first, second, secret] = any;
    // With the base point itself and its negative, sums are doublings and the identity too.
    [one, minus_one, secret].into_iter().all(|secret| {
        let Ok(scalar) = SecretKey::from_secret_bytes(secret.to_be_bytes()) else {
            return false;
        };
        let point = multiply_by_library(&scalar);
        let pairs = [
            (first, second),
            (second, first),
            (first, first),
            (first, Residue::default().minus(&first)),
            (Residue::default(), second),
            (first, Residue::default()),
            (Residue::default(), Residue::default()),
            (minus_one, one),
        ];
        pairs
            .iter()
            .all(|(base, factor)| sum(&point, base, factor) == by_library(&point, base, factor))
    })
}

/// The reference of [`KnownPoint::sum`].
#[expect(
    clippy::disallowed_methods,
    reason = "public: for the verification of signatures"
)]
pub fn by_library(point: &PublicKey, base: &Residue, factor: &Residue) -> Option<Coordinates> {
    let secret = SecretKey::from_secret_bytes(base.to_be_bytes()).ok();
    let first = secret.map(|secret| multiply_by_library(&secret));
    let factor = Scalar::from_be_bytes(factor.to_be_bytes()).ok()?;
    let second = (factor != Scalar::ZERO).then(|| point.mul_tweak(&factor));
    let sum = match (first, second) {
        (Some(first), Some(second)) => PublicKey::combine_keys(&[&first, &second.ok()?]).ok()?,
        (Some(only), None) => only,
        (None, Some(only)) => only.ok()?,
        (None, None) => return None,
    };
    Some(Coordinates::of(&sum))
}

#[cfg(test)]
mod tests;
