//! Signing with exactly `min_signers` parties. `docs/protocols/frost.md` §2.
//! Source: RFC 9591 §5 with every signer as its own coordinator; BIP340 and BIP341.

mod answered;
mod attempt;
mod blame;
mod challenge;
mod given;
mod message;
pub(crate) mod nonces;
mod opened;
mod round1;
mod round2;

use std::sync::Arc;

use quorate_protocol::{
    Abort, Heard, Next, Outbox, Phases, Roster, RoundInput, RoundSpec, Traffic,
};
use quorate_types::{Digest32, PartyIndex};
use quorate_verify::Signature;
use rand_core::CryptoRng;

use crate::payload::{Payload, TaprootTweak};
use crate::scheme::{Bip340, Ed25519, Scheme};
use crate::share::{CheckedShare, Keys};
use crate::stock::{HeldEntry, TakeNonces};
use answered::{Answered, Silent, Spoken};
use attempt::Attempt;
use opened::Opened;
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
    /// Round 1, nothing said yet.
    Silent(Box<Silent<S>>),
    /// Round 1, our opening is out.
    Opened(Box<Opened<S>>),
    /// Round 1, our answer to an opening is out.
    Answered(Box<Answered<S>>),
    /// Round 1, plain commitments are out.
    Round1(Box<Round1<S>>),
    Round2(Box<Round2<S>>),
}

/// What was stocked for an attempt (`docs/protocols/frost.md` §7).
pub enum Ahead {
    /// Nothing: two rounds, with fresh nonces.
    Nothing,
    /// We have the lowest index, and hold an entry of each other signer.
    Lead(Vec<HeldEntry>),
    /// We announced nonces to the signer with the lowest index, which may use them now.
    Follow(Box<dyn TakeNonces + Send>),
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
        Self::start_with(roster, context, share, payload, Ahead::Nothing, rng)
    }

    /// As [`Sign::start`], with nonces that were stocked ahead (steps 7.3 to 7.6). What is stocked
    /// must be of this key, epoch and set of signers; who has nothing takes part all the same.
    ///
    /// # Errors
    /// As [`Sign::start`], and if what is stocked is not of the other signers.
    ///
    /// # Security
    /// A leader's share leaves at once: whatever must be durable before a share leaves must be so
    /// before this is called.
    pub fn start_with(
        roster: &Roster,
        context: Digest32,
        share: &CheckedShare,
        payload: Payload<'_>,
        ahead: Ahead,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        attempt::check_signers(roster, share)?;
        match (&share.keys, payload) {
            (Keys::Ed25519(key), Payload::EdDsa(message)) => {
                let attempt = Attempt::new(roster, context, Arc::clone(key), message);
                let (run, outbox) = Run::start(attempt, ahead, rng)?;
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
                let (run, outbox) = Run::start(attempt, ahead, rng)?;
                Ok((Self(State::Bip340(run)), outbox))
            }
            _ => Err(Abort::local("the key does not sign in this scheme")),
        }
    }
}

impl<S: Scheme> Run<S> {
    fn start(
        attempt: Attempt<S>,
        ahead: Ahead,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        match ahead {
            Ahead::Nothing => {
                let (round, outbox) = Round1::start(attempt, rng)?;
                Ok((Self::Round1(Box::new(round)), outbox))
            }
            Ahead::Lead(entries) => {
                let (round, outbox) = Opened::start(attempt, entries, rng)?;
                Ok((Self::Opened(Box::new(round)), outbox))
            }
            Ahead::Follow(_) if attempt.me == attempt.leader() => {
                Err(Abort::local("the leader follows nobody"))
            }
            Ahead::Follow(stock) => {
                let silent = Silent::new(attempt, stock);
                Ok((Self::Silent(Box::new(silent)), Outbox::empty()))
            }
        }
    }

    fn round(&self) -> RoundSpec {
        let first = |signers: usize, echo: bool| RoundSpec {
            number: 1,
            name: "commitments",
            broadcast: Some(Traffic {
                max_bytes: message::opening_length::<S>(signers),
            }),
            echo,
            direct: None,
        };
        match self {
            Self::Silent(silent) => first(silent.signers(), false),
            // Two signers know the whole list at first hand. Among more, answers quote the opening
            // that they answer: who told different parties different things is convicted by that.
            Self::Opened(round) => first(round.0.attempt.signers.len(), false),
            Self::Answered(round) => first(round.signers(), false),
            // Without stock, an echo shows it, before any nonce is used (row C14).
            Self::Round1(round) => {
                let signers = round.attempt.signers.len();
                first(signers, signers > 2)
            }
            Self::Round2(_) => RoundSpec {
                number: 2,
                name: "signature share",
                broadcast: Some(Traffic {
                    max_bytes: message::SHARE,
                }),
                echo: false,
                direct: None,
            },
        }
    }

    fn awaits(&self, party: PartyIndex) -> bool {
        match self {
            Self::Silent(silent) => party == silent.leader(),
            _ => true,
        }
    }

    fn hear(self, heard: &Heard<'_>, rng: &mut dyn CryptoRng) -> Result<(Self, Outbox), Abort> {
        let (run, outbox) = match self {
            Self::Silent(silent) => match silent.hear(heard, rng)? {
                Spoken::Nothing(silent) => (Self::Silent(Box::new(silent)), Outbox::empty()),
                Spoken::Plain(round, outbox) => (Self::Round1(Box::new(round)), outbox),
                Spoken::Answered(round, outbox) => (Self::Answered(Box::new(round)), outbox),
            },
            run => (run, Outbox::empty()),
        };
        match &run {
            Self::Silent(_) | Self::Round2(_) => {}
            Self::Opened(round) => round.check(heard)?,
            Self::Answered(round) => round.check(heard)?,
            Self::Round1(round) => round.check(heard)?,
        }
        Ok((run, outbox))
    }

    fn proceed(self, input: &RoundInput) -> Result<Step<S>, Abort> {
        match self {
            // The driver proceeds when nobody is awaited, and the leader was.
            Self::Silent(_) => Err(Abort::local("the leader was not heard")),
            Self::Opened(round) => round.proceed(input.broadcasts()?).map(Step::Done),
            Self::Answered(round) => {
                let answers = input.other_broadcasts(round.leader())?;
                round.proceed(answers).map(Step::Done)
            }
            Self::Round1(round) => {
                let (next, outbox) = round.proceed(&input.broadcasts()?)?;
                Ok(Step::Round(Self::Round2(Box::new(next)), outbox))
            }
            Self::Round2(round) => round.proceed(input.broadcasts()?).map(Step::Done),
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
    /// An opening is longer than plain commitments, and BIP340's are the longer ones.
    const MAX_BODY_BYTES: usize = message::LONGEST + message::SHARE;
    const HEARS: bool = true;

    fn round(&self) -> RoundSpec {
        match &self.0 {
            State::Ed25519(run) => run.round(),
            State::Bip340(run) => run.round(),
        }
    }

    fn awaits(&self, party: PartyIndex) -> bool {
        match &self.0 {
            State::Ed25519(run) => run.awaits(party),
            State::Bip340(run) => run.awaits(party),
        }
    }

    fn hear(self, heard: &Heard<'_>, rng: &mut dyn CryptoRng) -> Result<(Self, Outbox), Abort> {
        Ok(match self.0 {
            State::Ed25519(run) => {
                let (run, outbox) = run.hear(heard, rng)?;
                (Self(State::Ed25519(run)), outbox)
            }
            State::Bip340(run) => {
                let (run, outbox) = run.hear(heard, rng)?;
                (Self(State::Bip340(run)), outbox)
            }
        })
    }

    fn proceed(self, input: RoundInput, _: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        match self.0 {
            State::Ed25519(run) => Ok(run.proceed(&input)?.wrap(State::Ed25519)),
            State::Bip340(run) => Ok(run.proceed(&input)?.wrap(State::Bip340)),
        }
    }
}

#[cfg(test)]
mod tests;
