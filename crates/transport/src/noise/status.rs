//! What an operator sees of a link.

use std::time::{Duration, SystemTime};

use quorate_types::NodeId;

use super::event::LinkId;
use super::stream::Via;
use crate::fault::LinkFault;

/// Whether messages can flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// Messages flow.
    Up,
    /// This node is dialling.
    Connecting,
    /// No connection; this node waits for the peer to dial, or for its next own attempt.
    Down,
}

impl LinkState {
    /// `up`, `connecting` or `down`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Connecting => "connecting",
            Self::Down => "down",
        }
    }
}

/// State of the link to one peer.
#[derive(Debug, Clone)]
pub struct LinkStatus {
    /// Which peer.
    pub peer: NodeId,
    /// State.
    pub state: LinkState,
    /// Which way its bytes take, while it is up.
    pub via: Option<Via>,
    /// Why the last handshake over a direct connection failed, unless the link is direct.
    pub fault: Option<LinkFault>,
    /// Since when it is up, or not up.
    pub since: SystemTime,
    /// Session now in use.
    pub link_id: Option<LinkId>,
    /// Round trip of the last answered ping.
    pub rtt: Option<Duration>,
    /// Why the link, or the last attempt, failed. Kept after recovery.
    pub last_error: Option<String>,
    /// Bytes sent since start, with framing.
    pub bytes_sent: u64,
    /// Bytes received since start, with framing.
    pub bytes_received: u64,
    /// Messages handed to the network since start.
    pub messages_sent: u64,
    /// Messages received since start.
    pub messages_received: u64,
    /// Messages accepted and then lost because the link went down.
    pub messages_lost: u64,
}
