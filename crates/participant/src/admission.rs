//! What this node is willing to join, decided from the client's signed intent, its own manifest and
//! its own key certificate. Pure: no IO, no state. Steps of `docs/protocols/intent.md` §4.

use std::collections::BTreeMap;

use quorate_api::ErrorCode;
use quorate_chains::{Chain, Effect, KeyContext, effect_of};
use quorate_intent::{CreateKey, Intent, KeyStatement, Manifest, Sign};
use quorate_protocol::registry::{ProtocolInfo, Registry};
use quorate_protocol::{Member, Roster};
use quorate_types::{ChainId, Committee, NodeId, PartyIndex, SessionId, SignerSet};

use crate::refusal::Refusal;

/// The path of a key itself; derived keys come with a later version.
const ROOT_PATH: &str = "m";

/// What a create intent leads to.
pub(crate) struct CreatePlan {
    pub(crate) chain: Chain,
    pub(crate) protocol: ProtocolInfo,
}

/// Steps 4.1 to 4.4: whether this node makes such a key.
pub(crate) fn admit_create(
    create: &CreateKey,
    manifest: &Manifest,
    registry: &Registry,
    me: &NodeId,
) -> Result<CreatePlan, Refusal> {
    // 4.1 An enabled protocol signs with such keys.
    let protocol = registry
        .usable(&create.protocol, create.algorithm)
        .map_err(|e| Refusal::permanent(ErrorCode::UnknownProtocol, e))?;
    // 4.2 The chain works with them.
    let chain = known_chain(&create.chain)?;
    chain.check_key(create.algorithm, create.curve)?;
    chain.check_address_kind(create.algorithm, &create.address_kind)?;
    // 4.3 We are a member, and the manifest knows every member (row D12).
    members(
        &create.committee,
        manifest,
        create.committee.members().map(|(index, _)| index),
    )?;
    if create.committee.index_of(me).is_none() {
        let message = format!("node `{me}` is not in the committee of the intent");
        return Err(Refusal::permanent(ErrorCode::InvalidArgument, message));
    }
    Ok(CreatePlan {
        chain,
        protocol: protocol.clone(),
    })
}

/// Steps 4.5 to 4.9: whether this node signs that with this key, and which digests.
pub(crate) fn admit_sign(
    intent: &Intent,
    sign: &Sign,
    key: &KeyStatement,
    signers: &SignerSet,
    me: &NodeId,
) -> Result<Effect, Refusal> {
    // 4.5 The key is the tenant's.
    if key.tenant != intent.tenant {
        return Err(Refusal::permanent(
            ErrorCode::NotFound,
            format!("no key {}", sign.key),
        ));
    }
    // 4.6 The key itself, not a derived one.
    if sign.path != ROOT_PATH {
        let message = "derivation paths are not supported yet; sign with path `m`";
        return Err(Refusal::permanent(ErrorCode::UnsupportedMessage, message));
    }
    // 4.7 The chain is the key's: one key, one chain (rows D3, D4).
    if sign.chain != key.chain {
        let message = format!(
            "the intent is for chain `{}`, the key for `{}`",
            sign.chain, key.chain
        );
        return Err(Refusal::permanent(ErrorCode::WrongChain, message));
    }
    // 4.8 The digests come from the payload and from nowhere else (row D1).
    let chain = known_chain(&key.chain)?;
    let context = KeyContext {
        chain,
        algorithm: key.algorithm,
        rights: &key.rights,
        address_kind: &key.address_kind,
        public_key: &key.public_key,
    };
    let effect = effect_of(&context, sign.message_type, &sign.payload)?;
    // 4.9 Exactly t signers of the committee, and we are one of them.
    let own = key
        .committee
        .index_of(me)
        .is_some_and(|index| signers.contains(index));
    let members = signers
        .iter()
        .all(|index| key.committee.node(index).is_some());
    if !own || !members || signers.len() != usize::from(key.threshold.min_signers()) {
        let message = "the signer set is not one of this key with this node in it";
        return Err(Refusal::retry(ErrorCode::InvalidArgument, message));
    }
    Ok(effect)
}

/// The roster of one part of a session, with keys from the manifest only (row D12).
pub(crate) fn roster(
    part: SessionId,
    committee: &Committee,
    signers: impl Iterator<Item = PartyIndex>,
    min_signers: u8,
    manifest: &Manifest,
    me: &NodeId,
) -> Result<Roster, Refusal> {
    let members = members(committee, manifest, signers)?;
    let bug = |what: String| Refusal::retry(ErrorCode::Internal, what);
    let me = committee
        .index_of(me)
        .ok_or_else(|| bug("not a member".to_owned()))?;
    Roster::new(part, me, min_signers, members).map_err(|e| bug(e.to_string()))
}

fn members(
    committee: &Committee,
    manifest: &Manifest,
    indices: impl Iterator<Item = PartyIndex>,
) -> Result<BTreeMap<PartyIndex, Member>, Refusal> {
    let member = |index: PartyIndex| {
        let unknown = |node: String| {
            let message = format!("{node} is not in this node's manifest");
            Refusal::permanent(ErrorCode::InvalidArgument, message)
        };
        let id = committee
            .node(index)
            .ok_or_else(|| unknown(format!("party {index}")))?;
        let node = manifest
            .node(id)
            .ok_or_else(|| unknown(format!("node `{id}`")))?;
        Ok((
            index,
            Member {
                node: id.clone(),
                identity: node.identity,
            },
        ))
    };
    indices.map(member).collect()
}

fn known_chain(chain: &ChainId) -> Result<Chain, Refusal> {
    Chain::parse(chain).ok_or_else(|| {
        Refusal::permanent(
            ErrorCode::UnknownChain,
            format!("chain type `{chain}` is not known"),
        )
    })
}
