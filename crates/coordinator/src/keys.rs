//! Keys: create, get, list, describe.

use std::time::Duration;

use quorate_api::rest::{CreateKeyRequest, KeyList, KeyView, UpdateKeyRequest};
use quorate_store::{AuditResult, Cursor, KeyDescription, KeyFilter, KeyRow, PageRequest, Write};
use quorate_types::KeyId;
use serde_json::json;

use crate::act::Origin;
use crate::admission::{Plan, What};
use crate::audit::Subject;
use crate::caller::Caller;
use crate::clock::now;
use crate::coordinator::Coordinator;
use crate::error::CoordinatorError;
use crate::error_code::unaudited;
use crate::request::parse;
use crate::views::key_view;

/// A key, or where its creation stands.
#[derive(Debug, Clone)]
pub struct CreateReply {
    /// The key; its status says whether it can sign.
    pub key: KeyView,
    /// Whether the key is there; otherwise its session goes on.
    pub is_complete: bool,
}

/// Which keys to list.
#[derive(Debug, Clone, Default)]
pub struct KeyQuery {
    /// Only in this status.
    pub status: Option<String>,
    /// Only of this chain.
    pub chain_type: Option<String>,
    /// Only of this scheme.
    pub algorithm: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only with this address.
    pub address: Option<String>,
    /// Most keys to return.
    pub limit: Option<u16>,
    /// Where to go on.
    pub cursor: Option<String>,
}

impl Coordinator {
    /// Creates the key that an intent asks for, or answers what became of it.
    ///
    /// # Errors
    /// [`CoordinatorError`]; a refusal is in the audit index.
    pub async fn create_key(
        &self,
        caller: &Caller,
        request: CreateKeyRequest,
        wait: Duration,
    ) -> Result<CreateReply, CoordinatorError> {
        let subject = Subject::new("key.create", "POST /api/v1/keys", caller);
        let admitted = self.admit_create(caller, request, &subject);
        let (key_id, act) = match admitted {
            Ok(started) => started,
            Err(error) => return Err(self.refuse(&subject, error).await),
        };
        let outcome = act.wait(wait).await;
        let is_complete = outcome.transpose()?.is_some();
        let row = self.visible_key(caller, key_id).await?;
        let session = act.progress().and_then(|progress| progress.session);
        let mut key = key_view(row)?;
        if key.session_id.is_none() {
            key.session_id = session.map(|id| id.to_string());
        }
        Ok(CreateReply { key, is_complete })
    }

    fn admit_create(
        &self,
        caller: &Caller,
        request: CreateKeyRequest,
        subject: &Subject,
    ) -> Result<(KeyId, std::sync::Arc<crate::act::ActHandle>), CoordinatorError> {
        let plan = self.core.rules.admit_create(caller, request)?;
        self.check_pairs(&plan)?;
        let key_id = plan.key_id();
        let subject = subject.clone();
        let act = self
            .acts
            .join_or_start(&self.core, plan, subject, Origin::Caller)?;
        Ok((key_id, act))
    }

    /// Members without pair state cannot make a key with a protocol that needs it: each of them
    /// would refuse.
    fn check_pairs(&self, plan: &Plan) -> Result<(), CoordinatorError> {
        let What::Create { create, .. } = &plan.what else {
            return Ok(());
        };
        if !plan.protocol.has_pair_state {
            return Ok(());
        }
        let members: Vec<_> = create
            .committee
            .members()
            .map(|(_, id)| id.clone())
            .collect();
        let pairs = self.core.cluster.pairs_not_ready(&members);
        if pairs.is_empty() {
            return Ok(());
        }
        Err(CoordinatorError::PairsNotReady { pairs })
    }

    /// One key of the caller's tenant.
    ///
    /// # Errors
    /// [`CoordinatorError::NotFound`], or the store's.
    pub async fn key(&self, caller: &Caller, key_id: &str) -> Result<KeyView, CoordinatorError> {
        let row = self.visible_key(caller, visible_id("key", key_id)?).await?;
        key_view(row)
    }

    /// Keys of the caller's tenant, newest first.
    ///
    /// # Errors
    /// [`CoordinatorError`] for a bad filter or cursor, or the store's.
    pub async fn keys(
        &self,
        caller: &Caller,
        query: KeyQuery,
    ) -> Result<KeyList, CoordinatorError> {
        let filter = KeyFilter {
            tenant: Some(caller.tenant.clone()),
            status: optional("status", query.status)?,
            chain_type: optional("chain_type", query.chain_type)?,
            algorithm: optional("algorithm", query.algorithm)?,
            tag: query.tag,
            address: query.address,
        };
        let page = page(query.limit, query.cursor)?;
        let found = self.core.store.keys(filter, page).await;
        let found = found.map_err(CoordinatorError::of_store)?;
        Ok(KeyList {
            keys: found
                .rows
                .into_iter()
                .map(key_view)
                .collect::<Result<_, _>>()?,
            next_cursor: found.next.map(|cursor| cursor.to_string()),
        })
    }

    /// Changes description and tags.
    ///
    /// # Errors
    /// [`CoordinatorError`]; a refusal is in the audit index.
    pub async fn describe_key(
        &self,
        caller: &Caller,
        key_id: &str,
        update: UpdateKeyRequest,
    ) -> Result<KeyView, CoordinatorError> {
        let mut subject = Subject::new("key.describe", "PUT /api/v1/keys", caller);
        match self.describe(caller, key_id, update, &mut subject).await {
            Ok(view) => Ok(view),
            Err(error) => Err(self.refuse(&subject, error).await),
        }
    }

    async fn describe(
        &self,
        caller: &Caller,
        key_id: &str,
        update: UpdateKeyRequest,
        subject: &mut Subject,
    ) -> Result<KeyView, CoordinatorError> {
        let key_id = self
            .visible_key(caller, visible_id("key", key_id)?)
            .await?
            .key_id;
        subject.key_id = Some(key_id);
        let at = now();
        let fields = json!({
            "description": update.description.is_some(),
            "tags": update.tags.is_some(),
        });
        // One transaction: the record and the change are there together or not at all.
        let event = subject.event(
            at,
            AuditResult::Succeeded,
            None,
            json!({ "changed": fields }),
        );
        let description = KeyDescription {
            key_id,
            description: update.description,
            tags: update.tags.map(|tags| tags.into_iter().collect()),
            at,
        };
        let writes = vec![
            Write::DescribeKey(description),
            Write::AppendAudit(Box::new(event)),
        ];
        self.core.store.apply(writes).await.map_err(unaudited)?;
        key_view(self.visible_key(caller, key_id).await?)
    }

    /// A key of another tenant is as if it were not there.
    pub(crate) async fn visible_key(
        &self,
        caller: &Caller,
        key_id: KeyId,
    ) -> Result<KeyRow, CoordinatorError> {
        let row = self
            .core
            .store
            .key(key_id)
            .await
            .map_err(CoordinatorError::Store)?;
        row.filter(|row| row.tenant == caller.tenant)
            .ok_or_else(|| CoordinatorError::not_found("key", key_id))
    }

    /// Records a refusal before it is told. If it cannot be recorded, the refusal stands all the
    /// same: nothing is done either way.
    pub(crate) async fn refuse(
        &self,
        subject: &Subject,
        error: CoordinatorError,
    ) -> CoordinatorError {
        let event = subject.refusal(now(), &error);
        if let Err(lost) = self.core.store.append_audit(event).await {
            tracing::error!(%lost, code = %error.code(), "a refusal was not recorded");
        }
        error
    }
}

/// An id in a path: what cannot be an id is simply not there.
pub(crate) fn visible_id<T: std::str::FromStr>(
    what: &'static str,
    text: &str,
) -> Result<T, CoordinatorError> {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
    text.parse()
        .map_err(|_| CoordinatorError::not_found(what, shown))
}

pub(crate) fn optional<T: std::str::FromStr<Err: ToString>>(
    field: &'static str,
    text: Option<String>,
) -> Result<Option<T>, CoordinatorError> {
    text.map(|text| parse(field, &text)).transpose()
}

pub(crate) fn page(
    limit: Option<u16>,
    cursor: Option<String>,
) -> Result<PageRequest, CoordinatorError> {
    let most = quorate_store::limits::MAX_PAGE_ROWS;
    let rows = limit.unwrap_or(quorate_store::limits::DEFAULT_PAGE_ROWS);
    if rows == 0 || rows > most {
        let why = format!("1 to {most}");
        return Err(crate::request::invalid("limit", why));
    }
    let page = PageRequest::first(rows);
    Ok(match cursor {
        Some(text) => {
            let cursor: Cursor = text.parse().map_err(CoordinatorError::of_store)?;
            page.after(cursor)
        }
        None => page,
    })
}
