//! Row C6: nonces and their commitments have no bias.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::scheme::{Bip340, Ed25519};
use crate::sign::tests::keys;

/// χ² of 256 equally likely values: 255 ± 22.6 for fair ones; 400 comes once in 10⁸ times.
fn chi_square(values: impl Iterator<Item = u8>) -> f64 {
    let mut counts = [0_u32; 256];
    values.for_each(|value| counts[usize::from(value)] += 1);
    let expected = f64::from(counts.iter().sum::<u32>()) / 256.0;
    let term = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
    counts.iter().map(term).sum()
}

/// - `bits`: eight bits of an encoded nonce, by number; the first are the highest.
/// - `of_point`: a byte of an encoded commitment that takes every value.
fn check<S: Scheme>(
    key: &SigningKey<S>,
    rng: &mut ChaCha20Rng,
    bits: [fn(&[u8]) -> u8; 4],
    of_point: usize,
) {
    let mut scalars = Vec::with_capacity(1 << 20);
    while scalars.len() < 1 << 20 {
        let Nonces(secret) = Nonces::fresh(key, rng);
        for nonce in [&secret.hiding, &secret.binding] {
            scalars.push(Zeroizing::new(nonce.to_scalar()));
        }
    }
    let field = <<S::Group as Group>::Field as Field>::serialize;
    let encoded: Vec<_> = scalars.iter().map(|scalar| field(scalar)).collect();
    let of = |bits: fn(&[u8]) -> u8| encoded.iter().map(move |scalar| bits(scalar.as_ref()));
    for (number, bits) in bits.into_iter().enumerate() {
        let found = chi_square(of(bits));
        assert!(found < 400.0, "{}, {number}: {found}", S::ALGORITHM);
    }
    let committed = scalars[..1 << 16].chunks(64);
    let points = committed.flat_map(|nonces| S::commit(nonces).unwrap());
    let found = chi_square(points.map(|point| point.encoded[of_point]));
    assert!(found < 400.0, "{}, points: {found}", S::ALGORITHM);
    // One bit too few at the top is found.
    assert!(chi_square(of(bits[0]).map(|top| top & 0x7f)) > 400.0);
}

#[test]
fn c6_nonces_and_their_commitments__must_have_no_biased_bytes() {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let (ed25519, bip340) = keys(&mut rng);
    // The order is just above 2²⁵², and encodings begin at the low end.
    let bits: [fn(&[u8]) -> u8; 4] = [
        |bytes| bytes[31] << 4 | bytes[30] >> 4,
        |bytes| bytes[30],
        |bytes| bytes[15],
        |bytes| bytes[0],
    ];
    check::<Ed25519>(&ed25519, &mut rng, bits, 0);
    let bits: [fn(&[u8]) -> u8; 4] = [
        |bytes| bytes[0],
        |bytes| bytes[1],
        |bytes| bytes[15],
        |bytes| bytes[31],
    ];
    check::<Bip340>(&bip340, &mut rng, bits, 1);
}
