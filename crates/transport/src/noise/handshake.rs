//! The handshake: `Noise_IK_25519_ChaChaPoly_BLAKE2s` with the manifest's keys (Spec 2).
//!
//! Source: Noise Protocol Framework rev. 34, §7.5 (IK), §5.3; `docs/protocols/noise-links.md` §2.
//! The functions here do no IO; `dial` and `answer` at the end move the bytes.

use std::sync::Arc;

use quorate_types::{Canonical, NodeId, Writer};
use snow::{Builder, HandshakeState, StatelessTransportState};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::cipher::Resolver;
use super::config::{LinkConfig, Peer};
use super::event::LinkId;
use super::hello::{Hello, Welcome};
use super::refusal::Refusal;

/// The one pattern spoken. Another one would be another specification.
const PATTERN: &str = "Noise_IK_25519_ChaChaPoly_BLAKE2s";
/// Changes whenever the handshake itself changes.
const PROLOGUE_TAG: &str = "quorate link handshake v1";
/// Longest handshake message. The longest honest one has 32 + 48 + 4 + 63 + 4 + 1 + 32 + 16 bytes.
const MAX_HANDSHAKE_BYTES: usize = 256;

/// What both sides agreed on.
pub(super) struct Agreed {
    /// The authenticated peer.
    pub(super) peer: NodeId,
    /// Name of the session.
    pub(super) link_id: LinkId,
    /// Wire version.
    pub(super) version: u16,
    /// The session that the dialler wants to continue.
    pub(super) continues: Option<LinkId>,
    /// Transport keys.
    pub(super) keys: Arc<StatelessTransportState>,
    /// First nonce to send with; the dialler has used 0 for its confirmation.
    pub(super) send_nonce: u64,
    /// First nonce to receive.
    pub(super) receive_nonce: u64,
}

/// Why a responder stopped, and about whom.
#[derive(Debug)]
pub(super) struct Refused {
    /// Reason.
    pub(super) why: Refusal,
    /// The node claimed, if it is one of the manifest. Proven only for [`Refusal::NoCommonVersion`].
    pub(super) claimed: Option<NodeId>,
    /// Answer to a peer that was authenticated. Strangers get none.
    reply: Option<Vec<u8>>,
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        Self {
            why,
            claimed: None,
            reply: None,
        }
    }
}

/// Spec 2.1: both ends hash cluster, handshake version and the responder into the session. The
/// initiator's id follows, encrypted, in the first payload, and is hashed in the same way.
fn prologue(config: &LinkConfig, responder: &NodeId) -> Vec<u8> {
    let mut out = Writer::new();
    out.text(PROLOGUE_TAG)
        .value(&config.context)
        .value(responder);
    out.finish()
}

fn builder<'a>(config: &'a LinkConfig, prologue: &'a [u8]) -> Result<Builder<'a>, Refusal> {
    let params = PATTERN.parse().map_err(|_| Refusal::Local)?;
    Builder::with_resolver(params, Box::new(Resolver::default()))
        .local_private_key(config.static_secret.as_slice())
        .and_then(|builder| builder.prologue(prologue))
        .map_err(|_| Refusal::Local)
}

fn write(noise: &mut HandshakeState, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut message = vec![0; MAX_HANDSHAKE_BYTES];
    let length = noise
        .write_message(payload, &mut message)
        .map_err(|_| Refusal::Local)?;
    message.truncate(length);
    Ok(message)
}

fn read(noise: &mut HandshakeState, message: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut payload = vec![0; MAX_HANDSHAKE_BYTES];
    let read = noise.read_message(message, &mut payload);
    let length = read.map_err(|_| Refusal::Undecryptable)?;
    payload.truncate(length);
    Ok(payload)
}

fn session(noise: HandshakeState) -> Result<(LinkId, Arc<StatelessTransportState>), Refusal> {
    let hash = noise
        .get_handshake_hash()
        .try_into()
        .map_err(|_| Refusal::Local)?;
    let keys = noise
        .into_stateless_transport_mode()
        .map_err(|_| Refusal::Local)?;
    Ok((LinkId(hash), Arc::new(keys)))
}

/// The dialling side, after the first message.
struct Initiator<'a> {
    config: &'a LinkConfig,
    noise: HandshakeState,
    peer: NodeId,
    continues: Option<LinkId>,
}

impl<'a> Initiator<'a> {
    /// Spec 2.2: `e, es, s, ss` to the key that the manifest gives for this peer.
    fn start(
        config: &'a LinkConfig,
        id: &NodeId,
        peer: &Peer,
        continues: Option<LinkId>,
    ) -> Result<(Self, Vec<u8>), Refusal> {
        let prologue = prologue(config, id);
        let mut noise = builder(config, &prologue)?
            .remote_public_key(&peer.static_key)
            .and_then(Builder::build_initiator)
            .map_err(|_| Refusal::Local)?;
        let hello = Hello {
            node: config.me.clone(),
            versions: config.versions,
            continues,
        };
        let message = write(&mut noise, &hello.to_bytes())?;
        Ok((
            Self {
                config,
                noise,
                peer: id.clone(),
                continues,
            },
            message,
        ))
    }

    /// Spec 2.5: only the holder of the manifest's key can have written this message. Returns the
    /// confirmation to send as well.
    fn finish(mut self, message: &[u8]) -> Result<(Agreed, Vec<u8>), Refusal> {
        let payload = read(&mut self.noise, message)?;
        let welcome = Welcome::from_bytes(&payload).map_err(|_| Refusal::Malformed)?;
        if welcome.node != self.peer {
            return Err(Refusal::WrongResponder);
        }
        // The highest common version is recomputed here: a lower choice is never silent.
        match self.config.versions.agree(welcome.versions) {
            None => return Err(Refusal::NoCommonVersion),
            Some(version) if version != welcome.chosen => return Err(Refusal::Downgraded),
            Some(_) => {}
        }
        let (link_id, keys) = session(self.noise)?;
        let mut confirmation = vec![0; MAX_HANDSHAKE_BYTES];
        let length = keys
            .write_message(0, &[], &mut confirmation)
            .map_err(|_| Refusal::Local)?;
        confirmation.truncate(length);
        let agreed = Agreed {
            peer: self.peer,
            link_id,
            version: welcome.chosen,
            continues: self.continues,
            keys,
            send_nonce: 1,
            receive_nonce: 0,
        };
        Ok((agreed, confirmation))
    }
}

/// The answering side, after the second message. Nothing is known to be fresh yet: the first
/// message of IK can be replayed by anyone who recorded it.
struct Unconfirmed(Agreed);

impl Unconfirmed {
    /// Spec 2.3 and 2.4: who is it, is that its key, may it dial, what do both speak?
    fn answer(config: &LinkConfig, message: &[u8]) -> Result<(Self, Vec<u8>), Refused> {
        let prologue = prologue(config, &config.me);
        let mut noise = builder(config, &prologue)?
            .build_responder()
            .map_err(|_| Refusal::Local)?;
        let payload = read(&mut noise, message)?;
        let hello = Hello::from_bytes(&payload).map_err(|_| Refusal::Malformed)?;

        // Identities come from the manifest alone.
        let peer = config.peers.get(&hello.node).ok_or(Refusal::UnknownNode)?;
        let refused = |why, reply| Refused {
            why,
            claimed: Some(hello.node.clone()),
            reply,
        };
        if noise.get_remote_static() != Some(peer.static_key.as_slice()) {
            return Err(refused(Refusal::WrongKey, None));
        }
        if hello.node >= config.me {
            return Err(refused(Refusal::WrongDirection, None));
        }

        let chosen = config.versions.agree(hello.versions);
        let welcome = Welcome {
            node: config.me.clone(),
            versions: config.versions,
            chosen: chosen.unwrap_or(0),
        };
        let reply = write(&mut noise, &welcome.to_bytes())?;
        let Some(version) = chosen else {
            return Err(refused(Refusal::NoCommonVersion, Some(reply)));
        };
        let (link_id, keys) = session(noise)?;
        let agreed = Agreed {
            peer: hello.node,
            link_id,
            version,
            continues: hello.continues,
            keys,
            send_nonce: 0,
            receive_nonce: 1,
        };
        Ok((Self(agreed), reply))
    }

    /// Spec 2.6: the first record, empty, proves that the initiator is live and holds its keys.
    fn confirm(self, record: &[u8]) -> Result<Agreed, Refusal> {
        let mut payload = [0; MAX_HANDSHAKE_BYTES];
        match self.0.keys.read_message(0, record, &mut payload) {
            Ok(0) => Ok(self.0),
            Ok(_) | Err(_) => Err(Refusal::Unconfirmed),
        }
    }
}

/// Runs the dialling side over a connection. The caller sets the time limit.
pub(super) async fn dial(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    config: &LinkConfig,
    id: &NodeId,
    peer: &Peer,
    continues: Option<LinkId>,
) -> Result<Agreed, Refusal> {
    let (agreed, confirmation) = propose(stream, config, id, peer, continues).await?;
    send(stream, &confirmation).await?;
    Ok(agreed)
}

/// The dialling side without its confirmation: the peer has proven itself, and takes the session
/// for a replay that it forgets (Spec 2.6).
pub(super) async fn propose(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    config: &LinkConfig,
    id: &NodeId,
    peer: &Peer,
    continues: Option<LinkId>,
) -> Result<(Agreed, Vec<u8>), Refusal> {
    let (initiator, message) = Initiator::start(config, id, peer, continues)?;
    send(stream, &message).await?;
    initiator.finish(&receive(stream).await?)
}

/// Runs the answering side over a connection. The caller sets the time limit.
pub(super) async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    config: &LinkConfig,
) -> Result<Agreed, Refused> {
    let message = receive(stream).await?;
    let (unconfirmed, reply) = match Unconfirmed::answer(config, &message) {
        Ok(answered) => answered,
        Err(mut refused) => {
            if let Some(reply) = refused.reply.take() {
                send(stream, &reply).await?;
            }
            return Err(refused);
        }
    };
    send(stream, &reply).await?;
    let claimed = unconfirmed.0.peer.clone();
    let about = |why| Refused {
        why,
        claimed: Some(claimed.clone()),
        reply: None,
    };
    let record = receive(stream)
        .await
        .map_err(|_| about(Refusal::Unconfirmed))?;
    unconfirmed.confirm(&record).map_err(about)
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> Result<(), Refusal> {
    let length = u16::try_from(message.len()).map_err(|_| Refusal::Local)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    stream.write_all(&bytes).await.map_err(|_| Refusal::Closed)
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Refusal> {
    let length = usize::from(stream.read_u16().await.map_err(|_| Refusal::Closed)?);
    if length > MAX_HANDSHAKE_BYTES {
        return Err(Refusal::TooLong);
    }
    let mut message = vec![0; length];
    stream
        .read_exact(&mut message)
        .await
        .map_err(|_| Refusal::Closed)?;
    Ok(message)
}

#[cfg(test)]
mod tests;
