//! What the writer knows without asking the database. Nobody else writes, so it stays true; what
//! was noted for a transaction that is undone is undone with it.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ops::Deref;

use quorate_types::Digest32;
use rusqlite::Connection;

use crate::audit::AuditHead;

/// Name of a nonce of a credential: the first half of a digest of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NonceTag([u8; 16]);

impl NonceTag {
    pub(super) fn of(credential: &str, nonce: &str) -> Self {
        let parts = [credential.as_bytes(), nonce.as_bytes()];
        let digest = Digest32::of(b"quorate request nonce", &parts);
        let half = digest.as_bytes().first_chunk::<16>();
        Self(*half.expect("a digest has 32 bytes"))
    }
}

/// A change of the nonces that the open transaction makes.
enum Change {
    Used(NonceTag),
    Forgotten(NonceTag),
}

/// The memory of the writer.
#[derive(Default)]
pub(super) struct Memory {
    /// The last audit record; `None` if it has to be read.
    head: Cell<Option<AuditHead>>,
    /// Every nonce in `request_nonces`: what refuses a replay. The rows are for the next start.
    nonces: RefCell<HashSet<NonceTag>>,
    /// What the open transaction changed, oldest first.
    changes: RefCell<Vec<Change>>,
}

impl Memory {
    /// - `nonces`: all that the table holds.
    pub(super) fn new(nonces: HashSet<NonceTag>) -> Self {
        Self {
            nonces: RefCell::new(nonces),
            ..Self::default()
        }
    }

    /// Where the open transaction stands, for [`Self::undo_to`].
    pub(super) fn mark(&self) -> usize {
        self.changes.borrow().len()
    }

    /// Undoes what was noted since a mark, as the transaction was undone to the same place.
    pub(super) fn undo_to(&self, mark: usize) {
        self.head.set(None);
        let undone = self.changes.borrow_mut().split_off(mark);
        let mut nonces = self.nonces.borrow_mut();
        for change in undone.into_iter().rev() {
            if let Change::Used(tag) = change {
                nonces.remove(&tag);
            }
        }
    }

    /// The transaction is durable.
    pub(super) fn keep(&self) {
        let mut nonces = self.nonces.borrow_mut();
        for change in self.changes.borrow_mut().drain(..) {
            if let Change::Forgotten(tag) = change {
                nonces.remove(&tag);
            }
        }
    }

    /// Whether a nonce is used for the first time; it is then noted as used.
    pub(super) fn use_nonce(&self, tag: NonceTag) -> bool {
        let is_fresh = self.nonces.borrow_mut().insert(tag);
        if is_fresh {
            self.changes.borrow_mut().push(Change::Used(tag));
        }
        is_fresh
    }

    /// The row of a nonce was deleted. It is refused until that is durable.
    pub(super) fn forget_nonce(&self, tag: NonceTag) {
        self.changes.borrow_mut().push(Change::Forgotten(tag));
    }

    /// The last audit record, if it need not be read.
    pub(super) fn head(&self) -> Option<AuditHead> {
        self.head.get()
    }

    /// This is now the last audit record.
    pub(super) fn note_head(&self, head: AuditHead) {
        self.head.set(Some(head));
    }
}

/// Where work is done: the open transaction, and the memory that goes with it.
pub(super) struct Desk<'a> {
    pub(super) connection: &'a Connection,
    pub(super) memory: &'a Memory,
}

impl Deref for Desk<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str) -> NonceTag {
        NonceTag::of("c", name)
    }

    #[test]
    fn nonce__must_be_fresh_again_only_if_its_use_was_undone() {
        let memory = Memory::default();
        assert!(memory.use_nonce(tag("a")));
        let mark = memory.mark();
        assert!(memory.use_nonce(tag("b")));
        assert!(!memory.use_nonce(tag("a")));
        memory.undo_to(mark);
        assert!(memory.use_nonce(tag("b")));
        assert!(!memory.use_nonce(tag("a")));
        memory.keep();
        memory.undo_to(0);
        assert!(!memory.use_nonce(tag("a")));
        assert!(!memory.use_nonce(tag("b")));
    }

    #[test]
    fn forgotten_nonce__must_be_refused_until_that_is_durable() {
        let memory = Memory::new([tag("a")].into());
        memory.forget_nonce(tag("a"));
        assert!(!memory.use_nonce(tag("a")));
        memory.undo_to(0);
        assert!(!memory.use_nonce(tag("a")));
        memory.forget_nonce(tag("a"));
        memory.keep();
        assert!(memory.use_nonce(tag("a")));
    }

    #[test]
    fn nonce_tag__must_depend_on_where_the_credential_ends() {
        assert_ne!(NonceTag::of("ab", "c"), NonceTag::of("a", "bc"));
    }

    #[test]
    fn head__must_be_read_again_after_an_undo() {
        let memory = Memory::default();
        let head = AuditHead {
            sequence: 3,
            hash: Digest32::from_array([3; 32]),
        };
        memory.note_head(head);
        memory.keep();
        assert_eq!(memory.head(), Some(head));
        memory.undo_to(0);
        assert_eq!(memory.head(), None);
    }
}
