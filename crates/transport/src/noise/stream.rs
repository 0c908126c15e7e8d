//! What a link runs over: a TCP connection, or a byte stream that a coordinator relays.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::relay::RelayedBytes;

/// The way that the bytes of a link take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Via {
    /// A TCP connection from node to node.
    Direct,
    /// A coordinator carries them, and can read nothing of them.
    Relay,
}

impl Via {
    /// `direct` or `relay`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
        }
    }
}

/// The byte stream of an established link.
pub(super) enum LinkStream {
    Direct(TcpStream),
    Relayed(RelayedBytes),
}

/// Receiving half.
pub(super) type ReadHalf = Box<dyn AsyncRead + Send + Sync + Unpin>;
/// Sending half.
pub(super) type WriteHalf = Box<dyn AsyncWrite + Send + Sync + Unpin>;

impl LinkStream {
    /// Which way it takes.
    pub(super) const fn via(&self) -> Via {
        match self {
            Self::Direct(_) => Via::Direct,
            Self::Relayed(_) => Via::Relay,
        }
    }

    /// Both directions.
    pub(super) fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Direct(stream) => {
                let (read, write) = stream.into_split();
                (Box::new(read), Box::new(write))
            }
            Self::Relayed(stream) => {
                let (read, write) = tokio::io::split(stream);
                (Box::new(read), Box::new(write))
            }
        }
    }
}
