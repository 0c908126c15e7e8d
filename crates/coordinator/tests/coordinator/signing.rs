//! What a caller gets when nodes are good.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::ErrorCode;
use quorate_coordinator::{KeyQuery, SessionQuery};
use quorate_intent::KeyCertificate;
use quorate_store::AuditResult;
use quorate_types::Canonical as _;

use crate::support::client::transfer;
use crate::support::world::{PATIENCE, World};

#[tokio::test(flavor = "multi_thread")]
async fn key__should_be_active_with_the_nodes_signatures_and_an_audit_trail() {
    let world = World::start(3).await;
    let key = world.create_key(2).await;
    assert_eq!(key.node_signatures.len(), 3);
    assert!(key.address.starts_with("0x") && key.public_key.len() == 66 && key.epoch == 1);
    assert_eq!(
        (key.description.as_str(), key.tags.as_slice()),
        ("hot wallet", &["prod".into()][..])
    );
    let results: Vec<_> = world
        .audit("key.create")
        .await
        .iter()
        .map(|r| r.event.result)
        .collect();
    assert_eq!(results, [AuditResult::Intended, AuditResult::Succeeded]);
    let page = world
        .coordinator()
        .keys(&world.caller(), KeyQuery::default())
        .await
        .unwrap();
    assert_eq!(page.keys.len(), 1);
    let hidden = world
        .coordinator()
        .key(&world.caller_of("other"), &key.key_id)
        .await;
    assert_eq!(hidden.unwrap_err().code(), ErrorCode::NotFound);
}

/// Without it, the limit that refuses further requests would stay what it was at the start.
#[tokio::test(flavor = "multi_thread")]
async fn signatures__must_be_measured_for_the_limit_on_acts_at_one_time() {
    let world = World::start(3).await;
    let key = world.create_key(2).await;
    assert_eq!(
        world.coordinator().signing_pace(),
        None,
        "keys do not count"
    );
    let measured = async {
        let mut number = 0_u8;
        while world.coordinator().signing_pace().is_none() {
            number = number % 0x7f + 1;
            let request = world.client.sign(&key.key_id, &transfer(number));
            let signed = world.coordinator().sign(&world.caller(), request, PATIENCE);
            signed.await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, measured).await.unwrap();
    let pace = world.coordinator().signing_pace().unwrap();
    assert!(pace > Duration::ZERO && pace < PATIENCE, "{pace:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signature__should_come_with_its_transaction_and_session() {
    let world = World::start(3).await;
    let key = world.create_key(2).await;
    let request = world.client.sign(&key.key_id, &transfer(1));
    let reply = world
        .coordinator()
        .sign(&world.caller(), request, PATIENCE)
        .await
        .unwrap();
    let result = reply.result;
    assert!(reply.is_complete);
    assert_eq!(result.status, "Completed");
    assert_eq!(result.signers.len(), 2);
    assert!(result.signed_transaction.unwrap().starts_with("02f8"));
    assert!(result.tx_id.unwrap().starts_with("0x"));
    let session = world
        .coordinator()
        .session(&world.caller(), &result.session_id)
        .await
        .unwrap();
    assert_eq!((session.status.as_str(), session.attempt), ("Completed", 1));
    assert_eq!(session.signature, result.signature);
    let opened: usize = world.doubles.iter().map(|d| d.opened().len()).sum();
    assert_eq!(opened, 3 + 2, "3 for the key, 2 for the signature");
    // Whoever lacks the certificate gets it with the session (key-certificate.md §3.7).
    let opened = world.doubles.iter().flat_map(|d| d.opened());
    for open in opened {
        if open.signers.is_empty() {
            assert!(open.certificate.is_empty(), "there is none yet");
        } else {
            let certificate = KeyCertificate::from_bytes(&open.certificate).unwrap();
            assert_eq!(certificate.statement.key.to_string(), key.key_id);
            assert_eq!(certificate.signatures.len(), 3);
        }
    }
    let results: Vec<_> = world
        .audit("sign")
        .await
        .iter()
        .map(|r| r.event.result)
        .collect();
    assert_eq!(results, [AuditResult::Intended, AuditResult::Succeeded]);
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_equal_intents__must_get_one_signature_whether_at_once_or_later() {
    let world = World::start(3).await;
    let key = world.create_key(2).await;
    let request = world.client.sign(&key.key_id, &transfer(1));
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (coordinator, caller) = (Arc::clone(world.coordinator()), world.caller());
        let request = request.clone();
        tasks.push(tokio::spawn(async move {
            coordinator
                .sign(&caller, request, PATIENCE)
                .await
                .unwrap()
                .result
        }));
    }
    let mut signatures = BTreeSet::new();
    for task in tasks {
        signatures.insert(task.await.unwrap().signature.unwrap());
    }
    let again = world
        .coordinator()
        .sign(&world.caller(), request, PATIENCE)
        .await
        .unwrap();
    signatures.insert(again.result.signature.unwrap());
    assert_eq!(signatures.len(), 1);
    let sessions = SessionQuery {
        key_id: Some(key.key_id.clone()),
        ..SessionQuery::default()
    };
    let sessions = world
        .coordinator()
        .sessions(&world.caller(), sessions)
        .await
        .unwrap()
        .sessions;
    let signed = sessions.iter().filter(|s| s.kind == "sign").count();
    assert_eq!(signed, 1, "one lead for one intent");
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_intent__must_be_answered_after_expiry_only_if_it_was_signed_in_time() {
    let mut world = World::start(3).await;
    let key = world.create_key(2).await;
    // It must be signed before it expires, also on a busy machine.
    world.client.lifetime_seconds = 6;
    let signed = world.client.sign(&key.key_id, &transfer(1));
    let unsigned = world.client.sign(&key.key_id, &transfer(2));
    let (coordinator, caller) = (world.coordinator(), world.caller());
    let first = coordinator
        .sign(&caller, signed.clone(), PATIENCE)
        .await
        .unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    let refused = loop {
        // It is refused as soon as it is expired; until then it is not sent.
        let probe = quorate_coordinator::now().seconds();
        let intent = hex::decode(&unsigned.intent).unwrap();
        let intent: quorate_intent::Intent = quorate_types::Canonical::from_bytes(&intent).unwrap();
        if probe >= intent.expires_at {
            break coordinator
                .sign(&caller, unsigned.clone(), PATIENCE)
                .await
                .unwrap_err();
        }
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(refused.code(), ErrorCode::IntentExpired);
    let again = coordinator.sign(&caller, signed, PATIENCE).await.unwrap();
    assert_eq!(again.result.signature, first.result.signature);
    let denied = world.audit("sign").await;
    assert_eq!(denied.last().unwrap().event.result, AuditResult::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn wait__should_end_with_the_session_and_polling_should_find_the_result() {
    let world = World::start(3).await;
    let key = world.create_key(2).await;
    for double in &world.doubles {
        double.follow(crate::support::double::Script::Stall);
    }
    let request = world.client.sign(&key.key_id, &transfer(1));
    let wait = std::time::Duration::ZERO;
    let reply = world
        .coordinator()
        .sign(&world.caller(), request.clone(), wait)
        .await
        .unwrap();
    assert!(!reply.is_complete && reply.result.session_id.starts_with("ses_"));
    let live = world
        .coordinator()
        .session(&world.caller(), &reply.result.session_id)
        .await
        .unwrap();
    assert!(
        ["Pending", "Signing"].contains(&live.status.as_str()),
        "{}",
        live.status
    );
    let asked = |world: &World| {
        world
            .doubles
            .iter()
            .map(|d| d.opened().len())
            .sum::<usize>()
    };
    // Three made the key.
    world
        .wait_until("two signers stall", |world| asked(world) >= 3 + 2)
        .await;
    for double in &world.doubles {
        double.follow(crate::support::double::Script::Honest);
    }
    let done = world
        .coordinator()
        .sign(&world.caller(), request, PATIENCE)
        .await
        .unwrap();
    assert!(done.is_complete);
    let first = world
        .coordinator()
        .session(&world.caller(), &reply.result.session_id)
        .await
        .unwrap();
    assert_eq!(first.status, "Failed", "the stalled attempt was replaced");
    let last = world
        .coordinator()
        .session(&world.caller(), &done.result.session_id)
        .await
        .unwrap();
    assert_eq!(last.status, "Completed");
    assert!(!last.waited_on.is_empty() && last.waited_on[0].attempt == 1);
}
