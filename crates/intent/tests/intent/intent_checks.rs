//! Each check of `docs/protocols/intent.md` §3 can fail. Rows D5, D7, D12.

use quorate_intent::{
    Act, ActKind, Intent, IntentError, MAX_LIFETIME_SECONDS, MAX_PAYLOAD, SignedIntent,
};
use quorate_types::{Canonical as _, ClusterId, DecodeError, Digest32, KeyId, NodeId, UnixSeconds};

use crate::fixture::{self, CREATED_AT, TOLERANCE_SECONDS};

fn verify(signed: &SignedIntent) -> Result<(), IntentError> {
    let manifest = fixture::manifest();
    signed
        .verify(&manifest, fixture::now(), TOLERANCE_SECONDS)
        .map(drop)
}

/// A correctly signed intent after a change.
fn changed(change: impl FnOnce(&mut Intent)) -> SignedIntent {
    let mut intent = fixture::sign_intent();
    change(&mut intent);
    fixture::signed_intent(&intent)
}

#[test]
fn intent__should_verify_and_keep_its_digest() {
    let intent = fixture::sign_intent();
    let signed = fixture::signed_intent(&intent);
    let manifest = fixture::manifest();
    let verified = signed
        .verify(&manifest, fixture::now(), TOLERANCE_SECONDS)
        .unwrap();
    assert_eq!(*verified.intent(), intent);
    assert_eq!(verified.digest(), intent.digest());
    assert_eq!(*verified.signed(), signed);
    assert_eq!(
        SignedIntent::from_bytes(&signed.to_bytes()).unwrap(),
        signed
    );
}

#[test]
fn intent__must_be_refused_as_malformed() {
    let signed = |bytes: Vec<u8>| {
        use ed25519_dalek::Signer as _;
        let signature = fixture::key(fixture::CLIENT).sign(&bytes).to_bytes();
        SignedIntent { bytes, signature }
    };
    let good = fixture::sign_intent().to_bytes();
    let mut trailing = good.clone();
    trailing.push(0);
    let mut other_magic = good.clone();
    other_magic[4] ^= 1;
    let mut version_2 = good.clone();
    let version = 4 + "quorate intent".len() + 1;
    assert_eq!(version_2[version], 1);
    version_2[version] = 2;
    let malformed = |bytes| match verify(&signed(bytes)) {
        Err(IntentError::Malformed(why)) => why,
        other => panic!("must be malformed: {other:?}"),
    };
    assert_eq!(malformed(trailing), DecodeError::TrailingBytes { count: 1 });
    assert!(matches!(
        malformed(other_magic),
        DecodeError::Unknown { .. }
    ));
    let unknown_version = DecodeError::Unknown {
        what: "intent version",
    };
    assert_eq!(malformed(version_2), unknown_version);
    assert!(matches!(
        malformed(good[..40].to_vec()),
        DecodeError::Truncated { .. }
    ));
    assert!(matches!(
        malformed(Vec::new()),
        DecodeError::Truncated { .. }
    ));
}

#[test]
fn intent__must_keep_the_limits_of_its_fields() {
    let refused = |signed: SignedIntent| match verify(&signed) {
        Err(IntentError::Malformed(why)) => why,
        other => panic!("must be malformed: {other:?}"),
    };
    let of_key = |key: &str| refused(changed(|intent| intent.idempotency_key = key.to_owned()));
    assert!(matches!(of_key(""), DecodeError::Invalid { .. }));
    assert!(matches!(of_key("a b"), DecodeError::Invalid { .. }));
    assert!(matches!(of_key("ä"), DecodeError::Invalid { .. }));
    assert!(matches!(
        of_key(&"k".repeat(129)),
        DecodeError::TooLong { .. }
    ));
    let of_sign = |change: fn(&mut quorate_intent::Sign)| {
        refused(changed(|intent| match &mut intent.act {
            Act::Sign(sign) => change(sign),
            _ => unreachable!("the fixture signs"),
        }))
    };
    let too_long = of_sign(|sign| sign.payload = vec![0; MAX_PAYLOAD + 1]);
    assert!(matches!(
        too_long,
        DecodeError::TooLong {
            field: "payload",
            ..
        }
    ));
    let too_long = of_sign(|sign| sign.path = "m/".repeat(65));
    assert!(matches!(
        too_long,
        DecodeError::TooLong { field: "path", .. }
    ));
}

#[test]
fn create_intent__must_be_consistent_in_itself() {
    let refused = |change: fn(&mut quorate_intent::CreateKey)| {
        let mut intent = fixture::create_intent();
        match &mut intent.act {
            Act::CreateKey(create) => change(create),
            _ => unreachable!("the fixture creates"),
        }
        match verify(&fixture::signed_intent(&intent)) {
            Err(IntentError::Malformed(DecodeError::Invalid { field, .. })) => field,
            other => panic!("must be malformed: {other:?}"),
        }
    };
    assert_eq!(
        refused(|c| c.curve = quorate_types::Curve::Ed25519),
        "curve"
    );
    let four = |c: &mut quorate_intent::CreateKey| {
        c.threshold = quorate_types::Threshold::new(2, 4).unwrap();
    };
    assert_eq!(refused(four), "committee");
}

#[test]
fn d7_intent_of_another_cluster__must_be_refused() {
    let other = ClusterId::new("other").unwrap();
    let signed = changed(|intent| intent.cluster = other.clone());
    let expected = fixture::manifest().cluster;
    let wrong = IntentError::WrongCluster {
        found: other,
        expected,
    };
    assert_eq!(verify(&signed), Err(wrong));
}

#[test]
fn intent_of_an_unknown_initiator__must_be_refused() {
    let nobody = fixture::initiator_id("nobody");
    let signed = changed(|intent| intent.initiator = nobody.clone());
    assert_eq!(verify(&signed), Err(IntentError::UnknownInitiator(nobody)));
}

#[test]
fn d7_intent_signed_by_another_key__must_be_refused() {
    // An owner of the cluster is not an initiator; neither is a node.
    for seed in [fixture::ALICE, fixture::NODE + 1, 0x01] {
        let signed = SignedIntent::sign(&fixture::sign_intent(), &fixture::key(seed));
        assert_eq!(verify(&signed), Err(IntentError::BadSignature));
    }
}

#[test]
fn d7_edited_intent__must_be_refused() {
    let signed = fixture::signed_intent(&fixture::sign_intent());
    let edit = |change: fn(&mut Intent)| {
        let mut intent = fixture::sign_intent();
        change(&mut intent);
        let (bytes, signature) = (intent.to_bytes(), signed.signature);
        verify(&SignedIntent { bytes, signature })
    };
    let other_key = |intent: &mut Intent| match &mut intent.act {
        Act::Sign(sign) => sign.key = KeyId::from_array([9; 16]),
        _ => unreachable!("the fixture signs"),
    };
    let other_payload = |intent: &mut Intent| match &mut intent.act {
        Act::Sign(sign) => sign.payload[30] ^= 1,
        _ => unreachable!("the fixture signs"),
    };
    assert_eq!(edit(other_key), Err(IntentError::BadSignature));
    assert_eq!(edit(other_payload), Err(IntentError::BadSignature));
    let later = |intent: &mut Intent| intent.expires_at = intent.expires_at.plus(1);
    assert_eq!(edit(later), Err(IntentError::BadSignature));
    let other_nonce = |intent: &mut Intent| intent.nonce = [1; 16];
    assert_eq!(edit(other_nonce), Err(IntentError::BadSignature));
    let other_tenant = |intent: &mut Intent| intent.tenant = fixture::tenant("treasury");
    assert_eq!(edit(other_tenant), Err(IntentError::BadSignature));
}

#[test]
fn d7_signature_of_another_act__must_not_serve() {
    let create = fixture::signed_intent(&fixture::create_intent());
    let sign = fixture::signed_intent(&fixture::sign_intent());
    let crossed = SignedIntent {
        bytes: sign.bytes,
        signature: create.signature,
    };
    assert_eq!(verify(&crossed), Err(IntentError::BadSignature));
}

#[test]
fn d12_swapped_committee__must_break_the_signature_and_change_the_key() {
    let create = fixture::create_intent();
    let signed = fixture::signed_intent(&create);
    let mut swapped = create.clone();
    match &mut swapped.act {
        Act::CreateKey(act) => {
            let members = ["p1", "p2", "evil"].map(|name| NodeId::new(name).unwrap());
            act.committee = quorate_types::Committee::new(members.to_vec()).unwrap();
        }
        _ => unreachable!("the fixture creates"),
    }
    let (bytes, signature) = (swapped.to_bytes(), signed.signature);
    assert_eq!(
        verify(&SignedIntent { bytes, signature }),
        Err(IntentError::BadSignature)
    );
    let key = |digest: Digest32| KeyId::of_intent(&digest);
    assert_ne!(key(create.digest()), key(swapped.digest()));
}

#[test]
fn intent_for_a_foreign_tenant__must_be_refused() {
    let signed = changed(|intent| intent.tenant = fixture::tenant("stranger"));
    let wrong = IntentError::WrongTenant {
        initiator: fixture::initiator_id("client"),
        tenant: fixture::tenant("stranger"),
    };
    assert_eq!(verify(&signed), Err(wrong));
}

#[test]
fn intent_for_an_act_that_is_not_granted__must_be_refused() {
    let signed = fixture::signed_intent(&fixture::create_intent());
    let second = fixture::second_manifest(); // only sign is granted there
    let refused = signed.verify(&second, fixture::now(), TOLERANCE_SECONDS);
    let not_allowed = IntentError::ActNotAllowed {
        initiator: fixture::initiator_id("client"),
        act: ActKind::CreateKey,
    };
    assert_eq!(refused.map(drop), Err(not_allowed));
}

#[test]
fn d7_expired_intent__must_be_refused_from_its_last_second_on() {
    let signed = fixture::signed_intent(&fixture::sign_intent());
    let manifest = fixture::manifest();
    let expires_at = UnixSeconds(CREATED_AT + 300);
    let at = |now| signed.verify(&manifest, now, TOLERANCE_SECONDS).map(drop);
    assert_eq!(at(UnixSeconds(CREATED_AT + 299)), Ok(()));
    assert_eq!(at(expires_at), Err(IntentError::Expired { expires_at }));
    assert_eq!(
        at(UnixSeconds(u64::MAX)),
        Err(IntentError::Expired { expires_at })
    );
    let later = UnixSeconds(CREATED_AT + 400);
    let ignoring = signed.verify_ignoring_expiry(&manifest, later, TOLERANCE_SECONDS);
    assert!(ignoring.is_ok(), "to return what was signed in time");
}

#[test]
fn intent_from_the_future__must_be_refused_beyond_the_tolerance() {
    let signed = fixture::signed_intent(&fixture::sign_intent());
    let manifest = fixture::manifest();
    let at = |now| {
        signed
            .verify(&manifest, UnixSeconds(now), TOLERANCE_SECONDS)
            .map(drop)
    };
    assert_eq!(at(CREATED_AT - TOLERANCE_SECONDS), Ok(()));
    let created_at = UnixSeconds(CREATED_AT);
    let future = Err(IntentError::FromTheFuture { created_at });
    assert_eq!(at(CREATED_AT - TOLERANCE_SECONDS - 1), future);
    assert_eq!(at(0), future);
}

#[test]
fn intent_with_a_bad_lifetime__must_be_refused() {
    let bad = IntentError::BadLifetime {
        max_seconds: MAX_LIFETIME_SECONDS,
    };
    let expiring = |at: u64| verify(&changed(|intent| intent.expires_at = UnixSeconds(at)));
    assert_eq!(expiring(CREATED_AT), Err(bad.clone()));
    assert_eq!(expiring(CREATED_AT - 1), Err(bad.clone()));
    assert_eq!(expiring(CREATED_AT + MAX_LIFETIME_SECONDS), Ok(()));
    assert_eq!(
        expiring(CREATED_AT + MAX_LIFETIME_SECONDS + 1),
        Err(bad.clone())
    );
    assert_eq!(expiring(u64::MAX), Err(bad));
}

#[test]
fn d11_lift_of_a_ban__must_be_signed_by_an_owner_of_the_manifest() {
    let intent = fixture::lift_ban_intent();
    assert_eq!(verify(&fixture::signed_intent(&intent)), Ok(()));
    // Owners act for the whole cluster, whatever tenant they name.
    let mut of_any_tenant = intent.clone();
    of_any_tenant.tenant = fixture::tenant("stranger");
    assert_eq!(verify(&fixture::signed_intent(&of_any_tenant)), Ok(()));
    // An initiator is no owner, and cannot name itself one.
    let mut of_client = intent.clone();
    of_client.initiator = fixture::initiator_id("client");
    let by_client = SignedIntent::sign(&of_client, &fixture::key(fixture::CLIENT));
    let not_allowed = IntentError::ActNotAllowed {
        initiator: of_client.initiator,
        act: ActKind::LiftBan,
    };
    assert_eq!(verify(&by_client), Err(not_allowed));
    let in_the_name_of_alice = SignedIntent::sign(&intent, &fixture::key(fixture::CLIENT));
    assert_eq!(
        verify(&in_the_name_of_alice),
        Err(IntentError::BadSignature)
    );
    let mut of_nobody = intent;
    of_nobody.initiator = fixture::initiator_id("mallory");
    let unknown = IntentError::UnknownInitiator(of_nobody.initiator.clone());
    assert_eq!(verify(&fixture::signed_intent(&of_nobody)), Err(unknown));
    // Nor does an owner do what initiators do.
    let mut owner_signs = fixture::sign_intent();
    owner_signs.initiator = fixture::initiator_id("alice");
    let signed = SignedIntent::sign(&owner_signs, &fixture::key(fixture::ALICE));
    let unknown = IntentError::UnknownInitiator(owner_signs.initiator);
    assert_eq!(verify(&signed), Err(unknown));
}

#[test]
fn lift_of_a_ban__must_name_a_pair_in_its_one_order() {
    let pair = |first, second| {
        let mut intent = fixture::lift_ban_intent();
        if let Act::LiftBan(lift) = &mut intent.act {
            (lift.first, lift.second) = (fixture::node_id(first), fixture::node_id(second));
        }
        verify(&fixture::signed_intent(&intent))
    };
    assert_eq!(pair(1, 2), Ok(()));
    for (first, second) in [(3, 1), (2, 2)] {
        let malformed = IntentError::Malformed(DecodeError::Invalid {
            field: "second",
            why: "the nodes of a pair are two, the lower id first",
        });
        assert_eq!(pair(first, second), Err(malformed));
    }
}
