//! What a node says about a session: hostile text, bounded here before anybody keeps it.

use quorate_api::mpc_v1::participate_signing_response::Event as Wire;
use quorate_api::mpc_v1::{ParticipateSigningResponse, RefusalKind};
use quorate_types::{NodeId, PartyIndex, SessionId};

const MAX_CODE: usize = 48;
const MAX_TEXT: usize = 300;
const MAX_ROUND_NAME: usize = 48;
/// Most digests, hence signatures, of one intent.
const MAX_SIGNATURES: usize = 256;
const MAX_CERTIFICATE: usize = 64 * 1024;

/// What an act is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// A node reported on a session of the act.
    Node {
        node: NodeId,
        session: SessionId,
        report: Report,
    },
    /// A node's stream broke.
    Lost(NodeId),
    /// A node can be reached again.
    Back(NodeId),
    /// A caller does not want the result any more.
    Cancel,
}

/// One report of one node.
#[derive(Debug)]
pub(crate) enum Report {
    Joined,
    Progress {
        round: u8,
        rounds: u8,
        round_name: String,
        awaiting: Vec<PartyIndex>,
    },
    Signed(Vec<Vec<u8>>),
    KeyCreated(Vec<u8>),
    Refused {
        code: String,
        message: String,
        kind: ReportedRefusal,
    },
    Aborted {
        reason: String,
        culprits: Vec<PartyIndex>,
        ban: bool,
    },
    /// Not a report that the wire format allows.
    Malformed,
}

/// What follows from a refusal.
#[derive(Debug)]
pub(crate) enum ReportedRefusal {
    Permanent,
    Retry,
    AlreadyDone(Vec<Vec<u8>>),
}

/// Reads a message of a node; `None` if it names no session.
pub(crate) fn read(message: ParticipateSigningResponse) -> Option<(SessionId, Report)> {
    let id: [u8; 16] = message.session_id.as_slice().try_into().ok()?;
    let report = message.event.map_or(Report::Malformed, read_event);
    Some((SessionId::from_array(id), report))
}

fn read_event(event: Wire) -> Report {
    match event {
        Wire::Joined(_) => Report::Joined,
        Wire::Progress(progress) => {
            let (Ok(round), Ok(rounds)) = (progress.round.try_into(), progress.rounds.try_into())
            else {
                return Report::Malformed;
            };
            Report::Progress {
                round,
                rounds,
                round_name: shown(&progress.round_name, MAX_ROUND_NAME),
                awaiting: indices(&progress.awaiting),
            }
        }
        Wire::Signed(signed) if signed.signatures.len() <= MAX_SIGNATURES => {
            metrics::counter!("mpc_round_bytes_total", "direction" => "sent")
                .increment(signed.bytes_sent);
            metrics::counter!("mpc_round_bytes_total", "direction" => "received")
                .increment(signed.bytes_received);
            Report::Signed(signed.signatures)
        }
        Wire::KeyCreated(created) if created.certificate.len() <= MAX_CERTIFICATE => {
            Report::KeyCreated(created.certificate)
        }
        Wire::Refused(refused) if refused.signatures.len() <= MAX_SIGNATURES => Report::Refused {
            code: shown(&refused.code, MAX_CODE),
            message: shown(&refused.message, MAX_TEXT),
            kind: match refused.kind() {
                RefusalKind::AlreadySigned => ReportedRefusal::AlreadyDone(refused.signatures),
                RefusalKind::Retry => ReportedRefusal::Retry,
                RefusalKind::Permanent | RefusalKind::Unspecified => ReportedRefusal::Permanent,
            },
        },
        Wire::Aborted(aborted) => Report::Aborted {
            reason: shown(&aborted.reason, MAX_CODE),
            culprits: indices(&aborted.culprits),
            ban: aborted.ban,
        },
        Wire::Signed(_) | Wire::KeyCreated(_) | Wire::Refused(_) => Report::Malformed,
    }
}

fn indices(wire: &[u32]) -> Vec<PartyIndex> {
    wire.iter()
        .take(usize::from(quorate_types::MAX_PARTIES))
        .filter_map(|index| PartyIndex::new(u8::try_from(*index).ok()?))
        .collect()
}

/// Printable and short: what a node says ends up in logs, answers and the store.
pub(crate) fn shown(text: &str, limit: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(limit)
        .collect()
}

#[cfg(test)]
mod tests {
    use quorate_api::mpc_v1::{SessionAborted, SessionProgress, SessionRefused};

    use super::*;

    fn message(event: Wire) -> ParticipateSigningResponse {
        ParticipateSigningResponse {
            session_id: vec![1; 16],
            event: Some(event),
        }
    }

    #[test]
    fn report__must_cut_hostile_text_and_indices() {
        let aborted = SessionAborted {
            reason: format!("bad\n{}", "x".repeat(10_000)),
            culprits: vec![0, 1, 300, 21, 2],
            ban: true,
        };
        let (_, report) = read(message(Wire::Aborted(aborted))).unwrap();
        let Report::Aborted {
            reason,
            culprits,
            ban,
        } = report
        else {
            panic!("another report");
        };
        assert!(reason.starts_with("badx") && reason.len() == MAX_CODE && ban);
        let found: Vec<u8> = culprits.into_iter().map(PartyIndex::get).collect();
        assert_eq!(found, [1, 2]);
    }

    #[test]
    fn report__must_be_malformed_for_what_the_format_does_not_allow() {
        let progress = SessionProgress {
            round: 256,
            ..SessionProgress::default()
        };
        let refused = SessionRefused {
            signatures: vec![vec![]; MAX_SIGNATURES + 1],
            ..SessionRefused::default()
        };
        for event in [Wire::Progress(progress), Wire::Refused(refused)] {
            let (_, report) = read(message(event)).unwrap();
            assert!(matches!(report, Report::Malformed));
        }
        let nameless = ParticipateSigningResponse::default();
        assert!(read(nameless).is_none());
    }

    #[test]
    fn report__must_take_an_unspecified_refusal_as_final() {
        let (_, report) = read(message(Wire::Refused(SessionRefused::default()))).unwrap();
        let Report::Refused { kind, .. } = report else {
            panic!("another report");
        };
        assert!(matches!(kind, ReportedRefusal::Permanent));
    }
}
