//! Signing with exactly `min_signers` parties. `docs/protocols/frost.md` §2.
//! Source: RFC 9591 §5 with every signer as its own coordinator; BIP340 and BIP341.

mod attempt;
mod blame;
mod challenge;
mod message;
mod nonces;
mod round1;
mod round2;

use std::sync::Arc;

use quorate_protocol::{Abort, Next, Outbox, Phases, Roster, RoundInput, RoundSpec, Traffic};
use quorate_types::Digest32;
use quorate_verify::Signature;
use rand_core::CryptoRng;

use crate::payload::{Payload, TaprootTweak};
use crate::scheme::{Bip340, Ed25519, Scheme};
use crate::share::{CheckedShare, Keys};
use attempt::Attempt;
use round1::Round1;
use round2::Round2;

/// One attempt of one signature at one signer.
///
/// Nonces live in this value only. It is consumed by [`Phases::proceed`] and cannot be copied, so
/// no nonce can meet a second list of commitments or a second message (row C7):
///
/// ```compile_fail,E0382
/// use quorate_frost::Sign;
/// use quorate_protocol::{Phases, RoundInput};
///
/// fn twice(sign: Sign, a: RoundInput, b: RoundInput, rng: &mut dyn rand_core::CryptoRng) {
///     let _ = sign.proceed(a, rng);
///     let _ = sign.proceed(b, rng);
/// }
/// ```
///
/// ```compile_fail,E0599
/// fn copy(sign: &quorate_frost::Sign) -> quorate_frost::Sign {
///     sign.clone()
/// }
/// ```
pub struct Sign(State);

enum State {
    Ed25519(Run<Ed25519>),
    Bip340(Run<Bip340>),
}

enum Run<S: Scheme> {
    Round1(Box<Round1<S>>),
    Round2(Box<Round2<S>>),
}

impl Sign {
    /// Starts an attempt: draws nonces and commits to them (steps 1.1 to 2.1).
    ///
    /// - `roster`: exactly `min_signers` parties, the key's own indices.
    /// - `context`: digest of session, roster, key, epoch, intent and attempt. The parties compare
    ///   it, together with what is signed under which key, before any nonce is used.
    /// - `rng`: the operating system's; each nonce also depends on the share (RFC 9591 §4.1).
    ///
    /// # Errors
    /// [`Abort`] without culprits if roster, share and payload do not fit each other.
    ///
    /// # Security
    /// `payload` must be what the caller has checked and decided to sign; for BIP340 a hash of it.
    pub fn start(
        roster: &Roster,
        context: Digest32,
        share: &CheckedShare,
        payload: Payload<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        attempt::check_signers(roster, share)?;
        match (&share.keys, payload) {
            (Keys::Ed25519(key), Payload::EdDsa(message)) => {
                let attempt = Attempt::new(roster, context, Arc::clone(key), message);
                let (run, outbox) = Run::start(attempt, rng)?;
                Ok((Self(State::Ed25519(run)), outbox))
            }
            (Keys::Bip340 { plain, key_path }, Payload::Schnorr { digest, tweak }) => {
                let key = match tweak {
                    TaprootTweak::None => Arc::clone(plain),
                    TaprootTweak::KeyPath => Arc::clone(key_path),
                    TaprootTweak::ScriptTree(_) => {
                        let moved = plain.moved(tweak);
                        moved
                            .ok_or_else(|| Abort::local("there is no such output key"))?
                            .into()
                    }
                };
                let attempt = Attempt::new(roster, context, key, &digest);
                let (run, outbox) = Run::start(attempt, rng)?;
                Ok((Self(State::Bip340(run)), outbox))
            }
            _ => Err(Abort::local("the key does not sign in this scheme")),
        }
    }
}

impl<S: Scheme> Run<S> {
    fn start(attempt: Attempt<S>, rng: &mut dyn CryptoRng) -> Result<(Self, Outbox), Abort> {
        let (round, outbox) = Round1::start(attempt, rng)?;
        Ok((Self::Round1(Box::new(round)), outbox))
    }

    fn round(&self) -> RoundSpec {
        let broadcast = |max_bytes| Some(Traffic { max_bytes });
        match self {
            // Two signers know the whole list at first hand; among more, an echo shows who told
            // different parties different things, before any nonce is used (row C14).
            Self::Round1(round) => RoundSpec {
                number: 1,
                name: "commitments",
                broadcast: broadcast(message::commitment_length::<S>()),
                echo: round.signers() > 2,
                direct: None,
            },
            Self::Round2(_) => RoundSpec {
                number: 2,
                name: "signature share",
                broadcast: broadcast(message::SHARE),
                echo: false,
                direct: None,
            },
        }
    }

    fn proceed(self, input: &RoundInput) -> Result<Step<S>, Abort> {
        match self {
            Self::Round1(round) => {
                let (next, outbox) = round.proceed(&input.broadcasts()?)?;
                Ok(Step::Round(Self::Round2(Box::new(next)), outbox))
            }
            Self::Round2(round) => round.proceed(&input.broadcasts()?).map(Step::Done),
        }
    }
}

enum Step<S: Scheme> {
    Round(Run<S>, Outbox),
    Done(Signature),
}

impl<S: Scheme> Step<S> {
    fn wrap(self, state: impl FnOnce(Run<S>) -> State) -> Next<Sign> {
        match self {
            Self::Round(run, outbox) => Next::Round(Sign(state(run)), outbox),
            Self::Done(signature) => Next::Done(signature),
        }
    }
}

impl Phases for Sign {
    type Output = Signature;
    const ROUNDS: u8 = 2;
    /// The list of commitments that a signer used is signed by it (row C14).
    const SIGNED: bool = true;
    /// BIP340's commitments are the longer ones.
    const MAX_BODY_BYTES: usize = message::commitment_length::<Bip340>() + message::SHARE;

    fn round(&self) -> RoundSpec {
        match &self.0 {
            State::Ed25519(run) => run.round(),
            State::Bip340(run) => run.round(),
        }
    }

    fn proceed(self, input: RoundInput, _: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        match self.0 {
            State::Ed25519(run) => Ok(run.proceed(&input)?.wrap(State::Ed25519)),
            State::Bip340(run) => Ok(run.proceed(&input)?.wrap(State::Bip340)),
        }
    }
}
