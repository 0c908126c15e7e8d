//! Multiples of the base point of secp256k1, by AVX-512 IFMA or by libsecp256k1's `ecmult_gen`, which
//! is the reference of the other.

use std::sync::LazyLock;

use secp256k1::ffi::CPtr as _;
use secp256k1::{PublicKey, Secp256k1, SecretKey, SignOnly, ffi};
use zeroize::Zeroizing;

use crate::fixed_base::{self, TOGETHER};
use crate::residue::Residue;

/// Read only, so threads may share it.
static CONTEXT: LazyLock<Secp256k1<SignOnly>> = LazyLock::new(Secp256k1::signing_only);

/// `scalar · G`, in time that does not depend on `scalar`. The product itself counts as public.
#[must_use]
pub fn multiply_base(scalar: &SecretKey) -> PublicKey {
    let wide = fixed_base::wide_is_used().then(|| multiply_by_table(scalar));
    wide.flatten()
        .unwrap_or_else(|| multiply_by_library(scalar))
}

/// [`multiply_base`] of several scalars, each for two thirds of its cost where they come together.
#[must_use]
pub fn multiply_base_many(scalars: &[&SecretKey]) -> Vec<PublicKey> {
    let mut points = Vec::with_capacity(scalars.len());
    for scalars in scalars.chunks(TOGETHER) {
        let found = if fixed_base::wide_is_used() {
            multiply_many_by_table(scalars)
        } else {
            [None; TOGETHER]
        };
        let pairs = scalars.iter().zip(found);
        points.extend(
            pairs.map(|(scalar, found)| found.unwrap_or_else(|| multiply_by_library(scalar))),
        );
    }
    points
}

fn multiply_many_by_table(scalars: &[&SecretKey]) -> [Option<PublicKey>; TOGETHER] {
    let mut factors = Zeroizing::new([Residue::default(); TOGETHER]);
    for (factor, scalar) in factors.iter_mut().zip(scalars) {
        let bytes = Zeroizing::new(scalar.to_secret_bytes());
        *factor = Residue::reduce(&bytes);
    }
    fixed_base::multiply_many_wide(factors.get(..scalars.len()).unwrap_or_default())
}

fn multiply_by_table(scalar: &SecretKey) -> Option<PublicKey> {
    let bytes = Zeroizing::new(scalar.to_secret_bytes());
    let factor = Zeroizing::new(Residue::reduce(&bytes));
    fixed_base::multiply_wide(&factor)
}

/// The reference of [`multiply_base`].
///
/// The same as [`PublicKey::from_secret_key`] in less than half the time: that function blinds its
/// context anew behind each call, which costs another multiplication and some hashing. Blinding is
/// a second defence against leaks by power or radiation; the multiplication is constant-time
/// without it.
#[must_use]
pub fn multiply_by_library(scalar: &SecretKey) -> PublicKey {
    let context = CONTEXT.ctx().as_ptr();
    // SAFETY: a new point is filled with zeros and read only after the call has succeeded; `context`
    // is a live signing context that nobody writes to; a `SecretKey` is a number from 1 to n − 1.
    #[allow(
        unsafe_code,
        reason = "the safe function of the library costs twice as much"
    )]
    let (point, is_valid) = unsafe {
        let mut point = ffi::PublicKey::new();
        let is_valid = ffi::secp256k1_ec_pubkey_create(context, &mut point, scalar.as_c_ptr());
        (point, is_valid)
    };
    assert_eq!(is_valid, 1, "a secret key has a public key");
    PublicKey::from(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scalars from 1 to n − 1 with many bits set and with few.
    fn scalars() -> Vec<SecretKey> {
        let mut bytes = [0; 32];
        let mut scalars = Vec::new();
        for number in 1..=255 {
            bytes[usize::from(number) % 32] ^= number;
            bytes[31] |= 1;
            scalars.push(SecretKey::from_secret_bytes(bytes).unwrap());
        }
        let mut order_less_one = Residue(crate::residue::ORDER).to_be_bytes();
        order_less_one[31] -= 1;
        scalars.push(SecretKey::from_secret_bytes(order_less_one).unwrap());
        scalars
    }

    #[test]
    fn multiply_base__should_agree_with_the_safe_function() {
        for scalar in scalars() {
            assert_eq!(multiply_base(&scalar), PublicKey::from_secret_key(&scalar));
        }
    }

    #[test]
    fn multiply_base_many__should_be_one_after_the_other() {
        let scalars = scalars();
        for number in 0..40 {
            let some: Vec<&SecretKey> = scalars.iter().rev().take(number).collect();
            let expected = some.iter().map(|scalar| PublicKey::from_secret_key(scalar));
            assert_eq!(multiply_base_many(&some), expected.collect::<Vec<_>>());
        }
    }
}
