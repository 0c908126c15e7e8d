use quorate_crypto::{FeldmanCommitment, Group as _, Polynomial, PublicKeyPackage, PublicSharing};
use quorate_types::{
    Algorithm, ChainId, ClusterId, Committee, Curve, Digest32, Epoch, KeyId, NodeId, ProtocolName,
    Rights, SessionId, Tenant, Threshold,
};

use super::*;
use crate::randomness::SystemRandomness;

fn index(n: u8) -> PartyIndex {
    PartyIndex::new(n).unwrap()
}

/// The share of party 1 of a key that a dealer made: 2 of 2.
pub(crate) fn dealt() -> KeyShare {
    let sharing = || {
        let secret = Polynomial::<Secp256k1>::random(2, &mut SystemRandomness);
        let public = FeldmanCommitment::to(&secret);
        let point = |n| Secp256k1::point_to_bytes(&public.evaluate(index(n)));
        let sharing = PublicSharing {
            public_key: Secp256k1::point_to_bytes(public.constant_term()),
            verifying_shares: vec![point(1), point(2)],
        };
        (secret.evaluate(index(1)), sharing)
    };
    let ((own, x), (second, k)) = (sharing(), sharing());
    let package = PublicKeyPackage {
        curve: Curve::Secp256k1,
        threshold: Threshold::new(2, 2).unwrap(),
        x,
        k,
        chain_code: [3; 32],
    };
    KeyShare::new(index(1), &own, &second, package).unwrap()
}

/// What is sealed of that share.
fn payload() -> Payload {
    let share = dealt();
    let nodes = ["p1", "p2"].map(|name| NodeId::new(name).unwrap());
    let package = share.package();
    let x = package.sharing(SecretName::SigningKey);
    let k = package.sharing(SecretName::DerivationKey);
    let statement = KeyStatement {
        cluster: ClusterId::new("test").unwrap(),
        tenant: Tenant::new("acme").unwrap(),
        key: KeyId::from_array([1; 16]),
        intent: Digest32::from_array([2; 32]),
        session: SessionId::from_array([3; 16]),
        epoch: Epoch::FIRST,
        previous: Digest32::from_array([0; 32]),
        algorithm: Algorithm::Ecdsa,
        protocol: ProtocolName::new("dkls23").unwrap(),
        protocol_version: 1,
        threshold: package.threshold,
        committee: Committee::new(nodes.to_vec()).unwrap(),
        rights: Rights::default(),
        chain: ChainId::new("none").unwrap(),
        address_kind: "default".to_owned(),
        address: String::new(),
        public_key: x.public_key.clone(),
        derivation_key: k.public_key.clone(),
        verifying_shares: x.verifying_shares.clone(),
        derivation_shares: k.verifying_shares.clone(),
        chain_code: package.chain_code,
        transcript: Digest32::from_array([4; 32]),
        pair_generations: Vec::new(),
    };
    Payload { share, statement }
}

/// As payloads were sealed while pair state belonged to a key.
fn with_setups(payload: &Payload, setups: &[u8]) -> Vec<u8> {
    let (share, statement) = (payload.share.to_bytes(), payload.statement.to_bytes());
    let mut bytes = MAGIC_WITH_SETUPS.to_vec();
    for part in [share.as_slice(), setups, &statement] {
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn assert_same(read: &Payload, written: &Payload) {
    assert!(read.share.to_bytes() == written.share.to_bytes());
    assert!(read.statement == written.statement);
}

#[test]
fn payload__should_be_small_and_read_as_it_was_written() {
    let payload = payload();
    let bytes = payload.to_bytes().unwrap();
    assert_same(&Payload::from_bytes(&bytes).unwrap(), &payload);
    let beside = bytes.len() - payload.statement.to_bytes().len();
    assert_eq!(
        beside,
        16 + 1 + 64 + 4,
        "two scalars, and where they belong"
    );
}

#[test]
fn payload_with_pair_set_ups__should_be_read_without_them() {
    let payload = payload();
    for setups in [Vec::new(), vec![7; 52_375]] {
        let bytes = with_setups(&payload, &setups);
        assert_same(&Payload::from_bytes(&bytes).unwrap(), &payload);
    }
}

#[test]
fn payload__must_be_refused_unless_its_parts_belong_together() {
    let (one, other) = (payload(), payload());
    let refused = |bytes: &[u8]| Payload::from_bytes(bytes).err();
    let bytes = one.to_bytes().unwrap();
    let place = |at: usize, change: u8| {
        let mut changed = bytes.to_vec();
        changed[at] ^= change;
        refused(&changed)
    };
    assert_eq!(place(0, 1), Some(BadPayload("unknown version")));
    // Index, then a bit of x, then of k: not the share of that party of that key.
    assert_eq!(place(16, 3), Some(BadPayload("key share")));
    assert_eq!(place(17 + 31, 1), Some(BadPayload("key share")));
    assert_eq!(place(49 + 31, 1), Some(BadPayload("key share")));
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert_eq!(refused(&longer), Some(BadPayload("trailing bytes")));
    assert_eq!(refused(&bytes[..60]), Some(BadPayload("truncated")));
    // The secrets of one key with the statement of another, in both versions.
    let mixed = Payload {
        share: one.share,
        statement: other.statement,
    };
    let refusal = refused(&mixed.to_bytes().unwrap());
    assert_eq!(refusal, Some(BadPayload("key share")));
    let what = "the share is of another key than the statement";
    assert_eq!(refused(&with_setups(&mixed, &[])), Some(BadPayload(what)));
}
