use quorate_keystore::{
    AppendLog, Ban, BanError, BanList, Keystore, LogKind, Merged, SignedBan, Storage as _,
};
use quorate_types::{Canonical as _, UnixSeconds};

use crate::fixture::{Node, digest, key_id, node_id, signer};
use crate::simulated_disk::Loss;

const KIND: LogKind = LogKind::new("bans");

fn ban(generation: u8, peer: &str, reported_by: &str) -> Ban {
    Ban {
        peer: node_id(peer),
        generation: digest(generation),
        key_id: Some(key_id(1)),
        reason: "ot extension check".into(),
        evidence: digest(200),
        at: UnixSeconds(1_700_000_000),
        reported_by: node_id(reported_by),
    }
}

pub(crate) fn try_ban_one(keystore: &Keystore, generation: u8) -> Result<SignedBan, BanError> {
    keystore.bans().ban(ban(generation, "p2", "p1"))
}

pub(crate) fn ban_one(keystore: &Keystore, generation: u8) -> SignedBan {
    try_ban_one(keystore, generation).unwrap()
}

pub(crate) fn is_banned(keystore: &Keystore, generation: u8) -> bool {
    keystore
        .bans()
        .is_banned(&node_id("p2"), digest(generation))
}

/// A keystore of `p2`, to make notices of that node.
fn second_node() -> Node {
    let mut node = Node::without_keystore();
    node.signer = signer("p2", 2);
    Keystore::create(&node.storage(), &node.root(), &node.signer).unwrap();
    node
}

#[test]
fn c12_ban__must_survive_reopening_and_hold_for_its_generation_only() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let notice = ban_one(&keystore, 1);
    assert!(notice.is_signed_by(&node.signer.verifying_key()));
    assert_eq!(
        ban_one(&keystore, 1),
        notice,
        "banning again changes nothing"
    );
    let head = keystore.bans().head();
    let power_cut = node.on(node.disk.restarted(Loss::Everything));
    drop(keystore);
    for node in [node, power_cut] {
        let (keystore, _) = node.open();
        assert!(is_banned(&keystore, 1));
        assert!(!is_banned(&keystore, 2), "new seeds, new generation");
        assert!(!keystore.bans().is_banned(&node_id("p3"), digest(1)));
        assert_eq!(keystore.bans().all(), std::slice::from_ref(&notice));
        assert_eq!(keystore.bans().head(), head);
    }
}

#[test]
fn c12_ban_list__must_not_open_shortened_or_emptied() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let mut lengths = Vec::new();
    for generation in 0..3 {
        lengths.push(
            node.disk
                .read_file(&node.path("bans.log"), 1 << 20)
                .unwrap()
                .len(),
        );
        ban_one(&keystore, generation);
    }
    drop(keystore);
    let path = node.path("bans.log");
    let whole = node.disk.read_file(&path, 1 << 20).unwrap().len();
    for kept in 0..whole {
        let node = node.on(node.disk.restarted(Loss::Nothing));
        node.disk.tamper(&path, |bytes| bytes.truncate(kept));
        let refusal = node.refusal();
        assert!(refusal.contains("bans.log"), "{refusal}");
        if lengths.contains(&kept) {
            assert!(
                refusal.contains("length named by the signed head"),
                "{refusal}"
            );
        }
    }
    // A fresh, empty list, and no list at all.
    node.disk.remove_file(&path).unwrap();
    assert!(node.refusal().contains("bans.log is missing"));
    AppendLog::create(&node.disk, &path, KIND).unwrap();
    assert!(node.refusal().contains("length named by the signed head"));
}

#[test]
fn c12_ban_list__must_not_take_the_head_of_another_time_or_node() {
    let node = Node::new();
    let (keystore, _) = node.open();
    ban_one(&keystore, 1);
    let old = node
        .disk
        .read_file(&node.path("bans.head"), 1 << 10)
        .unwrap();
    ban_one(&keystore, 2);
    let audit = node
        .disk
        .read_file(&node.path("audit.head"), 1 << 10)
        .unwrap();
    drop(keystore);
    // An older head is what a crash between log and head leaves: all bans stay.
    node.disk
        .tamper(&node.path("bans.head"), |bytes| *bytes = old);
    let (keystore, _) = node.open();
    assert!(is_banned(&keystore, 1) && is_banned(&keystore, 2));
    drop(keystore);
    let other = second_node();
    let foreign = other
        .disk
        .read_file(&other.path("bans.head"), 1 << 10)
        .unwrap();
    for wrong in [audit, foreign] {
        node.disk
            .tamper(&node.path("bans.head"), |bytes| *bytes = wrong);
        assert!(node.refusal().contains("signature of the head"));
    }
}

#[test]
fn c12_ban__must_hold_on_both_nodes_of_the_pair_after_a_notice() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let notice = ban_one(&keystore, 1);
    let other = second_node();
    let (second, _) = other.open();
    let p1 = node.signer.verifying_key();
    assert_eq!(second.bans().merge(&notice, &p1).unwrap(), Merged::New);
    assert_eq!(second.bans().merge(&notice, &p1).unwrap(), Merged::Known);
    drop(second);
    let (second, _) = other.open();
    assert!(second.bans().is_banned(&node_id("p1"), digest(1)));
}

#[test]
fn c12_ban__must_be_learned_again_by_a_node_whose_files_were_restored() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let backup = node.disk.restarted(Loss::Everything);
    let notice = ban_one(&keystore, 1);
    drop(keystore);
    let (restored, _) = node.on(backup).open();
    assert!(!is_banned(&restored, 1));
    // A peer sends our own notice back; our own key decides, not the one that it names.
    let wrong = signer("p2", 2).verifying_key();
    assert_eq!(restored.bans().merge(&notice, &wrong).unwrap(), Merged::New);
    assert!(is_banned(&restored, 1));
}

#[test]
fn c12_ban_notice__must_be_signed_by_the_node_that_it_names() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let other = second_node();
    let (second, _) = other.open();
    let p2 = other.signer.verifying_key();
    let good = second.bans().ban(ban(1, "p1", "p2")).unwrap();
    let merge = |notice: &SignedBan| keystore.bans().merge(notice, &p2);
    let refused = |notice: &SignedBan, by: &str| match merge(notice) {
        Err(BanError::InvalidSignature { reported_by }) => assert_eq!(reported_by, node_id(by)),
        other => panic!("{other:?}"),
    };
    let mut peer = good.clone();
    peer.ban.peer = node_id("p3");
    refused(&peer, "p2");
    let mut generation = good.clone();
    generation.ban.generation = digest(9);
    refused(&generation, "p2");
    let mut name = good.clone();
    name.ban.reported_by = node_id("p1");
    refused(&name, "p1");
    let mut signature = good.clone();
    signature.signature[0] ^= 1;
    refused(&signature, "p2");
    assert!(keystore.bans().all().is_empty());
    assert_eq!(merge(&good).unwrap(), Merged::New);

    let own = |ban: Ban| keystore.bans().ban(ban);
    let refused = own(ban(1, "p3", "p2"));
    assert!(
        matches!(refused, Err(BanError::InvalidParties { .. })),
        "only own reports"
    );
    assert!(matches!(
        own(ban(1, "p1", "p1")),
        Err(BanError::InvalidParties { .. })
    ));
    let mut long = ban(1, "p3", "p1");
    long.reason = "x".repeat(257);
    assert!(matches!(own(long), Err(BanError::InvalidReason)));
    let _: &BanList = keystore.bans();
}

#[test]
fn ban__must_not_separate_a_pair_on_the_word_of_a_third_node() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let other = second_node();
    let (second, _) = other.open();
    let notice = second.bans().ban(ban(1, "p3", "p2")).unwrap();
    keystore
        .bans()
        .merge(&notice, &other.signer.verifying_key())
        .unwrap();
    assert_eq!(keystore.bans().all().len(), 1, "kept, to be passed on");
    assert!(!keystore.bans().is_banned(&node_id("p3"), digest(1)));
    assert!(!keystore.bans().is_banned(&node_id("p2"), digest(1)));
}

#[test]
fn signed_ban__should_have_one_encoding() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let notice = ban_one(&keystore, 1);
    let bytes = notice.to_bytes();
    assert_eq!(SignedBan::from_bytes(&bytes).unwrap(), notice);
    for cut in 0..bytes.len() {
        assert!(SignedBan::from_bytes(&bytes[..cut]).is_err());
    }
}

#[test]
fn ban__must_be_in_force_even_if_the_disk_fails() {
    let node = Node::new();
    let (keystore, _) = node.open();
    node.disk.stop_after(0, Loss::Nothing);
    assert!(try_ban_one(&keystore, 1).is_err());
    assert!(is_banned(&keystore, 1));
}
