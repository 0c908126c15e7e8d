//! A share as it is sealed, and as it is held in memory for signing.

use std::collections::BTreeMap;

use quorate_crypto::{KeyShare, Secp256k1, SecretName};
use quorate_dkls23::{CheckedShare, PairSetups, ShareInput};
use quorate_intent::{KeyCertificate, KeyStatement};
use quorate_protocol::registry::{DKLS23, FROST};
use quorate_types::{Canonical, PartyIndex, Reader};
use thiserror::Error;
use zeroize::Zeroizing;

const MAGIC: &[u8; 16] = b"quorate payload1";
const MAX_SETUPS: usize = 2 << 20;
const MAX_STATEMENT: usize = 16 << 10;

/// What is sealed is not a share of the key that it should be. The message is log-safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the sealed payload does not fit: {0}")]
pub(crate) struct BadPayload(pub(crate) &'static str);

/// The sealed payload: share, pair set-up where the protocol has one, and the statement that the
/// node signed.
pub(crate) struct Payload {
    pub(crate) share: KeyShare,
    pub(crate) setups: Option<PairSetups>,
    pub(crate) statement: KeyStatement,
}

impl Payload {
    /// Encoding for the keystore.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let share = self.share.to_bytes();
        let setups = match &self.setups {
            Some(setups) => setups.to_secret_bytes(),
            None => Zeroizing::default(),
        };
        let statement = self.statement.to_bytes();
        // Reserved at once: a vector that grows leaves unwiped copies behind.
        let length = MAGIC.len() + 12 + share.len() + setups.len() + statement.len();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(MAGIC);
        for part in [share.as_slice(), setups.as_slice(), statement.as_slice()] {
            let length = u32::try_from(part.len()).expect("parts are limited far below 4 GiB");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// Decodes and checks: each part by itself, and that they belong together.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, BadPayload> {
        let mut input = Reader::new(bytes);
        if input.take("magic", MAGIC.len()).ok() != Some(MAGIC) {
            return Err(BadPayload("unknown version"));
        }
        let mut part = |limit| {
            input
                .bytes("part", limit)
                .map_err(|_| BadPayload("truncated"))
        };
        let share = part(quorate_crypto::MAX_KEY_SHARE_BYTES)?;
        let (setups, statement) = (part(MAX_SETUPS)?, part(MAX_STATEMENT)?);
        input.finish().map_err(|_| BadPayload("trailing bytes"))?;
        let payload = Self {
            share: KeyShare::from_bytes(share).map_err(|_| BadPayload("key share"))?,
            setups: pair_setups(setups)?,
            statement: KeyStatement::from_bytes(statement).map_err(|_| BadPayload("statement"))?,
        };
        if payload.share.public_key() != payload.statement.public_key {
            return Err(BadPayload("the share is of another key than the statement"));
        }
        if let Some(setups) = &payload.setups
            && setups.me() != payload.share.index()
        {
            return Err(BadPayload("the pair set-up is of another party"));
        }
        payload.check_generations()?;
        Ok(payload)
    }

    /// `docs/protocols/key-certificate.md` §2: the set-up has exactly the generations that the
    /// statement names for the pairs of its owner. A set-up of another epoch, put beside this
    /// share, could bring back a state that was banned or used up.
    fn check_generations(&self) -> Result<(), BadPayload> {
        let named = &self.statement;
        let Some(setups) = &self.setups else {
            return match named.pair_generations.as_slice() {
                [] => Ok(()),
                _ => Err(BadPayload("no pair set-up, but the statement names some")),
            };
        };
        let me = setups.me();
        let peers = (1..=named.committee.size()).filter_map(PartyIndex::new);
        let peers = peers.filter(|peer| *peer != me);
        let expected = peers.map(|peer| (peer, named.pair_generation(me, peer)));
        let sealed = setups.generations();
        if !sealed.map(|(peer, own)| (peer, Some(own))).eq(expected) {
            return Err(BadPayload(
                "the pair set-up is not the one of the statement",
            ));
        }
        Ok(())
    }
}

/// No bytes are no set-up.
fn pair_setups(bytes: &[u8]) -> Result<Option<PairSetups>, BadPayload> {
    if bytes.is_empty() {
        return Ok(None);
    }
    PairSetups::from_secret_bytes(bytes)
        .map(Some)
        .map_err(|_| BadPayload("pair set-up"))
}

/// An active key, ready to sign. Secrets inside are zeroized when the last user drops it.
pub(crate) struct HeldKey {
    pub(crate) certificate: KeyCertificate,
    pub(crate) engine: Engine,
}

/// The share as the protocol of its key uses it.
pub(crate) enum Engine {
    /// ECDSA by DKLs23: with state for every pair.
    Dkls23 {
        share: Box<CheckedShare>,
        setups: PairSetups,
    },
    /// Ed25519 and BIP340 by FROST.
    Frost(Box<quorate_frost::CheckedShare>),
}

impl Engine {
    /// The pair state, where the protocol has one.
    pub(crate) const fn setups(&self) -> Option<&PairSetups> {
        match self {
            Self::Dkls23 { setups, .. } => Some(setups),
            Self::Frost(_) => None,
        }
    }
}

impl HeldKey {
    /// Checks that payload and certificate are of one key, and makes it ready.
    pub(crate) fn new(payload: Payload, certificate: KeyCertificate) -> Result<Self, BadPayload> {
        if payload.statement != certificate.statement {
            return Err(BadPayload(
                "the certificate is of another statement than the share",
            ));
        }
        let Payload { share, setups, .. } = payload;
        let protocol = certificate.statement.protocol.as_str();
        let engine = match (protocol, setups) {
            (name, Some(setups)) if name == DKLS23.name => {
                let input = share_input(&share).ok_or(BadPayload("not a share over secp256k1"))?;
                let share = CheckedShare::new(&input).map_err(|_| BadPayload("share check"))?;
                let share = Box::new(share);
                Engine::Dkls23 { share, setups }
            }
            (name, None) if name == FROST.name => {
                let share = quorate_frost::CheckedShare::new(&share);
                Engine::Frost(Box::new(share.map_err(|_| BadPayload("share check"))?))
            }
            _ => return Err(BadPayload("pair set-up and protocol do not go together")),
        };
        Ok(Self {
            certificate,
            engine,
        })
    }
}

fn share_input(share: &KeyShare) -> Option<ShareInput> {
    let package = share.package();
    let point = |bytes: &[u8]| <[u8; 33]>::try_from(bytes).ok();
    let secret = share.secret::<Secp256k1>(SecretName::SigningKey)?;
    let indices = (1..=package.threshold.max_signers()).map(PartyIndex::new);
    let verifying_shares = indices
        .map(|index| {
            let index = index?;
            let point = point(package.verifying_share(SecretName::SigningKey, index)?)?;
            Some((index, point))
        })
        .collect::<Option<BTreeMap<_, _>>>()?;
    Some(ShareInput {
        index: share.index(),
        threshold: package.threshold,
        share: secret.to_bytes(),
        public_key: point(package.public_key())?,
        verifying_shares,
        chain_code: package.chain_code,
    })
}

#[cfg(test)]
mod tests;
