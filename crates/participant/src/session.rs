//! One session at one node: from a coordinator's proposal to its end.

mod create;
pub(crate) mod side_by_side;
mod sign;

use std::sync::Arc;

use quorate_api::ErrorCode;
use quorate_intent::{Act, IntentError, VerifiedIntent};
use quorate_keystore::IntentError as RecordError;
use quorate_protocol::Abort;
use quorate_types::{KeyId, SessionId};
use tracing::Instrument as _;

use crate::clock;
use crate::node::{Entrance, Node, Proposal};
use crate::node_audit::Subject;
use crate::refusal::{Refusal, RefusalKind, parse_signatures};
use crate::report::Report;

/// How a session ends without a result.
pub(crate) enum Ended {
    /// It was not joined.
    Refused(Refusal),
    /// It was joined and failed. Boxed: evidence is large, and this is rare.
    Aborted(Box<Abort>),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Abort> for Ended {
    fn from(abort: Abort) -> Self {
        Self::Aborted(Box::new(abort))
    }
}

/// Runs a session to its end and reports it.
pub(crate) async fn run(node: Arc<Node>, proposal: Proposal, report: Report) {
    // What is logged in this task says in which session, for whose request and which key.
    let (session, request_id) = (proposal.session, proposal.request_id.as_str());
    let key = tracing::field::Empty;
    let span = tracing::info_span!("session", node = %node.me, %session, request_id, key);
    attend(node, Arc::new(proposal), Arc::new(report))
        .instrument(span)
        .await;
}

async fn attend(node: Arc<Node>, proposal: Arc<Proposal>, report: Arc<Report>) {
    let session = proposal.session;
    let ended = match node.enter(&proposal) {
        Entrance::Open(_place) => join(&node, &proposal, &report).await,
        // Sent twice on the way. The session that runs will answer.
        Entrance::Copy => {
            tracing::debug!(%session, "a copy of a proposal that runs");
            metrics::counter!("quorate_session_copies_total").increment(1);
            return;
        }
        Entrance::Refused(refusal) => Err(refuse_anonymous(&node, &proposal, refusal).await),
    };
    match ended {
        Ok(()) => {}
        Err(Ended::Refused(refusal)) => tell_refusal(session, &refusal, &report),
        Err(Ended::Aborted(abort)) => {
            tracing::warn!(%session, %abort, "aborted");
            metrics::counter!("quorate_sessions_aborted_total", "reason" => abort.reason.name())
                .increment(1);
            report.aborted(&abort);
        }
    }
}

/// Answers a proposal whose form is wrong, and records that.
pub(crate) async fn refuse_malformed(
    node: &Node,
    session: SessionId,
    refusal: &Refusal,
    report: &Report,
) {
    let subject = Subject {
        operation: "session",
        initiator: None,
        key: None,
        session,
        request_id: String::new(),
        facts: Vec::new(),
    };
    let audit = node.keystore.audit();
    subject.record_refusal(audit, refusal).await;
    tell_refusal(session, refusal, report);
}

fn tell_refusal(session: SessionId, refusal: &Refusal, report: &Report) {
    let code = refusal.code;
    tracing::info!(%session, %code, "refused: {}", refusal.message);
    metrics::counter!("quorate_sessions_refused_total", "code" => code.as_str()).increment(1);
    report.refused(refusal);
}

async fn join(
    node: &Arc<Node>,
    proposal: &Arc<Proposal>,
    report: &Arc<Report>,
) -> Result<(), Ended> {
    let intent = match verify(node, proposal).await {
        Ok(intent) => intent,
        Err(refusal) if matches!(refusal.kind, RefusalKind::AlreadySigned(_)) => {
            return Err(refusal.into());
        }
        Err(refusal) => return Err(refuse_anonymous(node, proposal, refusal).await),
    };
    let key = match &intent.intent().act {
        Act::Sign(sign) => sign.key,
        _ => KeyId::of_intent(&intent.digest()),
    };
    tracing::Span::current().record("key", tracing::field::display(key));
    match &intent.intent().act {
        Act::CreateKey(create) => {
            let asked = create::Asked {
                node: Arc::clone(node),
                proposal: Arc::clone(proposal),
                create: create.clone(),
                intent,
                report: Arc::clone(report),
            };
            let certificate = create::run(asked).await?;
            report.key_created(&certificate);
            Ok(())
        }
        Act::Sign(sign) => {
            let signatures = sign::run(node, proposal, &intent, sign, report).await?;
            report.signed(&signatures);
            Ok(())
        }
        _ => {
            let message = "this node does not know this kind of act";
            let refusal = Refusal::permanent(ErrorCode::MalformedIntent, message);
            Err(refuse_anonymous(node, proposal, refusal).await)
        }
    }
}

/// Records the refusal of a proposal whose intent is not believed.
async fn refuse_anonymous(node: &Node, proposal: &Proposal, refusal: Refusal) -> Ended {
    let audit = node.keystore.audit();
    anonymous(proposal).record_refusal(audit, &refusal).await;
    refusal.into()
}

/// Checks the client's signature and the times; an intent that was signed here is answered with
/// its signatures, also after its time.
async fn verify(node: &Node, proposal: &Proposal) -> Result<VerifiedIntent, Refusal> {
    let (now, tolerance) = (clock::now(), node.limits.clock_tolerance_seconds);
    let verified = proposal.signed.verify(&node.manifest, now, tolerance);
    let known = match &verified {
        Ok(intent) => Some(intent.digest()),
        Err(IntentError::Expired { .. }) => {
            let old = proposal
                .signed
                .verify_ignoring_expiry(&node.manifest, now, tolerance);
            old.ok().map(|intent| intent.digest())
        }
        Err(_) => None,
    };
    let record = node.keystore.intents();
    let signed = known.map(|digest| record.signed(digest)).transpose();
    let signed = signed.map_err(RecordError::Log)?.flatten();
    let signed = match signed {
        Some((signatures, durable)) => {
            durable.await.map_err(RecordError::Log)?;
            Some(signatures)
        }
        None => None,
    };
    if let Some(signatures) = signed.as_deref().and_then(parse_signatures) {
        return Err(Refusal {
            kind: RefusalKind::AlreadySigned(signatures),
            code: ErrorCode::IntentConflict,
            message: "the intent is signed already".to_owned(),
        });
    }
    Ok(verified?)
}

/// Audit subject of a proposal whose intent is not believed.
fn anonymous(proposal: &Proposal) -> Subject {
    Subject {
        operation: "session",
        initiator: None,
        key: None,
        session: proposal.session,
        request_id: proposal.request_id.clone(),
        facts: vec![("intent", proposal.signed.digest().to_string().into())],
    }
}
