//! Rows to test with.

use quorate_store::{
    ActKind, AuditEvent, AuditResult, IdempotencyKey, IdempotencyRequest, IntentRow, IntentState,
    KeyMaterial, KeyRow, NodeRow, NodeStatus, NodeType, SessionRow, Store, Write,
};
use quorate_types::{
    Algorithm, ChainId, Committee, Curve, Digest32, Epoch, KeyId, KeyStatus, NodeId, ProtocolName,
    Right, SessionId, SessionStatus, Tenant, Threshold, UnixMillis,
};
use serde_json::json;

/// A time in 2026.
pub const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

pub fn digest(name: &str) -> Digest32 {
    Digest32::of(b"test", &[name.as_bytes()])
}

pub fn key_id(name: &str) -> KeyId {
    KeyId::of_intent(&digest(name))
}

pub fn session_id(name: &str) -> SessionId {
    SessionId::from_array(*digest(name).as_bytes().first_chunk().unwrap())
}

pub fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

pub fn key(name: &str) -> KeyRow {
    KeyRow {
        key_id: key_id(name),
        tenant: Tenant::new("acme").unwrap(),
        algorithm: Algorithm::Ecdsa,
        curve: Curve::Secp256k1,
        threshold: Threshold::new(2, 3).unwrap(),
        committee: Committee::new(vec![node("p1"), node("p2"), node("p3")]).unwrap(),
        chain_type: ChainId::new("ethereum").unwrap(),
        protocol: ProtocolName::new("dkls23").unwrap(),
        address_kind: None,
        rights: [Right::RawHash].into_iter().collect(),
        status: KeyStatus::Creating,
        material: None,
        description: "hot wallet".into(),
        tags: ["eu".to_owned(), "hot".to_owned()].into(),
        metadata: json!({"team": "ops"}),
        intent: b"signed create intent".to_vec(),
        intent_digest: digest(name),
        error_message: None,
        created_at: NOW,
        updated_at: NOW,
        deletion_date: None,
    }
}

pub fn material(name: &str) -> KeyMaterial {
    let mut public_key = vec![2];
    public_key.extend_from_slice(digest(name).as_bytes());
    KeyMaterial {
        public_key,
        chain_code: [7; 32],
        address: Some(format!("0x{}", &digest(name).to_string()[..40])),
        epoch: Epoch::FIRST,
        certificate: b"signed by all nodes".to_vec(),
    }
}

pub fn intent(name: &str, key: &str) -> IntentRow {
    IntentRow {
        intent_digest: digest(name),
        kind: ActKind::Sign,
        key_id: key_id(key),
        signed_intent: b"signed intent".to_vec(),
        state: IntentState::Open,
        result: None,
        created_at: NOW,
        updated_at: NOW,
        expires_at: NOW.plus(60_000),
    }
}

pub fn session(name: &str, intent: &str, key: &str) -> SessionRow {
    SessionRow {
        session_id: session_id(name),
        tenant: Tenant::new("acme").unwrap(),
        key_id: key_id(key),
        kind: ActKind::Sign,
        protocol: ProtocolName::new("dkls23").unwrap(),
        status: SessionStatus::Pending,
        threshold: Threshold::new(2, 3).unwrap(),
        participating_nodes: vec![node("p1"), node("p3")],
        current_round: 0,
        total_rounds: 3,
        attempt: 1,
        intent_digest: digest(intent),
        request_id: Some("req-1".into()),
        message_hash: Some(digest("message")),
        signature: None,
        progress: None,
        result: None,
        created_at: NOW,
        updated_at: NOW,
        completed_at: None,
        duration_ms: None,
        error_message: None,
    }
}

pub fn node_row(name: &str) -> NodeRow {
    NodeRow {
        node_id: node(name),
        node_type: NodeType::Participant,
        endpoint: "127.0.0.1:7001".into(),
        public_key: [9; 32],
        status: NodeStatus::Registered,
        capabilities: json!({"protocols": ["dkls23"]}),
        metadata: json!({}),
        registered_at: NOW,
        last_heartbeat: None,
        load_factor: 0,
    }
}

pub fn event(kind: &str) -> AuditEvent {
    AuditEvent {
        timestamp: NOW,
        event_type: kind.into(),
        user_id: Some("alice".into()),
        key_id: None,
        node_id: Some(node("p1")),
        session_id: None,
        operation: "POST /api/v1/keys".into(),
        result: AuditResult::Intended,
        details: json!({"threshold": 2}),
        ip_address: Some("127.0.0.1".into()),
        user_agent: None,
        request_id: Some("req-1".into()),
    }
}

pub fn request(key: &str, body: &str) -> IdempotencyRequest {
    IdempotencyRequest {
        key: IdempotencyKey {
            credential: "cred".into(),
            key: key.into(),
        },
        body_hash: digest(body),
        at: NOW,
        expires_at: NOW.plus(86_400_000),
    }
}

/// Inserts a key and one open intent for it, both with this name.
pub async fn put_key_and_intent(store: &dyn Store, name: &str) {
    let insert = Write::InsertKey(Box::new(key(name)));
    store
        .open_intent(intent(name, name), vec![insert])
        .await
        .unwrap();
}
