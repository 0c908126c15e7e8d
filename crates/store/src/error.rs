use std::sync::Arc;

use quorate_types::{Digest32, KeyId, KeyStatus, SessionId, SessionStatus};
use thiserror::Error;

use crate::intent::IntentState;

/// Why the store refused or failed, by who must act. Nothing was changed when one is returned,
/// but for [`StoreError::Unavailable`], which says that it is not known.
///
/// `Display` is log-safe: ids, table and column names, no content of rows.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Caller: a value breaks a limit or a rule of its column.
    #[error("`{table}.{column}` would be invalid: {why}")]
    Invalid {
        /// Table to be written.
        table: &'static str,
        /// Column whose value is refused.
        column: &'static str,
        /// The rule.
        why: &'static str,
    },
    /// Caller: the cursor is not one that this list returned.
    #[error("the cursor does not belong to this list")]
    InvalidCursor,
    /// Caller: there is no such row.
    #[error("no {what} `{id}`")]
    NotFound {
        /// What was looked for: `key`, `session`, `intent`, `node`, `idempotency key`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// Caller: there already is such a row.
    #[error("{what} `{id}` already exists")]
    AlreadyExists {
        /// What was to be made.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// Caller: the key's life cycle forbids the step, or the key is not where the caller thought.
    #[error("key `{key_id}` is {from} and cannot become {to}")]
    KeyConflict {
        /// The key.
        key_id: KeyId,
        /// Where it is.
        from: KeyStatus,
        /// Where it was to go.
        to: KeyStatus,
    },
    /// Caller: the session's life cycle forbids the step, or it is not where the caller thought.
    #[error("session `{session_id}` is {from} and cannot become {to}")]
    SessionConflict {
        /// The session.
        session_id: SessionId,
        /// Where it is.
        from: SessionStatus,
        /// Where it was to go.
        to: SessionStatus,
    },
    /// Caller: the intent's life cycle forbids the step, or it is not where the caller thought.
    #[error("intent `{intent_digest}` is {from} and cannot become {to}")]
    IntentConflict {
        /// The intent.
        intent_digest: Digest32,
        /// Where it is.
        from: IntentState,
        /// Where it was to go.
        to: IntentState,
    },
    /// Caller: the column was set once and never changes (public key, chain code, address).
    #[error("`{table}.{column}` of `{key}` is set and never changes")]
    Immutable {
        /// Table.
        table: &'static str,
        /// Id of the row.
        key: String,
        /// Column that would change.
        column: &'static str,
    },
    /// Operator: a row does not hold what the program writes. Restore it or the database; until
    /// then everything that needs the row is refused.
    #[error("damaged row `{key}` of table `{table}`: column `{column}` is {why}")]
    Corrupt {
        /// Table.
        table: &'static str,
        /// Id of the row, cut and cleaned for logs.
        key: String,
        /// Column.
        column: &'static str,
        /// What is wrong, without the content.
        why: &'static str,
    },
    /// Operator: the audit chain is broken; this is its first broken row.
    #[error("the audit chain is broken at record {sequence}: {why}")]
    AuditBroken {
        /// Number of the first record that does not fit.
        sequence: u64,
        /// What does not fit.
        why: &'static str,
    },
    /// Operator: a newer version of the program made this database. Run that version.
    #[error("the database has schema version {found}, this program knows up to {known}")]
    SchemaTooNew {
        /// Version of the database.
        found: u64,
        /// Newest version known here.
        known: u64,
    },
    /// Operator: the file is not a database of this program, or was made by a changed migration.
    #[error("not a usable database: {why}")]
    ForeignDatabase {
        /// What does not fit.
        why: &'static str,
    },
    /// Operator: another process has the database open.
    #[error("another process has the database open")]
    InUse,
    /// Operator: the database could not do its work (disk full, damaged file, no permission). A
    /// write may or may not have happened; the caller must treat the act as not recorded.
    #[error("the database is unavailable: {doing}")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Operator: the store was closed, or its thread died; nothing more is accepted.
    #[error("the store is closed")]
    Closed,
    /// Us: a statement that the schema does not allow.
    #[error("bug in the store: {what}")]
    Bug {
        /// What was found.
        what: &'static str,
    },
}

impl StoreError {
    /// Whether the operator must act, rather than the caller.
    #[must_use]
    pub const fn is_operators(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. }
                | Self::AuditBroken { .. }
                | Self::SchemaTooNew { .. }
                | Self::ForeignDatabase { .. }
                | Self::InUse
                | Self::Unavailable { .. }
                | Self::Closed
        )
    }
}
