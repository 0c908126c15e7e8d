//! Nonces: made for one attempt, used up by it.

use frost_core::round1::{Nonce, NonceCommitment, SigningCommitments};
use frost_core::{BindingFactor, Field, Group, Scalar};
use quorate_protocol::Abort;
use quorate_types::Digest32;
use rand_core::CryptoRng;

use super::message::Commitment;
use crate::randomness::EngineRng;
use crate::scheme::Scheme;
use crate::share::SigningKey;

/// Two nonces that are not known to anybody else.
///
/// # Security
/// Zeroized on drop; no `Clone`. A second use with another list or message gives the share away
/// (rows C3, C7), so [`Nonces::spend`] consumes them.
pub(crate) struct Nonces<S: Scheme> {
    hiding: Nonce<S>,
    binding: Nonce<S>,
}

impl<S: Scheme> Nonces<S> {
    /// RFC 9591 §4.1 and §5.1: fresh randomness, hedged with the share, and its commitments.
    pub(crate) fn draw(
        key: &SigningKey<S>,
        attempt: Digest32,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Commitment<S>), Abort> {
        let mut rng = EngineRng(rng);
        let share = key.own.signing_share();
        let nonces = Self {
            hiding: Nonce::new(share, &mut rng),
            binding: Nonce::new(share, &mut rng),
        };
        let (hiding, binding) = (commit(&nonces.hiding), commit(&nonces.binding));
        let encoded = [hiding.serialize(), binding.serialize()];
        // Identity: the nonce would be zero.
        let [Ok(mut bytes), Ok(rest)] = encoded else {
            return Err(Abort::local("the random generator failed"));
        };
        bytes.extend(rest);
        let commitment = Commitment {
            binding: attempt,
            encoded: bytes,
            points: SigningCommitments::new(hiding, binding),
        };
        Ok((nonces, commitment))
    }

    /// `d + ρ·e`, negated where the scheme wants an even group commitment. Uses the nonces up.
    pub(crate) fn spend(self, factor: &BindingFactor<S>, negate: bool) -> Option<Scalar<S>> {
        let factor = scalar::<S>(&factor.serialize())?;
        let nonce = self.hiding.to_scalar() + self.binding.to_scalar() * factor;
        let zero = <<S::Group as Group>::Field as Field>::zero();
        Some(if negate { zero - nonce } else { nonce })
    }
}

impl<S: Scheme> Drop for Nonces<S> {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.hiding);
        zeroize::Zeroize::zeroize(&mut self.binding);
    }
}

fn commit<S: Scheme>(nonce: &Nonce<S>) -> NonceCommitment<S> {
    NonceCommitment::new(S::mul_base(&nonce.to_scalar()))
}

/// The engine's scalar behind 32 canonical bytes.
pub(crate) fn scalar<S: Scheme>(bytes: &[u8]) -> Option<Scalar<S>> {
    type Encoded<S> =
        <<<S as frost_core::Ciphersuite>::Group as Group>::Field as Field>::Serialization;
    let bytes: Encoded<S> = bytes.try_into().ok()?;
    <<S::Group as Group>::Field as Field>::deserialize(&bytes).ok()
}
