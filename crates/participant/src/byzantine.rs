//! The lies of a byzantine participant, told where messages leave it. Feature `danger_byzantine`.
//!
//! Every lie is validly signed, unless it is about the signature: what the others must find is in
//! the content. Scripts of lies: `crates/participant/tests/cluster/`.

mod selective_failure;

use std::io::Write as _;

use parking_lot::Mutex;
use quorate_crypto::Secp256k1;
use quorate_dkg::{Opening, SecretOpening, run_context};
use quorate_protocol::{
    Abort, Envelope, Heard, Next, Outbox, Phases, Roster, RoundInput, RoundSpec, SignBytes as _,
    Slot,
};
use quorate_types::{Canonical, Digest32, NodeId, PartyIndex, SecretBytes, SessionId};
use rand_core::CryptoRng;

use crate::danger;
use crate::link_message::{self, LinkMessage, Settle};
use crate::node::Node;

pub(crate) use selective_failure::guessing;

/// The last opening of party 1 that came by, to be used again in another run.
static OVERHEARD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// The session that messages left for last.
static LATEST: Mutex<Option<SessionId>> = Mutex::new(None);

/// Where a message is on its way.
pub(crate) struct Place<'a> {
    pub(crate) node: &'a Node,
    pub(crate) owner: SessionId,
    /// As [`part_name`] says.
    pub(crate) part: &'static str,
    pub(crate) roster: &'a Roster,
    pub(crate) context: Digest32,
}

/// A part of a session, as scripts name it.
pub(crate) fn part_name(part: &str) -> &'static str {
    let parts = [("dkg", "dkg"), ("pair", "pair"), ("sign", "sign/0")];
    let found = parts.iter().find(|(_, label)| *label == part);
    found.map_or("other", |(name, _)| name)
}

/// A round message as it leaves: changed, or not at all.
pub(crate) fn outgoing(place: &Place<'_>, to: PartyIndex, message: &[u8]) -> Option<SecretBytes> {
    *LATEST.lock() = Some(place.owner);
    let mut bytes = message.to_vec();
    for line in danger::script() {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        if let ["lie", lie @ ..] = words.as_slice() {
            bytes = told(place, to, bytes, lie)?;
        }
    }
    Some(SecretBytes::new(bytes))
}

fn told(place: &Place<'_>, to: PartyIndex, bytes: Vec<u8>, lie: &[&str]) -> Option<Vec<u8>> {
    let Ok(mut envelope) = Envelope::from_bytes(&bytes) else {
        return Some(bytes); // a lie already
    };
    let part = place.part;
    let here = |p: &str, r: &str| p == part && r.parse() == Ok(envelope.round);
    let peer = place.roster.member(to).map(|member| member.node.clone());
    let meant = |name: &str| name == "all" || peer.as_ref().is_some_and(|p| p.as_str() == name);
    let content = matches!(envelope.slot, Slot::Broadcast | Slot::Direct);
    match lie {
        ["mute", p, r] if *p == part && r.parse().is_ok_and(|r: u8| envelope.round >= r) => {
            return None;
        }
        ["abort", p, r] if here(p, r) && content => {
            (envelope.slot, envelope.signature) = (Slot::Abort, None);
            envelope.body = SecretBytes::default();
            return Some(envelope.to_bytes());
        }
        ["garbage", p, r] if here(p, r) && content => {
            let mut garbage = bytes;
            garbage.iter_mut().skip(17).for_each(|byte| *byte = 0xff);
            return Some(garbage);
        }
        ["raw", p, r, offset, hex] if here(p, r) && content => {
            let mut changed = bytes;
            overwrite(&mut changed, offset, hex);
            return Some(changed);
        }
        ["set", p, r, offset, hex, who] if here(p, r) && content && meant(who) => {
            overwrite(&mut envelope.body, offset, hex);
        }
        ["xor", p, r, offset, who] if here(p, r) && content && meant(who) => {
            if let Some(byte) = offset
                .parse()
                .ok()
                .and_then(|at: usize| envelope.body.get_mut(at))
            {
                *byte ^= 1;
            }
        }
        _ => return Some(bytes),
    }
    if envelope.signature.is_some() {
        let statement = envelope.statement(&place.context);
        envelope.signature = Some(place.node.identity.sign(&statement));
    }
    Some(envelope.to_bytes())
}

/// Sends copies of a message before the message itself: `lie flood`, part, round, how many, to whom.
pub(crate) fn flood(place: &Place<'_>, to: PartyIndex, message: &[u8]) {
    let (Ok(envelope), Some(peer)) = (Envelope::from_bytes(message), place.roster.member(to))
    else {
        return;
    };
    for line in danger::script() {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        if let ["lie", "flood", part, round, count, who] = words.as_slice()
            && *part == place.part
            && round.parse() == Ok(envelope.round)
            && *who == peer.node.as_str()
        {
            for _ in 0..count.parse().unwrap_or(0) {
                let copy = SecretBytes::new(message.to_vec());
                place.node.send(&peer.node, link_message::round(copy));
            }
        }
    }
}

/// Rounds whose contribution is another one, so that even our own echo vouches for it.
pub(crate) struct Lying<P> {
    phase: P,
    part: &'static str,
    context: Digest32,
    me: PartyIndex,
}

impl<P: Phases> Lying<P> {
    pub(crate) fn new(
        part: &str,
        roster: &Roster,
        context: Digest32,
        phase: P,
        outbox: Outbox,
    ) -> (Self, Outbox) {
        let (part, me) = (part_name(part), roster.me());
        // What commitments and proofs of key generation are bound to.
        let context = run_context::<Secp256k1>(roster.clone(), &context).unwrap_or(context);
        let lying = Self {
            phase,
            part,
            context,
            me,
        };
        let outbox = lying.contribute(outbox);
        (lying, outbox)
    }

    /// A commitment in round 1, what it commits to in round 2.
    fn contribute(&self, outbox: Outbox) -> Outbox {
        let opening = danger::script().iter().find_map(|line| chosen(line));
        match (opening, self.part, self.phase.round().number) {
            (Some(opening), "dkg", 1) => {
                Outbox::empty().broadcast(&opening.commitment(&self.context, self.me))
            }
            (Some(opening), "dkg", 2) => Outbox::empty().broadcast(&opening),
            _ => outbox,
        }
    }
}

impl<P: Phases> Phases for Lying<P> {
    type Output = P::Output;
    const ROUNDS: u8 = P::ROUNDS;
    const SIGNED: bool = P::SIGNED;
    const MAX_BODY_BYTES: usize = P::MAX_BODY_BYTES;
    const HEARS: bool = P::HEARS;

    fn round(&self) -> RoundSpec {
        self.phase.round()
    }

    fn awaits(&self, from: PartyIndex) -> bool {
        self.phase.awaits(from)
    }

    fn hear(self, heard: &Heard<'_>, rng: &mut dyn CryptoRng) -> Result<(Self, Outbox), Abort> {
        let (phase, outbox) = self.phase.hear(heard, rng)?;
        Ok((Self { phase, ..self }, outbox))
    }

    fn proceed(self, input: RoundInput, rng: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        let Self {
            phase,
            part,
            context,
            me,
        } = self;
        Ok(match phase.proceed(input, rng)? {
            Next::Done(output) => Next::Done(output),
            Next::Round(phase, outbox) => {
                let next = Self {
                    phase,
                    part,
                    context,
                    me,
                };
                let outbox = next.contribute(outbox);
                Next::Round(next, outbox)
            }
        })
    }
}

/// The opening that a line of the script asks for.
fn chosen(line: &[String]) -> Option<Opening> {
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lie", "opening", count, point] => Some(forged(count, point)),
        ["lie", "copy-proof"] => Opening::from_bytes(&OVERHEARD.lock().clone()?).ok(),
        _ => None,
    }
}

/// An opening of `count` times the same point, with a proof of nothing.
fn forged(count: &str, point: &str) -> Opening {
    let count = count.parse().unwrap_or(0);
    let point = hex::decode(point).unwrap_or_default();
    let secret = SecretOpening {
        commitments: vec![point; count],
        proof: vec![7; 65],
    };
    Opening {
        x: secret.clone(),
        k: secret,
        chain_code: [7; 32],
        salt: [7; 32],
    }
}

fn overwrite(bytes: &mut [u8], offset: &str, hex: &str) {
    let new = hex::decode(hex).unwrap_or_default();
    let at = offset.parse().unwrap_or(usize::MAX);
    bytes
        .iter_mut()
        .skip(at)
        .zip(new)
        .for_each(|(old, new)| *old = new);
}

/// Listens to what comes in.
pub(crate) fn incoming(place: &Place<'_>, bytes: &[u8]) {
    let Ok(envelope) = Envelope::from_bytes(bytes) else {
        return;
    };
    let opening = envelope.slot == Slot::Broadcast && envelope.round == 2;
    let lying = danger::script().iter().any(|line| chosen(line).is_some());
    if !lying && opening && envelope.from.get() == 1 && place.part == "dkg" {
        *OVERHEARD.lock() = Some(envelope.body.to_vec());
    }
}

/// Any message as it leaves for a link: changed, or not at all.
pub(crate) fn on_link(peer: &NodeId, body: SecretBytes) -> Option<SecretBytes> {
    for line in danger::script() {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["record", path] => record(path, peer, &body),
            ["link", "unknown-kind", who] if *who == peer.as_str() => {
                let mut changed = body;
                changed.iter_mut().take(1).for_each(|kind| *kind = 9);
                return Some(changed);
            }
            ["link", "deny-prepared", who] if *who == peer.as_str() => {
                let denied = match link_message::parse(body.clone()) {
                    Ok(LinkMessage::Settle(
                        Settle::Prepared { key, .. } | Settle::Certificate { key, .. },
                    )) => key,
                    _ => continue,
                };
                let session = (*LATEST.lock())?;
                let key = denied;
                let lie = link_message::settle(&Settle::NotPrepared { key, session });
                return Some(SecretBytes::new(lie));
            }
            _ => {}
        }
    }
    Some(body)
}

/// Writes down a round message in the order in which it leaves: peer, part, round, slot.
fn record(path: &str, peer: &NodeId, body: &SecretBytes) {
    let Ok(LinkMessage::Round { session, envelope }) = link_message::parse(body.clone()) else {
        return;
    };
    let Ok(envelope) = Envelope::from_bytes(&envelope) else {
        return;
    };
    let line = format!("{peer} {session} {} {:?}\n", envelope.round, envelope.slot);
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
        tracing::error!(%error, "the record of a test cannot be written");
    }
}
