//! What signing needs to know of a key, kept in memory.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_chains::{Chain, KeyContext};
use quorate_store::{KeyRow, Store};
use quorate_types::{
    Algorithm, ChainId, Committee, KeyId, KeyStatus, ProtocolName, Rights, Tenant, Threshold,
};

use crate::error::CoordinatorError;

/// Public facts about a key.
#[derive(Debug)]
pub(crate) struct KeyFacts {
    pub(crate) key_id: KeyId,
    pub(crate) tenant: Tenant,
    pub(crate) status: KeyStatus,
    pub(crate) algorithm: Algorithm,
    pub(crate) threshold: Threshold,
    pub(crate) committee: Committee,
    pub(crate) chain_id: ChainId,
    pub(crate) chain: Chain,
    pub(crate) protocol: ProtocolName,
    pub(crate) rights: Rights,
    pub(crate) address_kind: String,
    /// Compressed; empty until the key is active.
    pub(crate) public_key: Vec<u8>,
    pub(crate) address: Option<String>,
    /// Canonical bytes, carried to every node that is asked to sign; empty until the key is active.
    pub(crate) certificate: Vec<u8>,
}

impl KeyFacts {
    /// The key as decoders of payloads see it.
    pub(crate) fn context(&self) -> KeyContext<'_> {
        KeyContext {
            chain: self.chain,
            algorithm: self.algorithm,
            rights: &self.rights,
            address_kind: &self.address_kind,
            public_key: &self.public_key,
        }
    }

    fn of_row(row: KeyRow) -> Result<Self, CoordinatorError> {
        let chain = Chain::parse(&row.chain_type)
            .ok_or_else(|| CoordinatorError::bug("a stored key has an unknown chain"))?;
        let (address, public_key, certificate) = match row.material {
            Some(material) => (material.address, material.public_key, material.certificate),
            None => Default::default(),
        };
        Ok(Self {
            key_id: row.key_id,
            tenant: row.tenant,
            status: row.status,
            algorithm: row.algorithm,
            threshold: row.threshold,
            committee: row.committee,
            chain_id: row.chain_type,
            chain,
            protocol: row.protocol,
            rights: row.rights,
            address_kind: row.address_kind.unwrap_or_default(),
            address,
            public_key,
            certificate,
        })
    }
}

/// Facts of active keys. This process is the only one that changes the rows, so what it forgets
/// before a change is never stale.
pub(crate) struct KeyCache {
    limit: usize,
    known: Mutex<HashMap<KeyId, Arc<KeyFacts>>>,
}

impl KeyCache {
    pub(crate) fn new(limit: usize) -> Self {
        let known = Mutex::default();
        Self { limit, known }
    }

    /// The facts of a key, from memory or the store.
    pub(crate) async fn get(
        &self,
        store: &dyn Store,
        key: KeyId,
    ) -> Result<Option<Arc<KeyFacts>>, CoordinatorError> {
        let known = self.known.lock().get(&key).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let Some(row) = store.key(key).await.map_err(CoordinatorError::Store)? else {
            return Ok(None);
        };
        let facts = Arc::new(KeyFacts::of_row(row)?);
        // Only what cannot change but by this process's own hand, and not while it is being made.
        if facts.status == KeyStatus::Active {
            let mut known = self.known.lock();
            if known.len() >= self.limit {
                known.clear();
            }
            known.insert(key, Arc::clone(&facts));
        }
        Ok(Some(facts))
    }
}
