//! What a node has gathered for certificates that are not whole yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Condvar;
use quorate_intent::{KeyCertificate, KeyStatement};
use quorate_types::{Digest32, KeyId, NodeId};

use crate::link_message::Settle;

/// Signatures for keys that are not pending here yet, of one peer.
pub(super) const MAX_EARLY_PER_PEER: usize = 1_024;

/// What is there of the certificate of one key.
pub(super) struct Gathering {
    pub(super) statement: KeyStatement,
    pub(super) digest: Digest32,
    pub(super) stored: BTreeSet<NodeId>,
    pub(super) signatures: BTreeMap<NodeId, [u8; 64]>,
    /// What is being written for it now, by one thread, without the lock.
    pub(super) under_way: Option<UnderWay>,
    /// Threads that wait for it, and take the next step themselves.
    pub(super) attendants: usize,
    pub(super) changed: Arc<Condvar>,
}

/// A step that waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnderWay {
    /// The record that we sign. The share may be released already: it is not dropped any more.
    Release,
    /// The certificate.
    Activation,
}

/// What can be done for a certificate now.
pub(super) enum Step {
    /// Sign: every member's share is durable.
    Release,
    /// Store it: everybody signed.
    Activate(Box<KeyCertificate>),
    /// Wait for others.
    Wait,
}

impl Gathering {
    /// The next step, which the caller must take: nobody else is told of it meanwhile.
    pub(super) fn take_step(&mut self, me: &NodeId) -> Step {
        if self.under_way.is_some() {
            return Step::Wait;
        }
        if let Some(certificate) = self.certificate() {
            self.under_way = Some(UnderWay::Activation);
            return Step::Activate(Box::new(certificate));
        }
        if self.is_ready(me) {
            self.under_way = Some(UnderWay::Release);
            return Step::Release;
        }
        Step::Wait
    }

    /// Whether the share may still be dropped: nobody is known to have signed, and we do not.
    pub(super) fn is_unsigned(&self) -> bool {
        self.signatures.is_empty() && self.under_way != Some(UnderWay::Release)
    }

    /// Members that this step waits for: for their shares, then for their signatures.
    pub(super) fn missing(&self, me: &NodeId) -> Vec<NodeId> {
        let came = |node: &NodeId| {
            if self.signatures.contains_key(me) {
                self.signatures.contains_key(node)
            } else {
                self.stored.contains(node)
            }
        };
        let committee = self.statement.committee.members();
        let missing = committee.filter(|(_, node)| !came(node));
        missing.map(|(_, node)| node.clone()).collect()
    }

    /// Whether we may sign now, and did not yet.
    pub(super) fn is_ready(&self, me: &NodeId) -> bool {
        !self.signatures.contains_key(me) && self.missing(me).is_empty()
    }

    /// The certificate, once everybody signed.
    pub(super) fn certificate(&self) -> Option<KeyCertificate> {
        let members = self.statement.committee.members();
        let signatures = members
            .map(|(_, node)| self.signatures.get(node).copied())
            .collect::<Option<Vec<_>>>()?;
        Some(KeyCertificate {
            statement: self.statement.clone(),
            signatures,
        })
    }
}

/// A message about a key that is not pending here yet.
pub(super) struct Early {
    message: Settle,
    since: Instant,
}

/// All certificates in the making, and what came early for others.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) gathering: HashMap<KeyId, Gathering>,
    pub(super) early: HashMap<NodeId, HashMap<KeyId, Early>>,
}

impl Inner {
    /// The gathering of this statement: the one that is under way, with all that it has, or a new
    /// one. What was gathered for another statement of the key is dropped with its share.
    pub(super) fn gather(
        &mut self,
        statement: KeyStatement,
        digest: Digest32,
        me: &NodeId,
    ) -> &mut Gathering {
        let key = statement.key;
        let under_way = self.gathering.get(&key).map(|gathering| gathering.digest);
        if under_way != Some(digest) {
            let gathering = Gathering {
                statement,
                digest,
                stored: BTreeSet::from([me.clone()]),
                signatures: BTreeMap::new(),
                under_way: None,
                attendants: 0,
                changed: Arc::default(),
            };
            self.gathering.insert(key, gathering);
        }
        self.gathering
            .get_mut(&key)
            .expect("it was there, or was put there above")
    }

    /// What came early about a key.
    pub(super) fn take_early(&mut self, key: KeyId) -> Vec<(NodeId, Settle)> {
        let mut early = Vec::new();
        for (peer, waiting) in &mut self.early {
            let message = waiting.remove(&key).map(|early| early.message);
            early.extend(message.map(|message| (peer.clone(), message)));
        }
        early
    }

    pub(super) fn keep_early(&mut self, from: &NodeId, key: KeyId, message: Settle) {
        let waiting = self.early.entry(from.clone()).or_default();
        if waiting.len() < MAX_EARLY_PER_PEER || waiting.contains_key(&key) {
            let since = Instant::now();
            waiting.insert(key, Early { message, since });
        }
    }

    pub(super) fn expire_early(&mut self, ttl: Duration) {
        let now = Instant::now();
        self.early.retain(|_, waiting| {
            waiting.retain(|_, early| now.duration_since(early.since) < ttl);
            !waiting.is_empty()
        });
    }
}
