//! Signing with exactly `min_signers` parties. `docs/protocols/dkls23.md` §2.
//! Source: eprint 2023/765 Protocol 3.6.

mod attempt;
mod inputs;
mod message;
mod round1;
mod round2;
mod round3;

use quorate_protocol::{Abort, Next, Outbox, Phases, Roster, RoundInput, RoundSpec, Traffic};
use quorate_types::Digest32;
use quorate_verify::EcdsaSignature;
use rand_core::CryptoRng;

use crate::pair::Pairs;
use crate::share::CheckedShare;
use attempt::Attempt;
use round1::Round1;
use round2::Round2;
use round3::Round3;

/// One attempt of one signature at one signer.
///
/// Nonces live in this value only. It is consumed by [`Phases::proceed`] and cannot be copied, so
/// no nonce can meet a second message (row C3):
///
/// ```compile_fail,E0382
/// use quorate_dkls23::Sign;
/// use quorate_protocol::{Phases, RoundInput};
///
/// fn twice(sign: Sign, a: RoundInput, b: RoundInput, rng: &mut dyn rand_core::CryptoRng) {
///     let _ = sign.proceed(a, rng);
///     let _ = sign.proceed(b, rng);
/// }
/// ```
///
/// ```compile_fail,E0599
/// fn copy(sign: &quorate_dkls23::Sign) -> quorate_dkls23::Sign {
///     sign.clone()
/// }
/// ```
pub struct Sign(State);

enum State {
    Round1(Box<Round1>),
    Round2(Box<Round2>),
    Round3(Box<Round3>),
}

impl Sign {
    /// Starts an attempt: samples nonces and makes the first messages (step 2.2).
    ///
    /// - `roster`: exactly `min_signers` parties, the key's own indices.
    /// - `context`: digest of session, roster, key, epoch, intent, message and attempt. Every id is
    ///   derived from it.
    /// - `pairs`: state with every other signer.
    /// - `digest`: the 32 bytes to sign, fixed from here on.
    ///
    /// # Errors
    /// [`Abort`] without culprits if roster, share and pair states do not fit each other.
    ///
    /// # Security
    /// `digest` must be a hash of what the caller has checked and decided to sign, and `pairs`
    /// must not hold a banned generation (see [`crate::ban_targets`]).
    pub fn start(
        roster: &Roster,
        context: Digest32,
        share: &CheckedShare,
        pairs: &Pairs,
        digest: [u8; 32],
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        let attempt = Attempt::new(roster, &context, share, pairs, digest)?;
        let (round1, outbox) = Round1::start(attempt, rng)?;
        Ok((Self(State::Round1(Box::new(round1))), outbox))
    }
}

impl Phases for Sign {
    type Output = EcdsaSignature;
    const ROUNDS: u8 = 3;
    /// Nothing of a signing run must convince a third party, and the links authenticate.
    const SIGNED: bool = false;
    const MAX_BODY_BYTES: usize = message::EXTENSION + message::PRODUCT + message::SIGNATURE_SHARE;

    fn round(&self) -> RoundSpec {
        let exactly = |max_bytes| Some(Traffic { max_bytes });
        let (number, name, broadcast, direct) = match &self.0 {
            State::Round1(_) => (1, "extension", None, exactly(message::EXTENSION)),
            State::Round2(_) => (2, "product", None, exactly(message::PRODUCT)),
            // No echo: every signer verifies the signature that it assembles.
            State::Round3(_) => (
                3,
                "signature share",
                exactly(message::SIGNATURE_SHARE),
                None,
            ),
        };
        RoundSpec {
            number,
            name,
            broadcast,
            echo: false,
            direct,
        }
    }

    fn proceed(self, input: RoundInput, rng: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        match self.0 {
            State::Round1(round) => {
                let (next, outbox) = round.proceed(&input.directs()?, rng)?;
                Ok(Next::Round(Self(State::Round2(Box::new(next))), outbox))
            }
            State::Round2(round) => {
                let (next, outbox) = round.proceed(&input.directs()?)?;
                Ok(Next::Round(Self(State::Round3(Box::new(next))), outbox))
            }
            State::Round3(round) => round.proceed(&input.broadcasts()?).map(Next::Done),
        }
    }
}
