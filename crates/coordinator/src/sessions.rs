//! Sessions and nodes: what can be looked at, and cancelled.

use quorate_api::rest::{NodeList, NodeView, SessionList, SessionView};
use quorate_lead::Progress;
use quorate_store::{PageRequest, SessionFilter, SessionRow, limits};
use quorate_types::{Digest32, NodeId, SessionId};
use tokio::sync::watch;

use crate::act::ActStatus;
use crate::audit::Subject;
use crate::caller::Caller;
use crate::clock::now;
use crate::coordinator::Coordinator;
use crate::error::CoordinatorError;
use crate::error_code::unaudited;
use crate::keys::{optional, page, visible_id};
use crate::views::{session_view, show_progress, waited_on};

/// Which sessions to list.
#[derive(Debug, Clone, Default)]
pub struct SessionQuery {
    /// Only of this key.
    pub key_id: Option<String>,
    /// Only in this status.
    pub status: Option<String>,
    /// Only attempts of this intent.
    pub intent_digest: Option<String>,
    /// Most sessions to return.
    pub limit: Option<u16>,
    /// Where to go on.
    pub cursor: Option<String>,
}

impl Coordinator {
    /// One session of the caller's tenant, with live progress and the attempts before it.
    ///
    /// # Errors
    /// [`CoordinatorError::NotFound`], or the store's.
    pub async fn session(
        &self,
        caller: &Caller,
        session_id: &str,
    ) -> Result<SessionView, CoordinatorError> {
        let row = self.visible_session(caller, session_id).await?;
        let filter = SessionFilter {
            intent_digest: Some(row.intent_digest),
            ..SessionFilter::default()
        };
        let page = PageRequest::first(limits::MAX_PAGE_ROWS);
        let attempts = self.core.store.sessions(filter, page).await;
        let attempts = attempts.map_err(CoordinatorError::Store)?;
        let earlier = attempts
            .rows
            .iter()
            .filter(|other| other.attempt < row.attempt);
        let waited = earlier.filter_map(waited_on).collect();
        let mut view = self.live(row);
        view.waited_on = waited;
        view.waited_on.sort_by_key(|attempt| attempt.attempt);
        Ok(view)
    }

    /// Follows the act of a session.
    ///
    /// # Errors
    /// [`CoordinatorError::NotFound`], or the store's.
    pub async fn watch_session(
        &self,
        caller: &Caller,
        session_id: &str,
    ) -> Result<SessionWatch, CoordinatorError> {
        let row = self.visible_session(caller, session_id).await?;
        let act = self.acts.get(&row.intent_digest);
        Ok(SessionWatch {
            intent: row.intent_digest,
            status: act.map(|act| act.watch()),
        })
    }

    /// The newest session of the act that is followed, as [`Self::session`] shows it.
    ///
    /// # Errors
    /// As of [`Self::session`].
    pub async fn watched_session(
        &self,
        caller: &Caller,
        watch: &SessionWatch,
    ) -> Result<SessionView, CoordinatorError> {
        let filter = SessionFilter {
            tenant: Some(caller.tenant.clone()),
            intent_digest: Some(watch.intent),
            ..SessionFilter::default()
        };
        let newest = self
            .core
            .store
            .sessions(filter, PageRequest::first(1))
            .await;
        let newest = newest
            .map_err(CoordinatorError::Store)?
            .rows
            .into_iter()
            .next();
        let newest = newest.ok_or_else(|| CoordinatorError::bug("a session without its row"))?;
        self.session(caller, &newest.session_id.to_string()).await
    }

    /// Sessions of the caller's tenant, newest first.
    ///
    /// # Errors
    /// [`CoordinatorError`] for a bad filter or cursor, or the store's.
    pub async fn sessions(
        &self,
        caller: &Caller,
        query: SessionQuery,
    ) -> Result<SessionList, CoordinatorError> {
        let filter = SessionFilter {
            tenant: Some(caller.tenant.clone()),
            key_id: optional("key_id", query.key_id)?,
            status: optional("status", query.status)?,
            intent_digest: optional("intent_digest", query.intent_digest)?,
        };
        let page = page(query.limit, query.cursor)?;
        let found = self.core.store.sessions(filter, page).await;
        let found = found.map_err(CoordinatorError::of_store)?;
        Ok(SessionList {
            sessions: found.rows.into_iter().map(|row| self.live(row)).collect(),
            next_cursor: found.next.map(|cursor| cursor.to_string()),
        })
    }

    /// Ends the act of a session without a result, as far as that can still be done: a node may
    /// hold a signature all the same.
    ///
    /// # Errors
    /// [`CoordinatorError::SessionEnded`], [`CoordinatorError::NotFound`], or the store's.
    pub async fn cancel(
        &self,
        caller: &Caller,
        session_id: &str,
    ) -> Result<SessionView, CoordinatorError> {
        let operation = "POST /api/v1/sessions/{session_id}/cancel";
        let mut subject = Subject::new("session.cancel", operation, caller);
        match self.try_cancel(caller, session_id, &mut subject).await {
            Ok(view) => Ok(view),
            Err(error) => Err(self.refuse(&subject, error).await),
        }
    }

    async fn try_cancel(
        &self,
        caller: &Caller,
        session_id: &str,
        subject: &mut Subject,
    ) -> Result<SessionView, CoordinatorError> {
        let row = self.visible_session(caller, session_id).await?;
        subject.key_id = Some(row.key_id);
        let act = self.acts.get(&row.intent_digest);
        let act = act.filter(|act| act.tenant == caller.tenant && !row.status.is_final());
        let act = act.ok_or_else(|| CoordinatorError::SessionEnded {
            session: row.session_id.to_string(),
            status: row.status.to_string(),
        })?;
        let details = serde_json::json!({});
        let result = quorate_store::AuditResult::Intended;
        let event = subject.event(now(), result, Some(row.session_id), details);
        self.core
            .store
            .append_audit(event)
            .await
            .map_err(unaudited)?;
        let mut watch = act.watch();
        act.cancel().await;
        // The lead answers a cancel at once; a task that ended otherwise has an outcome too.
        let _ = watch.wait_for(|status| status.outcome.is_some()).await;
        self.session(caller, session_id).await
    }

    /// All nodes of the manifest.
    #[must_use]
    pub fn nodes(&self) -> NodeList {
        let (cluster, manifest_version) = self.cluster();
        NodeList {
            nodes: self.core.cluster.views(),
            cluster: cluster.to_string(),
            manifest_version,
        }
    }

    /// One node.
    ///
    /// # Errors
    /// [`CoordinatorError::NotFound`].
    pub fn node(&self, node_id: &str) -> Result<NodeView, CoordinatorError> {
        let id: NodeId = visible_id("node", node_id)?;
        let view = self.core.cluster.view(&id);
        view.ok_or_else(|| CoordinatorError::not_found("node", id))
    }

    async fn visible_session(
        &self,
        caller: &Caller,
        session_id: &str,
    ) -> Result<SessionRow, CoordinatorError> {
        let id: SessionId = visible_id("session", session_id)?;
        let row = self
            .core
            .store
            .session(id)
            .await
            .map_err(CoordinatorError::Store)?;
        row.filter(|row| row.tenant == caller.tenant)
            .ok_or_else(|| CoordinatorError::not_found("session", id))
    }

    /// The row, overlaid with what the running act knows.
    fn live(&self, row: SessionRow) -> SessionView {
        let act = self
            .acts
            .get(&row.intent_digest)
            .filter(|_| !row.status.is_final());
        let progress = act.and_then(|act| act.progress());
        let progress = progress.filter(|p: &Progress| p.session == Some(row.session_id));
        let mut view = session_view(row);
        if let Some(progress) = progress {
            show_progress(&mut view, &progress);
        }
        view
    }
}

/// Follows the act of a session.
pub struct SessionWatch {
    intent: Digest32,
    /// `None` for an act that had ended when it was asked for.
    status: Option<watch::Receiver<ActStatus>>,
}

impl SessionWatch {
    /// Whether the act goes on.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let status = self.status.as_ref();
        // A task that died has no outcome, but its end closes the channel.
        status.is_some_and(|s| s.borrow().outcome.is_none() && s.has_changed().is_ok())
    }

    /// Waits for the next change; returns at once if the act has ended.
    pub async fn changed(&mut self) {
        if let Some(status) = &mut self.status {
            let _ = status.changed().await;
        }
    }
}
