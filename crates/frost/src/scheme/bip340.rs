use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_core::{Element, Field, Group as _, GroupCommitment, Scalar};
use frost_secp256k1_tr::keys::{EvenY, Tweak};
use frost_secp256k1_tr::{Secp256K1Group, Secp256K1ScalarField};
use quorate_crypto::{Group as _, Secp256k1, SecretScalar};
use quorate_types::Algorithm;
use quorate_verify::{Signature, VerifyError, verify_bip340};
use zeroize::Zeroizing;

use super::{Bip340, Scheme};
use crate::payload::TaprootTweak;
use crate::sign::nonces::{Announced, Nonces};
use crate::stock::{AnyAnnounced, Own, StockedNonces};

impl Scheme for Bip340 {
    const ALGORITHM: Algorithm = Algorithm::Schnorr;
    type Keys = quorate_crypto::Secp256k1;

    fn mul_base(scalar: &Scalar<Self>) -> Option<Element<Self>> {
        Self::announce(scalar).map(|(_, point)| point)
    }

    fn announce(scalar: &Scalar<Self>) -> Option<(Vec<u8>, Element<Self>)> {
        // The engine's version of the curve has no tables; ours has, and the detour over encoded
        // bytes costs far less than they save.
        let bytes = Zeroizing::new(Secp256K1ScalarField::serialize(scalar));
        let scalar = SecretScalar::<Secp256k1>::from_bytes(&bytes)?;
        let encoded = Secp256k1::point_to_bytes(&scalar.public());
        let point = Secp256K1Group::deserialize(encoded.as_slice().try_into().ok()?).ok()?;
        Some((encoded, point))
    }

    // The cofactor is 1: an announced commitment is the commitment.
    fn announced(encoded: &[u8]) -> Option<Element<Self>> {
        if !Self::is_canonical(encoded) {
            return None;
        }
        Secp256K1Group::deserialize(encoded.try_into().ok()?).ok()
    }

    // SEC 1 has a "compact" form of 33 bytes too (tag 05), which the engine would take.
    fn is_canonical(encoded: &[u8]) -> bool {
        matches!(encoded, [2 | 3, ..])
    }

    fn at_output_key(key: KeyPackage<Self>, tweak: TaprootTweak) -> KeyPackage<Self> {
        moved(key, tweak)
    }

    fn shares_at_output_key(
        shares: PublicKeyPackage<Self>,
        tweak: TaprootTweak,
    ) -> PublicKeyPackage<Self> {
        moved(shares, tweak)
    }

    fn stocked(nonces: Nonces<Self>, announced: Announced<Self>) -> StockedNonces {
        StockedNonces(Own::Bip340(nonces, announced))
    }

    fn own(stocked: StockedNonces) -> Option<(Nonces<Self>, Announced<Self>)> {
        match stocked.0 {
            Own::Bip340(nonces, announced) => Some((nonces, announced)),
            _ => None,
        }
    }

    fn any(announced: Announced<Self>) -> AnyAnnounced {
        AnyAnnounced::Bip340(announced)
    }

    fn held(announced: AnyAnnounced) -> Option<Announced<Self>> {
        match announced {
            AnyAnnounced::Bip340(announced) => Some(announced),
            _ => None,
        }
    }

    fn negates_nonces(group_commitment: &GroupCommitment<Self>) -> bool {
        !group_commitment.has_even_y()
    }

    fn verified(key: &[u8], message: &[u8], bytes: [u8; 64]) -> Result<Signature, VerifyError> {
        let digest = message.try_into().map_err(|_| VerifyError::DigestLength {
            found: message.len(),
        })?;
        verify_bip340(key, digest, &bytes)?;
        Ok(Signature::Schnorr(bytes))
    }
}

/// BIP341 adds the tweak to the even key; BIP340 signs under the even form of what comes out.
fn moved<T: Tweak>(key: T, tweak: TaprootTweak) -> T {
    let tweaked = match tweak {
        TaprootTweak::None => key,
        TaprootTweak::KeyPath => key.tweak::<&[u8]>(None),
        TaprootTweak::ScriptTree(root) => key.tweak(Some(root)),
    };
    tweaked.into_even_y(None)
}
