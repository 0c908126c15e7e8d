//! Signing: decide, make the decision durable, run the rounds, keep the signature.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use quorate_api::ErrorCode;
use quorate_audit::AuditResult;
use quorate_chains::{Asset, Chain, Decoded, Effect, KeyTweak, SigningTarget};
use quorate_dkls23::Pairs;
use quorate_frost::{Ahead, SigningSet};
use quorate_intent::{KeyStatement, Sign, VerifiedIntent};
use quorate_keystore::{Begun, IntentError as RecordError, LogError, ShareState};
use quorate_protocol::{Abort, Phases as _, Roster};
use quorate_types::{Curve, Digest32, NodeId, SignerSet, Writer};
use quorate_verify::Signature;

use crate::admission;
use crate::course::Course;
use crate::drive::{Port, drive};
use crate::gate::SessionGate;
use crate::held_key::{Engine, HeldKey};
use crate::node::{Node, Proposal};
use crate::node_audit::{Subject, abort_facts, announced, finish};
use crate::randomness::SystemRandomness;
use crate::refusal::{Refusal, record_bytes};
use crate::report::Report;
use crate::session::{Ended, side_by_side};
use crate::{pairs, settle, stocks};

/// Most characters of a decoded payload in an audit record.
const MAX_EFFECT_CHARS: usize = 4_096;

/// Everything that one signing session was admitted with.
struct Admitted {
    held: Arc<HeldKey>,
    signers: SignerSet,
    effect: Effect,
    /// The current state with each other signer, held to the end of the session; empty for a
    /// protocol that has none.
    states: Pairs,
}

pub(super) async fn run(
    node: &Arc<Node>,
    proposal: &Arc<Proposal>,
    intent: &VerifiedIntent,
    sign: &Sign,
    report: &Report,
) -> Result<Vec<Signature>, Ended> {
    let subject = subject(proposal, intent, sign);
    let audit = node.keystore.audit();
    let (admitted, begun) = match announce(node, proposal, intent, sign, &subject).await {
        Ok(announced) => announced,
        Err(refusal) => {
            subject.record_refusal(audit, &refusal).await;
            return Err(refusal.into());
        }
    };
    crate::failpoint::here("sign.after_audit");
    crate::failpoint::hold("sign.after_audit").await;
    report.joined();
    let signing = sign_all(node, proposal, intent, &admitted, report);
    // A defect of ours ends as an abort too: the record has an outcome, the coordinator an answer.
    let signing = AssertUnwindSafe(signing).catch_unwind();
    let broke_off = |_| Err(Abort::local("signing broke off"));
    match signing.await.unwrap_or_else(broke_off) {
        Ok(signatures) => {
            if let Err(refusal) = keep(node, intent, &signatures).await {
                let facts = vec![("code", refusal.code.as_str().into())];
                finish(audit, &begun, AuditResult::Failed, facts);
                return Err(refusal.into());
            }
            finish(audit, &begun, AuditResult::Succeeded, Vec::new());
            let protocol = admitted.held.certificate.statement.protocol.to_string();
            metrics::counter!("quorate_signatures_total", "protocol" => protocol).increment(1);
            Ok(signatures)
        }
        Err(abort) => {
            let committee = &admitted.held.certificate.statement.committee;
            let facts = abort_facts(&abort, |index| committee.node(index).cloned());
            finish(audit, &begun, AuditResult::Failed, facts);
            Err(abort.into())
        }
    }
}

/// Decides, and makes the decision durable: the intent is bound to its digests, the session is
/// spent and the act is announced before the first byte leaves (rows C1, C3, D7).
async fn announce(
    node: &Arc<Node>,
    proposal: &Arc<Proposal>,
    intent: &VerifiedIntent,
    sign: &Sign,
    subject: &Subject,
) -> Result<(Admitted, Begun), Refusal> {
    let admitted = admit(node, proposal, intent, sign).await?;
    let act = subject.with_effect(&admitted);
    let begun = begin(node, proposal, intent, &admitted.effect, &act).await?;
    Ok((admitted, begun))
}

fn subject(proposal: &Proposal, intent: &VerifiedIntent, sign: &Sign) -> Subject {
    let signers: Vec<u8> = proposal.signers.iter().map(|index| index.get()).collect();
    Subject {
        operation: "sign",
        initiator: Some(intent.intent().initiator.to_string()),
        key: Some(sign.key),
        session: proposal.session,
        request_id: proposal.request_id.clone(),
        facts: vec![
            ("intent", intent.digest().to_string().into()),
            ("attempt", proposal.attempt.into()),
            ("signers", signers.into()),
        ],
    }
}

impl Subject {
    /// Adds what is about to be signed, decoded by this node itself.
    fn with_effect(&self, admitted: &Admitted) -> Self {
        let mut subject = self.clone();
        let digests = admitted.effect.digests();
        let digests: Vec<String> = digests.iter().map(ToString::to_string).collect();
        subject.facts.push(("digests", digests.into()));
        subject.facts.extend(effect_facts(&admitted.effect.decoded));
        subject
    }
}

/// What is about to be signed, for the audit log. What a payload says at length (a memo, a hundred
/// outputs) must not push out what it does: sums come first, each for itself, and the hash of the
/// whole stands for what is cut.
fn effect_facts(decoded: &Decoded) -> Vec<(&'static str, serde_json::Value)> {
    let leaves = decoded.outputs.iter().filter(|output| !output.is_change);
    let native = leaves
        .clone()
        .filter(|output| output.asset == Asset::Native);
    // A transaction cannot pay more than its inputs hold; beyond u128, "more" says enough.
    let paid = native
        .map(|output| output.amount.to_string().parse::<u128>().ok())
        .try_fold(0_u128, |sum, amount| sum.checked_add(amount?));
    let paid = paid.map_or_else(|| "more than 2^128".to_owned(), |sum| sum.to_string());
    let warnings: Vec<&str> = decoded.warnings.iter().map(|w| w.as_str()).collect();
    let fee = decoded.fee.map(|fee| fee.to_string());
    let mut facts = vec![
        ("kind", decoded.kind.as_str().into()),
        ("paid", paid.into()),
        ("receivers", leaves.count().into()),
        ("fee", fee.into()),
        ("warnings", warnings.into()),
    ];
    if let Ok(text) = serde_json::to_string(decoded) {
        let digest = Digest32::of(b"quorate decoded effect v1", &[text.as_bytes()]);
        facts.push(("effect_hash", digest.to_string().into()));
        let shown: String = text.chars().take(MAX_EFFECT_CHARS).collect();
        facts.push(("effect_is_cut", (shown.len() < text.len()).into()));
        facts.push(("effect", shown.into()));
    }
    facts
}

async fn admit(
    node: &Arc<Node>,
    proposal: &Arc<Proposal>,
    intent: &VerifiedIntent,
    sign: &Sign,
) -> Result<Admitted, Refusal> {
    let signers = SignerSet::new(proposal.signers.clone()).ok_or_else(|| {
        let message = "signers are at least two different parties";
        Refusal::retry(ErrorCode::InvalidArgument, message)
    })?;
    let held = held_key(node, proposal, sign).await?;
    let statement = &held.certificate.statement;
    let effect = admission::admit_sign(intent.intent(), sign, statement, &signers, &node.me)?;
    node.registry
        .usable(&statement.protocol, statement.algorithm)
        .map_err(|e| Refusal::retry(ErrorCode::UnknownProtocol, e))?;
    check_fee(node, statement, &effect)?;
    let states = states(node, &held, &signers).await?;
    let admitted = Admitted {
        held,
        signers,
        effect,
        states,
    };
    check_bans(node, &admitted)?;
    Ok(admitted)
}

/// The key, made active first if its share waits for the certificate that the proposal carries.
/// What is not in memory is read from the disk on a thread that may wait for it.
async fn held_key(
    node: &Arc<Node>,
    proposal: &Arc<Proposal>,
    sign: &Sign,
) -> Result<Arc<HeldKey>, Refusal> {
    let key = sign.key;
    let is_pending = node.keystore.state(key) == Some(ShareState::Pending);
    if let Some(held) = node.keys.used(key).filter(|_| !is_pending) {
        return Ok(held);
    }
    let (node, proposal) = (Arc::clone(node), Arc::clone(proposal));
    let opened = tokio::task::spawn_blocking(move || {
        if is_pending {
            settle::carried(&node, key, proposal.session, &proposal.certificate);
        }
        node.keys.get(key, &node.keystore, &node.manifest)
    });
    opened.await.unwrap_or_else(|_| {
        let message = format!("opening the share of {key} broke off");
        Err(Refusal::retry(ErrorCode::Internal, message))
    })
}

/// Step 4.10: the fee is below this node's own ceiling (row D6). One node's no is final: asking
/// others would only find out who has the highest ceiling.
fn check_fee(node: &Node, key: &KeyStatement, effect: &Effect) -> Result<(), Refusal> {
    let Some(chain) = Chain::parse(&key.chain) else {
        let message = format!("chain type `{}` is not known", key.chain);
        return Err(Refusal::permanent(ErrorCode::UnknownChain, message));
    };
    let fees = node.limits.fees.limits();
    let refused = |refusal| Refusal::permanent(ErrorCode::FeeTooHigh, refusal);
    fees.check(chain, &effect.decoded).map_err(refused)
}

/// No session with a pair that is banned, on either side (row C12).
fn check_bans(node: &Node, admitted: &Admitted) -> Result<(), Refusal> {
    for (peer, generation) in generations(admitted) {
        if node.keystore.bans().is_banned(&peer, generation) {
            let message = format!(
                "the pair of `{}` and `{peer}` is banned until an owner allows new pair state",
                node.me
            );
            return Err(Refusal::retry(ErrorCode::PairBanned, message));
        }
    }
    Ok(())
}

/// The current state with each other signer, where the protocol has such state.
async fn states(node: &Arc<Node>, held: &HeldKey, signers: &SignerSet) -> Result<Pairs, Refusal> {
    let mut states = Pairs::new();
    if !held.engine.has_pair_state() {
        return Ok(states);
    }
    let committee = &held.certificate.statement.committee;
    for index in signers.iter() {
        match committee.node(index) {
            Some(peer) if *peer != node.me => {
                states.insert(index, pairs::current(node, peer).await?);
            }
            _ => {}
        }
    }
    Ok(states)
}

/// The other signers with the generation of the pair state shared with each, where there is any.
fn generations(admitted: &Admitted) -> Vec<(NodeId, Digest32)> {
    let committee = &admitted.held.certificate.statement.committee;
    let states = admitted.states.iter();
    let pair =
        states.map(|(index, state)| Some((committee.node(*index)?.clone(), state.generation())));
    pair.flatten().collect()
}

/// Binds the intent, spends the session and announces the act; returns when all three are durable.
/// They are in two logs, which sync side by side.
async fn begin(
    node: &Node,
    proposal: &Proposal,
    intent: &VerifiedIntent,
    effect: &Effect,
    subject: &Subject,
) -> Result<Begun, Refusal> {
    let record = node.keystore.intents();
    let (digest, expires_at) = (intent.digest(), intent.intent().expires_at);
    let bound = record.bind(digest, &effect.digests(), expires_at)?;
    crate::failpoint::here("sign.after_bind");
    let begun = record.begin_attempt(digest, proposal.session)?;
    let announcement = subject.announce(node.keystore.audit())?;
    // The later of the two first: then the earlier one is durable already.
    begun.await.map_err(not_recorded)?;
    bound.await.map_err(not_recorded)?;
    crate::failpoint::here("sign.after_attempt");
    announced(announcement).await
}

fn not_recorded(error: LogError) -> Refusal {
    Refusal::from(RecordError::Log(error))
}

async fn sign_all(
    node: &Arc<Node>,
    proposal: &Proposal,
    intent: &VerifiedIntent,
    admitted: &Admitted,
    report: &Report,
) -> Result<Vec<Signature>, Abort> {
    node.use_pairs(proposal.session, generations(admitted));
    // A ban may have come between the check and this line; from here on it cancels us.
    check_bans(node, admitted).map_err(|_| Abort::local("the pair was banned"))?;
    let Admitted {
        held,
        signers,
        effect,
        states,
    } = admitted;
    let statement = &held.certificate.statement;
    let gate = held.engine.has_pair_state().then(|| SessionGate {
        node,
        key: statement.key,
        committee: &statement.committee,
        states,
        pairs: generations(admitted),
    });
    let set = stocks::set_of(statement, signers);
    // What peers say of parts that we have not begun waits no longer.
    let most = Duration::from_millis(node.limits.early_ttl_ms);
    let course = Course::new(effect.targets.len(), held.engine.sign_rounds(), most);
    let is_long = held.engine.is_long(signers.iter().len());
    let sign_one = async |(position, target): (usize, &SigningTarget)| {
        let (session, part) = (proposal.session, format!("sign/{position}"));
        let (committee, t) = (&statement.committee, statement.threshold.min_signers());
        let signers = signers.iter();
        let roster = admission::roster(session, committee, signers, t, &node.manifest, &node.me)
            .map_err(|_| Abort::local("the roster does not fit the manifest"))?;
        let purpose = purpose(held, intent, target.digest(), position);
        let (roster, context) = roster.part(&part, &purpose);
        let port = Port {
            node,
            owner: session,
            part: &part,
            report,
            round_timeout: Duration::from_millis(node.limits.sign_round_timeout_ms),
            gate: gate.as_ref(),
            course: &course,
            is_long,
        };
        // The engine verified it: a signature that does not hold is an abort.
        let engine = &held.engine;
        engine
            .sign(&port, &roster, context, target, states, &set)
            .await
    };
    // Their messages travel together.
    let signing = effect.targets.iter().enumerate().map(sign_one);
    let stop = || node.mailboxes.cancel(proposal.session);
    let signing = side_by_side::run(&node.more_parts, &course, signing, stop);
    let signatures = course.accompany(report, signing).await?;
    stocks::top_up(node, held, &set);
    Ok(signatures)
}

impl Engine {
    const fn sign_rounds(&self) -> u8 {
        match self {
            Self::Dkls23(_) => quorate_dkls23::Sign::ROUNDS,
            Self::Frost(_) => quorate_frost::Sign::ROUNDS,
        }
    }

    /// Whether a round of so many signers computes for half a millisecond and more, by what was
    /// measured: 0.1 ms for each pair of signers in DKLs23, 0.04 ms for each signer in FROST.
    const fn is_long(&self, signers: usize) -> bool {
        match self {
            Self::Dkls23(_) => signers >= 6,
            Self::Frost(_) => signers >= 13,
        }
    }

    /// One signature by the protocol of the key.
    async fn sign(
        &self,
        port: &Port<'_>,
        roster: &Roster,
        context: Digest32,
        target: &SigningTarget,
        states: &Pairs,
        set: &SigningSet,
    ) -> Result<Signature, Abort> {
        match self {
            Self::Dkls23(share) => {
                let digest = *target.digest().as_bytes();
                #[cfg(feature = "danger_byzantine")]
                let guess = crate::byzantine::guessing(states);
                #[cfg(feature = "danger_byzantine")]
                let states = guess.as_ref().unwrap_or(states);
                let rng = &mut SystemRandomness;
                let (phase, outbox) =
                    quorate_dkls23::Sign::start(roster, context, share, states, digest, rng)?;
                let signed = drive(port, roster, context, phase, outbox).await;
                signed.map(Signature::from)
            }
            Self::Frost(share) => {
                let payload = frost_payload(share.curve(), target)?;
                let rng = &mut SystemRandomness;
                let mailboxes = &port.node.mailboxes;
                let is_over = mailboxes.is_cancelled(port.owner)
                    || mailboxes.aborted_by(port.owner).is_some();
                // What is over takes nothing, and ends before it says anything.
                let ahead = if is_over {
                    Ahead::Nothing
                } else {
                    let spoken = mailboxes.has_early(roster.session());
                    port.node.stocks.ahead(set, roster.me(), spoken)
                };
                let is_led = matches!(ahead, Ahead::Lead(_));
                let (phase, outbox) =
                    quorate_frost::Sign::start_with(roster, context, share, payload, ahead, rng)?;
                let signed = drive(port, roster, context, phase, outbox).await;
                if is_led && let Err(abort) = &signed {
                    port.node.stocks.failed(set, &abort.reason);
                }
                signed
            }
        }
    }
}

fn frost_payload(
    curve: Curve,
    target: &SigningTarget,
) -> Result<quorate_frost::Payload<'_>, Abort> {
    use quorate_frost::{Payload, TaprootTweak};
    let tweak = match (curve, target.tweak()) {
        (Curve::Ed25519, KeyTweak::None) => return Ok(Payload::EdDsa(target.message())),
        (Curve::Secp256k1, KeyTweak::None) => TaprootTweak::None,
        (Curve::Secp256k1, KeyTweak::TaprootKeyPath) => TaprootTweak::KeyPath,
        _ => return Err(Abort::local("the key does not sign in this way")),
    };
    let digest = *target.digest().as_bytes();
    Ok(Payload::Schnorr { digest, tweak })
}

/// Everything that a signing run is bound to, beside its session and parties.
fn purpose(held: &HeldKey, intent: &VerifiedIntent, digest: &Digest32, position: usize) -> Vec<u8> {
    let statement = &held.certificate.statement;
    let mut out = Writer::new();
    out.text("quorate sign v1").value(&statement.cluster);
    out.value(&statement.protocol)
        .u16(statement.protocol_version);
    out.value(&statement.key)
        .value(&statement.epoch)
        .bytes(&statement.public_key);
    out.value(&intent.digest())
        .value(digest)
        .u64(position as u64);
    out.finish()
}

/// The verified signatures are durable before they are shown to anybody.
async fn keep(
    node: &Node,
    intent: &VerifiedIntent,
    signatures: &[Signature],
) -> Result<(), Refusal> {
    let bytes = record_bytes(signatures);
    crate::failpoint::here("sign.before_complete");
    let durable = node.keystore.intents().complete(intent.digest(), &bytes)?;
    durable.await.map_err(not_recorded)?;
    crate::failpoint::here("sign.after_complete");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SessionLimits;

    #[test]
    fn messages_of_all_sessions__should_fit_into_what_may_wait_of_a_peer() {
        // `docs/protocols/dkls23.md`: the matrix and check of an extension; the numbers of a product;
        // and what is around each.
        const FIRST: usize = 128 * 78 + 1_024;
        const LONGEST: usize = 3 * 416 * 32 + 2_048;
        let limits = SessionLimits::default();
        let runs = limits.max_sessions * side_by_side::FEW + side_by_side::MORE;
        assert!(runs * FIRST <= limits.early_bytes_per_peer);
        assert!(runs * (FIRST + LONGEST) <= limits.queued_bytes_per_peer);
    }
}
