use quorate_types::{
    Algorithm, ChainId, ClusterId, Committee, Epoch, ProtocolName, Tenant, Threshold,
};

use super::gathering::{MAX_EARLY_PER_PEER, Step};
use super::*;

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn key(n: u8) -> KeyId {
    KeyId::from_array([n; 16])
}

/// Of points that belong to no sharing: what is gathered for it does not depend on them.
fn statement(session: u8) -> KeyStatement {
    KeyStatement {
        cluster: ClusterId::new("test").unwrap(),
        tenant: Tenant::new("acme").unwrap(),
        key: key(1),
        intent: Digest32::from_array([2; 32]),
        session: SessionId::from_array([session; 16]),
        epoch: Epoch::FIRST,
        previous: Digest32::from_array([0; 32]),
        algorithm: Algorithm::Ecdsa,
        protocol: ProtocolName::new("dkls23").unwrap(),
        protocol_version: 1,
        threshold: Threshold::new(2, 2).unwrap(),
        committee: Committee::new(vec![node("p1"), node("p2")]).unwrap(),
        rights: std::iter::empty().collect(),
        chain: ChainId::new("ethereum").unwrap(),
        address_kind: "default".to_owned(),
        address: String::new(),
        public_key: vec![2; 33],
        derivation_key: vec![2; 33],
        verifying_shares: vec![vec![2; 33]; 2],
        derivation_shares: vec![vec![2; 33]; 2],
        chain_code: [3; 32],
        transcript: Digest32::from_array([4; 32]),
        pair_generations: Vec::new(),
    }
}

#[test]
fn a_second_announcement_of_one_statement__must_keep_what_was_gathered() {
    let (mut inner, me) = (Inner::default(), node("p1"));
    let (first, digest) = (statement(1), digest_of(&statement(1)));
    let gathering = inner.gather(first.clone(), digest, &me);
    gathering.stored.insert(node("p2"));
    gathering.signatures.insert(node("p2"), [7; 64]);
    let again = inner.gather(first, digest, &me);
    assert_eq!(again.signatures.get(&node("p2")), Some(&[7; 64]));
    assert!(again.stored.contains(&node("p2")));
    // Another run of the intent starts with nothing.
    let other = inner.gather(statement(2), digest_of(&statement(2)), &me);
    assert!(other.signatures.is_empty());
    assert_eq!(other.missing(&me), [node("p2")]);
}

#[test]
fn early_messages__should_be_bounded_for_each_peer_and_vanish_after_their_time() {
    let mut inner = Inner::default();
    let message = || Settle::Stored {
        key: key(1),
        statement: Digest32::from_array([0; 32]),
    };
    for n in 0..MAX_EARLY_PER_PEER + 10 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        inner.keep_early(&node("p2"), KeyId::from_array(id), message());
    }
    inner.keep_early(&node("p3"), key(0xff), message());
    assert_eq!(inner.early[&node("p2")].len(), MAX_EARLY_PER_PEER);
    assert_eq!(inner.take_early(key(0xff)).len(), 1, "p3 has its own limit");
    inner.expire_early(Duration::from_secs(60));
    assert_eq!(inner.early[&node("p2")].len(), MAX_EARLY_PER_PEER);
    inner.expire_early(Duration::ZERO);
    assert!(inner.early.is_empty());
}

#[test]
fn a_release__must_be_of_the_very_statement_that_the_record_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("intents.log");
    let kind = quorate_keystore::LogKind::new("intents");
    quorate_keystore::AppendLog::create(&quorate_keystore::Disk, &path, kind).unwrap();
    let disk = Arc::new(quorate_keystore::Disk);
    let (record, _) = IntentRecord::open(disk, &path, Default::default()).unwrap();
    let intent = Digest32::from_array([2; 32]);
    let (first, second) = (digest_of(&statement(1)), digest_of(&statement(2)));
    let forgotten = Release::of(&record, intent, first);
    assert_eq!(
        forgotten,
        Release::This,
        "what is forgotten counts as signed"
    );
    let expires_at = quorate_types::UnixSeconds(u64::MAX);
    let bound = record.bind(intent, &[intent], expires_at).unwrap();
    bound.wait().unwrap();
    assert_eq!(Release::of(&record, intent, first), Release::None);
    let complete = |digest| record.complete(intent, &released(digest));
    complete(first).unwrap().wait().unwrap();
    assert_eq!(Release::of(&record, intent, first), Release::This);
    assert_eq!(Release::of(&record, intent, second), Release::Other);
    // The second statement is never recorded, so never signed; the first may be told again.
    assert!(complete(second).is_err());
    complete(first).unwrap().wait().unwrap();
    assert_eq!(Release::of(&record, intent, first), Release::This);
    // No reader of recorded signatures takes it for some.
    assert_eq!(crate::refusal::parse_signatures(&released(first)), None);
}

#[test]
fn a_settlement_under_way__must_not_be_dropped_nor_begun_twice() {
    let (mut inner, me) = (Inner::default(), node("p1"));
    let digest = digest_of(&statement(1));
    let gathering = inner.gather(statement(1), digest, &me);
    assert!(gathering.is_unsigned());
    assert!(
        matches!(gathering.take_step(&me), Step::Wait),
        "p2 has not stored"
    );
    gathering.stored.insert(node("p2"));
    assert!(gathering.is_unsigned(), "nothing is written yet");
    assert!(matches!(gathering.take_step(&me), Step::Release));
    // From here on our signature may be on record, whatever becomes of this thread.
    assert!(!gathering.is_unsigned());
    assert!(matches!(gathering.take_step(&me), Step::Wait));
    // The record could not be written: nothing was signed.
    gathering.under_way = None;
    assert!(gathering.is_unsigned());
    assert!(matches!(gathering.take_step(&me), Step::Release));
    gathering.under_way = None;
    gathering.signatures.insert(me.clone(), [7; 64]);
    assert!(!gathering.is_unsigned());
    assert!(
        matches!(gathering.take_step(&me), Step::Wait),
        "p2 has not signed"
    );
    gathering.signatures.insert(node("p2"), [8; 64]);
    assert!(matches!(gathering.take_step(&me), Step::Activate(_)));
    assert!(matches!(gathering.take_step(&me), Step::Wait));
}
