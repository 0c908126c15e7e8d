use std::future::Future;
use std::pin::Pin;

use quorate_types::{Digest32, KeyId, NodeId, SessionId, UnixMillis};

use crate::audit::{AuditCheck, AuditEvent, AuditFilter, AuditHead, AuditRecord};
use crate::error::StoreError;
use crate::idempotency::{
    IdempotencyKey, IdempotencyRequest, IdempotencyStart, NonceUse, Pruned, RequestNonce,
    RequestStart, StoredResponse,
};
use crate::intent::{IntentChange, IntentOpening, IntentRow};
use crate::key::{KeyChange, KeyDescription, KeyFilter, KeyRow};
use crate::node::{NodeHeartbeat, NodeRow};
use crate::page::{Page, PageRequest};
use crate::session::{SessionChange, SessionFilter, SessionProgressUpdate, SessionRow};

/// What a method of [`Store`] returns: boxed, so that the trait can be used as `dyn Store`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// One change. Several of them in one [`Store::apply`] happen together or not at all.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Write {
    /// A new key.
    InsertKey(Box<KeyRow>),
    /// A step in a key's life.
    ChangeKey(Box<KeyChange>),
    /// New description or tags.
    DescribeKey(KeyDescription),
    /// Registers a node, or replaces what is known of it; `registered_at` of a known one stays.
    PutNode(Box<NodeRow>),
    /// A heartbeat, or its absence.
    Heartbeat(NodeHeartbeat),
    /// Forgets a node.
    RemoveNode(NodeId),
    /// A new session of an intent that is recorded.
    InsertSession(Box<SessionRow>),
    /// A step of a session.
    ChangeSession(Box<SessionChange>),
    /// New progress of a session.
    Progress(SessionProgressUpdate),
    /// A step of an intent.
    ChangeIntent(IntentChange),
    /// The answer to a request with an `Idempotency-Key`.
    FinishIdempotency(IdempotencyKey, StoredResponse),
    /// The request was not carried out: the next one with this key starts anew.
    ReleaseIdempotency(IdempotencyKey),
    /// A further audit record.
    AppendAudit(Box<AuditEvent>),
}

/// Where the coordinator keeps what it must not forget.
///
/// - A write that returned `Ok` is durable: it survives a kill of the process and of the machine.
/// - A write is carried out even if its future is dropped before it is done.
/// - Reads see every write that returned before they started.
/// - All methods may be called at once, from any thread.
///
/// Dropping the store waits until accepted writes are durable.
pub trait Store: Send + Sync {
    /// Makes changes that belong together, all of them or none, in their order.
    ///
    /// # Errors
    /// Of the first change that is refused; [`StoreError::Invalid`] for more than
    /// [`crate::limits::MAX_WRITES_PER_APPLY`].
    fn apply(&self, writes: Vec<Write>) -> StoreFuture<'_, ()>;

    /// Makes one change.
    ///
    /// # Errors
    /// As [`Self::apply`].
    fn write(&self, write: Write) -> StoreFuture<'_, ()> {
        self.apply(vec![write])
    }

    /// Records an intent and what belongs to it (its key, its first session, an audit record),
    /// unless the intent is known already. Of several equal calls exactly one gets
    /// [`IntentOpening::New`].
    ///
    /// # Errors
    /// As [`Self::apply`].
    fn open_intent(&self, intent: IntentRow, with: Vec<Write>) -> StoreFuture<'_, IntentOpening>;

    /// One intent.
    ///
    /// # Errors
    /// An operator's error.
    fn intent(&self, intent_digest: Digest32) -> StoreFuture<'_, Option<IntentRow>>;

    /// Intents in the state `Open`, oldest first: what a restarted coordinator goes on with.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`], or an operator's error.
    fn open_intents(&self, page: PageRequest) -> StoreFuture<'_, Page<IntentRow>>;

    /// One key.
    ///
    /// # Errors
    /// An operator's error.
    fn key(&self, key_id: KeyId) -> StoreFuture<'_, Option<KeyRow>>;

    /// Keys, newest first. Stable: rows inserted between two pages do not shift the second.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`], or an operator's error.
    fn keys(&self, filter: KeyFilter, page: PageRequest) -> StoreFuture<'_, Page<KeyRow>>;

    /// One node.
    ///
    /// # Errors
    /// An operator's error.
    fn node(&self, node_id: NodeId) -> StoreFuture<'_, Option<NodeRow>>;

    /// All nodes by name, at most [`crate::limits::MAX_NODES`].
    ///
    /// # Errors
    /// An operator's error.
    fn nodes(&self) -> StoreFuture<'_, Vec<NodeRow>>;

    /// One session.
    ///
    /// # Errors
    /// An operator's error.
    fn session(&self, session_id: SessionId) -> StoreFuture<'_, Option<SessionRow>>;

    /// Sessions, newest first.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`], or an operator's error.
    fn sessions(
        &self,
        filter: SessionFilter,
        page: PageRequest,
    ) -> StoreFuture<'_, Page<SessionRow>>;

    /// Sessions that are not final, oldest first: what a sweep or a restart has to end.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`], or an operator's error.
    fn open_sessions(&self, page: PageRequest) -> StoreFuture<'_, Page<SessionRow>>;

    /// Starts a request with an `Idempotency-Key`, atomically.
    ///
    /// # Errors
    /// [`StoreError::Invalid`], or an operator's error.
    fn begin_idempotency(&self, request: IdempotencyRequest) -> StoreFuture<'_, IdempotencyStart>;

    /// Releases every request in progress, and says how many: the process that carried them out
    /// is gone. Call it once at start, before requests are accepted. The intent behind such a
    /// request is still known, so repeating it does not repeat the act.
    ///
    /// # Errors
    /// An operator's error.
    fn release_unfinished_idempotency(&self) -> StoreFuture<'_, usize>;

    /// Records a request nonce of a credential, atomically, until `expires_at`.
    ///
    /// # Errors
    /// [`StoreError::Invalid`], or an operator's error: then the request must be refused.
    fn use_nonce(
        &self,
        credential: String,
        nonce: String,
        expires_at: UnixMillis,
    ) -> StoreFuture<'_, NonceUse>;

    /// Records a nonce and, if it is fresh, starts the request with an `Idempotency-Key`: both in
    /// one write, since every request begins with them.
    ///
    /// # Errors
    /// [`StoreError::Invalid`], or an operator's error: then the request must be refused.
    fn begin_request(
        &self,
        nonce: RequestNonce,
        idempotency: Option<IdempotencyRequest>,
    ) -> StoreFuture<'_, RequestStart>;

    /// Deletes expired idempotency records and expired nonces, of the oldest
    /// [`crate::limits::MAX_PRUNED_ROWS`] of each.
    ///
    /// # Errors
    /// An operator's error.
    fn prune(&self, now: UnixMillis) -> StoreFuture<'_, Pruned>;

    /// Appends an audit record and returns it in its place.
    ///
    /// # Errors
    /// Any error means that nothing is recorded: the caller must refuse the act.
    fn append_audit(&self, event: AuditEvent) -> StoreFuture<'_, AuditRecord>;

    /// Audit records, newest first.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`], or an operator's error.
    fn audit(&self, filter: AuditFilter, page: PageRequest) -> StoreFuture<'_, Page<AuditRecord>>;

    /// The last audit record, to be kept elsewhere.
    ///
    /// # Errors
    /// An operator's error.
    fn audit_head(&self) -> StoreFuture<'_, Option<AuditHead>>;

    /// Recomputes the whole audit chain. `anchor` is an earlier [`Self::audit_head`]: the chain
    /// must contain it, which shows a cut tail.
    ///
    /// # Errors
    /// [`StoreError::AuditBroken`] or [`StoreError::Corrupt`], naming the first broken record.
    fn verify_audit_chain(&self, anchor: Option<AuditHead>) -> StoreFuture<'_, AuditCheck>;

    /// Whether the database answers: for readiness checks.
    ///
    /// # Errors
    /// An operator's error.
    fn ping(&self) -> StoreFuture<'_, ()>;
}
