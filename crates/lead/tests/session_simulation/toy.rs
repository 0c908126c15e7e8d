//! A stand-in for threshold signing, run by the real driver: two rounds, a fresh nonce for each
//! session, shares that all of `t` parties must use. It hides nothing, but it shows every misuse.

use std::collections::BTreeMap;

use quorate_protocol::{
    Abort, Next, Outbox, Phases, Reason, RoundInput, RoundSpec, Sanction, SignBytes, Traffic,
};
use quorate_types::{Canonical, DecodeError, Digest32, PartyIndex, Reader, Writer};
use rand_core::CryptoRng;

const MAX_SIGNERS: usize = 20;

/// The toy share of a party.
fn partial(party: PartyIndex, digest: &Digest32, r: &Digest32) -> Digest32 {
    let share = [party.get()];
    let parts: [&[u8]; 3] = [&share, digest.as_bytes(), r.as_bytes()];
    Digest32::of(b"toy partial", &parts)
}

/// What the protocol makes.
#[derive(Clone, PartialEq, Eq)]
pub struct ToySignature {
    r: Digest32,
    partials: Vec<(PartyIndex, Digest32)>,
}

impl ToySignature {
    /// Whether at least `t` different parties signed exactly this digest.
    pub fn is_valid(bytes: &[u8], digest: &Digest32, t: usize) -> bool {
        let Ok(signature) = Self::from_bytes(bytes) else {
            return false;
        };
        let partials: BTreeMap<_, _> = signature.partials.iter().copied().collect();
        let valid =
            |(party, s): (&PartyIndex, &Digest32)| *s == partial(*party, digest, &signature.r);
        partials.len() == signature.partials.len()
            && partials.len() >= t
            && partials.iter().all(valid)
    }
}

impl Canonical for ToySignature {
    fn write(&self, out: &mut Writer) {
        out.value(&self.r)
            .u32(u32::try_from(self.partials.len()).unwrap());
        for (party, s) in &self.partials {
            out.value(party).value(s);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let r = Digest32::read(input)?;
        let count = usize::try_from(input.u32("partials")?)
            .unwrap()
            .min(MAX_SIGNERS);
        let read = |_| Ok((PartyIndex::read(input)?, Digest32::read(input)?));
        let partials = (0..count).map(read).collect::<Result<_, _>>()?;
        Ok(Self { r, partials })
    }
}

/// One party's toy signing.
pub struct Toy {
    me: PartyIndex,
    digest: Digest32,
    own: Digest32,
    r: Option<Digest32>,
    lies: bool,
}

impl Toy {
    /// Starts with a nonce that must be fresh. A lying party spoils its partial signature.
    pub fn start(me: PartyIndex, digest: Digest32, nonce: &[u8; 16], lies: bool) -> (Self, Outbox) {
        let own = Digest32::of(b"toy nonce", &[nonce]);
        let toy = Self {
            me,
            digest,
            own,
            r: None,
            lies,
        };
        (toy, Outbox::empty().broadcast(&own))
    }

    fn combine(&self, nonces: BTreeMap<PartyIndex, Digest32>) -> Digest32 {
        let mut out = Writer::new();
        for (party, nonce) in nonces
            .into_iter()
            .chain([(self.me, self.own)])
            .collect::<BTreeMap<_, _>>()
        {
            out.value(&party).value(&nonce);
        }
        Digest32::of(b"toy r", &[&out.finish()])
    }
}

impl Phases for Toy {
    type Output = Vec<u8>;
    const ROUNDS: u8 = 2;
    const SIGNED: bool = false;

    fn round(&self) -> RoundSpec {
        let (number, name) = if self.r.is_none() {
            (1, "nonces")
        } else {
            (2, "partials")
        };
        RoundSpec {
            number,
            name,
            broadcast: Some(Traffic { max_bytes: 32 }),
            echo: false,
            direct: None,
        }
    }

    fn proceed(mut self, input: RoundInput, _: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        let received = input.broadcasts::<Digest32>()?;
        let Some(r) = self.r else {
            let r = self.combine(received.into_map());
            let mut own = partial(self.me, &self.digest, &r);
            if self.lies {
                own = Digest32::of(b"toy lie", &[own.as_bytes()]);
            }
            (self.r, self.own) = (Some(r), own);
            return Ok(Next::Round(self, Outbox::empty().broadcast(&own)));
        };
        let reason = Reason::Check {
            name: "partial signature",
            sanction: Sanction::Ban,
        };
        let failing = received.failing(|party, s| *s == partial(party, &self.digest, &r));
        Abort::if_any(failing, reason)?;
        let mut partials = received.into_map();
        partials.insert(self.me, self.own);
        let partials = partials.into_iter().collect();
        Ok(Next::Done(ToySignature { r, partials }.to_bytes()))
    }
}

/// The toy's messages are not signed.
pub struct NoSignature;

impl SignBytes for NoSignature {
    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [0; 64]
    }
}
