//! A coordinator that lies about what is signed, by whom, and when. Rows C3, C9, D1, D5, D7, D10,
//! D12: every node refuses by itself.

use ed25519_dalek::Signer as _;
use quorate_api::mpc_v1 as wire;
use quorate_intent::{Act, Sign, SignedIntent};
use quorate_testkit::{Client, Outcome, Proposal, eip1559_transfer};
use quorate_types::{Canonical as _, ChainId, ClusterId, KeyId, MessageType, NodeId, UnixSeconds};

use crate::support::{
    Shared, assert_recorded_refusal, indices, must_refuse, run, shared, signed_now_or_before,
    transfer, transfer_digest, verified,
};

const ALL: [usize; 3] = [0, 1, 2];

/// A sign act for the shared key; the tests spoil one field each.
fn sign(shared: &Shared) -> Sign {
    Sign {
        key: shared.key.key,
        path: "m".to_owned(),
        chain: shared.key.chain.clone(),
        message_type: MessageType::Transaction,
        payload: eip1559_transfer(0, [0x11; 20], 1_000),
    }
}

fn proposal(client: &Client, act: Sign) -> Proposal {
    let intent = client.intent(Act::Sign(act)).unwrap();
    Proposal::new(intent, &indices(&[0, 1])).unwrap()
}

fn proposal_of(intent: SignedIntent) -> Proposal {
    Proposal::new(intent, &indices(&[0, 1])).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_what_is_signed__must_come_from_the_payload_that_the_client_signed() {
    let (shared, mut doubles) = shared().await;
    let (cluster, client) = (&shared.cluster, &shared.cluster.client);
    // A digest in place of the transaction: this key has no such right.
    let blind = Sign {
        message_type: MessageType::Hash,
        payload: transfer_digest(7).to_vec(),
        ..sign(&shared)
    };
    let blind = proposal(client, blind);
    must_refuse(cluster, &mut doubles, &ALL, &blind, "RAW_HASH_REFUSED").await;
    let raw = Sign {
        message_type: MessageType::Raw,
        payload: b"anything".to_vec(),
        ..sign(&shared)
    };
    let raw = proposal(client, raw);
    must_refuse(cluster, &mut doubles, &ALL, &raw, "UNSUPPORTED_MESSAGE").await;
    // The transaction of another intent under this intent's signature.
    let mut swapped = proposal(client, sign(&shared));
    let other = eip1559_transfer(0, [0x22; 20], 1_000);
    let bytes = &mut swapped.intent.bytes;
    let at = bytes
        .windows(20)
        .position(|window| window == [0x11; 20])
        .unwrap();
    bytes[at..at + 20].fill(0x22);
    assert!(bytes.windows(other.len()).any(|window| window == other));
    must_refuse(
        cluster,
        &mut doubles,
        &ALL,
        &swapped,
        "BAD_INITIATOR_SIGNATURE",
    )
    .await;
    // A transaction for another network, and an intent for another chain.
    let mut payload = eip1559_transfer(0, [0x11; 20], 1_000);
    let at = payload
        .windows(3)
        .position(|window| window == [0x82, 0x7a, 0x69])
        .unwrap();
    payload[at + 2] += 1;
    let act = Sign {
        payload,
        ..sign(&shared)
    };
    let wrong = proposal(client, act);
    must_refuse(cluster, &mut doubles, &ALL, &wrong, "WRONG_CHAIN").await;
    let act = Sign {
        chain: ChainId::new("ethereum").unwrap(),
        ..sign(&shared)
    };
    let wrong = proposal(client, act);
    must_refuse(cluster, &mut doubles, &ALL, &wrong, "WRONG_CHAIN").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_other_encodings__must_be_refused_at_every_node() {
    let (shared, mut doubles) = shared().await;
    let (cluster, client) = (&shared.cluster, &shared.cluster.client);
    let good = eip1559_transfer(5, [0x11; 20], 1_000);
    let nonce = good
        .windows(4)
        .position(|window| window == [0x82, 0x7a, 0x69, 0x05])
        .unwrap()
        + 3;
    let spelled = |new: &[u8]| {
        let mut fields = good[2..].to_vec();
        fields.splice(nonce - 2..=nonce - 2, new.iter().copied());
        let mut bytes = vec![0x02, 0xc0 + u8::try_from(fields.len()).unwrap()];
        bytes.extend(fields);
        bytes
    };
    assert_eq!(spelled(&[0x05]), good, "the test's own encoder agrees");
    let mut trailing = good.clone();
    trailing.push(0);
    let mut long_header = vec![0x02, 0xf8, good[1] - 0xc0];
    long_header.extend(&good[2..]);
    let mut extra_field = spelled(&[0x05]);
    extra_field.push(0x80);
    extra_field[1] += 1;
    let payloads = [
        spelled(&[0x81, 0x05]),
        spelled(&[0x82, 0x00, 0x05]),
        trailing,
        long_header,
        extra_field,
        good[..good.len() - 1].to_vec(),
        Vec::new(),
    ];
    for payload in payloads {
        let act = Sign {
            payload,
            ..sign(&shared)
        };
        let spoiled = proposal(client, act);
        must_refuse(
            cluster,
            &mut doubles,
            &ALL,
            &spoiled,
            "MALFORMED_TRANSACTION",
        )
        .await;
    }
    // The client's own signature does not make a second encoding of an intent acceptable.
    let intent = client.unsigned(Act::Sign(sign(&shared))).unwrap();
    let mut bytes = intent.to_bytes();
    bytes.push(0);
    let signature = client.key.sign(&bytes).to_bytes();
    let spoiled = proposal_of(SignedIntent { bytes, signature });
    must_refuse(cluster, &mut doubles, &ALL, &spoiled, "MALFORMED_INTENT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_an_approved_intent__must_not_serve_for_anything_else() {
    let (shared, mut doubles) = shared().await;
    let (cluster, client) = (&shared.cluster, &shared.cluster.client);
    let first = transfer(cluster, shared.key.key, 70, &[0, 1]);
    let outcomes = run(&mut doubles, &[0, 1], &first).await;
    let signature = verified(&outcomes[0], &shared.key, &transfer_digest(70));
    // Again in a new session: the same signature, not another one.
    let replayed = run(&mut doubles, &[0, 1], &first.again().unwrap()).await;
    for outcome in replayed {
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
        let again = signed_now_or_before(&outcome, &shared.key, &transfer_digest(70));
        assert_eq!(again, signature);
    }
    // Every single byte that is changed breaks it.
    let length = first.intent.bytes.len();
    for at in [length / 4, length / 2, length - 1] {
        let mut edited = first.again().unwrap();
        edited.intent.bytes[at] ^= 1;
        let outcomes = run(&mut doubles, &ALL, &edited).await;
        for outcome in outcomes {
            let refused = [
                "BAD_INITIATOR_SIGNATURE",
                "MALFORMED_INTENT",
                "UNKNOWN_INITIATOR",
            ];
            assert!(refused.contains(&outcome.code()), "{at}: {outcome:?}");
        }
    }
    // For another key: the bytes name the key.
    let mut other_key = first.again().unwrap();
    let key = shared.key.key.as_bytes();
    let at = other_key
        .intent
        .bytes
        .windows(16)
        .position(|window| window == key)
        .unwrap();
    other_key.intent.bytes[at] ^= 1;
    must_refuse(
        cluster,
        &mut doubles,
        &ALL,
        &other_key,
        "BAD_INITIATOR_SIGNATURE",
    )
    .await;
    // After its time, and before it.
    let mut intent = client.unsigned(Act::Sign(sign(&shared))).unwrap();
    let now = intent.created_at.0;
    (intent.created_at, intent.expires_at) = (UnixSeconds(now - 100), UnixSeconds(now - 50));
    let expired = proposal_of(SignedIntent::sign(&intent, &client.key));
    must_refuse(cluster, &mut doubles, &ALL, &expired, "INTENT_EXPIRED").await;
    (intent.created_at, intent.expires_at) = (UnixSeconds(now + 900), UnixSeconds(now + 1_000));
    let early = proposal_of(SignedIntent::sign(&intent, &client.key));
    must_refuse(cluster, &mut doubles, &ALL, &early, "INTENT_EXPIRED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_one_intent_in_concurrent_sessions__must_end_in_one_digest_and_stable_answers() {
    let (shared, mut doubles) = shared().await;
    let first = transfer(&shared.cluster, shared.key.key, 100, &[0, 1]);
    let second = first.again().unwrap();
    for proposal in [&first, &second] {
        for position in [0, 1] {
            doubles[position].open(proposal).await.unwrap();
        }
    }
    for proposal in [&first, &second] {
        for position in [0, 1] {
            let outcome = doubles[position].outcome(proposal.session).await.unwrap();
            if !matches!(outcome, Outcome::Aborted(_)) {
                signed_now_or_before(&outcome, &shared.key, &transfer_digest(100));
            }
        }
    }
    for position in [0, 1] {
        let mut answers = Vec::new();
        for _ in 0..2 {
            let again = first.again().unwrap();
            let outcome = run(&mut doubles, &[position], &again).await.remove(0);
            assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
            answers.push(signed_now_or_before(
                &outcome,
                &shared.key,
                &transfer_digest(100),
            ));
        }
        assert_eq!(answers[0], answers[1], "one answer for ever at {position}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_rosters_and_clusters__must_come_from_the_manifest_and_the_intent() {
    let (shared, mut doubles) = shared().await;
    let (cluster, client) = (&shared.cluster, &shared.cluster.client);
    // Committees with strangers: a node of the coordinator's own, the coordinator itself.
    for stranger in ["p9", "c1"] {
        let mut nodes = cluster.node_ids();
        nodes[2] = NodeId::new(stranger).unwrap();
        let intent = client.create(&nodes, 2).unwrap();
        let proposal = Proposal::new(intent, &[]).unwrap();
        must_refuse(cluster, &mut doubles, &ALL, &proposal, "INVALID_ARGUMENT").await;
    }
    // A committee without the node that is asked.
    let intent = client.create(&cluster.node_ids()[..2], 2).unwrap();
    let proposal = Proposal::new(intent, &[]).unwrap();
    must_refuse(cluster, &mut doubles, &[2], &proposal, "INVALID_ARGUMENT").await;
    // Signers that are none, not enough, too many, twice, or not us.
    for signers in [
        vec![],
        vec![1],
        vec![1, 2, 3],
        vec![1, 1],
        vec![1, 9],
        vec![2, 3],
        vec![0, 1],
        vec![1, 300],
    ] {
        let intent = client.intent(Act::Sign(sign(&shared))).unwrap();
        let proposal = Proposal::new(intent, &signers).unwrap();
        must_refuse(cluster, &mut doubles, &[0], &proposal, "INVALID_ARGUMENT").await;
    }
    // An intent for another cluster.
    let stranger = Client {
        cluster: ClusterId::new("elsewhere").unwrap(),
        ..client.clone()
    };
    let foreign = proposal_of(stranger.intent(Act::Sign(sign(&shared))).unwrap());
    must_refuse(cluster, &mut doubles, &ALL, &foreign, "MALFORMED_INTENT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_a_session_id__must_serve_once() {
    let (shared, mut doubles) = shared().await;
    let first = transfer(&shared.cluster, shared.key.key, 30, &[0, 1]);
    let outcomes = run(&mut doubles, &[0, 1], &first).await;
    verified(&outcomes[0], &shared.key, &transfer_digest(30));
    let mut second = transfer(&shared.cluster, shared.key.key, 31, &[0, 1]);
    second.session = first.session;
    for position in [0, 1] {
        let outcome = run(&mut doubles, &[position], &second).await.remove(0);
        assert_eq!(outcome.code(), "INTENT_CONFLICT");
        assert_recorded_refusal(&shared.cluster, position, second.session, "INTENT_CONFLICT");
    }
    // In a session of its own it is welcome.
    let outcomes = run(&mut doubles, &[0, 1], &second.again().unwrap()).await;
    let other = verified(&outcomes[0], &shared.key, &transfer_digest(31));
    let one = verified(
        &run_again(&mut doubles, &first).await,
        &shared.key,
        &transfer_digest(30),
    );
    assert_ne!(
        one.as_bytes()[..32],
        other.as_bytes()[..32],
        "another nonce"
    );
}

async fn run_again(doubles: &mut [quorate_testkit::CoordinatorDouble], old: &Proposal) -> Outcome {
    match run(doubles, &[0], &old.again().unwrap()).await.remove(0) {
        Outcome::Refused(refused) => Outcome::Signed(refused.signatures),
        other => other,
    }
}

#[test]
fn c9_a_request_to_sign__must_have_no_place_for_a_public_key() {
    // These patterns are complete: a new field does not compile before somebody looks at it here.
    let wire::OpenSession {
        session_id: _,
        intent: _,
        initiator_signature: _,
        signers: _,
        attempt: _,
        request_id: _,
        certificate: _, // believed only with the signatures of all nodes under it
    } = wire::OpenSession::default();
    let Sign {
        key: _,
        path: _,
        chain: _,
        message_type: _,
        payload: _,
    } = Sign {
        key: KeyId::from_array([0; 16]),
        path: String::new(),
        chain: ChainId::new("ethereum").unwrap(),
        message_type: MessageType::Transaction,
        payload: Vec::new(),
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_intents__must_be_refused_with_their_code_and_recorded() {
    let (shared, mut doubles) = shared().await;
    let (cluster, client) = (&shared.cluster, &shared.cluster.client);
    let good = client.intent(Act::Sign(sign(&shared))).unwrap();
    let unknown_key = Sign {
        key: KeyId::from_array([9; 16]),
        ..sign(&shared)
    };
    let unknown_key = proposal(client, unknown_key);
    must_refuse(cluster, &mut doubles, &ALL, &unknown_key, "NOT_FOUND").await;
    let stranger = Client {
        initiator: quorate_types::InitiatorId::new("stranger").unwrap(),
        ..client.clone()
    };
    let unknown = proposal(&stranger, sign(&shared));
    must_refuse(cluster, &mut doubles, &ALL, &unknown, "UNKNOWN_INITIATOR").await;
    let mut forged = proposal_of(good.clone());
    forged.intent.signature[0] ^= 1;
    must_refuse(
        cluster,
        &mut doubles,
        &ALL,
        &forged,
        "BAD_INITIATOR_SIGNATURE",
    )
    .await;
    let other_tenant = Client {
        tenant: quorate_types::Tenant::new("other").unwrap(),
        ..client.clone()
    };
    let foreign = proposal(&other_tenant, sign(&shared));
    must_refuse(cluster, &mut doubles, &ALL, &foreign, "NOT_ALLOWED").await;
    let mut garbage = proposal_of(good.clone());
    garbage.intent.bytes = vec![0xff; 100];
    must_refuse(cluster, &mut doubles, &ALL, &garbage, "MALFORMED_INTENT").await;
    let mut long = proposal_of(good.clone());
    long.intent.bytes = vec![0; quorate_intent::MAX_INTENT + 1];
    must_refuse(cluster, &mut doubles, &ALL, &long, "PAYLOAD_TOO_LARGE").await;
    // A signature of the wrong length cannot even be written as an intent of ours.
    let short = proposal_of(good);
    let mut open = short.to_wire();
    open.initiator_signature.pop();
    doubles[0].open_raw(open).await.unwrap();
    let outcome = doubles[0].outcome(short.session).await.unwrap();
    assert_eq!(outcome.code(), "BAD_INITIATOR_SIGNATURE");
    assert_recorded_refusal(cluster, 0, short.session, "BAD_INITIATOR_SIGNATURE");
}
