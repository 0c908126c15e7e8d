//! Nonces: used up by one attempt, made for it or ahead of it.

use frost_core::round1::Nonce;
use frost_core::{Field, Group, Scalar};
use quorate_protocol::Abort;
use quorate_types::DecodeError;
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::message::REFUSED;
use crate::scheme::{Committed, Scheme, point_length};
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
    pub(crate) hiding: S::Point,
    pub(crate) binding: S::Point,
}

/// Commitments that travel ahead of what is signed.
pub(crate) struct Announced<S: Scheme> {
    /// Both as they are announced ([`Committed::announced`]), hiding first.
    pub(crate) bytes: Vec<u8>,
    pub(crate) commitments: Commitments<S>,
}

impl<S: Scheme> Nonces<S> {
    /// RFC 9591 §4.1 and §5.1: fresh randomness, hedged with the share, and its commitments.
    pub(crate) fn draw(
        key: &SigningKey<S>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Commitments<S>), Abort> {
        let (nonces, announced) = Self::draw_ahead(key, rng)?;
        Ok((nonces, announced.commitments))
    }

    /// As [`Self::draw`], with the commitments in the form that is announced as well.
    pub(crate) fn draw_ahead(
        key: &SigningKey<S>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Announced<S>), Abort> {
        let mut drawn = Self::draw_many(key, 1, rng)?;
        drawn.pop().ok_or_else(no_randomness)
    }

    /// Several pairs, as many times [`Self::draw_ahead`].
    pub(crate) fn draw_many(
        key: &SigningKey<S>,
        count: usize,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<(Self, Announced<S>)>, Abort> {
        let nonces: Vec<Self> = (0..count).map(|_| Self::fresh(key, rng)).collect();
        let scalars = nonces.iter().flat_map(|Self(secret)| {
            [&secret.hiding, &secret.binding].map(|nonce| Zeroizing::new(nonce.to_scalar()))
        });
        let committed = S::commit(&scalars.collect::<Vec<_>>()).ok_or_else(no_randomness)?;
        let announced = pairs(committed);
        Ok(nonces.into_iter().zip(announced).collect())
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

/// Commitments to pairs of nonces, hiding first.
fn pairs<S: Scheme>(committed: Vec<Committed<S>>) -> Vec<Announced<S>> {
    let pair = |pair: &[Committed<S>]| match pair {
        [hiding, binding] => Some(Announced {
            bytes: [&*hiding.announced, &binding.announced].concat(),
            commitments: Commitments {
                encoded: [&*hiding.encoded, &binding.encoded].concat(),
                hiding: hiding.point,
                binding: binding.point,
            },
        }),
        _ => None,
    };
    committed.chunks(2).filter_map(pair).collect()
}

impl<S: Scheme> Announced<S> {
    /// Length of both as they are announced.
    pub(crate) const fn length() -> usize {
        2 * point_length::<S>()
    }

    /// Checks what another signer announced (row C10).
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut read = Self::read_many(bytes).map_err(|_| REFUSED)?;
        match read.pop() {
            Some(announced) if read.is_empty() => Ok(announced),
            _ => Err(REFUSED),
        }
    }

    /// Checks several, one behind the other (row C10).
    ///
    /// # Errors
    /// The place of the first that is refused.
    pub(crate) fn read_many(bytes: &[u8]) -> Result<Vec<Self>, usize> {
        let encoded: Vec<&[u8]> = bytes.chunks(point_length::<S>()).collect();
        if encoded.len() % 2 == 1 {
            return Err(encoded.len() / 2); // half of one
        }
        let committed = S::announced(&encoded).map_err(|place| place / 2)?;
        Ok(pairs(committed))
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
    pub(crate) fn point(&self) -> Option<S::Point> {
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

#[cfg(test)]
mod tests;
