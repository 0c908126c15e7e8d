//! Committees whose shares come from our key generation.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use quorate_crypto::{Ed25519, Group, KeyShare, Secp256k1};
use quorate_dkg::Dkg;
use quorate_frost::{CheckedShare, Payload, TaprootTweak};
use quorate_protocol::{Member, Roster};
use quorate_types::{Curve, Digest32, NodeId, PartyIndex, SessionId, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::pump;

pub(crate) struct Committee {
    pub(crate) threshold: Threshold,
    pub(crate) curve: Curve,
    pub(crate) public_key: Vec<u8>,
    pub(crate) key_shares: BTreeMap<PartyIndex, KeyShare>,
    pub(crate) shares: BTreeMap<PartyIndex, CheckedShare>,
}

/// Both curves: Ed25519 first.
pub(crate) type Both = [Committee; 2];

pub(crate) static TWO_OF_THREE: LazyLock<Both> = LazyLock::new(|| both(2, 3));
pub(crate) static THREE_OF_THREE: LazyLock<Both> = LazyLock::new(|| both(3, 3));
pub(crate) static THREE_OF_FIVE: LazyLock<Both> = LazyLock::new(|| both(3, 5));
pub(crate) static TWO_OF_TWENTY: LazyLock<Both> = LazyLock::new(|| both(2, 20));

fn both(t: u64, n: u64) -> Both {
    [
        Committee::new::<Ed25519>(t, n, 1),
        Committee::new::<Secp256k1>(t, n, 1),
    ]
}

impl Committee {
    pub(crate) fn new<G: Group>(t: u64, n: u64, seed: u8) -> Self {
        let members: Vec<_> = (1..=n).map(|i| index(i as u8)).collect();
        let outputs = pump::run(&members, t, [seed; 16], |roster, context| {
            let mut rng = ChaCha20Rng::from_seed([roster.me().get() ^ seed; 32]);
            Dkg::<G>::start(roster.clone(), context, &mut rng).unwrap()
        });
        let key_shares = outputs
            .into_iter()
            .map(|(party, output)| (party, output.unwrap().key_share));
        Self::from_shares(key_shares.collect())
    }

    pub(crate) fn from_shares(key_shares: BTreeMap<PartyIndex, KeyShare>) -> Self {
        let first = key_shares.values().next().unwrap();
        Self {
            threshold: first.threshold(),
            curve: first.curve(),
            public_key: first.public_key().to_vec(),
            shares: key_shares
                .iter()
                .map(|(party, share)| (*party, CheckedShare::new(share).unwrap()))
                .collect(),
            key_shares,
        }
    }

    pub(crate) fn min_signers(&self) -> u64 {
        self.threshold.min_signers().into()
    }

    /// The payload of a test: its text, in the scheme of the curve.
    pub(crate) fn payload<'a>(&self, text: &'a str, tweak: TaprootTweak) -> Payload<'a> {
        match self.curve {
            Curve::Ed25519 => Payload::EdDsa(text.as_bytes()),
            _ => Payload::Schnorr {
                digest: digest(text),
                tweak,
            },
        }
    }
}

pub(crate) fn index(number: u8) -> PartyIndex {
    PartyIndex::new(number).unwrap()
}

pub(crate) fn identity(party: PartyIndex) -> SigningKey {
    SigningKey::from_bytes(&[party.get(); 32])
}

pub(crate) fn roster(me: PartyIndex, members: &[PartyIndex], t: u64, session: [u8; 16]) -> Roster {
    let member = |party: &PartyIndex| {
        let node = NodeId::new(&format!("p{party}")).unwrap();
        let identity = identity(*party).verifying_key().to_bytes();
        (*party, Member { node, identity })
    };
    let members = members.iter().map(member).collect();
    let t = u8::try_from(t).unwrap();
    Roster::new(SessionId::from_array(session), me, t, members).unwrap()
}

pub(crate) fn digest(text: &str) -> [u8; 32] {
    *Digest32::of(b"test message", &[text.as_bytes()]).as_bytes()
}
