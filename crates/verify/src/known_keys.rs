//! Ed25519 keys whose check this thread has made before.
//!
//! That a key has no small-order component is shown by a multiplication by the group order, which
//! costs more than the rest of a verification. Clusters use few keys, again and again.

use std::cell::RefCell;

use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::edwards::CompressedEdwardsY;
use quorate_types::Curve;

use crate::{PointFault, VerifyError, check_ed25519_point};

/// Groups of keys that a thread remembers, and keys of a group: the newest ones. Whoever sends many
/// other keys gains nothing but the cost of their checks.
const GROUPS: usize = 16;
const KEYS_OF_GROUP: usize = 4;

/// A key that passed every check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownKey {
    bytes: [u8; 32],
    /// The point behind the bytes, negated, as the equation needs it.
    pub(crate) negated: EdwardsPoint,
}

type Group = [Option<KnownKey>; KEYS_OF_GROUP];

thread_local! {
    /// Only keys that passed every check; a key has one group.
    static KNOWN: RefCell<[Group; GROUPS]> = const { RefCell::new([[None; KEYS_OF_GROUP]; GROUPS]) };
}

/// The key behind 32 bytes, checked now or before.
///
/// # Errors
/// As [`check_ed25519_point`]; a refusal is never remembered.
pub(crate) fn checked_key(bytes: &[u8; 32]) -> Result<KnownKey, VerifyError> {
    // Two bytes in the middle: the last ones of a point are not evenly spread.
    let place = usize::from(bytes[15] ^ bytes[16]) % GROUPS;
    let known = KNOWN.with_borrow(|groups| {
        let mut group = groups.get(place)?.iter().flatten();
        group.find(|key| key.bytes == *bytes).copied()
    });
    if let Some(key) = known {
        return Ok(key);
    }
    check_ed25519_point(bytes)?;
    let point = CompressedEdwardsY(*bytes).decompress();
    let point = point.ok_or(VerifyError::InvalidPublicKey {
        curve: Curve::Ed25519,
        fault: PointFault::NotOnCurve,
    })?;
    let key = KnownKey {
        bytes: *bytes,
        negated: -point,
    };
    KNOWN.with_borrow_mut(|groups| {
        if let Some(group) = groups.get_mut(place) {
            group.rotate_right(1);
            group[0] = Some(key);
        }
    });
    Ok(key)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use ed25519_dalek::{SigningKey, VerifyingKey};

    use super::*;

    fn is_known(key: &VerifyingKey) -> bool {
        let known = checked_key(key.as_bytes());
        known.is_ok_and(|known| known.bytes == key.to_bytes() && -known.negated == key.to_edwards())
    }

    #[test]
    fn c10_known_key__must_not_let_its_torsioned_twins_pass() {
        let key = SigningKey::from_bytes(&[5; 32]).verifying_key();
        for _ in 0..2 {
            assert!(is_known(&key));
            for torsion in &EIGHT_TORSION[1..] {
                let twin = (key.to_edwards() + torsion).compress().to_bytes();
                for _ in 0..2 {
                    let refused = checked_key(&twin);
                    assert!(matches!(refused, Err(VerifyError::InvalidPublicKey { .. })));
                }
            }
        }
    }

    #[test]
    fn keys_of_one_group__should_be_remembered_together() {
        // A cluster has few keys; two of them must not push each other out at every signature.
        let keys = (0..=255).map(|seed| SigningKey::from_bytes(&[seed; 32]).verifying_key());
        let group = |key: &VerifyingKey| {
            let bytes = key.to_bytes();
            usize::from(bytes[15] ^ bytes[16]) % GROUPS
        };
        let alike: Vec<_> = keys
            .filter(|key| group(key) == 3)
            .take(KEYS_OF_GROUP)
            .collect();
        assert_eq!(alike.len(), KEYS_OF_GROUP);
        for key in &alike {
            assert!(is_known(key));
        }
        let kept = KNOWN.with_borrow(|groups| groups[3].map(|key| key.map(|key| key.bytes)));
        for key in &alike {
            assert!(kept.contains(&Some(key.to_bytes())));
        }
    }

    #[test]
    fn many_keys__should_each_be_answered_with_themselves() {
        for _ in 0..2 {
            for seed in 0..=255 {
                let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
                assert!(is_known(&key));
            }
        }
    }
}
