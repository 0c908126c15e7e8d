use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use quorate_keystore::{
    AppendLog, Ban, BanError, BanList, Keystore, LogKind, Merged, SignedBan, Storage as _,
};
use quorate_types::{Canonical as _, Digest32, NodeId, UnixSeconds};

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

/// Notice number `number` of `by` about `peer`, with a generation that nobody has.
fn notice_of(by: &Reporter, peer: &str, number: u16) -> SignedBan {
    let mut ban = ban(0, peer, by.name.as_str());
    let counted = number.to_be_bytes();
    ban.generation = Digest32::of(b"a generation of a test", &[&counted]);
    by.says(ban)
}

/// Another node, without a keystore: it signs what it likes.
struct Reporter {
    name: NodeId,
    key: SigningKey,
}

impl Reporter {
    fn new(name: &str, seed: u8) -> Self {
        Self {
            name: node_id(name),
            key: SigningKey::from_bytes(&[seed; 32]),
        }
    }

    fn says(&self, ban: Ban) -> SignedBan {
        let signature = self.key.sign(&ban.to_bytes()).to_bytes();
        SignedBan { ban, signature }
    }
}

fn merge_all(keystore: &Keystore, by: &Reporter, peer: &str, numbers: std::ops::Range<u16>) {
    let key = by.key.verifying_key();
    for number in numbers {
        let merged = keystore.bans().merge(&notice_of(by, peer, number), &key);
        assert_eq!(merged.unwrap(), Merged::New, "{number}");
    }
}

fn assert_full(keystore: &Keystore, by: &Reporter, peer: &str, limit: usize) {
    let one_more = notice_of(by, peer, u16::MAX);
    let refusal = keystore.bans().merge(&one_more, &by.key.verifying_key());
    match refusal {
        Err(BanError::TooManyReports {
            reported_by,
            peer: of,
            limit: named,
        }) => {
            assert_eq!(&reported_by, &by.name);
            assert_eq!((of, named), (node_id(peer), limit));
        }
        other => panic!("{other:?}"),
    }
    assert!(!keystore.bans().all().contains(&one_more), "nor passed on");
}

#[test]
fn c12_flood_of_notices__must_stop_at_the_reporters_limit_and_touch_no_other_ban() {
    let mut node = Node::new();
    assert_eq!(node.limits.reported_bans, 256, "docs/limits.md");
    node.limits.reported_bans = 5;
    let (flooder, honest) = (Reporter::new("p3", 3), Reporter::new("p4", 4));
    let (keystore, _) = node.open();
    for peer in ["p1", "p2"] {
        merge_all(&keystore, &flooder, peer, 0..5);
        assert_full(&keystore, &flooder, peer, 5);
    }
    let again = notice_of(&flooder, "p2", 4);
    let key = flooder.key.verifying_key();
    let merged = keystore.bans().merge(&again, &key).unwrap();
    assert_eq!(merged, Merged::Known, "what is kept stays kept");
    // Own bans, of whomever, and the reports of other nodes are taken as before.
    for generation in 1..20 {
        ban_one(&keystore, generation);
        keystore.bans().ban(ban(generation, "p3", "p1")).unwrap();
    }
    merge_all(&keystore, &honest, "p1", 100..105);
    merge_all(&keystore, &honest, "p3", 200..205);
    let (all, head) = (keystore.bans().all(), keystore.bans().head());
    drop(keystore);

    let (keystore, _) = node.open();
    assert_eq!(keystore.bans().all(), all);
    assert_eq!(keystore.bans().head(), head);
    assert_full(&keystore, &flooder, "p2", 5);
    ban_one(&keystore, 20);
    assert!((1..21).all(|generation| is_banned(&keystore, generation)));
    drop(keystore);

    // A list that an earlier limit let grow is opened whole.
    node.limits.reported_bans = 1;
    let (keystore, _) = node.open();
    assert!((1..21).all(|generation| is_banned(&keystore, generation)));
    assert_full(&keystore, &honest, "p1", 1);
    ban_one(&keystore, 21);
}

#[test]
fn c12_flood_of_notices__must_not_stop_a_restored_node_from_learning_its_own_again() {
    let mut node = Node::new();
    node.limits.reported_bans = 2;
    let (keystore, _) = node.open();
    let backup = node.disk.restarted(Loss::Everything);
    let own: Vec<_> = (1..10).map(|n| ban_one(&keystore, n)).collect();
    drop(keystore);
    let flooder = Reporter::new("p3", 3);
    let (restored, _) = node.on(backup).open();
    for peer in ["p1", "p2"] {
        merge_all(&restored, &flooder, peer, 0..2);
    }
    for notice in &own {
        let any = flooder.key.verifying_key();
        assert_eq!(restored.bans().merge(notice, &any).unwrap(), Merged::New);
    }
    assert!((1..10).all(|generation| is_banned(&restored, generation)));
}

#[test]
fn c12_ban_that_the_disk_refused__must_not_be_reported_as_durable_later() {
    let node = Node::new();
    let (keystore, _) = node.open();
    node.disk.stop_after(0, Loss::Nothing);
    for _ in 0..2 {
        assert!(try_ban_one(&keystore, 1).is_err());
        assert!(is_banned(&keystore, 1), "in force all the same");
        assert!(keystore.bans().all().is_empty(), "and told to nobody");
    }
}

#[test]
fn ranked__should_put_the_newest_first_whatever_time_is_claimed() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let flooder = Reporter::new("p3", 3);
    for number in 0..3 {
        let mut notice = notice_of(&flooder, "p2", number);
        notice.ban.at = UnixSeconds(u64::from(1_000 - number));
        let notice = flooder.says(notice.ban);
        let key = flooder.key.verifying_key();
        keystore.bans().merge(&notice, &key).unwrap();
    }
    ban_one(&keystore, 1);
    let rank = |ban: &Ban| (ban.generation != digest(1)).then_some(ban.reported_by.clone());
    let newest: Vec<_> = [2, 1]
        .map(|n| notice_of(&flooder, "p2", n).ban.generation)
        .into();
    let ranked = keystore.bans().ranked(2, rank);
    let generations: Vec<_> = ranked.into_iter().map(|s| s.ban.generation).collect();
    assert_eq!(generations, newest);
    let first = keystore
        .bans()
        .ranked(9, |ban| Some(ban.reported_by == node_id("p3")));
    assert_eq!(first.first().map(|s| s.ban.generation), Some(digest(1)));
}

/// Runs `act` while no operation of the disk gets on.
fn with_a_disk_that_hangs<T>(node: &Node, act: impl FnOnce() -> T) -> T {
    let (hangs, hung) = channel();
    let (go_on, waits) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            node.disk.tamper(&node.path("bans.log"), |_| {
                hangs.send(()).unwrap();
                let _ = waits.recv(); // until `go_on` is dropped, also by a panic
            });
        });
        hung.recv().unwrap();
        let _go_on = go_on;
        act()
    })
}

#[test]
fn c12_ban__must_act_at_once_while_the_disk_hangs() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let keystore = Arc::new(keystore);
    let third = Reporter::new("p3", 3);
    let (asks, answers) = channel();
    let writers = with_a_disk_that_hangs(&node, || {
        let (merging, banning) = (Arc::clone(&keystore), Arc::clone(&keystore));
        let merge = std::thread::spawn(move || merge_all(&merging, &third, "p2", 0..1));
        let ban = std::thread::spawn(move || ban_one(&banning, 1));
        let reader = Arc::clone(&keystore);
        std::thread::spawn(move || {
            while !is_banned(&reader, 1) {
                std::thread::yield_now();
            }
            asks.send(reader.bans().all().len()).unwrap();
        });
        let told = answers.recv_timeout(Duration::from_secs(20));
        assert_eq!(told, Ok(0), "in force, and not told before it is durable");
        assert!(!ban.is_finished() && !merge.is_finished());
        (merge, ban)
    });
    writers.0.join().unwrap();
    writers.1.join().unwrap();
    assert_eq!(keystore.bans().all().len(), 2);
    assert_eq!(keystore.bans().head().sequence, 2);
}
