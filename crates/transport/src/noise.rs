//! Links between participants: `Noise_IK_25519_ChaChaPoly_BLAKE2s` over TCP.
//!
//! One long-lived stream per pair of nodes carries all messages of all sessions. The node with the
//! smaller [`NodeId`](quorate_types::NodeId) dials. Only identities of the configuration are ever
//! accepted, a link that fails any check dies at once, and everything has a limit.
//!
//! Specification: `docs/protocols/noise-links.md`; the numbers in comments (`// Spec 2.3`) are its
//! steps.
//!
//! ```text
//! Links ──send──▶ queue ─▶ peer (one task a peer) ─▶ outbound: frames ▸ records ▸ TCP
//! LinkEvents ◀────────────── inbound (one task a link): TCP ▸ records ▸ frames ▸ messages
//! dialer / listener: handshake, then hand the established link to the peer task
//! ```

mod cipher;
mod config;
mod dialer;
mod event;
mod frame;
mod fuse;
mod handshake;
mod hello;
mod inbound;
mod limits;
mod links;
mod listener;
mod meter;
mod outbound;
mod peer;
mod peer_task;
mod probe;
mod record;
mod refusal;
mod relay;
mod status;
mod stream;

pub use config::{InvalidConfig, LinkConfig, Peer, VersionRange, WIRE_VERSIONS};
pub use event::{DownReason, LinkEvent, LinkId, Violation};
pub use limits::LinkLimits;
pub use links::{LinkEvents, Links, SendError, StartError, UnknownEnds};
pub use probe::probe;
pub use refusal::{Refusal, RefusalCounts};
pub use relay::{
    CarrierId, MAX_RELAY_DATA, RELAY_FRAME_COST, RELAY_WINDOW, RelayAttachment, RelayBody,
    RelayFrame,
};
pub use status::{LinkState, LinkStatus};
pub use stream::Via;
