//! Fiat–Shamir challenges from unambiguous bytes.

use quorate_types::Digest32;

use crate::group::Group;

/// A challenge that covers `tag` and every part, uniform over the scalars.
///
/// Two SHA-256 digests over the length-prefixed tag, a block number and the length-prefixed parts
/// make 64 bytes, which are reduced.
///
/// # Security
/// No two different lists of parts have one input: a byte that moves over a field boundary changes
/// the challenge (rows A5, A7). The caller puts in everything that the proof depends on.
#[must_use]
pub fn challenge<G: Group>(tag: &[u8], parts: &[&[u8]]) -> G::Scalar {
    let mut wide = [0; 64];
    for (block, half) in (0u8..).zip(wide.chunks_exact_mut(32)) {
        let number = [block];
        let mut numbered: Vec<&[u8]> = Vec::with_capacity(parts.len() + 1);
        numbered.push(&number);
        numbered.extend_from_slice(parts);
        half.copy_from_slice(Digest32::of(tag, &numbered).as_bytes());
    }
    G::scalar_from_wide(&wide)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::group::{Ed25519, Secp256k1};

    proptest! {
        #[test]
        fn a5_challenge__must_change_when_a_byte_moves_over_a_field_boundary(
            bytes in proptest::collection::vec(any::<u8>(), 1..40),
            first in 0usize..40,
            second in 0usize..40,
        ) {
            let (first, second) = (first % (bytes.len() + 1), second % (bytes.len() + 1));
            prop_assume!(first != second);
            let split = |at: usize| bytes.split_at(at);
            let ((a, b), (c, d)) = (split(first), split(second));
            prop_assert!(
                challenge::<Secp256k1>(b"t", &[a, b]) != challenge::<Secp256k1>(b"t", &[c, d])
            );
            prop_assert!(
                challenge::<Ed25519>(b"t", &[a, b]) != challenge::<Ed25519>(b"t", &[c, d])
            );
        }
    }

    #[test]
    fn a5_challenge__must_cover_tag_and_number_of_parts() {
        let of = |tag: &[u8], parts: &[&[u8]]| challenge::<Secp256k1>(tag, parts);
        assert!(of(b"ta", &[b"b"]) != of(b"t", &[b"ab"]));
        assert!(of(b"t", &[b"a"]) != of(b"t", &[b"a", b""]));
        assert!(of(b"t", &[b"a", b"b"]) != of(b"t", &[b"b", b"a"]));
    }
}
