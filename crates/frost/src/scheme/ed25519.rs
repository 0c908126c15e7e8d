use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_core::{Element, Group, GroupCommitment, Scalar};
use frost_ed25519::Ed25519Group;
use quorate_types::Algorithm;
use quorate_verify::{Signature, VerifyError, verify_ed25519};

use super::{Ed25519, Scheme};
use crate::payload::TaprootTweak;

impl Scheme for Ed25519 {
    const ALGORITHM: Algorithm = Algorithm::EdDsa;
    type Keys = quorate_crypto::Ed25519;

    fn mul_base(scalar: &Scalar<Self>) -> Option<Element<Self>> {
        let point = Element::<Self>::mul_base(scalar);
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

    fn negates_nonces(_: &GroupCommitment<Self>) -> bool {
        false
    }

    fn verified(key: &[u8], message: &[u8], bytes: [u8; 64]) -> Result<Signature, VerifyError> {
        let key = key.try_into().map_err(|_| VerifyError::Mismatch)?;
        verify_ed25519(key, message, &bytes)?;
        Ok(Signature::EdDsa(bytes))
    }
}
