//! A party that does not follow the protocol: it may replace, inject and suppress any message.

use quorate_types::{Canonical, PartyIndex, SecretBytes};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::cast::Cast;
use crate::echo::Echo;
use crate::envelope::{Envelope, Slot};

/// What a byzantine party puts on the network.
pub struct Sent {
    /// Recipient.
    pub to: PartyIndex,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the recipient must not finish once it took this.
    pub tampered: bool,
}

/// The byzantine party's means: its own node key and everything public.
pub struct Impostor<'a> {
    /// The parties.
    pub cast: &'a Cast,
    /// Itself.
    pub me: PartyIndex,
    /// Its randomness.
    pub rng: &'a mut ChaCha8Rng,
}

impl Impostor<'_> {
    /// Signs an envelope with the byzantine party's own key.
    pub fn sign(&self, envelope: &mut Envelope) {
        let statement = envelope.statement(&self.cast.context());
        envelope.signature = Some(self.cast.signer(self.me).sign(&statement));
    }

    /// All parties but the byzantine one and `not`.
    fn bystander(&self, not: PartyIndex) -> Option<PartyIndex> {
        self.cast
            .parties()
            .find(|party| *party != self.me && *party != not)
    }
}

/// A hook into one party's links.
pub trait Byzantine {
    /// What leaves instead of a message that the party's honest code wants to send.
    fn outgoing(&mut self, by: &mut Impostor<'_>, to: PartyIndex, bytes: &[u8]) -> Vec<Sent>;

    /// What leaves because of a message that came in, beside what the honest code does.
    fn incoming(&mut self, _: &mut Impostor<'_>, _from: PartyIndex, _bytes: &[u8]) -> Vec<Sent> {
        Vec::new()
    }
}

/// Ready misbehaviours, independent of any protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// Sends nothing from its round on.
    Mute,
    /// Sends another validly signed broadcast to every second party.
    Equivocate,
    /// Sends a changed, validly signed broadcast to everybody.
    AlterBroadcast,
    /// Sends changed, validly signed direct messages.
    AlterDirect,
    /// Echoes a broadcast that it did not receive.
    WrongEcho,
    /// Leaves a party out of its echo.
    ShortEcho,
    /// Names another session.
    WrongSession,
    /// Names a round far ahead.
    WrongRound,
    /// Names another party as sender.
    WrongSender,
    /// Names another party as recipient.
    WrongRecipient,
    /// Sends a second, different message beside each.
    DuplicateDifferent,
    /// Sends random bytes.
    Garbage,
    /// Sends the first half of a message.
    Truncated,
    /// Sends a body over every limit.
    Oversized,
    /// Breaks the signature.
    BadSignature,
    /// Leaves the signature out.
    MissingSignature,
    /// Signs what is not signed.
    StraySignature,
    /// Gives up, but tells only that.
    AbortNow,
    /// Passes messages of others on, as they came.
    Reflect,
    /// Sends everything twice: allowed.
    Repeat,
    /// What a test's own double does; its messages are left alone. Not among [`Strategy::ALL`].
    Custom,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Mute,
        Self::Equivocate,
        Self::AlterBroadcast,
        Self::AlterDirect,
        Self::WrongEcho,
        Self::ShortEcho,
        Self::WrongSession,
        Self::WrongRound,
        Self::WrongSender,
        Self::WrongRecipient,
        Self::DuplicateDifferent,
        Self::Garbage,
        Self::Truncated,
        Self::Oversized,
        Self::BadSignature,
        Self::MissingSignature,
        Self::StraySignature,
        Self::AbortNow,
        Self::Reflect,
        Self::Repeat,
    ];

    /// Whether honest parties finish in spite of it.
    #[must_use]
    pub const fn is_harmless(self) -> bool {
        matches!(self, Self::Repeat)
    }
}

/// Applies a [`Strategy`] to what a party sends in one round.
pub struct Tamperer {
    /// What it does.
    pub strategy: Strategy,
    /// In which round ([`Strategy::Mute`]: from which).
    pub round: u8,
}

impl Byzantine for Tamperer {
    fn outgoing(&mut self, by: &mut Impostor<'_>, to: PartyIndex, bytes: &[u8]) -> Vec<Sent> {
        let as_it_is = || Sent {
            to,
            bytes: bytes.to_vec(),
            tampered: false,
        };
        let Ok(envelope) = Envelope::from_bytes(bytes) else {
            return vec![as_it_is()];
        };
        if self.strategy == Strategy::Mute && envelope.round >= self.round {
            return Vec::new();
        }
        let is_its_round = envelope.round == self.round && envelope.slot != Slot::Abort;
        // Not every round has direct messages or echoes: these lies come wherever they can.
        let anywhere = self.strategy == Strategy::AlterDirect;
        if !is_its_round && !anywhere {
            return vec![as_it_is()];
        }
        if self.strategy == Strategy::Repeat {
            return vec![as_it_is(), as_it_is()];
        }
        let Some(lie) = self.lie(by, to, envelope, bytes) else {
            return vec![as_it_is()];
        };
        let lie = Sent {
            to,
            bytes: lie,
            tampered: true,
        };
        match self.strategy {
            Strategy::DuplicateDifferent => vec![as_it_is(), lie],
            _ => vec![lie],
        }
    }

    fn incoming(&mut self, by: &mut Impostor<'_>, from: PartyIndex, bytes: &[u8]) -> Vec<Sent> {
        let reflects = self.strategy == Strategy::Reflect
            && Envelope::from_bytes(bytes).is_ok_and(|envelope| envelope.round == self.round);
        let Some(to) = by.bystander(from).filter(|_| reflects) else {
            return Vec::new();
        };
        vec![Sent {
            to,
            bytes: bytes.to_vec(),
            tampered: true,
        }]
    }
}

impl Tamperer {
    /// The lie in place of one message; `None` if this strategy leaves it alone.
    fn lie(
        &self,
        by: &mut Impostor<'_>,
        to: PartyIndex,
        mut envelope: Envelope,
        bytes: &[u8],
    ) -> Option<Vec<u8>> {
        let is_signed = envelope.signature.is_some();
        match self.strategy {
            Strategy::Equivocate => {
                let others = by.cast.parties().filter(|party| *party != by.me);
                let is_other_half = others.step_by(2).any(|party| party == to);
                (envelope.slot == Slot::Broadcast && is_other_half).then_some(())?;
                flip_byte(&mut envelope.body, by.rng)?;
            }
            Strategy::AlterBroadcast => {
                (envelope.slot == Slot::Broadcast).then_some(())?;
                *envelope.body.last_mut()? ^= 1;
            }
            Strategy::AlterDirect => {
                (envelope.slot == Slot::Direct).then_some(())?;
                flip_byte(&mut envelope.body, by.rng)?;
            }
            Strategy::WrongEcho => envelope.body = SecretBytes::new(lying_echo(&envelope)?),
            Strategy::ShortEcho => envelope.body = SecretBytes::new(short_echo(&envelope)?),
            Strategy::WrongSession => {
                let mut session = *envelope.session.as_bytes();
                session[0] ^= 1;
                envelope.session = quorate_types::SessionId::from_array(session);
            }
            Strategy::WrongRound => envelope.round = envelope.round.saturating_add(2),
            Strategy::WrongSender => envelope.from = by.bystander(to).unwrap_or(to),
            Strategy::WrongRecipient => envelope.to = by.bystander(to).unwrap_or(by.me),
            Strategy::DuplicateDifferent => flip_byte(&mut envelope.body, by.rng)?,
            Strategy::Oversized => envelope.body.resize(64 * 1024, 0),
            Strategy::Garbage => {
                let mut garbage = vec![0; 40];
                by.rng.fill_bytes(&mut garbage);
                return Some(garbage);
            }
            Strategy::Truncated => return bytes.get(..bytes.len() / 2).map(<[u8]>::to_vec),
            Strategy::BadSignature => {
                envelope.signature.as_mut()?[0] ^= 1;
                return Some(envelope.to_bytes());
            }
            Strategy::MissingSignature => {
                envelope.signature.take()?;
                return Some(envelope.to_bytes());
            }
            Strategy::StraySignature => {
                (!is_signed).then_some(())?;
                by.sign(&mut envelope);
                return Some(envelope.to_bytes());
            }
            Strategy::AbortNow => {
                envelope.slot = Slot::Abort;
                envelope.body.clear();
                envelope.signature = None;
                return Some(envelope.to_bytes());
            }
            Strategy::Mute | Strategy::Reflect | Strategy::Repeat | Strategy::Custom => {
                return None;
            }
        }
        if is_signed {
            by.sign(&mut envelope);
        }
        Some(envelope.to_bytes())
    }
}

fn flip_byte(body: &mut [u8], rng: &mut ChaCha8Rng) -> Option<()> {
    let length = u32::try_from(body.len())
        .ok()
        .filter(|length| *length > 0)?;
    let position = usize::try_from(rng.next_u32() % length).ok()?;
    *body.get_mut(position)? ^= 1;
    Some(())
}

/// The echo with another digest for the party behind its first entry.
fn lying_echo(envelope: &Envelope) -> Option<Vec<u8>> {
    let mut echo = echo_of(envelope)?;
    let entry = echo.0.first_mut()?;
    let mut digest = *entry.digest.as_bytes();
    digest[0] ^= 1;
    entry.digest = quorate_types::Digest32::from_array(digest);
    Some(echo.to_bytes())
}

fn short_echo(envelope: &Envelope) -> Option<Vec<u8>> {
    let mut echo = echo_of(envelope)?;
    echo.0.pop();
    Some(echo.to_bytes())
}

fn echo_of(envelope: &Envelope) -> Option<Echo> {
    (envelope.slot == Slot::Echo).then_some(())?;
    Echo::from_bytes(&envelope.body).ok()
}
