use std::sync::LazyLock;

use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_core::{Element, Group, GroupCommitment, Scalar};
use frost_ed25519::Ed25519Group;
use quorate_types::Algorithm;
use quorate_verify::{Signature, VerifyError, verify_ed25519};
use zeroize::Zeroizing;

use super::{Ed25519, Scheme};
use crate::payload::TaprootTweak;
use crate::sign::nonces::{Announced, Nonces};
use crate::stock::{AnyAnnounced, Own, StockedNonces};

/// One over the cofactor.
static EIGHTH: LazyLock<Scalar<Ed25519>> = LazyLock::new(|| Scalar::<Ed25519>::from(8_u8).invert());

/// Whether the y-coordinate of an encoding is below p = 2^255 - 19. What else has two spellings is
/// of small order: `x = 0` with either sign.
fn is_reduced(encoded: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = encoded;
    !(last | 0x80 == 0xff && middle.iter().all(|byte| *byte == 0xff) && *first >= 0xed)
}

impl Scheme for Ed25519 {
    const ALGORITHM: Algorithm = Algorithm::EdDsa;
    type Keys = quorate_crypto::Ed25519;

    fn mul_base(scalar: &Scalar<Self>) -> Option<Element<Self>> {
        let point = Element::<Self>::mul_base(scalar);
        (point != Ed25519Group::identity()).then_some(point)
    }

    fn announce(scalar: &Scalar<Self>) -> Option<(Vec<u8>, Element<Self>)> {
        let eighth = Self::mul_base(&Zeroizing::new(scalar * *EIGHTH))?;
        Some((eighth.compress().0.to_vec(), eighth.mul_by_cofactor()))
    }

    fn announced(encoded: &[u8]) -> Option<Element<Self>> {
        // The engine has no name for the type of an encoded point; any of them will do to hold one.
        let mut compressed = Ed25519Group::generator().compress();
        compressed.0 = encoded.try_into().ok()?;
        if !is_reduced(&compressed.0) {
            return None;
        }
        let point = compressed.decompress()?.mul_by_cofactor();
        (point != Ed25519Group::identity()).then_some(point)
    }

    // The engine refuses points outside of the prime-order group, and all second spellings of
    // points are of such (eprint 2020/1244); the tests go through them.
    fn is_canonical(_: &[u8]) -> bool {
        true
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

    fn negates_nonces(_: &GroupCommitment<Self>) -> bool {
        false
    }

    fn verified(key: &[u8], message: &[u8], bytes: [u8; 64]) -> Result<Signature, VerifyError> {
        let key = key.try_into().map_err(|_| VerifyError::Mismatch)?;
        verify_ed25519(key, message, &bytes)?;
        Ok(Signature::EdDsa(bytes))
    }
}
