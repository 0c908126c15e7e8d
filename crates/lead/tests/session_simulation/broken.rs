//! Deliberate faults of our own code, one for each invariant.

/// What is broken in a run that must be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A restart finds an empty intent record.
    NodeLosesItsRecord,
    /// A node goes on with other digests than those that the intent is bound to.
    NodeRebindsAnIntent,
    /// A node's nonce depends on the intent alone.
    NodeDerivesItsNonce,
    /// A node joins although it holds the signature.
    NodeSignsAgain,
    /// A node joins a set of the wrong size.
    NodeTakesAnySigners,
    /// A node joins after the expiry.
    NodeIgnoresExpiry,
    /// A node works with those that it banned.
    NodeForgetsBans,
    /// After a crash, acts that have ended are led again.
    LeadForgetsOutcomes,
    /// Results are handed on without a check.
    ShellTrustsResults,
    /// Nodes that are back stay marked as lost.
    ShellMissesReturns,
    /// Time never passes for leads.
    ShellNeverTicks,
}
