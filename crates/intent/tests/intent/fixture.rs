//! A small cluster with fixed keys. These keys are public: use them nowhere else.

use ed25519_dalek::SigningKey;
use quorate_intent::{
    Act, ActKind, CreateKey, Initiator, Intent, KeyCertificate, KeyStatement, LiftBan, Manifest,
    ManifestNode, Owner, Sign, SignedIntent, SignedManifest,
};
use quorate_types::{
    Algorithm, ChainId, ClusterId, Committee, Curve, Digest32, Epoch, InitiatorId, KeyId,
    MessageType, NodeId, ProtocolName, Right, SessionId, Tenant, Threshold, UnixSeconds,
};

pub const CREATED_AT: u64 = 1_767_225_600; // 2026-01-01T00:00:00Z
pub const TOLERANCE_SECONDS: u64 = 30;

/// An Ed25519 key whose secret seed is 32 times this byte.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(seed: u8) -> [u8; 32] {
    key(seed).verifying_key().to_bytes()
}

pub fn initiator_id(name: &str) -> InitiatorId {
    InitiatorId::new(name).unwrap()
}

pub fn node_id(number: u8) -> NodeId {
    NodeId::new(&format!("p{number}")).unwrap()
}

pub fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

pub const ALICE: u8 = 0xa1;
pub const BOB: u8 = 0xb0;
pub const CLIENT: u8 = 0xc1;
/// Node `n` has this plus `n` as its identity, and the next sixteen as its noise key.
pub const NODE: u8 = 0x10;

fn owner(id: &str, seed: u8) -> Owner {
    Owner {
        id: initiator_id(id),
        key: public(seed),
    }
}

pub fn node(number: u8) -> ManifestNode {
    ManifestNode {
        id: node_id(number),
        identity: public(NODE + number),
        noise: public(NODE + 16 + number),
    }
}

/// Version 1: two owners who both sign, one client, three nodes.
pub fn manifest() -> Manifest {
    Manifest {
        cluster: ClusterId::new("golden").unwrap(),
        version: 1,
        previous: Digest32::from_array([0; 32]),
        owner_quorum: 2,
        owners: vec![owner("alice", ALICE), owner("bob", BOB)],
        initiators: vec![Initiator {
            id: initiator_id("client"),
            key: public(CLIENT),
            tenants: vec![tenant("default"), tenant("treasury")],
            acts: vec![ActKind::CreateKey, ActKind::Sign],
        }],
        nodes: (1..=3).map(node).collect(),
    }
}

/// Version 2: a fourth node, and the client may only sign.
pub fn second_manifest() -> Manifest {
    let first = manifest();
    let mut second = first.clone();
    second.version = 2;
    second.previous = first.digest();
    second.nodes.push(node(4));
    second.initiators[0].acts = vec![ActKind::Sign];
    second
}

/// Signed by both owners of the fixture.
pub fn signed(manifest: Manifest) -> SignedManifest {
    let owners = [
        (initiator_id("alice"), key(ALICE)),
        (initiator_id("bob"), key(BOB)),
    ];
    SignedManifest::sign(manifest, owners.iter().map(|(id, key)| (id, key)))
}

pub fn now() -> UnixSeconds {
    UnixSeconds(CREATED_AT + 10)
}

fn intent(act: Act) -> Intent {
    Intent {
        cluster: ClusterId::new("golden").unwrap(),
        tenant: tenant("default"),
        initiator: initiator_id("client"),
        idempotency_key: "order-4711".to_owned(),
        policy_version: 0,
        created_at: UnixSeconds(CREATED_AT),
        expires_at: UnixSeconds(CREATED_AT + 300),
        nonce: [0x5a; 16],
        act,
    }
}

pub fn create_intent() -> Intent {
    intent(Act::CreateKey(CreateKey {
        algorithm: Algorithm::Ecdsa,
        curve: Curve::Secp256k1,
        protocol: ProtocolName::new("dkls23").unwrap(),
        threshold: Threshold::new(2, 3).unwrap(),
        committee: committee(),
        chain: ChainId::new("ethereum").unwrap(),
        address_kind: "default".to_owned(),
        rights: [Right::RawHash, Right::Export].into_iter().collect(),
    }))
}

pub fn committee() -> Committee {
    Committee::new((1..=3).map(node_id).collect()).unwrap()
}

pub fn sign_intent() -> Intent {
    intent(Act::Sign(Sign {
        key: KeyId::of_intent(&create_intent().digest()),
        path: "m".to_owned(),
        chain: ChainId::new("ethereum").unwrap(),
        message_type: MessageType::Transaction,
        payload: hex::decode(
            "02e70180843b9aca00847735940082520894000000000000000000000000000000000000dead0180c0",
        )
        .unwrap(),
    }))
}

/// Owner `alice` lets nodes 1 and 3 set up their pair state anew.
pub fn lift_ban_intent() -> Intent {
    let act = Act::LiftBan(LiftBan {
        first: node_id(1),
        second: node_id(3),
        generation: Digest32::from_array([0xb3; 32]),
    });
    let initiator = initiator_id("alice");
    Intent {
        initiator,
        ..intent(act)
    }
}

/// The seed of whoever signs such an intent.
pub fn signer_of(intent: &Intent) -> u8 {
    if intent.act.kind().is_for_owners() {
        ALICE
    } else {
        CLIENT
    }
}

pub fn signed_intent(intent: &Intent) -> SignedIntent {
    SignedIntent::sign(intent, &key(signer_of(intent)))
}

/// Multiples 1 to 8 of the generator of secp256k1, compressed.
const POINTS: [&str; 8] = [
    "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5",
    "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
    "02e493dbf1c10d80f3581e4904930b1404cc6c13900ee0758474fa94abe8c4cd13",
    "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4",
    "03fff97bd5755eeea420453a14355235d382f6472f8568a18b2f057a1460297556",
    "025cbdf0646e5db4eaa398f365f2ea7a0e3d419b7e0330e39ce92bddedcac4f9bc",
    "022f01e5e15cca351daff3843fb70f3c2f0a1bdd05e5af888a67784ef3e10a2a01",
];

fn point(multiple: usize) -> Vec<u8> {
    hex::decode(POINTS[multiple - 1]).unwrap()
}

/// Points are valid but belong to no sharing: a certificate is judged by its signatures.
pub fn statement() -> KeyStatement {
    let create = create_intent();
    KeyStatement {
        cluster: create.cluster.clone(),
        tenant: create.tenant.clone(),
        key: KeyId::of_intent(&create.digest()),
        intent: create.digest(),
        session: SessionId::from_array([0x77; 16]),
        epoch: Epoch::FIRST,
        previous: Digest32::from_array([0; 32]),
        algorithm: Algorithm::Ecdsa,
        protocol: ProtocolName::new("dkls23").unwrap(),
        protocol_version: 1,
        threshold: Threshold::new(2, 3).unwrap(),
        committee: committee(),
        rights: [Right::RawHash, Right::Export].into_iter().collect(),
        chain: ChainId::new("ethereum").unwrap(),
        address_kind: "default".to_owned(),
        address: "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf".to_owned(),
        public_key: point(1),
        derivation_key: point(2),
        verifying_shares: (3..=5).map(point).collect(),
        derivation_shares: (6..=8).map(point).collect(),
        chain_code: [0xcc; 32],
        transcript: Digest32::from_array([0x99; 32]),
        pair_generations: [0xa1, 0xa2, 0xa3]
            .map(|byte| Digest32::from_array([byte; 32]))
            .to_vec(),
    }
}

pub fn certificate() -> KeyCertificate {
    use ed25519_dalek::Signer as _;
    let statement = statement();
    let bytes = statement.signing_bytes();
    let sign = |number: u8| key(NODE + number).sign(&bytes).to_bytes();
    let signatures = (1..=3).map(sign).collect();
    KeyCertificate {
        statement,
        signatures,
    }
}
