//! What must hold after every event, whatever the network and a byzantine party do.
//!
//! Each invariant has a deliberately broken run in the tests of this module's parent, which shows
//! that it can fail.

use std::fmt;

use super::plan::Plan;
use super::simulation::Records;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Name of the invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.seen)
    }
}

/// A rule about the state after an event.
pub type Invariant = fn(&Plan, &Records) -> Result<(), Violation>;

/// Those that every protocol keeps.
pub const ALL: [Invariant; 5] = [
    invariant_agreement,
    invariant_no_false_blame,
    invariant_no_result_after_a_lie,
    invariant_one_end,
    invariant_silence_after_the_end,
];

fn violated(invariant: &'static str, seen: String) -> Result<(), Violation> {
    Err(Violation { invariant, seen })
}

/// No two honest parties finish with different outputs.
///
/// # Errors
/// [`Violation`].
pub fn invariant_agreement(plan: &Plan, records: &Records) -> Result<(), Violation> {
    let mut results = records
        .iter()
        .filter(|(party, _)| plan.is_honest(**party))
        .flat_map(|(party, record)| record.results.iter().map(move |result| (party, result)));
    let Some((first, expected)) = results.next() else {
        return Ok(());
    };
    match results.find(|(_, result)| *result != expected) {
        Some((other, result)) => violated(
            "agreement",
            format!("party {first} has {expected}, party {other} has {result}"),
        ),
        None => Ok(()),
    }
}

/// No honest party blames an honest party for something that only a liar does.
///
/// # Errors
/// [`Violation`].
pub fn invariant_no_false_blame(plan: &Plan, records: &Records) -> Result<(), Violation> {
    for (party, record) in records.iter().filter(|(party, _)| plan.is_honest(**party)) {
        let attributable = record.aborts.iter().filter(|a| a.reason.is_attributable());
        for abort in attributable {
            if let Some(victim) = abort.culprits.iter().find(|c| plan.is_honest(**c)) {
                let seen = format!("party {party} blames honest party {victim}: {abort}");
                return violated("no_false_blame", seen);
            }
        }
    }
    Ok(())
}

/// Who took a lie that a check must find does not finish.
///
/// # Errors
/// [`Violation`].
pub fn invariant_no_result_after_a_lie(plan: &Plan, records: &Records) -> Result<(), Violation> {
    let mut deceived = records
        .iter()
        .filter(|(party, record)| plan.is_honest(**party) && record.took_a_lie);
    match deceived.find(|(_, record)| !record.results.is_empty()) {
        Some((party, _)) => violated(
            "no_result_after_a_lie",
            format!("party {party} finished after a message that it must refuse"),
        ),
        None => Ok(()),
    }
}

/// Each honest party ends at most once, with a result or without.
///
/// # Errors
/// [`Violation`].
pub fn invariant_one_end(plan: &Plan, records: &Records) -> Result<(), Violation> {
    for (party, record) in records.iter().filter(|(party, _)| plan.is_honest(**party)) {
        let (results, aborts) = (record.results.len(), record.aborts.len());
        if results + aborts > 1 {
            let seen = format!("party {party} has {results} results and {aborts} aborts");
            return violated("one_end", seen);
        }
    }
    Ok(())
}

/// An honest party sends nothing once its run ended.
///
/// # Errors
/// [`Violation`].
pub fn invariant_silence_after_the_end(plan: &Plan, records: &Records) -> Result<(), Violation> {
    let mut honest = records.iter().filter(|(party, _)| plan.is_honest(**party));
    match honest.find(|(_, record)| record.sent_after_end > 0) {
        Some((party, record)) => violated(
            "silence_after_the_end",
            format!("party {party} sent {} messages", record.sent_after_end),
        ),
        None => Ok(()),
    }
}

/// At the end every honest party that lives has ended; with a result, if no fault stands in the way.
///
/// # Errors
/// [`Violation`].
pub fn invariant_liveness(plan: &Plan, records: &Records) -> Result<(), Violation> {
    let honest = records
        .iter()
        .filter(|(party, record)| plan.is_honest(**party) && !record.crashed);
    for (party, record) in honest {
        if record.results.is_empty() && record.aborts.is_empty() {
            return violated("liveness", format!("party {party} never ended"));
        }
        if plan.is_benign() && record.results.is_empty() {
            let seen = format!("party {party} has no result in a run without faults");
            return violated("liveness", seen);
        }
    }
    Ok(())
}
