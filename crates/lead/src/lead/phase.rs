//! Where a lead is.

use std::collections::BTreeSet;

use quorate_types::{NodeId, UnixMillis};

use crate::attempt::Attempt;
use crate::outcome::Completed;

/// The phases. Legal steps: `New → Waiting ⇄ Running → Ending → Waiting`, and from everywhere to
/// `Settling` (key generation only) and `Finished`.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not started.
    New,
    /// No attempt is open.
    Waiting(Waiting),
    /// One attempt is open.
    Running(Attempt),
    /// The attempt was aborted and cancelled; its members' reports are being collected.
    Ending(Ending),
    /// A key certificate is held; no further attempt will be made.
    Settling(Settling),
    /// Over.
    Finished,
}

#[derive(Debug)]
pub(super) struct Waiting {
    /// Since when no set of signers exists.
    pub(super) missing_since: Option<UnixMillis>,
    /// Until when suspects are left alone; when creating, everybody.
    pub(super) pause_until: UnixMillis,
}

#[derive(Debug)]
pub(super) struct Ending {
    pub(super) attempt: Attempt,
    pub(super) reason: String,
    pub(super) ban: bool,
    pub(super) culprits: BTreeSet<NodeId>,
    pub(super) accusers: BTreeSet<NodeId>,
    pub(super) since: UnixMillis,
}

#[derive(Debug)]
pub(super) struct Settling {
    pub(super) completed: Completed,
    pub(super) since: UnixMillis,
}
