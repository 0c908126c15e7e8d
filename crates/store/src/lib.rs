//! Metadata, sessions, idempotency and audit index: the only SQL.
//!
//! [`Store`] is what the coordinator and the gateway see; [`SqliteStore`] is the embedded
//! implementation. Nothing of a database leaks through the trait, so that a second one can take
//! its place. The tables are described in `docs/data-model.md`.
//!
//! # Security
//! The store is not trusted with secrets and holds none. Every row that is read is checked again:
//! a row that somebody changed behind our back is a typed [`StoreError::Corrupt`], never a panic
//! and never skipped. Participants do not believe the store: they verify evidence themselves.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod audit;
mod error;
mod flaw;
mod idempotency;
mod intent;
mod key;
pub mod limits;
mod named;
mod node;
mod page;
mod session;
mod sqlite;
mod store;

pub use audit::{
    AuditCheck, AuditEvent, AuditFilter, AuditHead, AuditId, AuditRecord, AuditResult,
};
pub use error::StoreError;
pub use idempotency::{
    IdempotencyKey, IdempotencyRequest, IdempotencyStart, NonceUse, Pruned, RequestNonce,
    RequestStart, StoredResponse,
};
pub use intent::{ActKind, IntentChange, IntentOpening, IntentRow, IntentState};
pub use key::{KeyChange, KeyDescription, KeyFilter, KeyMaterial, KeyRow};
pub use node::{NodeHeartbeat, NodeRow, NodeStatus, NodeType};
pub use page::{Cursor, Page, PageRequest};
pub use session::{
    SessionChange, SessionFilter, SessionProgress, SessionProgressUpdate, SessionRow,
};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use store::{Store, StoreFuture, Write};
