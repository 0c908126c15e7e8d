//! A coordinator that sends what the test wants: the real wire, nobody's rules.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use quorate_api::mpc_v1 as wire;
use quorate_api::mpc_v1::node_service_client::NodeServiceClient;
use quorate_api::mpc_v1::participate_signing_request::Command;
use quorate_api::mpc_v1::participate_signing_response::Event;
use quorate_intent::{KeyCertificate, SignedIntent};
use quorate_transport::tls::{ClientTls, PeerIdentity, TlsFiles};
use quorate_types::{Canonical as _, NodeId, SessionId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::credentials::{Identity, random};

/// How long a session may take; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(240);

/// What is proposed to a node.
#[derive(Clone)]
pub struct Proposal {
    /// The session.
    pub session: SessionId,
    /// The client's intent.
    pub intent: SignedIntent,
    /// Party indices; empty for key generation.
    pub signers: Vec<u32>,
    /// Canonical bytes of the key's certificate, carried to nodes that lack it; empty unless set.
    pub certificate: Vec<u8>,
}

impl Proposal {
    /// A proposal with a fresh session id.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn new(intent: SignedIntent, signers: &[u32]) -> Result<Self> {
        let id = *random()?.first_chunk::<16>().context("32 bytes hold 16")?;
        Ok(Self {
            session: SessionId::from_array(id),
            intent,
            signers: signers.to_vec(),
            certificate: Vec::new(),
        })
    }

    /// The same proposal in a new session.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn again(&self) -> Result<Self> {
        Self::new(self.intent.clone(), &self.signers)
    }

    /// As it crosses the wire.
    #[must_use]
    pub fn to_wire(&self) -> wire::OpenSession {
        wire::OpenSession {
            session_id: self.session.as_bytes().to_vec(),
            intent: self.intent.bytes.clone(),
            initiator_signature: self.intent.signature.to_vec(),
            signers: self.signers.clone(),
            attempt: 1,
            request_id: "test".to_owned(),
            certificate: self.certificate.clone(),
        }
    }
}

/// How a session ended at one node.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Signatures: r, s, recovery id.
    Signed(Vec<Vec<u8>>),
    /// A key certificate.
    Created(Box<KeyCertificate>),
    /// The node did not join.
    Refused(wire::SessionRefused),
    /// The run failed.
    Aborted(wire::SessionAborted),
}

impl Outcome {
    /// Error code of a refusal, or "aborted", "signed", "created".
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Signed(_) => "signed",
            Self::Created(_) => "created",
            Self::Refused(refused) => &refused.code,
            Self::Aborted(_) => "aborted",
        }
    }
}

/// A connection to one participant.
pub struct CoordinatorDouble {
    client: NodeServiceClient<Channel>,
    commands: mpsc::Sender<wire::ParticipateSigningRequest>,
    events: Streaming<wire::ParticipateSigningResponse>,
    early: Vec<wire::ParticipateSigningResponse>,
}

impl CoordinatorDouble {
    pub(crate) async fn connect(own: &Identity, address: String, node: NodeId) -> Result<Self> {
        let tls = ClientTls::from_files(&TlsFiles {
            certificate: own.certificate.clone(),
            key: own.key.clone(),
            ca: own.authority.clone(),
            crls: Vec::new(),
        })?;
        let channel = tls.channel(
            address,
            PeerIdentity::participant(node),
            &Default::default(),
        )?;
        let mut client = NodeServiceClient::new(channel);
        let (commands, queue) = mpsc::channel(1_024);
        let stream = client
            .participate_signing(ReceiverStream::new(queue))
            .await?;
        Ok(Self {
            client,
            commands,
            events: stream.into_inner(),
            early: Vec::new(),
        })
    }

    /// Asks for the node's health.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn heartbeat(&mut self) -> Result<wire::HeartbeatResponse> {
        let request = wire::HeartbeatRequest {
            coordinator_id: "c1".to_owned(),
        };
        Ok(self.client.heartbeat(request).await?.into_inner())
    }

    /// Brings an owner's intent that lifts a ban. Returns the node's error code; empty if it accepts.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn lift_ban(&mut self, intent: &SignedIntent) -> Result<String> {
        let request = wire::LiftBanRequest {
            intent: intent.bytes.clone(),
            initiator_signature: intent.signature.to_vec(),
            request_id: "test".to_owned(),
        };
        let answer = self.client.lift_ban(request).await?.into_inner();
        Ok(answer.error_code)
    }

    /// Proposes a session.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn open(&self, proposal: &Proposal) -> Result<()> {
        self.open_raw(proposal.to_wire()).await
    }

    /// Proposes exactly these fields, however wrong.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn open_raw(&self, open: wire::OpenSession) -> Result<()> {
        self.command(Command::Open(open)).await
    }

    /// Cancels a session.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn cancel(&self, session: SessionId) -> Result<()> {
        let session_id = session.as_bytes().to_vec();
        self.command(Command::Cancel(wire::CancelSession {
            session_id,
            reason: "test".to_owned(),
        }))
        .await
    }

    async fn command(&self, command: Command) -> Result<()> {
        let request = wire::ParticipateSigningRequest {
            command: Some(command),
        };
        self.commands
            .send(request)
            .await
            .context("the stream is closed")
    }

    /// Waits for the end of a session.
    ///
    /// # Errors
    /// If the connection ends, or the deadline passes.
    pub async fn outcome(&mut self, session: SessionId) -> Result<Outcome> {
        let ended = self.until(session, |event| {
            !matches!(event, Event::Joined(_) | Event::Progress(_))
        });
        match ended.await? {
            Event::Signed(signed) => Ok(Outcome::Signed(signed.signatures)),
            Event::KeyCreated(created) => Ok(Outcome::Created(Box::new(
                KeyCertificate::from_bytes(&created.certificate)?,
            ))),
            Event::Refused(refused) => Ok(Outcome::Refused(refused)),
            Event::Aborted(aborted) => Ok(Outcome::Aborted(aborted)),
            _ => bail!("not an end"),
        }
    }

    /// Waits for progress of a session up to a round.
    ///
    /// # Errors
    /// If the session ends before, or the deadline passes.
    pub async fn reached_round(&mut self, session: SessionId, round: u32) -> Result<()> {
        let reached = self.until(session, |event| match event {
            Event::Progress(progress) => progress.round >= round,
            Event::Joined(_) => false,
            _ => true,
        });
        match reached.await? {
            Event::Progress(_) => Ok(()),
            other => bail!("the session ended before round {round}: {other:?}"),
        }
    }

    /// Waits for the next progress that a session reports.
    ///
    /// # Errors
    /// If the session ends before, or the deadline passes.
    pub async fn progress(&mut self, session: SessionId) -> Result<wire::SessionProgress> {
        let next = self.until(session, |event| !matches!(event, Event::Joined(_)));
        match next.await? {
            Event::Progress(progress) => Ok(progress),
            other => bail!("the session ended: {other:?}"),
        }
    }

    async fn until(
        &mut self,
        session: SessionId,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        let of_session = |message: &wire::ParticipateSigningResponse| {
            message.session_id == session.as_bytes() && message.event.as_ref().is_some_and(&wanted)
        };
        if let Some(position) = self.early.iter().position(of_session) {
            return self.early.remove(position).event.context("checked above");
        }
        let search = async {
            loop {
                let message = self
                    .events
                    .message()
                    .await?
                    .context("the node closed the stream")?;
                if of_session(&message) {
                    return message.event.context("checked above");
                }
                self.early.push(message);
            }
        };
        tokio::time::timeout(PATIENCE, search)
            .await
            .context("nothing came in time")?
    }
}
