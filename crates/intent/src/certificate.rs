//! What all nodes of a committee sign about a new key, so that nobody can pass off another address.

use quorate_types::{
    Algorithm, Canonical, ChainId, ClusterId, Committee, Curve, DecodeError, Digest32, Epoch,
    KeyId, MAX_PARTIES, NodeId, PartyIndex, ProtocolName, Reader, Rights, SessionId, Tenant,
    Threshold, Writer,
};
use quorate_verify::verify_ed25519;
use thiserror::Error;

use crate::manifest::Manifest;

const MAGIC: &str = "quorate key statement";
const VERSION: u16 = 1;
const MAX_POINT: usize = 33;
const MAX_ADDRESS: usize = 128;
const MAX_ADDRESS_KIND: usize = 32;

/// Why a key certificate is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The bytes are not a certificate.
    #[error("the key certificate is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// It is of another cluster.
    #[error("the key certificate is of another cluster")]
    WrongCluster,
    /// A member of the committee is not in the manifest.
    #[error("node `{0}` of the committee is not in the manifest")]
    UnknownNode(NodeId),
    /// A node's signature is missing or does not verify.
    #[error("the signature of node `{0}` over the key certificate does not verify")]
    BadSignature(NodeId),
    /// A point is not a valid public key.
    #[error("the key certificate holds an invalid public key")]
    BadPoint,
}

/// Everything public about a key in one epoch. A node signs it after its share is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatement {
    /// Cluster.
    pub cluster: ClusterId,
    /// Whose key.
    pub tenant: Tenant,
    /// The key.
    pub key: KeyId,
    /// Intent that asked for it.
    pub intent: Digest32,
    /// Session that made this epoch.
    pub session: SessionId,
    /// Epoch.
    pub epoch: Epoch,
    /// Digest of the certificate of the epoch before; zero for the first.
    pub previous: Digest32,
    /// Signature scheme.
    pub algorithm: Algorithm,
    /// Protocol that signs with it.
    pub protocol: ProtocolName,
    /// Version of that protocol.
    pub protocol_version: u16,
    /// How many of how many sign.
    pub threshold: Threshold,
    /// Who holds the shares.
    pub committee: Committee,
    /// Dangerous uses that are allowed.
    pub rights: Rights,
    /// Chain, or `none`.
    pub chain: ChainId,
    /// Kind of address.
    pub address_kind: String,
    /// Address on that chain; empty for `none`.
    pub address: String,
    /// X, compressed.
    pub public_key: Vec<u8>,
    /// K, compressed: public key of the second scalar, for hardened derivation.
    pub derivation_key: Vec<u8>,
    /// Public shares of x, in the order of the committee.
    pub verifying_shares: Vec<Vec<u8>>,
    /// Public shares of k, in the order of the committee.
    pub derivation_shares: Vec<Vec<u8>>,
    /// BIP32 chain code.
    pub chain_code: [u8; 32],
    /// Digest of everything public in key generation.
    pub transcript: Digest32,
    /// Generation of the state that each pair of members shares, in the order of [`pairs_of`];
    /// empty for a protocol without such state. Whoever is asked to sign with a pair's state of
    /// another generation is asked with the state of another epoch.
    pub pair_generations: Vec<Digest32>,
}

impl KeyStatement {
    /// The bytes that each node signs.
    #[must_use]
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.text("quorate key prepared v1").value(self);
        out.finish()
    }

    /// Its curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.algorithm.curve()
    }

    /// Generation of the state that two members share; the order of the two does not matter.
    #[must_use]
    pub fn pair_generation(&self, one: PartyIndex, other: PartyIndex) -> Option<Digest32> {
        let pair = (one.min(other), one.max(other));
        let mut pairs = pairs_of(self.committee.size()).zip(&self.pair_generations);
        pairs
            .find(|(named, _)| *named == pair)
            .map(|(_, generation)| *generation)
    }
}

/// All pairs of a committee of `size` members, the lower index first, in ascending order:
/// (1, 2), (1, 3) … (`size` − 1, `size`).
pub fn pairs_of(size: u8) -> impl Iterator<Item = (PartyIndex, PartyIndex)> {
    let index = PartyIndex::new;
    (1..=size).flat_map(move |low| {
        (low.saturating_add(1)..=size).filter_map(move |high| Some((index(low)?, index(high)?)))
    })
}

fn write_points(out: &mut Writer, points: &[Vec<u8>]) {
    out.u8(u8::try_from(points.len()).expect("a committee has at most 20 members"));
    for point in points {
        out.bytes(point);
    }
}

fn read_points(input: &mut Reader<'_>, size: u8) -> Result<Vec<Vec<u8>>, DecodeError> {
    if input.u8("number of public shares")? != size {
        let why = "not one for each member of the committee";
        return Err(DecodeError::Invalid {
            field: "public shares",
            why,
        });
    }
    (0..size)
        .map(|_| Ok(input.bytes("public share", MAX_POINT)?.to_vec()))
        .collect()
}

/// 190 pairs at most: 20 members.
fn write_generations(out: &mut Writer, generations: &[Digest32]) {
    out.u8(u8::try_from(generations.len()).expect("20 members are 190 pairs"));
    for generation in generations {
        out.value(generation);
    }
}

fn read_generations(input: &mut Reader<'_>, size: u8) -> Result<Vec<Digest32>, DecodeError> {
    let count = input.u8("number of pair generations")?;
    if count != 0 && usize::from(count) != pairs_of(size).count() {
        let why = "neither none nor one for each pair of the committee";
        return Err(DecodeError::Invalid {
            field: "pair generations",
            why,
        });
    }
    (0..count).map(|_| Digest32::read(input)).collect()
}

impl Canonical for KeyStatement {
    fn write(&self, out: &mut Writer) {
        out.text(MAGIC).u16(VERSION);
        out.value(&self.cluster)
            .value(&self.tenant)
            .value(&self.key)
            .value(&self.intent);
        out.value(&self.session)
            .value(&self.epoch)
            .value(&self.previous);
        out.value(&self.algorithm)
            .value(&self.protocol)
            .u16(self.protocol_version);
        out.value(&self.threshold)
            .value(&self.committee)
            .value(&self.rights);
        out.value(&self.chain)
            .text(&self.address_kind)
            .text(&self.address);
        out.bytes(&self.public_key).bytes(&self.derivation_key);
        write_points(out, &self.verifying_shares);
        write_points(out, &self.derivation_shares);
        out.fixed(&self.chain_code).value(&self.transcript);
        write_generations(out, &self.pair_generations);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.text("magic", MAGIC.len())? != MAGIC || input.u16("version")? != VERSION {
            return Err(DecodeError::Unknown {
                what: "key statement version",
            });
        }
        let (cluster, tenant) = (ClusterId::read(input)?, Tenant::read(input)?);
        let (key, intent) = (KeyId::read(input)?, Digest32::read(input)?);
        let (session, epoch) = (SessionId::read(input)?, Epoch::read(input)?);
        let previous = Digest32::read(input)?;
        let (algorithm, protocol) = (Algorithm::read(input)?, ProtocolName::read(input)?);
        let protocol_version = input.u16("protocol version")?;
        let (threshold, committee) = (Threshold::read(input)?, Committee::read(input)?);
        if committee.size() != threshold.max_signers() {
            let why = "its size is not max_signers";
            return Err(DecodeError::Invalid {
                field: "committee",
                why,
            });
        }
        let size = committee.size();
        let (rights, chain) = (Rights::read(input)?, ChainId::read(input)?);
        Ok(Self {
            cluster,
            tenant,
            key,
            intent,
            session,
            epoch,
            previous,
            algorithm,
            protocol,
            protocol_version,
            threshold,
            committee,
            rights,
            chain,
            address_kind: input.text("address kind", MAX_ADDRESS_KIND)?.to_owned(),
            address: input.text("address", MAX_ADDRESS)?.to_owned(),
            public_key: input.bytes("public key", MAX_POINT)?.to_vec(),
            derivation_key: input.bytes("derivation key", MAX_POINT)?.to_vec(),
            verifying_shares: read_points(input, size)?,
            derivation_shares: read_points(input, size)?,
            chain_code: input.array("chain code")?,
            transcript: Digest32::read(input)?,
            pair_generations: read_generations(input, size)?,
        })
    }
}

/// A statement with the signatures of all its nodes: the epoch certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCertificate {
    /// What they signed.
    pub statement: KeyStatement,
    /// One signature of each member, in the order of the committee.
    pub signatures: Vec<[u8; 64]>,
}

impl KeyCertificate {
    /// Digest that the next epoch's statement names as `previous`.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        Digest32::of(b"quorate key certificate v1", &[&self.statement.to_bytes()])
    }

    /// Checks that every node of the committee signed, with the keys of the manifest. Whoever shows
    /// an address also recomputes it from the public key.
    ///
    /// # Errors
    /// [`CertificateError`], naming the first node that fails.
    pub fn verify(&self, manifest: &Manifest) -> Result<(), CertificateError> {
        let statement = &self.statement;
        if statement.cluster != manifest.cluster {
            return Err(CertificateError::WrongCluster);
        }
        let curve = statement.curve();
        let own = [&statement.public_key, &statement.derivation_key];
        let shares = statement
            .verifying_shares
            .iter()
            .chain(&statement.derivation_shares);
        for point in own.into_iter().chain(shares) {
            quorate_verify::check_point(curve, point).map_err(|_| CertificateError::BadPoint)?;
        }
        let bytes = statement.signing_bytes();
        for (position, (_, id)) in statement.committee.members().enumerate() {
            let node = manifest
                .node(id)
                .ok_or_else(|| CertificateError::UnknownNode(id.clone()))?;
            let signature = self.signatures.get(position);
            signature
                .and_then(|signature| verify_ed25519(&node.identity, &bytes, signature).ok())
                .ok_or_else(|| CertificateError::BadSignature(id.clone()))?;
        }
        Ok(())
    }
}

impl Canonical for KeyCertificate {
    fn write(&self, out: &mut Writer) {
        out.value(&self.statement);
        out.u8(u8::try_from(self.signatures.len()).expect("a committee has at most 20 members"));
        for signature in &self.signatures {
            out.fixed(signature);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let statement = KeyStatement::read(input)?;
        let count = input.u8("number of signatures")?;
        if count > MAX_PARTIES || count != statement.committee.size() {
            let why = "not one for each member of the committee";
            return Err(DecodeError::Invalid {
                field: "signatures",
                why,
            });
        }
        let signatures = (0..count)
            .map(|_| input.array("signature"))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            statement,
            signatures,
        })
    }
}
