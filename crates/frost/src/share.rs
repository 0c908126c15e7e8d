//! The share that we sign with, ready for use. `docs/protocols/frost.md` §1.

use std::collections::BTreeMap;
use std::sync::Arc;

use frost_core::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_core::{Error, Identifier, VerifyingKey};
use quorate_crypto::{KeyShare, SecretName};
use quorate_types::{Curve, PartyIndex, Threshold};
use thiserror::Error;

use crate::payload::TaprootTweak;
use crate::scheme::{Bip340, Ed25519, Scheme};

/// Why a share may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidShare {
    /// No scheme here signs with keys of this curve.
    #[error("FROST does not sign with keys of curve {0}")]
    Curve(Curve),
    /// The engine refuses a scalar or point of the share.
    #[error("the share is not one of curve {0}")]
    Refused(Curve),
}

/// A share with all that signing needs of it, made once per load.
///
/// For BIP340 the shares of the two common output keys are made here too: the key itself, and the
/// Taproot key path of BIP86.
pub struct CheckedShare {
    index: PartyIndex,
    threshold: Threshold,
    pub(crate) keys: Keys,
}

/// The share in each scheme of its curve.
pub(crate) enum Keys {
    Ed25519(Arc<SigningKey<Ed25519>>),
    Bip340 {
        plain: Arc<SigningKey<Bip340>>,
        key_path: Arc<SigningKey<Bip340>>,
    },
}

/// A share as it signs under one output key.
///
/// The secret is in `own`, which the engine zeroizes on drop; runs share it by reference.
pub(crate) struct SigningKey<S: Scheme> {
    pub(crate) own: KeyPackage<S>,
    pub(crate) shares: PublicKeyPackage<S>,
    /// The key that signatures verify under, compressed; for BIP340 with even y.
    pub(crate) output_key: Vec<u8>,
}

impl CheckedShare {
    /// Makes a share ready to sign with: once per load.
    ///
    /// # Errors
    /// [`InvalidShare`]: not for a [`KeyShare`] of a curve that FROST signs with.
    ///
    /// # Security
    /// That the share belongs to its public key is what a [`KeyShare`] stands for. Signing takes
    /// the public key from here only: a share used under another key leaks (row C9).
    pub fn new(share: &KeyShare) -> Result<Self, InvalidShare> {
        let curve = share.curve();
        let keys = match curve {
            Curve::Ed25519 => signing_key::<Ed25519>(share).map(|key| Keys::Ed25519(key.into())),
            Curve::Secp256k1 => signing_key::<Bip340>(share).and_then(|key| {
                let key_path = key.moved(TaprootTweak::KeyPath)?.into();
                let plain = key.moved(TaprootTweak::None)?.into();
                Some(Keys::Bip340 { plain, key_path })
            }),
            _ => return Err(InvalidShare::Curve(curve)),
        };
        Ok(Self {
            index: share.index(),
            threshold: share.threshold(),
            keys: keys.ok_or(InvalidShare::Refused(curve))?,
        })
    }

    /// Our index.
    #[must_use]
    pub const fn index(&self) -> PartyIndex {
        self.index
    }

    /// `t` and `n`.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// The curve of the key.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        match self.keys {
            Keys::Ed25519(_) => Curve::Ed25519,
            Keys::Bip340 { .. } => Curve::Secp256k1,
        }
    }
}

impl<S: Scheme> SigningKey<S> {
    /// The share of another output key; `None` in the case, never met, that this is the identity.
    pub(crate) fn moved(&self, tweak: TaprootTweak) -> Option<Self> {
        let own = S::at_output_key(self.own.clone(), tweak);
        let shares = S::shares_at_output_key(self.shares.clone(), tweak);
        let output_key = own.verifying_key().serialize().ok()?;
        Some(Self {
            own,
            shares,
            output_key,
        })
    }
}

/// The engine's name of a party: its x-coordinate.
pub(crate) fn identifier<S: Scheme>(party: PartyIndex) -> Identifier<S> {
    Identifier::try_from(u16::from(party.get())).expect("an index is not zero")
}

fn signing_key<S: Scheme>(share: &KeyShare) -> Option<SigningKey<S>> {
    let secret = share.secret::<S::Keys>(SecretName::SigningKey)?;
    decoded(share, &*secret.to_bytes()).ok()
}

fn decoded<S: Scheme>(share: &KeyShare, secret: &[u8]) -> Result<SigningKey<S>, Error<S>> {
    let sharing = share.package().sharing(SecretName::SigningKey);
    let verifying_key = VerifyingKey::deserialize(&sharing.public_key)?;
    let mut verifying_shares = BTreeMap::new();
    for (encoded, number) in sharing.verifying_shares.iter().zip(1u16..) {
        let point = VerifyingShare::deserialize(encoded)?;
        verifying_shares.insert(Identifier::try_from(number)?, point);
    }
    let me = identifier::<S>(share.index());
    let own = *verifying_shares.get(&me).ok_or(Error::UnknownIdentifier)?;
    let min_signers = u16::from(share.min_signers());
    Ok(SigningKey {
        own: KeyPackage::new(
            me,
            SigningShare::deserialize(secret)?,
            own,
            verifying_key,
            min_signers,
        ),
        shares: PublicKeyPackage::new(verifying_shares, verifying_key, Some(min_signers)),
        output_key: sharing.public_key.clone(),
    })
}
