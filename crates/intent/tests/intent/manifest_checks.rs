//! Each check of a manifest can fail. Rows D12, D13.

use quorate_intent::{ActKind, Manifest, ManifestError, SignedManifest};
use quorate_types::{Canonical as _, ClusterId, Digest32};

use crate::fixture::{self, ALICE, BOB};

fn inconsistent(change: impl FnOnce(&mut Manifest)) -> ManifestError {
    let mut manifest = fixture::manifest();
    change(&mut manifest);
    // Signed by everybody: the content alone is at fault.
    fixture::signed(manifest).verify_first().unwrap_err()
}

#[test]
fn manifest__should_be_accepted_and_followed() {
    let (first, second) = (fixture::manifest(), fixture::second_manifest());
    assert_eq!(fixture::signed(first.clone()).verify_first(), Ok(&first));
    assert_eq!(
        fixture::signed(second.clone()).verify_successor(&first),
        Ok(&second)
    );
}

#[test]
fn manifest__must_name_nobody_twice() {
    let duplicate = |error: ManifestError| match error {
        ManifestError::Duplicate { what, id } => (what, id),
        other => panic!("must be a duplicate: {other:?}"),
    };
    let of = |what, id: &str| (what, id.to_owned());
    let same_owner = inconsistent(|m| m.owners[1].key = m.owners[0].key);
    assert_eq!(duplicate(same_owner), of("owner", "bob"));
    let same_owner = inconsistent(|m| m.owners[1].id = m.owners[0].id.clone());
    assert_eq!(duplicate(same_owner), of("owner", "alice"));
    let same_client = inconsistent(|m| {
        let mut copy = m.initiators[0].clone();
        copy.id = fixture::initiator_id("copy");
        m.initiators.push(copy);
    });
    assert_eq!(duplicate(same_client), of("initiator", "copy"));
    let same_node = inconsistent(|m| m.nodes[2].id = m.nodes[0].id.clone());
    assert_eq!(duplicate(same_node), of("node", "p1"));
}

#[test]
fn d11_acts_of_owners__must_not_be_granted_to_an_initiator() {
    let error = inconsistent(|m| m.initiators[0].acts.push(ActKind::LiftBan));
    let (id, act) = ("client".to_owned(), ActKind::LiftBan);
    assert_eq!(error, ManifestError::ForOwners { id, act });
}

#[test]
fn d12_two_nodes_with_one_key__must_be_refused() {
    let one_identity = inconsistent(|m| m.nodes[2].identity = m.nodes[0].identity);
    let one_noise_key = inconsistent(|m| m.nodes[2].noise = m.nodes[1].noise);
    for error in [one_identity, one_noise_key] {
        let (what, id) = ("node", "p3".to_owned());
        assert_eq!(error, ManifestError::Duplicate { what, id });
    }
}

#[test]
fn manifest__must_hold_only_usable_keys() {
    // The point of order two, and bytes that are no point.
    let mut small_order = [0xff; 32];
    (small_order[0], small_order[31]) = (0xec, 0x7f);
    for key in [small_order, [0; 32], [0xff; 32]] {
        let (what, id) = ("owner", "alice".to_owned());
        let refused = inconsistent(|m| m.owners[0].key = key);
        assert_eq!(refused, ManifestError::BadKey { what, id });
        let (what, id) = ("initiator", "client".to_owned());
        let refused = inconsistent(|m| m.initiators[0].key = key);
        assert_eq!(refused, ManifestError::BadKey { what, id });
        let (what, id) = ("node identity", "p2".to_owned());
        let refused = inconsistent(|m| m.nodes[1].identity = key);
        assert_eq!(refused, ManifestError::BadKey { what, id });
    }
}

#[test]
fn manifest__must_have_a_quorum_that_can_be_reached() {
    assert_eq!(
        inconsistent(|m| m.owner_quorum = 0),
        ManifestError::BadQuorum
    );
    assert_eq!(
        inconsistent(|m| m.owner_quorum = 3),
        ManifestError::BadQuorum
    );
    assert_eq!(inconsistent(|m| m.owners.clear()), ManifestError::BadQuorum);
}

#[test]
fn manifest__must_be_signed_by_the_quorum() {
    let sign = |names: &[(&str, u8)]| {
        let keys: Vec<_> = names
            .iter()
            .map(|(name, seed)| (fixture::initiator_id(name), fixture::key(*seed)))
            .collect();
        SignedManifest::sign(fixture::manifest(), keys.iter().map(|(id, key)| (id, key)))
    };
    let not_signed = |valid| Err(ManifestError::NotSigned { valid, needed: 2 });
    assert_eq!(sign(&[]).verify_first(), not_signed(0));
    assert_eq!(sign(&[("alice", ALICE)]).verify_first(), not_signed(1));
    let twice = sign(&[("alice", ALICE), ("alice", ALICE)]);
    assert_eq!(twice.verify_first(), not_signed(1), "one owner counts once");
    let crossed = sign(&[("alice", BOB), ("bob", ALICE)]);
    assert_eq!(crossed.verify_first(), not_signed(0));
    let stranger = sign(&[("alice", ALICE), ("eve", BOB)]);
    assert_eq!(stranger.verify_first(), not_signed(1));
}

#[test]
fn d12_roster_swapped_by_the_coordinator__must_be_refused() {
    let original = fixture::signed(fixture::manifest());
    let swap = |change: fn(&mut Manifest)| {
        let mut swapped = original.clone();
        change(&mut swapped.manifest);
        swapped.verify_first().map(drop)
    };
    let not_signed = Err(ManifestError::NotSigned {
        valid: 0,
        needed: 2,
    });
    assert_eq!(
        swap(|m| m.nodes[0].identity = fixture::public(0x66)),
        not_signed
    );
    assert_eq!(
        swap(|m| m.nodes[0].noise = fixture::public(0x66)),
        not_signed
    );
    assert_eq!(swap(|m| m.nodes[0].id = fixture::node_id(9)), not_signed);
    assert_eq!(swap(|m| m.nodes.swap(0, 1)), not_signed);
    assert_eq!(swap(|m| m.nodes.push(fixture::node(4))), not_signed);
    assert_eq!(
        swap(|m| m.initiators[0].key = fixture::public(0x66)),
        not_signed
    );
}

#[test]
fn d12_owners_swapped_by_the_coordinator__must_not_sign_for_themselves() {
    let known = fixture::manifest();
    let mut next = fixture::second_manifest();
    next.owner_quorum = 1;
    next.owners.truncate(1);
    next.owners[0].key = fixture::public(0x66);
    let alice = fixture::initiator_id("alice");
    let key = fixture::key(0x66);
    let usurped = SignedManifest::sign(next, [(&alice, &key)]);
    let refused = usurped.verify_successor(&known).map(drop);
    let (valid, needed) = (0, 2);
    assert_eq!(refused, Err(ManifestError::NotSigned { valid, needed }));
}

#[test]
fn d13_manifest_that_does_not_follow__must_be_refused() {
    let known = fixture::manifest();
    let refused = |change: fn(&mut Manifest)| {
        let mut next = fixture::second_manifest();
        change(&mut next);
        match fixture::signed(next).verify_successor(&known) {
            Err(ManifestError::NotSuccessor { found, known, why }) => (found, known, why),
            other => panic!("must not follow: {other:?}"),
        }
    };
    let other_cluster = refused(|m| m.cluster = ClusterId::new("other").unwrap());
    assert_eq!(other_cluster, (2, 1, "it is for another cluster"));
    let one_by_one = "versions are taken one after the other";
    assert_eq!(refused(|m| m.version = 3), (3, 1, one_by_one));
    assert_eq!(refused(|m| m.version = 1), (1, 1, one_by_one));
    let other_history = refused(|m| m.previous = Digest32::from_array([1; 32]));
    let why = "its previous digest is not that of the version held here";
    assert_eq!(other_history, (2, 1, why));
}

#[test]
fn d13_first_manifest__must_be_version_one_without_a_history() {
    let second = fixture::signed(fixture::second_manifest());
    let refused = second.verify_first().map(drop);
    assert!(matches!(
        refused,
        Err(ManifestError::NotSuccessor {
            found: 2,
            known: 0,
            ..
        })
    ));
    let with_history = inconsistent(|m| m.previous = Digest32::from_array([1; 32]));
    assert!(matches!(
        with_history,
        ManifestError::NotSuccessor { found: 1, .. }
    ));
}

#[test]
fn manifest_file__should_round_trip() {
    let signed = fixture::signed(fixture::second_manifest());
    let text = signed.to_json().unwrap();
    assert_eq!(SignedManifest::from_json(&text).unwrap(), signed);
}

#[test]
fn manifest_file__must_be_refused_as_malformed() {
    let text = fixture::signed(fixture::manifest()).to_json().unwrap();
    let replaced = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        SignedManifest::from_json(&text.replacen(from, to, 1))
    };
    let bad = [
        replaced("quorate manifest v1", "quorate manifest v9"),
        replaced("\"version\"", "\"versions\""),
        replaced("\"create_key\"", "\"create_everything\""),
        replaced(&hex::encode(fixture::public(ALICE)), "00ff"),
        replaced(&hex::encode(fixture::public(ALICE)), "zz"),
        replaced("\"cluster\": \"golden\"", "\"cluster\": \"../golden\""),
        replaced("\"cluster\"", "\"extra\": 1, \"cluster\""),
        SignedManifest::from_json("{"),
    ];
    for result in bad {
        assert!(
            matches!(result, Err(ManifestError::Malformed(_))),
            "{result:?}"
        );
    }
}

#[test]
fn manifest_bytes__must_keep_magic_and_format() {
    let bytes = fixture::manifest().to_bytes();
    let mut other_format = bytes.clone();
    other_format[4 + "quorate manifest".len() + 1] = 2;
    let mut other_magic = bytes;
    other_magic[4] = b'Q';
    assert!(Manifest::from_bytes(&other_format).is_err());
    assert!(Manifest::from_bytes(&other_magic).is_err());
}
