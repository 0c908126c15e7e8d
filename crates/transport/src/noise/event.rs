//! What the owner of the links is told.

use std::fmt;
use std::time::Duration;

use quorate_types::{DecodeError, NodeId, SecretBytes};
use thiserror::Error;

/// Name of one Noise session: its handshake hash, equal on both sides and never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub(super) [u8; 32]);

impl LinkId {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .take(8)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Something that happened to a link. Events of one peer come in order: `Up`, messages, `Down`.
#[non_exhaustive]
pub enum LinkEvent {
    /// The link to a peer can carry messages.
    Up {
        /// Which peer.
        peer: NodeId,
        /// Name of the new Noise session.
        link_id: LinkId,
        /// Wire version agreed on.
        version: u16,
        /// Set after a re-handshake without loss: the session that this one continues. What was
        /// bound to that session must still be dropped.
        continues: Option<LinkId>,
    },
    /// The link to a peer ended. Messages in flight are lost.
    Down {
        /// Which peer.
        peer: NodeId,
        /// Why.
        reason: DownReason,
    },
    /// A message arrived.
    Message {
        /// The authenticated sender.
        from: NodeId,
        /// Its bytes; wiped when dropped, since they may hold shares.
        body: SecretBytes,
    },
}

impl fmt::Debug for LinkEvent {
    /// Without the bytes of a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up {
                peer,
                link_id,
                version,
                continues,
            } => {
                write!(
                    f,
                    "Up({peer}, {link_id}, v{version}, continues={})",
                    continues.is_some()
                )
            }
            Self::Down { peer, reason } => write!(f, "Down({peer}, {reason})"),
            Self::Message { from, body } => write!(f, "Message({from}, {} bytes)", body.len()),
        }
    }
}

/// A rule that an authenticated peer broke: the peer itself is to blame, no one on the path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A message longer than the limit.
    #[error("message of {length} bytes, more than the limit of {limit}")]
    MessageTooLong {
        /// Length announced.
        length: usize,
        /// Limit here.
        limit: usize,
    },
    /// Bytes that are no frame.
    #[error("malformed frame: {0}")]
    Malformed(DecodeError),
    /// A record without any frame.
    #[error("record without a frame")]
    EmptyRecord,
    /// A fragment that carries nothing.
    #[error("empty fragment")]
    EmptyFragment,
    /// A message inside another one's fragments.
    #[error("message between the fragments of another one")]
    Interleaved,
    /// A fragment without a beginning.
    #[error("fragment without a beginning")]
    StrayFragment,
    /// Fragments longer than announced.
    #[error("fragments exceed the announced length")]
    FragmentOverflow,
    /// An answer to a ping that was never sent.
    #[error("answer to a ping that was not sent")]
    StrayPong,
    /// The end of the link was announced inside a message.
    #[error("closing frame between the fragments of a message")]
    UnfinishedMessage,
    /// Bytes after the end of the link was announced.
    #[error("frames after the closing frame")]
    AfterClose,
}

/// Why a link ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DownReason {
    /// The peer broke a rule under its own key.
    #[error("the peer broke the protocol: {0}")]
    Violation(Violation),
    /// A record did not authenticate: someone on the path, or a broken peer. The link must not
    /// continue, and no one can be named.
    #[error("a record was not authentic")]
    NotAuthentic,
    /// The peer shut down.
    #[error("the peer shut down")]
    PeerShutDown,
    /// The connection ended without a closing frame.
    #[error("the connection was cut")]
    Cut,
    /// The operating system reported an error.
    #[error("connection error: {0}")]
    Io(std::io::ErrorKind),
    /// Nothing arrived for the silence timeout.
    #[error("nothing was received for {} ms", .0.as_millis())]
    Silent(Duration),
    /// The network did not take a write in time.
    #[error("a write was not taken for {} ms", .0.as_millis())]
    WriteStalled(Duration),
    /// The peer opened a new connection that does not continue this one: it had lost this one.
    #[error("replaced by a newer connection of the peer")]
    Replaced,
    /// The peer closed this session for a newer one, which did not come in time.
    #[error("the session after a re-handshake did not come in time")]
    RehandshakeStalled,
    /// The record limit of one key was reached.
    #[error("record limit of one key reached")]
    KeyExhausted,
    /// This node shut down.
    #[error("this node shut down")]
    ShutDown,
}

impl DownReason {
    /// Whether the peer itself is proven to be at fault.
    #[must_use]
    pub const fn blames_peer(&self) -> bool {
        matches!(self, Self::Violation(_))
    }
}
