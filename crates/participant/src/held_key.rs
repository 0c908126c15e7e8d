//! A share as it is sealed, and as it is held in memory for signing.

use std::collections::BTreeMap;

use quorate_crypto::{
    Ed25519, Group, KeyShare, PublicKeyPackage, PublicSharing, Secp256k1, SecretName, SecretScalar,
};
use quorate_dkls23::{CheckedShare, ShareInput};
use quorate_intent::{KeyCertificate, KeyStatement};
use quorate_protocol::registry::{DKLS23, FROST};
use quorate_types::{Canonical, Curve, PartyIndex, Reader};
use thiserror::Error;
use zeroize::Zeroizing;

/// Both secrets and the statement; everything public about the key is in the statement.
const MAGIC: &[u8; 16] = b"quorate payload2";
/// What was sealed while pair state belonged to a key: share, pair set-ups, statement.
const MAGIC_WITH_SETUPS: &[u8; 16] = b"quorate payload1";
const MAX_SETUPS: usize = 2 << 20;
const MAX_STATEMENT: usize = 16 << 10;

/// What is sealed is not a share of the key that it should be. The message is log-safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the sealed payload does not fit: {0}")]
pub(crate) struct BadPayload(pub(crate) &'static str);

/// The sealed payload: the share, and the statement that the node signed.
pub(crate) struct Payload {
    pub(crate) share: KeyShare,
    pub(crate) statement: KeyStatement,
}

impl Payload {
    /// Encoding for the keystore: magic, index, share of x, share of k, and the statement.
    ///
    /// # Errors
    /// [`BadPayload`] for a curve that no key of this version has.
    pub(crate) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, BadPayload> {
        let [x, k] = secrets(&self.share).ok_or(BadPayload("unknown curve"))?;
        let statement = self.statement.to_bytes();
        // Reserved at once: a vector that grows leaves unwiped copies behind.
        let length = MAGIC.len() + 1 + 64 + 4 + statement.len();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(MAGIC);
        bytes.push(self.share.index().get());
        bytes.extend_from_slice(x.as_slice());
        bytes.extend_from_slice(k.as_slice());
        let length = u32::try_from(statement.len()).expect("a statement is far below 4 GiB");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&statement);
        Ok(bytes)
    }

    /// Decodes and checks: each part by itself, and that they belong together.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, BadPayload> {
        let mut input = Reader::new(bytes);
        match input.take("magic", MAGIC.len()) {
            Ok(magic) if magic == MAGIC => Self::read(input),
            Ok(magic) if magic == MAGIC_WITH_SETUPS => Self::read_with_setups(input),
            _ => Err(BadPayload("unknown version")),
        }
    }

    fn read(mut input: Reader<'_>) -> Result<Self, BadPayload> {
        let truncated = |_| BadPayload("truncated");
        let index = PartyIndex::read(&mut input).map_err(|_| BadPayload("index"))?;
        let mut secret = || input.array("secret").map(Zeroizing::new).map_err(truncated);
        let (x, k) = (secret()?, secret()?);
        let statement = input.bytes("statement", MAX_STATEMENT).map_err(truncated)?;
        let statement = KeyStatement::from_bytes(statement).map_err(|_| BadPayload("statement"))?;
        input.finish().map_err(|_| BadPayload("trailing bytes"))?;
        let share = match statement.curve() {
            Curve::Secp256k1 => put_together::<Secp256k1>(index, &x, &k, &statement),
            Curve::Ed25519 => put_together::<Ed25519>(index, &x, &k, &statement),
            _ => None,
        };
        let share = share.ok_or(BadPayload("key share"))?;
        Ok(Self { share, statement })
    }

    /// The set-ups are of an engine that is gone; the pair's own state serves the key now.
    fn read_with_setups(mut input: Reader<'_>) -> Result<Self, BadPayload> {
        let mut part = |limit| {
            input
                .bytes("part", limit)
                .map_err(|_| BadPayload("truncated"))
        };
        let share = part(quorate_crypto::MAX_KEY_SHARE_BYTES)?;
        let (_setups, statement) = (part(MAX_SETUPS)?, part(MAX_STATEMENT)?);
        input.finish().map_err(|_| BadPayload("trailing bytes"))?;
        let payload = Self {
            share: KeyShare::from_bytes(share).map_err(|_| BadPayload("key share"))?,
            statement: KeyStatement::from_bytes(statement).map_err(|_| BadPayload("statement"))?,
        };
        if payload.share.public_key() != payload.statement.public_key {
            return Err(BadPayload("the share is of another key than the statement"));
        }
        Ok(payload)
    }
}

/// The share of x and that of k.
fn secrets(share: &KeyShare) -> Option<[Zeroizing<[u8; 32]>; 2]> {
    fn both<G: Group>(share: &KeyShare) -> Option<[Zeroizing<[u8; 32]>; 2]> {
        let secret = |name| Some(share.secret::<G>(name)?.to_bytes());
        Some([
            secret(SecretName::SigningKey)?,
            secret(SecretName::DerivationKey)?,
        ])
    }
    match share.curve() {
        Curve::Secp256k1 => both::<Secp256k1>(share),
        Curve::Ed25519 => both::<Ed25519>(share),
        _ => None,
    }
}

/// The share of the key that the statement describes; `None` unless the secrets are of that key.
fn put_together<G: Group>(
    index: PartyIndex,
    x: &[u8; 32],
    k: &[u8; 32],
    statement: &KeyStatement,
) -> Option<KeyShare> {
    let package = PublicKeyPackage {
        curve: statement.curve(),
        threshold: statement.threshold,
        x: PublicSharing {
            public_key: statement.public_key.clone(),
            verifying_shares: statement.verifying_shares.clone(),
        },
        k: PublicSharing {
            public_key: statement.derivation_key.clone(),
            verifying_shares: statement.derivation_shares.clone(),
        },
        chain_code: statement.chain_code,
    };
    let (x, k) = (
        SecretScalar::<G>::from_bytes(x)?,
        SecretScalar::<G>::from_bytes(k)?,
    );
    KeyShare::new(index, &x, &k, package).ok()
}

/// An active key, ready to sign. Secrets inside are zeroized when the last user drops it.
pub(crate) struct HeldKey {
    pub(crate) certificate: KeyCertificate,
    pub(crate) engine: Engine,
}

/// The share as the protocol of its key uses it.
pub(crate) enum Engine {
    /// ECDSA by DKLs23, which signs with the state of each pair of signers.
    Dkls23(Box<CheckedShare>),
    /// Ed25519 and BIP340 by FROST.
    Frost(Box<quorate_frost::CheckedShare>),
}

impl Engine {
    /// Whether it signs with state that pairs of nodes share.
    pub(crate) const fn has_pair_state(&self) -> bool {
        matches!(self, Self::Dkls23(_))
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
        let Payload { share, .. } = payload;
        let engine = match certificate.statement.protocol.as_str() {
            name if name == DKLS23.name => {
                let input = share_input(&share).ok_or(BadPayload("not a share over secp256k1"))?;
                let share = CheckedShare::new(&input).map_err(|_| BadPayload("share check"))?;
                Engine::Dkls23(Box::new(share))
            }
            name if name == FROST.name => {
                let share = quorate_frost::CheckedShare::new(&share);
                Engine::Frost(Box::new(share.map_err(|_| BadPayload("share check"))?))
            }
            _ => return Err(BadPayload("no protocol of this version")),
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
pub(crate) mod tests;
