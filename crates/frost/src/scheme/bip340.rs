use std::sync::LazyLock;

use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_core::{Field, Scalar};
use frost_secp256k1_tr::Secp256K1ScalarField;
use frost_secp256k1_tr::keys::Tweak;
use quorate_kernels::{multiply_base, multiply_base_many};
use quorate_types::Algorithm;
use quorate_verify::{Signature, VerifyError, verify_bip340};
use secp256k1::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use super::{Bip340, Bound, Committed, Scheme, Small};
use crate::payload::TaprootTweak;
use crate::sign::nonces::{Announced, Nonces};
use crate::stock::{AnyAnnounced, Own, StockedNonces};

static SMALL: LazyLock<Small<Bip340>> = LazyLock::new(Small::new);

/// SEC 1's tag of a compressed point with an odd y.
const ODD: u8 = 3;

/// A scalar for the library; wiped on drop.
struct Factor(SecretKey);

impl Factor {
    /// `None` for zero.
    fn new(scalar: &Scalar<Bip340>) -> Option<Self> {
        let bytes = Zeroizing::new(Secp256K1ScalarField::serialize(scalar));
        SecretKey::from_secret_bytes(*bytes).ok().map(Self)
    }
}

impl Drop for Factor {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

/// Scalars for the library that stay where they were put: a vector that grew would leave copies behind
/// that nobody wipes.
struct Factors(Vec<Factor>);

impl Factors {
    fn with_room_for(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// `None` if there is no room: nothing is moved.
    fn push(&mut self, factor: Factor) -> Option<()> {
        let has_room = self.0.len() < self.0.capacity();
        has_room.then(|| self.0.push(factor))
    }

    fn all(&self) -> Vec<&SecretKey> {
        self.0.iter().map(|factor| &factor.0).collect()
    }
}

fn committed(point: PublicKey) -> Committed<Bip340> {
    let encoded = point.serialize().to_vec();
    Committed {
        announced: encoded.clone(),
        encoded,
        point,
    }
}

impl Scheme for Bip340 {
    const ALGORITHM: Algorithm = Algorithm::Schnorr;
    type Keys = quorate_crypto::Secp256k1;

    type Point = PublicKey;

    fn mul_base(scalar: &Scalar<Self>) -> Option<PublicKey> {
        let factor = Factor::new(scalar)?;
        Some(multiply_base(&factor.0))
    }

    // The cofactor is 1: an announced commitment is the commitment.
    fn commit(nonces: &[Zeroizing<Scalar<Self>>]) -> Option<Vec<Committed<Self>>> {
        let mut factors = Factors::with_room_for(nonces.len());
        for nonce in nonces {
            factors.push(Factor::new(nonce)?)?;
        }
        let points = multiply_base_many(&factors.all()).into_iter();
        Some(points.map(committed).collect())
    }

    fn announced(encoded: &[&[u8]]) -> Result<Vec<Committed<Self>>, usize> {
        let commitment = |(place, encoded): (usize, &&[u8])| {
            let point = Self::decode(encoded).ok_or(place)?;
            Ok(committed(point))
        };
        encoded.iter().enumerate().map(commitment).collect()
    }

    // SEC 1 has a "compact" form of 33 bytes too (tag 05); the library takes tags 02 and 03 only, and
    // coordinates below p.
    fn decode(encoded: &[u8]) -> Option<PublicKey> {
        let encoded = encoded.try_into().ok()?;
        PublicKey::from_byte_array_compressed(encoded).ok()
    }

    fn group_commitment(own: PublicKey, others: &[Bound<Self>]) -> Option<Vec<u8>> {
        let mut points = vec![own];
        for other in others {
            points.push(other.hiding);
            let factor = Secp256K1ScalarField::serialize(&other.factor);
            // No multiple is there of a factor that is zero, which no hash is.
            let factor = secp256k1::Scalar::from_be_bytes(factor).ok()?;
            #[expect(
                clippy::disallowed_methods,
                reason = "public: what signers have announced, and a factor of it"
            )]
            points.push(other.binding.mul_tweak(&factor).ok()?);
        }
        let points: Vec<&PublicKey> = points.iter().collect();
        let sum = PublicKey::combine_keys(&points).ok()?;
        Some(sum.serialize().to_vec())
    }

    fn small() -> &'static Small<Self> {
        &SMALL
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

    fn negates_nonces(group_commitment: &[u8]) -> bool {
        group_commitment.first() == Some(&ODD)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors__must_stay_where_they_were_put() {
        let factor = || Factor::new(&Secp256K1ScalarField::one()).unwrap();
        let mut factors = Factors::with_room_for(8);
        factors.push(factor()).unwrap();
        let first: *const Factor = &raw const factors.0[0];
        while factors.push(factor()).is_some() {
            assert!(factors.0.len() <= 1_000, "it grew");
        }
        assert!(factors.0.len() >= 8);
        assert!(std::ptr::eq(first, &raw const factors.0[0]), "it moved");
    }

    #[test]
    fn commit__must_have_room_for_all_nonces_from_the_beginning() {
        let mut nonce = Secp256K1ScalarField::one();
        for count in [0, 1, 2, 3, 127, 128] {
            let nonces: Vec<_> = (0..count)
                .map(|_| {
                    nonce = nonce + nonce;
                    Zeroizing::new(nonce)
                })
                .collect();
            let committed = Bip340::commit(&nonces).expect("there is room");
            assert_eq!(committed.len(), count);
        }
    }
}
