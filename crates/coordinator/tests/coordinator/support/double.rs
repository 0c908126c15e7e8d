//! A scripted participant double: speaks the node service, but holds a whole key and obeys the
//! test. Nothing of a real participant is in it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ed25519_dalek::{Signer as _, SigningKey};
use k256::ecdsa::SigningKey as EcdsaKey;
use parking_lot::Mutex;
use quorate_api::mpc_v1::node_service_server::{NodeService, NodeServiceServer};
use quorate_api::mpc_v1::participate_signing_request::Command;
use quorate_api::mpc_v1::participate_signing_response::Event;
use quorate_api::mpc_v1::{
    BannedPair, ExchangeSharesRequest, ExchangeSharesResponse, HeartbeatRequest, HeartbeatResponse,
    LiftBanRequest, LiftBanResponse, OpenSession, ParticipateSigningRequest,
    ParticipateSigningResponse, RefusalKind, ReportHealthRequest, ReportHealthResponse,
    SessionAborted, SessionJoined, SessionKeyCreated, SessionProgress, SessionRefused,
    SessionSigned,
};
use quorate_chains::{Chain, effect_of};
use quorate_intent::{Act, CreateKey, Intent, KeyCertificate, KeyStatement, Sign, SignedIntent};
use quorate_transport::tls::{Role, ServerTls, TlsFiles, TlsIncoming, TlsLimits};
use quorate_types::{Canonical as _, Digest32, Epoch, KeyId, NodeId, SessionId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// What a double does with a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Does what a good participant does.
    Honest,
    /// Says nothing at all.
    Silent,
    /// Joins, waits for others in round 2, and stays there.
    Stall,
    /// Delivers a signature of another key.
    ForeignSignature,
    /// Delivers the signature with high s.
    HighS,
    /// Says that it signed before, and delivers the signature.
    AlreadySigned,
    /// Says that it signed before, and delivers another key's signature.
    FalseAlreadySigned,
    /// Aborts, blames a party index, and bans it.
    Ban(u32),
    /// Delivers a certificate with one node's signature spoiled.
    UnsignedCertificate,
    /// Delivers a certificate with another address.
    ForeignAddress,
    /// Refuses with this code, for good or not.
    Refuse(&'static str, RefusalKind),
    /// Joins, then the process dies.
    Die,
}

impl Script {
    /// Whether it goes through the rounds to a result, good or bad.
    fn takes_part(&self) -> bool {
        use Script::{ForeignAddress, ForeignSignature, HighS, Honest, UnsignedCertificate};
        matches!(
            self,
            Honest | ForeignSignature | HighS | UnsignedCertificate | ForeignAddress
        )
    }
}

/// What all doubles of a test share: the secrets of the whole cluster.
pub struct Secrets {
    pub identities: Vec<(NodeId, SigningKey)>,
    pub keys: Mutex<HashMap<KeyId, CreateKey>>,
    /// Who takes part in a session: results come only when all members do.
    pub meetings: Meetings,
}

/// Members that take part, by session.
#[derive(Default)]
pub struct Meetings(Mutex<HashMap<Vec<u8>, Vec<Member>>>);

#[derive(Clone)]
struct Member {
    state: Arc<State>,
    script: Script,
    open: OpenSession,
    answers: mpsc::Sender<Answer>,
}

impl Secrets {
    /// The secret key of a key id.
    pub fn key(key: &KeyId) -> EcdsaKey {
        let seed = Digest32::of(b"double", &[key.as_bytes()]);
        EcdsaKey::from_slice(seed.as_bytes()).unwrap()
    }
}

struct State {
    id: NodeId,
    secrets: Arc<Secrets>,
    script: Mutex<Script>,
    opened: Mutex<Vec<OpenSession>>,
    cancelled: Mutex<Vec<Vec<u8>>>,
    bans: Mutex<Vec<BannedPair>>,
    dying: AtomicBool,
}

/// One double. Its own runtime: stopping it kills its sockets, as the end of a process does.
pub struct Double {
    state: Arc<State>,
    files: TlsFiles,
    address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Double {
    pub fn start(id: NodeId, secrets: Arc<Secrets>, files: TlsFiles) -> Self {
        let state = Arc::new(State {
            id,
            secrets,
            script: Mutex::new(Script::Honest),
            opened: Mutex::default(),
            cancelled: Mutex::default(),
            bans: Mutex::default(),
            dying: AtomicBool::new(false),
        });
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut double = Self {
            state,
            files,
            address,
            runtime: None,
        };
        double.up();
        double
    }

    pub fn id(&self) -> &NodeId {
        &self.state.id
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn follow(&self, script: Script) {
        *self.state.script.lock() = script;
    }

    pub fn opened(&self) -> Vec<OpenSession> {
        self.state.opened.lock().clone()
    }

    pub fn cancelled(&self) -> usize {
        self.state.cancelled.lock().len()
    }

    pub fn is_dying(&self) -> bool {
        self.state.dying.load(Ordering::SeqCst)
    }

    /// Starts the process, at the address that it had.
    pub fn up(&mut self) {
        self.state.dying.store(false, Ordering::SeqCst);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let tls =
            ServerTls::from_files(&self.files, |peer| peer.role == Role::Coordinator).unwrap();
        let (address, state) = (self.address, Arc::clone(&self.state));
        let (ready, started) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let socket = tokio::net::TcpListener::bind(address).await.unwrap();
            let incoming = TlsIncoming::start(socket, &tls, TlsLimits::default()).unwrap();
            ready.send(()).unwrap();
            let service = NodeServiceServer::new(Service(state));
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        started.recv().unwrap();
        self.runtime = Some(runtime);
    }

    /// Ends the process at once.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Service(Arc<State>);

type Answer = Result<ParticipateSigningResponse, Status>;

#[tonic::async_trait]
impl NodeService for Service {
    async fn heartbeat(
        &self,
        _: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        Ok(Response::new(HeartbeatResponse {
            node_id: self.0.id.to_string(),
            version: "double".into(),
            boot_id: vec![1; 16],
            manifest_version: 1,
            bans: self.0.bans.lock().clone(),
            protocols: vec!["dkls23".into()],
            ..HeartbeatResponse::default()
        }))
    }

    type ExchangeSharesStream = ReceiverStream<Result<ExchangeSharesResponse, Status>>;

    /// Takes frames and has none.
    async fn exchange_shares(
        &self,
        request: Request<Streaming<ExchangeSharesRequest>>,
    ) -> Result<Response<Self::ExchangeSharesStream>, Status> {
        let (open, frames) = mpsc::channel(1);
        let mut brought = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(_)) = brought.message().await {}
            drop(open);
        });
        Ok(Response::new(ReceiverStream::new(frames)))
    }

    async fn report_health(
        &self,
        _: Request<ReportHealthRequest>,
    ) -> Result<Response<ReportHealthResponse>, Status> {
        Err(Status::unimplemented("a double"))
    }

    async fn lift_ban(
        &self,
        _: Request<LiftBanRequest>,
    ) -> Result<Response<LiftBanResponse>, Status> {
        Err(Status::unimplemented("a double"))
    }

    type ParticipateSigningStream = ReceiverStream<Answer>;

    async fn participate_signing(
        &self,
        request: Request<Streaming<ParticipateSigningRequest>>,
    ) -> Result<Response<Self::ParticipateSigningStream>, Status> {
        let (answers, receiver) = mpsc::channel(256);
        let (state, mut commands) = (Arc::clone(&self.0), request.into_inner());
        tokio::spawn(async move {
            while let Ok(Some(command)) = commands.message().await {
                match command.command.unwrap() {
                    Command::Open(open) => state.open(open, &answers).await,
                    Command::Cancel(cancel) => state.cancelled.lock().push(cancel.session_id),
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

impl Member {
    async fn say(&self, event: Event) {
        let answer = ParticipateSigningResponse {
            session_id: self.open.session_id.clone(),
            event: Some(event),
        };
        let _ = self.answers.send(Ok(answer)).await;
    }
}

impl State {
    async fn open(self: &Arc<Self>, open: OpenSession, answers: &mpsc::Sender<Answer>) {
        // Whoever sees it opened may change the script for the next one.
        let script = self.script.lock().clone();
        self.opened.lock().push(open.clone());
        let member = Member {
            state: Arc::clone(self),
            script: script.clone(),
            open: open.clone(),
            answers: answers.clone(),
        };
        for event in self.act(&script, &open) {
            member.say(event).await;
        }
        if script == Script::Die {
            self.dying.store(true, Ordering::SeqCst);
        }
        if !script.takes_part() {
            return;
        }
        let all = {
            let mut meetings = self.secrets.meetings.0.lock();
            let members = meetings.entry(open.session_id.clone()).or_default();
            members.push(member);
            (members.len() == self.size(&open)).then(|| members.clone())
        };
        for member in all.unwrap_or_default() {
            let result = member.state.result(&member.script, &member.open);
            member.say(result).await;
        }
    }

    fn size(&self, open: &OpenSession) -> usize {
        if open.signers.is_empty() {
            return self.secrets.identities.len();
        }
        open.signers.len()
    }

    fn act(&self, script: &Script, open: &OpenSession) -> Vec<Event> {
        let joined = Event::Joined(SessionJoined {});
        let progress = |round, awaiting: &[u32]| {
            Event::Progress(SessionProgress {
                round,
                rounds: 3,
                round_name: format!("round {round}"),
                awaiting: awaiting.to_vec(),
            })
        };
        let refused = |kind: RefusalKind, code: &str, signatures| {
            Event::Refused(SessionRefused {
                kind: kind.into(),
                code: code.into(),
                message: "the script says so".into(),
                signatures,
            })
        };
        let already = RefusalKind::AlreadySigned;
        match script {
            Script::Silent => vec![],
            Script::Stall => vec![joined, progress(2, &self.others(open))],
            Script::Die => vec![joined],
            Script::Refuse(code, kind) => vec![refused(*kind, code, vec![])],
            Script::AlreadySigned => {
                vec![refused(
                    already,
                    "ALREADY_SIGNED",
                    self.signatures(open, false),
                )]
            }
            Script::FalseAlreadySigned => {
                vec![refused(
                    already,
                    "ALREADY_SIGNED",
                    self.signatures(open, true),
                )]
            }
            Script::Ban(culprit) => {
                self.ban(open, *culprit);
                let aborted = SessionAborted {
                    reason: "crypto".into(),
                    culprits: vec![*culprit],
                    ban: true,
                };
                vec![joined, Event::Aborted(aborted)]
            }
            _ => vec![joined, progress(1, &[]), progress(2, &self.others(open))],
        }
    }

    fn result(&self, script: &Script, open: &OpenSession) -> Event {
        let intent = Intent::from_bytes(&open.intent).unwrap();
        match intent.act {
            Act::CreateKey(create) => {
                let certificate = self.certificate(script, open, create);
                Event::KeyCreated(SessionKeyCreated { certificate })
            }
            _ => {
                let foreign = *script == Script::ForeignSignature;
                let mut signatures = self.signatures(open, foreign);
                if *script == Script::HighS {
                    let (first, id) = signatures[0].split_at_mut(64);
                    let signature = k256::ecdsa::Signature::from_slice(first).unwrap();
                    let (r, s) = signature.split_scalars();
                    let high = k256::ecdsa::Signature::from_scalars(r, -s).unwrap();
                    first.copy_from_slice(&high.to_bytes());
                    id[0] ^= 1;
                }
                Event::Signed(SessionSigned {
                    signatures,
                    bytes_sent: 10,
                    bytes_received: 10,
                })
            }
        }
    }

    fn sign_act(open: &OpenSession) -> Sign {
        match Intent::from_bytes(&open.intent).unwrap().act {
            Act::Sign(sign) => sign,
            _ => panic!("not a sign intent"),
        }
    }

    fn signatures(&self, open: &OpenSession, foreign: bool) -> Vec<Vec<u8>> {
        let sign = Self::sign_act(open);
        let create = self.secrets.keys.lock()[&sign.key].clone();
        let chain = Chain::parse(&sign.chain).unwrap();
        let message_type = sign.message_type.as_str().parse().unwrap();
        let context = quorate_chains::KeyContext {
            chain,
            algorithm: create.algorithm,
            rights: &create.rights,
            address_kind: &create.address_kind,
            public_key: &[],
        };
        let effect = effect_of(&context, message_type, &sign.payload);
        let key = if foreign {
            KeyId::from_array([9; 16])
        } else {
            sign.key
        };
        let key = Secrets::key(&key);
        let sign_one = |digest: &Digest32| {
            let (signature, id) = key.sign_prehash_recoverable(digest.as_bytes());
            [signature.to_bytes().to_vec(), vec![id.to_byte()]].concat()
        };
        effect.unwrap().digests().iter().map(sign_one).collect()
    }

    fn certificate(&self, script: &Script, open: &OpenSession, create: CreateKey) -> Vec<u8> {
        let signed = SignedIntent {
            bytes: open.intent.clone(),
            signature: open.initiator_signature.as_slice().try_into().unwrap(),
        };
        let intent = Intent::from_bytes(&open.intent).unwrap();
        let key = KeyId::of_intent(&signed.digest());
        self.secrets.keys.lock().insert(key, create.clone());
        let point = |key: &EcdsaKey| key.verifying_key().to_sec1_point(true).as_bytes().to_vec();
        let public_key = point(&Secrets::key(&key));
        let chain = Chain::parse(&create.chain).unwrap();
        let mut address = chain
            .address(create.algorithm, &public_key, &create.address_kind)
            .unwrap()
            .unwrap();
        if *script == Script::ForeignAddress {
            address = "0x000000000000000000000000000000000000dEaD".into();
        }
        let size = usize::from(create.committee.size());
        let statement = KeyStatement {
            cluster: intent.cluster,
            tenant: intent.tenant,
            key,
            intent: signed.digest(),
            session: SessionId::from_array(open.session_id.as_slice().try_into().unwrap()),
            epoch: Epoch::FIRST,
            previous: Digest32::from_array([0; 32]),
            algorithm: create.algorithm,
            protocol: create.protocol,
            protocol_version: 1,
            threshold: create.threshold,
            committee: create.committee,
            rights: create.rights,
            chain: create.chain,
            address_kind: create.address_kind,
            address,
            derivation_key: public_key.clone(),
            verifying_shares: vec![public_key.clone(); size],
            derivation_shares: vec![public_key.clone(); size],
            public_key,
            chain_code: [7; 32],
            transcript: Digest32::from_array([8; 32]),
            pair_generations: Vec::new(),
        };
        let bytes = statement.signing_bytes();
        let members = statement.committee.members();
        let mut signatures: Vec<[u8; 64]> = members
            .map(|(_, node)| {
                let mut known = self.secrets.identities.iter();
                let (_, identity) = known.find(|(id, _)| id == node).unwrap();
                identity.sign(&bytes).to_bytes()
            })
            .collect();
        if *script == Script::UnsignedCertificate {
            signatures[1][5] ^= 1;
        }
        let certificate = KeyCertificate {
            statement,
            signatures,
        };
        certificate.to_bytes()
    }

    /// The other signers; nobody where the whole committee takes part.
    fn others(&self, open: &OpenSession) -> Vec<u32> {
        if open.signers.is_empty() {
            return Vec::new();
        }
        let sign = Self::sign_act(open);
        let create = self.secrets.keys.lock()[&sign.key].clone();
        let me: u32 = create.committee.index_of(&self.id).unwrap().get().into();
        open.signers.iter().copied().filter(|i| *i != me).collect()
    }

    fn ban(&self, open: &OpenSession, culprit: u32) {
        let sign = Self::sign_act(open);
        let create = self.secrets.keys.lock()[&sign.key].clone();
        let index = quorate_types::PartyIndex::new(u8::try_from(culprit).unwrap()).unwrap();
        self.bans.lock().push(BannedPair {
            key_id: sign.key.to_string(),
            first: self.id.to_string(),
            second: create.committee.node(index).unwrap().to_string(),
            reason: "crypto".into(),
            ..BannedPair::default()
        });
    }
}
