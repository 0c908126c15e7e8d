//! Nonces: used up by one attempt, made for it or ahead of it.

use frost_core::round1::{Nonce, NonceCommitment, SigningCommitments};
use frost_core::{Element, Error, Field, Group, Scalar};
use quorate_protocol::Abort;
use quorate_types::DecodeError;
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::message::REFUSED;
use crate::scheme::{Scheme, point_length};
use crate::share::SigningKey;

/// Fresh bytes of each nonce, and those of a scalar of either scheme.
const RANDOM: usize = 32;
const SCALAR: usize = 32;

/// Two nonces that are not known to anybody else.
///
/// # Security
/// Zeroized on drop; no `Clone`. A second use with another list or message gives the share away
/// (rows C3, C7), so [`Nonces::spend`] consumes them. They stay in one place from when they are drawn:
/// what moves through tables and rounds is the pointer, so that no copies are left behind.
pub(crate) struct Nonces<S: Scheme>(Box<Secret<S>>);

struct Secret<S: Scheme> {
    hiding: Nonce<S>,
    binding: Nonce<S>,
}

/// The public half of two nonces.
pub(crate) struct Commitments<S: Scheme> {
    /// Both points as RFC 9591 encodes them, hiding first.
    pub(crate) encoded: Vec<u8>,
    pub(crate) points: SigningCommitments<S>,
}

/// Commitments that travel ahead of what is signed.
pub(crate) struct Announced<S: Scheme> {
    /// Both as they are announced ([`Scheme::announce`]), hiding first.
    pub(crate) bytes: Vec<u8>,
    pub(crate) commitments: Commitments<S>,
}

impl<S: Scheme> Nonces<S> {
    /// RFC 9591 §4.1 and §5.1: fresh randomness, hedged with the share, and its commitments.
    pub(crate) fn draw(
        key: &SigningKey<S>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Commitments<S>), Abort> {
        let nonces = Self::fresh(key, rng);
        let commit = |nonce: &Nonce<S>| S::mul_base(&Zeroizing::new(nonce.to_scalar()));
        let points = commit(&nonces.0.hiding).zip(commit(&nonces.0.binding));
        let commitments = points.and_then(|points| Commitments::new(points).ok());
        Ok((nonces, commitments.ok_or_else(no_randomness)?))
    }

    /// As [`Self::draw`], with the commitments in the form that is announced.
    pub(crate) fn draw_ahead(
        key: &SigningKey<S>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Announced<S>), Abort> {
        let nonces = Self::fresh(key, rng);
        let announce = |nonce: &Nonce<S>| S::announce(&Zeroizing::new(nonce.to_scalar()));
        let both = announce(&nonces.0.hiding).zip(announce(&nonces.0.binding));
        let announced = both.and_then(|((mut bytes, hiding), (second, binding))| {
            bytes.extend(second);
            let commitments = Commitments::new((hiding, binding)).ok()?;
            Some(Announced { bytes, commitments })
        });
        Ok((nonces, announced.ok_or_else(no_randomness)?))
    }

    fn fresh(key: &SigningKey<S>, rng: &mut dyn CryptoRng) -> Self {
        let share = Zeroizing::new(key.own.signing_share().to_scalar());
        let share = Zeroizing::new(<<S::Group as Group>::Field as Field>::serialize(&share));
        let mut nonce = || hedged::<S>(share.as_ref(), rng);
        Self(Box::new(Secret {
            hiding: nonce(),
            binding: nonce(),
        }))
    }

    /// The effective nonce `d + ρ·e`. Uses the nonces up.
    pub(crate) fn spend(self, factor: &Scalar<S>) -> Effective<S> {
        let hiding = Zeroizing::new(self.0.hiding.to_scalar());
        let binding = Zeroizing::new(self.0.binding.to_scalar());
        let bound = Zeroizing::new(*binding * *factor);
        Effective(Zeroizing::new(*hiding + *bound))
    }
}

/// RFC 9591 §4.1: `H3(random ‖ share)`. As the engine's `Nonce::new`, which leaves both unwiped.
///
/// - `share`: encoded.
fn hedged<S: Scheme>(share: &[u8], rng: &mut dyn CryptoRng) -> Nonce<S> {
    let mut input = Zeroizing::new([0; RANDOM + SCALAR]);
    let (random, hedge) = input.split_at_mut(RANDOM);
    rng.fill_bytes(random);
    hedge.copy_from_slice(share);
    let scalar = Zeroizing::new(S::H3(input.as_slice()));
    Nonce::from_scalar(*scalar)
}

/// A nonce is zero: the random generator does not work.
fn no_randomness() -> Abort {
    Abort::local("the random generator failed")
}

impl<S: Scheme> Commitments<S> {
    fn new((hiding, binding): (Element<S>, Element<S>)) -> Result<Self, Error<S>> {
        let (hiding, binding) = (NonceCommitment::new(hiding), NonceCommitment::new(binding));
        let mut encoded = hiding.serialize()?;
        encoded.extend(binding.serialize()?);
        Ok(Self {
            encoded,
            points: SigningCommitments::new(hiding, binding),
        })
    }
}

impl<S: Scheme> Announced<S> {
    /// Length of both as they are announced.
    pub(crate) const fn length() -> usize {
        2 * point_length::<S>()
    }

    /// Checks what another signer announced (row C10).
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (hiding, binding) = bytes.split_at_checked(point_length::<S>()).ok_or(REFUSED)?;
        let points = S::announced(hiding).zip(S::announced(binding));
        let commitments = points.and_then(|points| Commitments::new(points).ok());
        Ok(Self {
            bytes: bytes.to_vec(),
            commitments: commitments.ok_or(REFUSED)?,
        })
    }
}

impl<S: Scheme> Drop for Secret<S> {
    fn drop(&mut self) {
        self.hiding.zeroize();
        self.binding.zeroize();
    }
}

/// The nonce that a signature share is made with: one list, one message, one use.
///
/// # Security
/// Zeroized on drop; no `Clone`, and used up by [`Effective::hide`].
pub(crate) struct Effective<S: Scheme>(Zeroizing<Scalar<S>>);

impl<S: Scheme> Effective<S> {
    /// The nonce in the exponent; `None` if it is zero.
    pub(crate) fn point(&self) -> Option<Element<S>> {
        S::mul_base(&self.0)
    }

    /// `±nonce + term`: the signature share.
    pub(crate) fn hide(self, term: &Zeroizing<Scalar<S>>, negate: bool) -> Scalar<S> {
        if negate {
            **term - *self.0
        } else {
            **term + *self.0
        }
    }
}

/// The engine's scalar behind 32 canonical bytes.
pub(crate) fn scalar<S: Scheme>(bytes: &[u8]) -> Option<Scalar<S>> {
    type Encoded<S> =
        <<<S as frost_core::Ciphersuite>::Group as Group>::Field as Field>::Serialization;
    let bytes: Encoded<S> = bytes.try_into().ok()?;
    <<S::Group as Group>::Field as Field>::deserialize(&bytes).ok()
}
