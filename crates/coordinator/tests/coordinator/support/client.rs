//! A client: builds and signs intents, and the REST bodies around them.

use ed25519_dalek::SigningKey;
use quorate_api::rest::{CreateKeyRequest, SignRequest};
use quorate_coordinator::now;
use quorate_intent::{Act, CreateKey, Intent, Sign, SignedIntent};
use quorate_types::{
    Algorithm, ChainId, ClusterId, Committee, Curve, InitiatorId, KeyId, MessageType, NodeId,
    ProtocolName, Right, Rights, Tenant, Threshold,
};

#[derive(Clone)]
pub struct Client {
    pub cluster: ClusterId,
    pub tenant: Tenant,
    pub initiator: InitiatorId,
    pub key: SigningKey,
    pub lifetime_seconds: u64,
    /// How long ago intents claim to be made.
    pub age_seconds: u64,
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

impl Client {
    pub fn new(tenant: &str) -> Self {
        Self {
            cluster: ClusterId::new("test").unwrap(),
            tenant: Tenant::new(tenant).unwrap(),
            initiator: InitiatorId::new("alice").unwrap(),
            key: SigningKey::from_bytes(&random()),
            lifetime_seconds: 600,
            age_seconds: 0,
        }
    }

    pub fn intent(&self, act: Act) -> SignedIntent {
        let nonce = random();
        let created_at = quorate_types::UnixSeconds(now().seconds().0 - self.age_seconds);
        let intent = Intent {
            cluster: self.cluster.clone(),
            tenant: self.tenant.clone(),
            initiator: self.initiator.clone(),
            idempotency_key: hex::encode(nonce),
            policy_version: 0,
            created_at,
            expires_at: created_at.plus(self.lifetime_seconds),
            nonce,
            act,
        };
        SignedIntent::sign(&intent, &self.key)
    }

    pub fn create(&self, nodes: &[NodeId], threshold: u64) -> CreateKeyRequest {
        let total = nodes.len() as u64;
        let signed = self.intent(Act::CreateKey(CreateKey {
            algorithm: Algorithm::Ecdsa,
            curve: Curve::Secp256k1,
            protocol: ProtocolName::new("dkls23").unwrap(),
            threshold: Threshold::new(threshold, total).unwrap(),
            committee: Committee::new(nodes.to_vec()).unwrap(),
            chain: ChainId::new("ethereum-local").unwrap(),
            address_kind: "default".to_owned(),
            rights: [Right::RawHash].into_iter().collect::<Rights>(),
        }));
        CreateKeyRequest {
            algorithm: "ECDSA".into(),
            curve: "secp256k1".into(),
            threshold,
            total_nodes: total,
            chain_type: "ethereum-local".into(),
            metadata: Default::default(),
            protocol: None,
            address_kind: None,
            rights: vec!["raw_hash".into()],
            description: Some("hot wallet".into()),
            tags: vec!["prod".into()],
            wait_ms: None,
            intent: hex::encode(&signed.bytes),
            initiator_signature: hex::encode(signed.signature),
        }
    }

    pub fn sign(&self, key: &str, payload: &[u8]) -> SignRequest {
        self.sign_as(key, payload, MessageType::Transaction)
    }

    pub fn sign_as(&self, key: &str, payload: &[u8], message_type: MessageType) -> SignRequest {
        let key_id: KeyId = key.parse().unwrap();
        let signed = self.intent(Act::Sign(Sign {
            key: key_id,
            path: "m".to_owned(),
            chain: ChainId::new("ethereum-local").unwrap(),
            message_type,
            payload: payload.to_vec(),
        }));
        SignRequest {
            key_id: key.to_owned(),
            message: hex::encode(payload),
            message_type: message_type.as_str().to_owned(),
            chain_type: "ethereum-local".into(),
            metadata: Default::default(),
            wait_ms: None,
            intent: hex::encode(&signed.bytes),
            initiator_signature: hex::encode(signed.signature),
        }
    }
}

/// An unsigned EIP-1559 transfer on the local test chain (31337): `0x02 ‖ rlp([…])`.
pub fn transfer(nonce: u8) -> Vec<u8> {
    assert!((1..0x80).contains(&nonce));
    let mut fields = vec![0x82, 0x7a, 0x69, nonce]; // chain id 31337, nonce
    fields.extend([0x84, 0x3b, 0x9a, 0xca, 0x00]); // tip: 1 gwei
    fields.extend([0x84, 0x77, 0x35, 0x94, 0x00]); // fee: 2 gwei
    fields.extend([0x82, 0x52, 0x08]); // gas: 21000
    fields.push(0x94);
    fields.extend([0x11; 20]);
    fields.extend([0x64, 0x80, 0xc0]); // value 100, no data, no access list
    let mut out = vec![0x02, 0xc0 + u8::try_from(fields.len()).unwrap()];
    out.extend(fields);
    out
}
