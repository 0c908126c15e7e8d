//! A key is what all its nodes certified, and nothing else.

use quorate_api::rest::{CommitteeMember, KeyView, NodeSignature};
use quorate_chains::{Chain, KeyContext};
use quorate_intent::{CreateKey, KeyCertificate, KeyStatement, Manifest};
use quorate_types::{Canonical as _, Digest32, Epoch, KeyId, Right, Tenant};

use super::Mismatch;

/// What the caller's own intent asked for.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Digest of the intent.
    pub intent: Digest32,
    /// For whom.
    pub tenant: &'a Tenant,
    /// The key that it describes.
    pub create: &'a CreateKey,
}

/// A key whose certificate was verified with the manifest. Only [`certified_key`] makes one.
#[derive(Debug, Clone)]
pub struct CertifiedKey {
    statement: KeyStatement,
    chain: Chain,
}

impl CertifiedKey {
    /// What all nodes signed.
    #[must_use]
    pub const fn statement(&self) -> &KeyStatement {
        &self.statement
    }

    /// Its chain.
    #[must_use]
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// The key as decoders of payloads see it.
    #[must_use]
    pub fn context(&self) -> KeyContext<'_> {
        KeyContext {
            chain: self.chain,
            algorithm: self.statement.algorithm,
            rights: &self.statement.rights,
            address_kind: &self.statement.address_kind,
            public_key: &self.statement.public_key,
        }
    }
}

/// Checks an answer about a key: the certificate with the manifest's keys, the address from the
/// public key, every readable field against the certificate.
///
/// - `expected`: the key that was asked about.
///
/// # Errors
/// [`Mismatch`], the first check that fails.
///
/// # Security
/// A coordinator that lies about a key can delay, but cannot pass off an address (row C9).
pub fn certified_key(
    view: &KeyView,
    manifest: &Manifest,
    expected: KeyId,
) -> Result<CertifiedKey, Mismatch> {
    let bytes = unhex("certificate", &view.certificate)?;
    let certificate = KeyCertificate::from_bytes(&bytes).map_err(Mismatch::CertificateForm)?;
    let statement = &certificate.statement;
    if statement.key != expected {
        let found = statement.key.to_string();
        return Err(Mismatch::OtherKey { expected, found });
    }
    certificate.verify(manifest)?;
    let chain = known_chain(statement)?;
    check_address(statement, chain)?;
    check_readable(view, &certificate)?;
    Ok(CertifiedKey {
        statement: certificate.statement,
        chain,
    })
}

impl CertifiedKey {
    /// Checks that this is exactly the key that the caller's own intent asked for.
    ///
    /// # Errors
    /// [`Mismatch::OtherKey`] or [`Mismatch::NotAsked`], naming the field.
    pub fn check_asked(&self, asked: &Asked<'_>) -> Result<(), Mismatch> {
        let (statement, create) = (&self.statement, asked.create);
        let expected = KeyId::of_intent(&asked.intent);
        if statement.key != expected {
            let found = statement.key.to_string();
            return Err(Mismatch::OtherKey { expected, found });
        }
        for (field, is_same) in [
            ("intent", statement.intent == asked.intent),
            ("tenant", statement.tenant == *asked.tenant),
            ("epoch", statement.epoch == Epoch::FIRST),
            ("algorithm", statement.algorithm == create.algorithm),
            ("protocol", statement.protocol == create.protocol),
            ("threshold", statement.threshold == create.threshold),
            ("committee", statement.committee == create.committee),
            ("chain", statement.chain == create.chain),
            (
                "address kind",
                statement.address_kind == create.address_kind,
            ),
            ("rights", statement.rights == create.rights),
        ] {
            if !is_same {
                return Err(Mismatch::NotAsked(field));
            }
        }
        Ok(())
    }
}

fn known_chain(statement: &KeyStatement) -> Result<Chain, Mismatch> {
    let unknown = || Mismatch::Chain(format!("unknown chain `{}`", statement.chain));
    Chain::parse(&statement.chain).ok_or_else(unknown)
}

fn check_address(statement: &KeyStatement, chain: Chain) -> Result<(), Mismatch> {
    let computed = chain
        .address(
            statement.algorithm,
            &statement.public_key,
            &statement.address_kind,
        )
        .map_err(|refusal| Mismatch::Chain(refusal.to_string()))?
        .unwrap_or_default();
    if computed == statement.address {
        return Ok(());
    }
    Err(Mismatch::Address { computed })
}

/// People and programs read the view, so it must say what the certificate says.
fn check_readable(view: &KeyView, certificate: &KeyCertificate) -> Result<(), Mismatch> {
    let statement = &certificate.statement;
    let threshold = statement.threshold;
    let members = || statement.committee.members();
    let committee: Vec<CommitteeMember> = members()
        .map(|(index, node)| CommitteeMember {
            index: index.get(),
            node_id: node.to_string(),
        })
        .collect();
    let signatures: Vec<NodeSignature> = members()
        .zip(&certificate.signatures)
        .map(|((_, node), signature)| NodeSignature {
            node_id: node.to_string(),
            signature: hex::encode(signature),
        })
        .collect();
    let rights: Vec<&str> = statement.rights.iter().map(Right::as_str).collect();
    for (field, is_same) in [
        ("key_id", view.key_id == statement.key.to_string()),
        (
            "public_key",
            view.public_key == hex::encode(&statement.public_key),
        ),
        ("address", view.address == statement.address),
        ("address_kind", view.address_kind == statement.address_kind),
        ("chain_type", view.chain_type == statement.chain.as_str()),
        ("algorithm", view.algorithm == statement.algorithm.as_str()),
        ("curve", view.curve == statement.curve().as_str()),
        ("protocol", view.protocol == statement.protocol.as_str()),
        (
            "threshold",
            view.threshold == u64::from(threshold.min_signers()),
        ),
        (
            "total_nodes",
            view.total_nodes == u64::from(threshold.max_signers()),
        ),
        ("epoch", view.epoch == statement.epoch.get()),
        ("rights", view.rights == rights),
        ("committee", view.committee == committee),
        ("node_signatures", view.node_signatures == signatures),
    ] {
        if !is_same {
            return Err(Mismatch::Field { field });
        }
    }
    Ok(())
}

pub(super) fn unhex(field: &'static str, text: &str) -> Result<Vec<u8>, Mismatch> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| Mismatch::Malformed {
        field,
        why: "not bytes in hex".to_owned(),
    })
}
