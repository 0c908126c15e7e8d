use quorate_types::{Digest32, KeyId, UnixMillis};
use serde_json::Value;

use crate::flaw::{Flaw, check_length, check_time};
use crate::limits::{MAX_INTENT_BYTES, MAX_RESULT_BYTES};
use crate::named::named;

/// Which act an intent or a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActKind {
    /// Make a key.
    Create,
    /// Sign with a key.
    Sign,
}

impl ActKind {
    const ALL: [Self; 2] = [Self::Create, Self::Sign];

    /// Name in the database and in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Sign => "sign",
        }
    }
}

/// What became of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IntentState {
    /// Attempts run or will run; after a crash the coordinator opens new ones.
    Open,
    /// It has its result, for ever.
    Completed,
    /// All attempts failed; the client may ask again until it expires.
    Failed,
    /// Its time ran out without a result.
    Expired,
}

impl IntentState {
    const ALL: [Self; 4] = [Self::Open, Self::Completed, Self::Failed, Self::Expired];

    /// Name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    /// Whether the life cycle allows this step.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Open, Self::Completed | Self::Failed | Self::Expired)
                | (Self::Failed, Self::Open | Self::Expired)
        )
    }
}
named!(ActKind, "kind of act");
named!(IntentState, "intent state");

/// An intent that the coordinator accepted, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentRow {
    /// Digest of the canonical bytes: two equal intents are one.
    pub intent_digest: Digest32,
    /// Which act.
    pub kind: ActKind,
    /// The key that it makes or uses.
    pub key_id: KeyId,
    /// Intent and the initiator's signature, canonical bytes: the evidence for participants.
    pub signed_intent: Vec<u8>,
    /// What became of it.
    pub state: IntentState,
    /// The answer that a repeated request gets, once completed.
    pub result: Option<Value>,
    /// When it was accepted.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// Its own expiry time.
    pub expires_at: UnixMillis,
}

/// One step of an intent: compare and set.
#[derive(Debug, Clone)]
pub struct IntentChange {
    /// The intent.
    pub intent_digest: Digest32,
    /// Where the caller believes that it is.
    pub from: IntentState,
    /// Where it shall go.
    pub to: IntentState,
    /// The answer; required by the step to `Completed`, refused by all others.
    pub result: Option<Value>,
    /// Time of the step.
    pub at: UnixMillis,
}

/// What [`crate::Store::open_intent`] found.
#[derive(Debug, Clone, PartialEq)]
pub enum IntentOpening {
    /// It was unknown; it and everything with it is now recorded.
    New,
    /// It is known already; nothing was written. A completed one carries its result.
    Known(Box<IntentRow>),
}

/// - `result`: the text that is stored.
pub(crate) fn check_result(state: IntentState, result: Option<&str>) -> Result<(), Flaw> {
    Flaw::unless(
        result.is_some() == (state == IntentState::Completed),
        "result",
        "there exactly when the intent is completed",
    )?;
    result.map_or(Ok(()), |text| {
        check_length("result", text.len(), MAX_RESULT_BYTES)
    })
}

impl IntentRow {
    /// The rules that hold for every intent row, written or read.
    pub(crate) fn check(&self) -> Result<(), Flaw> {
        Flaw::unless(!self.signed_intent.is_empty(), "signed_intent", "empty")?;
        check_length("signed_intent", self.signed_intent.len(), MAX_INTENT_BYTES)?;
        let result = self.result.as_ref().map(Value::to_string);
        check_result(self.state, result.as_deref())?;
        check_time("created_at", self.created_at)?;
        check_time("updated_at", self.updated_at)?;
        check_time("expires_at", self.expires_at)
    }
}
