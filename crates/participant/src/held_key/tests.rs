use quorate_crypto::{FeldmanCommitment, Group as _, Polynomial, PublicKeyPackage, PublicSharing};
use quorate_protocol::{Driver, Effect, Member, Roster, SignBytes};
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
fn dealt() -> KeyShare {
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

struct Identity(ed25519_dalek::SigningKey);

impl SignBytes for Identity {
    fn sign(&self, statement: &[u8]) -> [u8; 64] {
        use ed25519_dalek::Signer as _;
        self.0.sign(statement).to_bytes()
    }
}

/// What party 1 has of a set-up with party 2.
fn set_up() -> PairSetups {
    let identity = |n: u8| ed25519_dalek::SigningKey::from_bytes(&[n; 32]);
    let member = |n: u8| {
        let node = NodeId::new(&format!("p{n}")).unwrap();
        let identity = identity(n).verifying_key().to_bytes();
        (index(n), Member { node, identity })
    };
    let session = SessionId::from_array([5; 16]);
    let (mut drivers, mut waiting) = (Vec::new(), Vec::new());
    let mut first = None;
    let mut take = |from: u8, effects: Vec<Effect<PairSetups>>, waiting: &mut Vec<_>| {
        for effect in effects {
            match effect {
                Effect::Send { message, .. } => waiting.push((from, message)),
                Effect::Finished(setups) if from == 1 => first = Some(setups),
                Effect::Finished(_) => {}
                Effect::Aborted(abort) => panic!("{abort}"),
            }
        }
    };
    for n in 1..=2 {
        let members = [member(1), member(2)].into_iter().collect();
        let roster = Roster::new(session, index(n), 2, members).unwrap();
        let context = roster.context(b"test");
        let (setup, outbox) = quorate_dkls23::Setup::start(&roster, context);
        let signer = Box::new(Identity(identity(n)));
        let (driver, effects) = Driver::start(roster, context, signer, setup, outbox);
        drivers.push(driver);
        take(n, effects, &mut waiting);
    }
    while !waiting.is_empty() {
        let (from, message) = waiting.remove(0);
        let to = 3 - from;
        let driver = &mut drivers[usize::from(to) - 1];
        let effects = driver.receive(index(from), &message, &mut SystemRandomness);
        take(to, effects, &mut waiting);
    }
    first.unwrap()
}

/// Opens what was sealed with these parts.
fn opened(setups: Option<PairSetups>, named: &[Digest32]) -> Result<Payload, BadPayload> {
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
        pair_generations: named.to_vec(),
    };
    let payload = Payload {
        share,
        setups,
        statement,
    };
    Payload::from_bytes(&payload.to_bytes())
}

#[test]
fn sealed_pair_set_up__must_have_the_generations_that_the_statement_names() {
    let other = Some(BadPayload(
        "the pair set-up is not the one of the statement",
    ));
    let ours = set_up();
    let named = [ours.generation(index(2)).unwrap()];
    let of_another_run = set_up();
    assert_eq!(opened(Some(of_another_run), &named).err(), other);
    assert_eq!(opened(Some(set_up()), &[]).err(), other);
    let none = opened(None, &named).err();
    let said = "no pair set-up, but the statement names some";
    assert_eq!(none, Some(BadPayload(said)));
    assert!(opened(Some(ours), &named).is_ok());
    assert!(opened(None, &[]).is_ok());
}
