//! What must hold after every event, whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::history::{History, How};

/// A broken invariant.
#[derive(Debug)]
pub struct Violation {
    pub invariant: &'static str,
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

type Holds = Result<(), Violation>;

fn violated(invariant: &'static str, detail: &dyn fmt::Debug) -> Holds {
    let detail = format!("{detail:?}");
    Err(Violation { invariant, detail })
}

/// All invariants.
pub fn all(history: &History) -> Holds {
    invariant_session_accepted_once(history)?;
    invariant_intent_bound_for_ever(history)?;
    invariant_nonce_used_once(history)?;
    invariant_no_attempt_after_a_signature(history)?;
    invariant_no_attempt_after_expiry(history)?;
    invariant_signer_set_is_exact(history)?;
    invariant_banned_pair_never_together(history)?;
    invariant_act_ends_once(history)?;
    invariant_result_is_valid(history)?;
    invariant_missing_nodes_are_missing(history)
}

/// C3: a node never accepts a session id twice, over any crash.
///
/// A node forgets the sessions of an expired intent with the intent. Only then may an id come up
/// again, for another intent: the context that a run is bound to holds the intent, so nothing of
/// the old run fits the new one.
fn invariant_session_accepted_once(history: &History) -> Holds {
    let mut seen = BTreeMap::new();
    for accepted in &history.accepted {
        let id = (accepted.node, accepted.session);
        if let Some((intent, expires_at)) = seen.insert(id, (accepted.intent, accepted.expires_at))
            && (intent == accepted.intent || accepted.at < expires_at)
        {
            return violated("session_accepted_once", accepted);
        }
    }
    Ok(())
}

/// D7: at one node, an intent means one digest for ever.
fn invariant_intent_bound_for_ever(history: &History) -> Holds {
    let mut bound = BTreeMap::new();
    for accepted in &history.accepted {
        let digest = bound
            .entry((accepted.node, accepted.intent))
            .or_insert(accepted.digest);
        if *digest != accepted.digest {
            return violated("intent_bound_for_ever", accepted);
        }
    }
    Ok(())
}

/// C1: no nonce serves two sessions.
fn invariant_nonce_used_once(history: &History) -> Holds {
    let mut seen = BTreeSet::new();
    match history
        .nonces
        .iter()
        .find(|(nonce, ..)| !seen.insert(*nonce))
    {
        Some(nonce) => violated("nonce_used_once", nonce),
        None => Ok(()),
    }
}

/// D10: who holds the signature of an intent returns it and joins no further attempt.
fn invariant_no_attempt_after_a_signature(history: &History) -> Holds {
    match history.accepted.iter().find(|a| a.held_signature) {
        Some(accepted) => violated("no_attempt_after_a_signature", accepted),
        None => Ok(()),
    }
}

/// D7: an expired intent is not joined.
fn invariant_no_attempt_after_expiry(history: &History) -> Holds {
    match history.accepted.iter().find(|a| a.at >= a.expires_at) {
        Some(accepted) => violated("no_attempt_after_expiry", accepted),
        None => Ok(()),
    }
}

/// A node joins sets of exactly `t` different members with itself among them.
fn invariant_signer_set_is_exact(history: &History) -> Holds {
    let is_exact = |a: &crate::history::Accepted| {
        let different: BTreeSet<_> = a.signers.iter().collect();
        different.len() == a.t && a.signers.len() == a.t && different.contains(&a.node)
    };
    match history.accepted.iter().find(|a| !is_exact(a)) {
        Some(accepted) => violated("signer_set_is_exact", accepted),
        None => Ok(()),
    }
}

/// C12: a node never again joins an attempt with a node that it banned.
fn invariant_banned_pair_never_together(history: &History) -> Holds {
    match history.accepted.iter().find(|a| !a.banned.is_empty()) {
        Some(accepted) => violated("banned_pair_never_together", accepted),
        None => Ok(()),
    }
}

/// A request ends once, and its lead does nothing afterwards.
fn invariant_act_ends_once(history: &History) -> Holds {
    let mut seen = BTreeSet::new();
    let twice = |e: &&crate::history::Ended| !seen.insert((e.intent, e.request));
    if let Some(ended) = history.ended.iter().find(twice) {
        return violated("act_ends_once", ended);
    }
    if history.effects_after_end > 0 {
        return violated("act_ends_once", &"a lead acted after its end");
    }
    Ok(())
}

/// Nobody is handed a signature that does not verify.
fn invariant_result_is_valid(history: &History) -> Holds {
    let invalid = |how: &How| {
        matches!(
            how,
            How::Completed {
                is_valid: false,
                ..
            }
        )
    };
    match history.ended.iter().find(|e| invalid(&e.how)) {
        Some(ended) => violated("result_is_valid", ended),
        None => Ok(()),
    }
}

/// A failure names exactly the nodes that cannot be reached.
fn invariant_missing_nodes_are_missing(history: &History) -> Holds {
    for ended in &history.ended {
        let How::NotEnough {
            named, unreachable, ..
        } = &ended.how
        else {
            continue;
        };
        if named != unreachable {
            return violated("missing_nodes_are_missing", ended);
        }
    }
    Ok(())
}
