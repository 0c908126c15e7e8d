use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_core::{Element, Group, GroupCommitment, Scalar};
use frost_secp256k1_tr::Secp256K1Group;
use frost_secp256k1_tr::keys::{EvenY, Tweak};
use quorate_types::Algorithm;

use super::{Bip340, Scheme};
use crate::payload::TaprootTweak;

impl Scheme for Bip340 {
    const ALGORITHM: Algorithm = Algorithm::Schnorr;
    type Keys = quorate_crypto::Secp256k1;

    fn mul_base(scalar: &Scalar<Self>) -> Element<Self> {
        Secp256K1Group::generator() * *scalar
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

    fn negates_nonces(group_commitment: &GroupCommitment<Self>) -> bool {
        !group_commitment.has_even_y()
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
