//! From what a node reports to what the lead is told: results are verified in between.

use quorate_intent::KeyCertificate;
use quorate_lead::{Event, Refusal, RefusalKind};
use quorate_types::{Canonical as _, NodeId, SessionId};
use quorate_verify::Signature;
use serde_json::{Value, json};

use super::task::ActTask;
use crate::admission::What;
use crate::audit::about_node;
use crate::clock::now;
use crate::nodes::{Input, Report, ReportedRefusal};
use crate::results::{BadResult, check_certificate, check_signatures};

/// Most findings about nodes that one write carries; a flood of them says nothing new.
const MAX_FINDINGS: usize = 24;

/// A verified result, kept beside the bytes that the lead carries.
pub(super) enum Verified {
    Signatures(Vec<Signature>),
    Certificate(Box<KeyCertificate>),
}

impl ActTask {
    /// What the lead is told; nothing for an input that means nothing to it.
    pub(super) fn event(&mut self, input: Input) -> Event {
        match input {
            Input::Lost(node) => Event::NodeLost { node },
            Input::Back(node) => Event::NodeBack { node },
            Input::Cancel => Event::CancelRequested,
            Input::Node {
                node,
                session,
                report,
            } => self.report(node, session, report),
        }
    }

    fn report(&mut self, node: NodeId, session: SessionId, report: Report) -> Event {
        match report {
            Report::Joined => Event::Opened { node, session },
            Report::Progress {
                round,
                rounds,
                round_name,
                awaiting,
            } => Event::Progress {
                node,
                session,
                round,
                round_name,
                rounds,
                awaiting,
            },
            Report::Signed(signatures) => match self.verify_signatures(&signatures) {
                Ok(result) => Event::Completed {
                    node,
                    session,
                    result,
                },
                Err(bad) => self.rejected(node, session, &bad.to_string()),
            },
            Report::KeyCreated(certificate) => match self.verify_certificate(&certificate) {
                Ok(result) => Event::Completed {
                    node,
                    session,
                    result,
                },
                Err(bad) => self.rejected(node, session, &bad.to_string()),
            },
            Report::Refused {
                code,
                message,
                kind,
            } => self.refused(node, session, (code, message), kind),
            Report::Aborted {
                reason,
                culprits,
                ban,
            } => {
                let blamed: Vec<u8> = culprits.iter().map(|index| index.get()).collect();
                let details = json!({ "reason": reason, "culprits": blamed, "ban": ban });
                let event = if ban {
                    "pair.banned"
                } else {
                    "session.aborted"
                };
                self.note(event, &node, session, details);
                Event::Aborted {
                    node,
                    session,
                    reason,
                    culprits,
                    ban,
                }
            }
            Report::Malformed => self.rejected(node, session, "malformed report"),
        }
    }

    fn refused(
        &mut self,
        node: NodeId,
        session: SessionId,
        (code, message): (String, String),
        kind: ReportedRefusal,
    ) -> Event {
        let kind = match kind {
            ReportedRefusal::Permanent => RefusalKind::Permanent,
            ReportedRefusal::Retry => RefusalKind::Retry,
            ReportedRefusal::AlreadyDone(results) => match self.verify_any(&results) {
                Ok(result) => RefusalKind::AlreadySigned(result),
                Err(bad) => return self.rejected(node, session, &bad.to_string()),
            },
        };
        if !matches!(kind, RefusalKind::AlreadySigned(_)) {
            let details = json!({ "code": code, "message": message });
            self.note("session.refused", &node, session, details);
        }
        Event::Refused {
            node,
            session,
            refusal: Refusal {
                code,
                message,
                kind,
            },
        }
    }

    fn verify_any(&mut self, results: &[Vec<u8>]) -> Result<Vec<u8>, BadResult> {
        match (&self.plan.what, results) {
            (What::Create { .. }, [certificate]) => self.verify_certificate(certificate),
            (What::Create { .. }, _) => Err(BadResult::Form),
            (What::Sign { .. }, _) => self.verify_signatures(results),
        }
    }

    fn verify_signatures(&mut self, signatures: &[Vec<u8>]) -> Result<Vec<u8>, BadResult> {
        let What::Sign { key, targets, .. } = &self.plan.what else {
            return Err(BadResult::Form);
        };
        let joined = signatures.concat();
        // All signers deliver the same signature; one look is enough.
        if self
            .verified
            .as_ref()
            .is_none_or(|(known, _)| *known != joined)
        {
            let checked = check_signatures(key, targets, signatures)?;
            self.verified = Some((joined.clone(), Verified::Signatures(checked)));
        }
        Ok(joined)
    }

    fn verify_certificate(&mut self, bytes: &[u8]) -> Result<Vec<u8>, BadResult> {
        let What::Create { create, chain, .. } = &self.plan.what else {
            return Err(BadResult::Form);
        };
        if self
            .verified
            .as_ref()
            .is_none_or(|(known, _)| known != bytes)
        {
            let manifest = &self.core.rules.manifest;
            let verified = &self.plan.verified;
            let certificate = check_certificate(manifest, verified, create, *chain, bytes)?;
            debug_assert_eq!(certificate.to_bytes(), bytes, "canonical bytes are unique");
            let verified = Verified::Certificate(Box::new(certificate));
            self.verified = Some((bytes.to_vec(), verified));
        }
        Ok(bytes.to_vec())
    }

    /// A node delivered something that does not verify: it is faulty, and the record says so.
    fn rejected(&mut self, node: NodeId, session: SessionId, why: &str) -> Event {
        tracing::warn!(%node, %session, why, "a node's result does not verify");
        metrics::counter!("mpc_anomalies_total", "kind" => "bad_result").increment(1);
        self.note("result.rejected", &node, session, json!({ "why": why }));
        Event::ResultRejected { node, session }
    }

    /// Keeps a finding for the next write.
    fn note(&mut self, event: &str, node: &NodeId, session: SessionId, details: Value) {
        if self.findings.len() >= MAX_FINDINGS {
            return;
        }
        let key = self.plan.key_id();
        let finding = about_node(event, node, key, session, now(), details);
        self.findings.push(finding);
    }
}
