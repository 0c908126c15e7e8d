//! The node's own signature over what it stores.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use quorate_types::NodeId;

/// A node's name and its Ed25519 identity key.
///
/// # Security
/// The key is zeroized on drop. It signs what this node stores and reports, never for a user.
pub struct NodeSigner {
    node: NodeId,
    key: SigningKey,
}

impl NodeSigner {
    /// The identity of `node`.
    #[must_use]
    pub const fn new(node: NodeId, key: SigningKey) -> Self {
        Self { node, key }
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &NodeId {
        &self.node
    }

    /// The public half of its key.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Signs a statement, which begins with its own domain tag.
    pub(crate) fn sign(&self, statement: &[u8]) -> [u8; 64] {
        self.key.sign(statement).to_bytes()
    }

    /// Whether this node signed a statement.
    pub(crate) fn signed(&self, statement: &[u8], signature: &[u8; 64]) -> bool {
        verifies(&self.verifying_key(), statement, signature)
    }
}

/// Strict verification: no small-order keys, no second spellings.
pub(crate) fn verifies(key: &VerifyingKey, statement: &[u8], signature: &[u8; 64]) -> bool {
    key.verify_strict(statement, &Signature::from_bytes(signature))
        .is_ok()
}
