//! Puts together what all nodes sign about a new key: every node for itself, from its own run.

use quorate_crypto::SecretName;
use quorate_dkg::DkgOutput;
use quorate_intent::{CreateKey, Intent, KeyStatement};
use quorate_protocol::registry::ProtocolInfo;
use quorate_types::{Canonical as _, Digest32, Epoch, KeyId, SessionId};

/// The statement of epoch 1.
pub(crate) fn first_epoch(
    intent: &Intent,
    create: &CreateKey,
    protocol: &ProtocolInfo,
    session: SessionId,
    output: &DkgOutput,
    address: String,
) -> KeyStatement {
    let package = output.key_share.package();
    let digest = intent.digest();
    let (x, k) = (
        package.sharing(SecretName::SigningKey),
        package.sharing(SecretName::DerivationKey),
    );
    KeyStatement {
        cluster: intent.cluster.clone(),
        tenant: intent.tenant.clone(),
        key: KeyId::of_intent(&digest),
        intent: digest,
        session,
        epoch: Epoch::FIRST,
        previous: Digest32::from_array([0; 32]),
        algorithm: create.algorithm,
        protocol: create.protocol.clone(),
        protocol_version: protocol.version,
        threshold: create.threshold,
        committee: create.committee.clone(),
        rights: create.rights.clone(),
        chain: create.chain.clone(),
        address_kind: create.address_kind.clone(),
        address,
        public_key: x.public_key.clone(),
        derivation_key: k.public_key.clone(),
        verifying_shares: x.verifying_shares.clone(),
        derivation_shares: k.verifying_shares.clone(),
        chain_code: package.chain_code,
        transcript: output.transcript,
        // State of pairs belongs to no key (docs/adr/0008).
        pair_generations: Vec::new(),
    }
}

/// Name of a statement in messages about its certificate.
pub(crate) fn digest_of(statement: &KeyStatement) -> Digest32 {
    Digest32::of(b"quorate key statement digest v1", &[&statement.to_bytes()])
}
