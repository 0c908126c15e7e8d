//! A service that answers as the real one does, except for one lie.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::extract::{Path as UrlPath, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use ed25519_dalek::{Signer as _, SigningKey};
use k256::ecdsa::SigningKey as EcdsaKey;
use quorate_api::rest::{
    CommitteeMember, CreateKeyRequest, KeyView, Meta, NodeSignature, SignRequest, SignResult,
    Success,
};
use quorate_chains::{Chain, KeyContext, Signature, assemble, effect_of};
use quorate_intent::{
    Act, ActKind, Initiator, Intent, KeyCertificate, KeyStatement, Manifest, ManifestNode, Owner,
    SignedIntent, SignedManifest,
};
use quorate_types::{
    Canonical as _, ClusterId, Digest32, Epoch, InitiatorId, KeyId, NodeId, Right, SessionId,
    Tenant,
};
use quorate_verify::EcdsaSignature;

/// The one thing in which this service differs from an honest one.
#[derive(Clone, Copy)]
pub(crate) enum Lie {
    /// None.
    Honest,
    /// In what the nodes sign: as if all of them had certified something else.
    Statement(fn(&mut KeyStatement)),
    /// In the certificate, after the nodes signed it.
    Certificate(fn(&mut KeyCertificate)),
    /// In the readable answer.
    View(fn(&mut KeyView)),
    /// In what is signed: the payload that the service pretends to have got.
    Payload(fn(&mut Vec<u8>)),
    /// In the answer to a signature.
    Result(fn(&mut SignResult)),
    /// The signature is made with another key.
    OtherKey,
}

pub(crate) struct Service {
    lie: Lie,
    nodes: Vec<(NodeId, SigningKey)>,
    key: EcdsaKey,
    /// The key as it was answered.
    made: Mutex<Option<(KeyView, KeyStatement)>>,
}

/// A service that listens, and a client's configuration for it.
pub(crate) struct Running {
    pub(crate) config: PathBuf,
    _folder: tempfile::TempDir,
}

pub(crate) async fn start(lie: Lie) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let nodes: Vec<(NodeId, SigningKey)> = (1..=3)
        .map(|n| {
            (
                NodeId::new(&format!("node-{n}")).unwrap(),
                SigningKey::from_bytes(&[n; 32]),
            )
        })
        .collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    write_client(folder.path(), &endpoint, &nodes);
    let key = EcdsaKey::from_slice(&[7; 32]).unwrap();
    let service = Arc::new(Service {
        lie,
        nodes,
        key,
        made: Mutex::default(),
    });
    let router = Router::new()
        .route("/api/v1/keys", post(create))
        .route("/api/v1/keys/{key_id}", get(show))
        .route("/api/v1/sign", post(sign))
        .with_state(service);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Running {
        config: folder.path().join("client.toml"),
        _folder: folder,
    }
}

async fn create(
    State(service): State<Arc<Service>>,
    Json(request): Json<CreateKeyRequest>,
) -> Json<Success<KeyView>> {
    let signature: [u8; 64] = hex::decode(&request.initiator_signature)
        .unwrap()
        .try_into()
        .unwrap();
    let signed = SignedIntent {
        bytes: hex::decode(&request.intent).unwrap(),
        signature,
    };
    let intent = Intent::from_bytes(&signed.bytes).unwrap();
    let mut statement = service.statement(&intent, signed.digest());
    if let Lie::Statement(lie) = service.lie {
        lie(&mut statement);
    }
    let bytes = statement.signing_bytes();
    let signatures = service
        .nodes
        .iter()
        .map(|(_, key)| key.sign(&bytes).to_bytes())
        .collect();
    let mut certificate = KeyCertificate {
        statement,
        signatures,
    };
    if let Lie::Certificate(lie) = service.lie {
        lie(&mut certificate);
    }
    let mut view = view(&certificate);
    if let Lie::View(lie) = service.lie {
        lie(&mut view);
    }
    *service.made.lock().unwrap() = Some((view.clone(), certificate.statement));
    success(view)
}

async fn show(
    State(service): State<Arc<Service>>,
    UrlPath(_): UrlPath<String>,
) -> Json<Success<KeyView>> {
    success(service.made.lock().unwrap().clone().unwrap().0)
}

async fn sign(
    State(service): State<Arc<Service>>,
    Json(request): Json<SignRequest>,
) -> Json<Success<SignResult>> {
    let mut payload = hex::decode(&request.message).unwrap();
    if let Lie::Payload(lie) = service.lie {
        lie(&mut payload);
    }
    let (_, statement) = service.made.lock().unwrap().clone().unwrap();
    let mut result = service.signed(&statement, &payload, &request);
    if let Lie::Result(lie) = service.lie {
        lie(&mut result);
    }
    success(result)
}

impl Service {
    fn statement(&self, intent: &Intent, digest: Digest32) -> KeyStatement {
        let Act::CreateKey(create) = &intent.act else {
            panic!("not a create intent")
        };
        let point = self
            .key
            .verifying_key()
            .to_sec1_point(true)
            .as_bytes()
            .to_vec();
        let chain = Chain::parse(&create.chain).unwrap();
        let n = usize::from(create.committee.size());
        KeyStatement {
            cluster: intent.cluster.clone(),
            tenant: intent.tenant.clone(),
            key: KeyId::of_intent(&digest),
            intent: digest,
            session: SessionId::from_array([1; 16]),
            epoch: Epoch::FIRST,
            previous: Digest32::from_array([0; 32]),
            algorithm: create.algorithm,
            protocol: create.protocol.clone(),
            protocol_version: 1,
            threshold: create.threshold,
            committee: create.committee.clone(),
            rights: create.rights.clone(),
            chain: create.chain.clone(),
            address_kind: create.address_kind.clone(),
            address: chain
                .address(create.algorithm, &point, "default")
                .unwrap()
                .unwrap_or_default(),
            public_key: point.clone(),
            derivation_key: point.clone(),
            verifying_shares: vec![point.clone(); n],
            derivation_shares: vec![point; n],
            chain_code: [0; 32],
            transcript: Digest32::from_array([9; 32]),
            pair_generations: Vec::new(),
        }
    }

    fn signed(&self, key: &KeyStatement, payload: &[u8], request: &SignRequest) -> SignResult {
        let chain = Chain::parse(&key.chain).unwrap();
        let message_type = request.message_type.parse().unwrap();
        let context = KeyContext {
            chain,
            algorithm: key.algorithm,
            rights: &key.rights,
            address_kind: &key.address_kind,
            public_key: &key.public_key,
        };
        let effect = effect_of(&context, message_type, payload).unwrap();
        let digest = *effect.targets[0].digest();
        let signer = match self.lie {
            Lie::OtherKey => EcdsaKey::from_slice(&[8; 32]).unwrap(),
            _ => self.key.clone(),
        };
        let (signature, id) = signer.sign_prehash_recoverable(digest.as_bytes());
        let signature = EcdsaSignature::new(signature.to_bytes().into(), id.to_byte()).unwrap();
        let is_transaction = request.message_type == "transaction";
        let transaction = is_transaction
            .then(|| assemble(&context, payload, &[Signature::from(signature)]).unwrap());
        SignResult {
            status: "Completed".to_owned(),
            session_id: SessionId::from_array([2; 16]).to_string(),
            key_id: key.key.to_string(),
            signature: Some(hex::encode(signature.as_bytes())),
            signatures: Vec::new(),
            recovery_id: Some(signature.recovery_id()),
            signature_der: Some(hex::encode(signature.to_der())),
            message_hash: Some(digest.to_string()),
            signed_transaction: transaction.as_ref().map(|t| hex::encode(&t.bytes)),
            tx_id: transaction.map(|t| t.tx_id),
            signers: vec!["node-1".to_owned(), "node-3".to_owned()],
            signed_at: None,
        }
    }
}

fn view(certificate: &KeyCertificate) -> KeyView {
    let statement = &certificate.statement;
    let members = || statement.committee.members();
    let committee = members().map(|(index, node)| CommitteeMember {
        index: index.get(),
        node_id: node.to_string(),
    });
    let signatures = members()
        .zip(&certificate.signatures)
        .map(|((_, node), signature)| NodeSignature {
            node_id: node.to_string(),
            signature: hex::encode(signature),
        });
    KeyView {
        key_id: statement.key.to_string(),
        public_key: hex::encode(&statement.public_key),
        algorithm: statement.algorithm.to_string(),
        curve: statement.curve().to_string(),
        threshold: statement.threshold.min_signers().into(),
        total_nodes: statement.threshold.max_signers().into(),
        chain_type: statement.chain.to_string(),
        address: statement.address.clone(),
        address_kind: statement.address_kind.clone(),
        status: "Active".to_owned(),
        protocol: statement.protocol.to_string(),
        rights: statement
            .rights
            .iter()
            .map(Right::as_str)
            .map(str::to_owned)
            .collect(),
        description: String::new(),
        tags: Vec::new(),
        epoch: statement.epoch.get(),
        committee: committee.collect(),
        node_signatures: signatures.collect(),
        certificate: hex::encode(certificate.to_bytes()),
        session_id: Some(statement.session.to_string()),
        error_message: None,
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        updated_at: "2026-01-01T00:00:00Z".to_owned(),
    }
}

fn success<T>(data: T) -> Json<Success<T>> {
    let meta = Meta {
        request_id: "r".to_owned(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
    };
    Json(Success {
        success: true,
        data,
        meta,
    })
}

/// `client.toml` with keys and manifest of this service's nodes.
fn write_client(folder: &Path, endpoint: &str, nodes: &[(NodeId, SigningKey)]) {
    let (owner, initiator) = (
        SigningKey::from_bytes(&[21; 32]),
        SigningKey::from_bytes(&[22; 32]),
    );
    let owner_id = InitiatorId::new("owner").unwrap();
    let node = |(id, key): &(NodeId, SigningKey)| ManifestNode {
        id: id.clone(),
        identity: key.verifying_key().to_bytes(),
        noise: key.verifying_key().to_bytes(),
    };
    let manifest = Manifest {
        cluster: ClusterId::new("test").unwrap(),
        version: 1,
        previous: Digest32::from_array([0; 32]),
        owner_quorum: 1,
        owners: vec![Owner {
            id: owner_id.clone(),
            key: owner.verifying_key().to_bytes(),
        }],
        initiators: vec![Initiator {
            id: InitiatorId::new("client").unwrap(),
            key: initiator.verifying_key().to_bytes(),
            tenants: vec![Tenant::new("default").unwrap()],
            acts: vec![ActKind::CreateKey, ActKind::Sign],
        }],
        nodes: nodes.iter().map(node).collect(),
    };
    let signed = SignedManifest::sign(manifest, [(&owner_id, &owner)]);
    std::fs::write(folder.join("manifest.json"), signed.to_json().unwrap()).unwrap();
    write_secret(&folder.join("initiator.key"), &[22; 32]);
    write_secret(&folder.join("credential.secret"), &[23; 32]);
    let client = format!(
        "endpoint = \"{endpoint}\"\ncredential_id = \"c\"\n\
         credential_secret_file = \"credential.secret\"\ninitiator = \"client\"\n\
         initiator_key_file = \"initiator.key\"\nmanifest = \"manifest.json\"\n"
    );
    std::fs::write(folder.join("client.toml"), client).unwrap();
}

fn write_secret(path: &Path, secret: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, hex::encode(secret)).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
