//! The command believes nothing: whatever a service lies about, it ends with code 5 and says what
//! is wrong. An honest service is there too, so that the double itself is known to be right.

#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::type_complexity,
    reason = "a test may fail; tables of lies are functions with what must be said"
)]

mod double;

use clap::Parser as _;
use double::{Lie, Running};
use quorate_cli::args::Cli;
use quorate_cli::{CliError, ExitCode};
use quorate_intent::Intent;
use quorate_types::{Canonical as _, Committee, NodeId, Right, Threshold};

/// 1 wei on the local test chain, nonce 0.
const TRANSFER: &str = "02ea827a6980843b9aca008504a817c8008252089470997970c51812dc3a010c7d01b50e0d\
                        17dc79c80180c0";

async fn run(running: &Running, arguments: &[&str]) -> Result<(), CliError> {
    let config = running.config.to_str().unwrap();
    let fixed = ["quorate", "--json", "--config", config];
    let cli = Cli::try_parse_from(fixed.iter().chain(arguments)).unwrap();
    quorate_cli::commands::run(cli, &|_| None).await
}

/// Creates a key with a service that tells this lie.
async fn create(lie: Lie) -> (Running, Result<(), CliError>) {
    let running = double::start(lie).await;
    let result = run(&running, &["key", "create", "--chain", "ethereum-local"]).await;
    (running, result)
}

/// Creates a key, and signs a transfer with it.
async fn sign(lie: Lie) -> Result<(), CliError> {
    let (running, created) = create(lie).await;
    created.unwrap();
    let key = shown_key(&running).await;
    run(&running, &["sign", "--key", &key, "--tx", TRANSFER]).await
}

/// The id of the one key that the service has made.
async fn shown_key(running: &Running) -> String {
    let client = std::fs::read_to_string(&running.config).unwrap();
    let endpoint = client.lines().next().unwrap().split('"').nth(1).unwrap();
    let key = reqwest::get(format!("{endpoint}/api/v1/keys/any"))
        .await
        .unwrap();
    let key: serde_json::Value = key.json().await.unwrap();
    key["data"]["key_id"].as_str().unwrap().to_owned()
}

fn assert_unverified(result: Result<(), CliError>, said: &str) {
    let error = result.expect_err(said);
    assert_eq!(error.exit_code(), ExitCode::Unverified, "{error}");
    assert!(
        error.to_string().contains(said),
        "`{error}` does not say `{said}`"
    );
    assert!(error.remedy().contains("do not use"), "{}", error.remedy());
}

#[tokio::test]
async fn honest_service__should_be_believed() {
    sign(Lie::Honest).await.unwrap();
}

#[tokio::test]
async fn key__must_be_signed_by_every_node_of_the_manifest() {
    let (_, result) = create(Lie::Certificate(|c| c.signatures[2] = [0; 64])).await;
    assert_unverified(result, "node-3");
    let (_, result) = create(Lie::Certificate(|c| c.signatures.truncate(2))).await;
    assert_unverified(result, "not one for each member");
    let (_, result) = create(Lie::Certificate(|c| c.signatures.swap(0, 1))).await;
    assert_unverified(result, "node-1");
}

#[tokio::test]
async fn c9_public_key_and_address__must_be_those_that_the_nodes_certified() {
    const OTHER: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let (_, result) = create(Lie::Certificate(|c| {
        c.statement.public_key = hex::decode(OTHER).unwrap()
    }))
    .await;
    assert_unverified(result, "node-1");
    let (_, result) = create(Lie::View(|view| view.public_key = OTHER.to_owned())).await;
    assert_unverified(result, "`public_key`");
    let (_, result) = create(Lie::View(|view| {
        view.address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8".to_owned();
    }))
    .await;
    assert_unverified(result, "`address`");
}

#[tokio::test]
async fn address__must_follow_from_the_public_key_whoever_signed_it() {
    let lie = Lie::Statement(|s| s.address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8".into());
    let (_, result) = create(lie).await;
    assert_unverified(
        result,
        "the certified address is not that of the public key",
    );
}

#[tokio::test]
async fn d12_key__must_be_exactly_what_was_asked_for() {
    let lies: [(fn(&mut quorate_intent::KeyStatement), &str); 4] = [
        (
            |s| s.rights = [Right::RawHash].into_iter().collect(),
            "rights",
        ),
        (|s| s.threshold = Threshold::new(3, 3).unwrap(), "threshold"),
        (|s| s.committee = reversed(&s.committee), "committee"),
        (
            |s| s.tenant = quorate_types::Tenant::new("other").unwrap(),
            "tenant",
        ),
    ];
    for (lie, said) in lies {
        let (_, result) = create(Lie::Statement(lie)).await;
        // Another committee has other first signers, whose signatures then stand in wrong places.
        match result {
            Err(error) if said == "committee" => {
                assert_eq!(error.exit_code(), ExitCode::Unverified, "{error}");
            }
            result => assert_unverified(result, said),
        }
    }
}

fn reversed(committee: &Committee) -> Committee {
    let mut members: Vec<NodeId> = committee.members().map(|(_, node)| node.clone()).collect();
    members.reverse();
    Committee::new(members).unwrap()
}

#[tokio::test]
async fn key__must_be_that_of_the_own_intent() {
    let lie = Lie::Statement(|s| s.key = quorate_types::KeyId::from_array([3; 16]));
    let (_, result) = create(lie).await;
    assert_unverified(result, "is about key_0303");
    let (_, result) = create(Lie::Statement(|s| {
        s.intent = quorate_types::Digest32::from_array([4; 32]);
    }))
    .await;
    assert_unverified(result, "intent");
}

#[tokio::test]
async fn readable_key__must_say_what_the_certificate_says() {
    let lies: [(fn(&mut quorate_api::rest::KeyView), &str); 6] = [
        (|view| view.threshold = 1, "`threshold`"),
        (|view| view.rights.push("raw_hash".into()), "`rights`"),
        (|view| view.chain_type = "ethereum".into(), "`chain_type`"),
        (|view| view.committee.swap(0, 1), "`committee`"),
        (
            |view| view.node_signatures[1].signature = "00".repeat(64),
            "`node_signatures`",
        ),
        (|view| view.certificate.truncate(40), "malformed"),
    ];
    for (lie, said) in lies {
        let (_, result) = create(Lie::View(lie)).await;
        assert_unverified(result, said);
    }
}

#[tokio::test]
async fn signature__must_be_of_the_own_payload() {
    // The service signs a transfer of 2 wei instead of 1: the last two bytes of value and data.
    let lie = Lie::Payload(|payload| {
        let position = payload.len() - 3;
        payload[position] = 2;
    });
    assert_unverified(sign(lie).await, "not one of this key over this payload");
}

#[tokio::test]
async fn signature__must_be_of_the_certified_key() {
    assert_unverified(
        sign(Lie::OtherKey).await,
        "not one of this key over this payload",
    );
}

#[tokio::test]
async fn signature__must_be_there_and_in_its_one_form() {
    assert_unverified(
        sign(Lie::Result(|r| r.signature = None)).await,
        "no signature",
    );
    assert_unverified(
        sign(Lie::Result(|r| r.signature = Some("zz".into()))).await,
        "`signature`",
    );
    assert_unverified(
        sign(Lie::Result(|r| r.signature = Some("00".repeat(64)))).await,
        "not one",
    );
    let high_s = Lie::Result(|result| {
        let text = result.signature.as_mut().unwrap();
        text.replace_range(64.., &"f".repeat(64));
    });
    assert_unverified(sign(high_s).await, "not one of this key");
}

#[tokio::test]
async fn everything_beside_the_signature__must_follow_from_it() {
    let lies: [(fn(&mut quorate_api::rest::SignResult), &str); 9] = [
        (
            |r| r.recovery_id = r.recovery_id.map(|id| id ^ 1),
            "`recovery_id`",
        ),
        (|r| r.signature_der = Some("30".into()), "`signature_der`"),
        (|r| r.message_hash = Some("00".repeat(32)), "`message_hash`"),
        (
            |r| r.tx_id = Some(format!("0x{}", "00".repeat(32))),
            "`tx_id`",
        ),
        (|r| r.tx_id = None, "`tx_id`"),
        (|r| r.signed_transaction = None, "`signed_transaction`"),
        (
            |r| {
                let text = r.signed_transaction.as_mut().unwrap();
                text.replace_range(10..12, "ff");
            },
            "`signed_transaction`",
        ),
        (|r| r.signers = vec!["node-1".into()], "`signers`"),
        (
            |r| r.signers = vec!["node-1".into(), "mallory".into()],
            "`signers`",
        ),
    ];
    for (lie, said) in lies {
        assert_unverified(sign(Lie::Result(lie)).await, said);
    }
}

#[tokio::test]
async fn answer__must_be_about_the_key_that_was_asked_about() {
    let (running, created) = create(Lie::Honest).await;
    created.unwrap();
    let other = format!("key_{}", "05".repeat(16));
    let shown = run(&running, &["key", "show", &other]).await;
    assert_unverified(shown, "not about key_0505");
    let signed = run(&running, &["sign", "--key", &other, "--tx", TRANSFER]).await;
    assert_unverified(signed, "not about key_0505");
}

#[tokio::test]
async fn refusal_that_is_certain__should_come_before_anything_is_sent() {
    let (running, created) = create(Lie::Honest).await;
    created.unwrap();
    let key = shown_key(&running).await;
    for (flag, payload, code) in [
        ("--raw-hash", "11".repeat(32), "RAW_HASH_REFUSED"),
        ("--tx", "02c0".to_owned(), "MALFORMED_TRANSACTION"),
        ("--message", "hello".to_owned(), "UNSUPPORTED_MESSAGE"),
    ] {
        let error = run(&running, &["sign", "--key", &key, flag, &payload])
            .await
            .unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::Usage, "{error}");
        assert_eq!(error.to_json()["error"]["code"], code, "{error}");
        assert!(
            error.remedy().contains("nothing was sent"),
            "{}",
            error.remedy()
        );
    }
}

#[tokio::test]
async fn service_that_is_not_there__should_be_said_so() {
    let (running, _) = create(Lie::Honest).await;
    let nobody = ["--endpoint", "http://127.0.0.1:9", "key", "list"];
    let error = run(&running, &nobody).await.unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::Unreachable, "{error}");
    let https = ["--endpoint", "https://127.0.0.1:9", "key", "list"];
    let error = run(&running, &https).await.unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::Usage, "{error}");
}

#[test]
fn transfer__should_be_canonical() {
    // The constant is not an intent; a wrong constant would make other tests pass for nothing.
    let payload = hex::decode(TRANSFER).unwrap();
    assert!(Intent::from_bytes(&payload).is_err());
    let key = quorate_chains::KeyContext {
        chain: quorate_chains::Chain::Ethereum(quorate_chains::EthereumNetwork::Local),
        algorithm: quorate_types::Algorithm::Ecdsa,
        rights: &quorate_types::Rights::default(),
        address_kind: quorate_chains::DEFAULT_ADDRESS_KIND,
        public_key: &[],
    };
    let transaction = quorate_types::MessageType::Transaction;
    assert!(quorate_chains::effect_of(&key, transaction, &payload).is_ok());
}
