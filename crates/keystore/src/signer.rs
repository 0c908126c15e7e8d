//! The node's own signature over what it stores.

use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use quorate_types::NodeId;

/// A node's name and its Ed25519 identity key.
///
/// # Security
/// The key is zeroized on drop. It signs what this node stores and reports, never for a user. By
/// aws-lc, which signs in half the time of `ed25519-dalek`; signatures are the same.
pub struct NodeSigner {
    node: NodeId,
    key: Ed25519KeyPair,
    public: VerifyingKey,
}

impl NodeSigner {
    /// The identity of `node`.
    ///
    /// # Panics
    /// Never: any 32 bytes are a seed.
    #[must_use]
    pub fn new(node: NodeId, key: SigningKey) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(key.as_bytes());
        Self {
            node,
            key: pair.expect("a seed has 32 bytes"),
            public: key.verifying_key(),
        }
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &NodeId {
        &self.node
    }

    /// The public half of its key.
    #[must_use]
    pub const fn verifying_key(&self) -> VerifyingKey {
        self.public
    }

    /// Signs a statement, which begins with its own domain tag.
    ///
    /// # Panics
    /// Never: a signature has 64 bytes.
    pub(crate) fn sign(&self, statement: &[u8]) -> [u8; 64] {
        let signature = self.key.sign(statement);
        let signature = signature.as_ref().try_into();
        signature.expect("a signature has 64 bytes")
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
