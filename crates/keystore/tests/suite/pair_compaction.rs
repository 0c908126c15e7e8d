//! The index of pair states is rewritten when it has grown: short whatever happened, and nothing that
//! counts is lost, also when the machine stops at any step of it.

use quorate_keystore::{Ban, Keystore, PairStateStatus, PairStates, Storage as _};
use quorate_types::{Digest32, NodeId, UnixSeconds};
use zeroize::Zeroizing;

use crate::fixture::{Node, node_id};
use crate::simulated_disk::Loss;

const LOSSES: [Loss; 6] = [
    Loss::Everything,
    Loss::AllButReplacedNames,
    Loss::Nothing,
    Loss::HalfOfTheLastWrite,
    Loss::SomeBlocks { size: 512, seed: 1 },
    Loss::SomeBlocks { size: 512, seed: 2 },
];

/// A node that rewrites its index early, and remembers two destroyed generations.
fn node() -> Node {
    let mut node = Node::new();
    node.limits.pair_records = 16;
    node.limits.past_pair_states = 2;
    node
}

fn peer() -> NodeId {
    node_id("p2")
}

fn digest(number: u16) -> Digest32 {
    Digest32::of(b"test generation", &[&number.to_be_bytes()])
}

fn secret(number: u16) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(format!("seeds of generation {number}").into_bytes())
}

fn opens(pairs: &PairStates, number: u16) -> bool {
    let opened = pairs.open_state(&peer(), digest(number));
    opened.is_ok_and(|opened| opened == secret(number))
}

/// Stores and uses a generation, and destroys the one before.
fn renew(pairs: &PairStates, number: u16) -> Option<()> {
    pairs.store(&peer(), digest(number), &secret(number)).ok()?;
    let before = pairs.make_current(&peer(), digest(number)).ok()?;
    before.map_or(Some(()), |before| pairs.destroy(&peer(), before).ok())
}

fn ban(keystore: &Keystore, number: u16) {
    let ban = Ban {
        peer: peer(),
        generation: digest(number),
        key_id: None,
        reason: "ot_extension".to_owned(),
        evidence: digest(number),
        at: UnixSeconds(1_700_000_000),
        reported_by: node_id("p1"),
    };
    keystore.bans().ban(ban).unwrap();
}

fn length(node: &Node) -> usize {
    let path = node.path("pairs.log");
    node.disk.read_file(&path, 1 << 24).unwrap().len()
}

/// All that the index says, in a fixed order.
fn facts(pairs: &PairStates) -> String {
    let lifted = |number| pairs.lifted_by(&peer(), digest(number));
    let lifted: Vec<_> = (0..8).map(lifted).collect();
    let (current, stored) = (pairs.current(&peer()), pairs.stored(&peer()));
    format!("{:?} {current:?} {stored:?} {lifted:?}", pairs.list())
}

#[test]
fn pair_index__should_stay_short_however_many_generations_there_were() {
    let node = node();
    let (keystore, _) = node.open();
    let pairs = keystore.pairs();
    let mut longest = 0;
    for number in 0..300 {
        renew(pairs, number).unwrap();
        longest = longest.max(length(&node));
        assert!(opens(pairs, number));
    }
    // Four times the six records that are needed, or sixteen, of some 250 bytes.
    assert!(longest < 32 * 300, "{longest} bytes");
    let status = |number| pairs.status(&peer(), digest(number));
    assert_eq!(status(298), Some(PairStateStatus::Destroyed));
    assert_eq!(status(200), None, "forgotten");
    for past in [200, 298] {
        assert!(!opens(pairs, past), "and never used again");
        assert!(pairs.make_current(&peer(), digest(past)).is_err());
    }
    let before = facts(pairs);
    drop(keystore);
    let (keystore, report) = node.open();
    assert!(report.damaged.is_empty() && report.torn.is_empty());
    assert_eq!(
        facts(keystore.pairs()),
        before,
        "the next start finds the same"
    );
    assert!(opens(keystore.pairs(), 299));
}

#[test]
fn c12_d14_rewritten_pair_index__must_know_what_was_banned_and_what_was_lifted() {
    let node = node();
    let (keystore, _) = node.open();
    let pairs = keystore.pairs();
    renew(pairs, 0).unwrap();
    ban(&keystore, 0);
    pairs.lift(&peer(), digest(0), digest(900)).unwrap();
    renew(pairs, 1).unwrap();
    ban(&keystore, 1);
    // A ban of what this node never had, lifted.
    ban(&keystore, 7);
    pairs.lift(&peer(), digest(7), digest(901)).unwrap();
    for number in 100..200 {
        renew(pairs, number).unwrap();
    }
    drop(keystore);
    let (keystore, _) = node.open();
    let pairs = keystore.pairs();
    assert_eq!(pairs.status(&peer(), digest(100)), None, "it was rewritten");
    for banned in [0, 1] {
        let status = pairs.status(&peer(), digest(banned));
        assert_eq!(
            status,
            Some(PairStateStatus::Destroyed),
            "no ban of it stands again"
        );
    }
    assert_eq!(pairs.lifted_by(&peer(), digest(0)), Some(digest(900)));
    assert_eq!(pairs.lifted_by(&peer(), digest(7)), Some(digest(901)));
    for banned in [0, 1, 7] {
        assert!(keystore.bans().is_banned(&peer(), digest(banned)));
    }
}

#[test]
fn pair_index_that_grew_before__should_be_rewritten_at_the_start() {
    let mut node = Node::new();
    let (keystore, _) = node.open();
    for number in 0..30 {
        renew(keystore.pairs(), number).unwrap();
    }
    drop(keystore);
    let before = length(&node);
    (node.limits.pair_records, node.limits.past_pair_states) = (16, 2);
    let (keystore, _) = node.open();
    assert!(length(&node) < before / 4);
    assert!(opens(keystore.pairs(), 29));
    assert_eq!(keystore.pairs().list().len(), 3);
}

/// A node one record short of a rewrite: a banned and lifted generation, destroyed ones, one in use.
fn about_to_rewrite() -> Node {
    let node = node();
    let (keystore, _) = node.open();
    let pairs = keystore.pairs();
    renew(pairs, 0).unwrap();
    ban(&keystore, 0);
    pairs.lift(&peer(), digest(0), digest(900)).unwrap();
    let mut number = 0;
    let mut before = length(&node);
    let mut last = node.disk.restarted(Loss::Nothing);
    loop {
        number += 1;
        renew(pairs, number).unwrap();
        if length(&node) < before {
            // The disk as it was before this generation.
            return node.on(last);
        }
        before = length(&node);
        last = node.disk.restarted(Loss::Nothing);
    }
}

/// What the caller knows to be done when the machine stopped.
#[derive(Default)]
struct Told {
    current: Option<Digest32>,
    destroyed: Vec<Digest32>,
    lifted: bool,
}

impl Told {
    /// Renews three times, with a lift between: more than one rewrite.
    fn run(&mut self, pairs: &PairStates) -> Option<()> {
        for number in 50..58 {
            pairs.store(&peer(), digest(number), &secret(number)).ok()?;
            let before = pairs.make_current(&peer(), digest(number)).ok()?;
            self.current = Some(digest(number));
            if let Some(before) = before {
                pairs.destroy(&peer(), before).ok()?;
                self.destroyed.push(before);
            }
            if number == 52 {
                pairs.lift(&peer(), digest(5), digest(905)).ok()?;
                self.lifted = true;
            }
        }
        Some(())
    }

    fn invariant_holds(&self, node: &Node, keystore: &Keystore, at: &str) {
        let pairs = keystore.pairs();
        let now = pairs.current(&peer()).unwrap();
        let numbers = 0..60;
        let number = numbers
            .clone()
            .find(|number| digest(*number) == now)
            .unwrap();
        assert!(opens(pairs, number), "{at}");
        if let Some(told) = self.current {
            let told = numbers
                .clone()
                .find(|number| digest(*number) == told)
                .unwrap();
            assert!(
                number == told || number == told + 1,
                "{at}: {number}, told {told}"
            );
        }
        for gone in &self.destroyed {
            assert!(pairs.open_state(&peer(), *gone).is_err(), "{at}");
            assert!(pairs.make_current(&peer(), *gone).is_err(), "{at}");
        }
        let banned = pairs.status(&peer(), digest(0));
        assert_eq!(banned, Some(PairStateStatus::Destroyed), "{at}");
        assert_eq!(
            pairs.lifted_by(&peer(), digest(0)),
            Some(digest(900)),
            "{at}"
        );
        let lifted = pairs.lifted_by(&peer(), digest(5));
        assert!(!self.lifted || lifted == Some(digest(905)), "{at}");
        assert!(keystore.bans().is_banned(&peer(), digest(0)), "{at}");
        // As many files as states in use.
        let files = node.disk.list(&node.path("pairs")).unwrap();
        let used = 1 + usize::from(pairs.stored(&peer()).is_some());
        assert_eq!(files.len(), used, "{at}: {files:?}");
    }
}

#[test]
fn pair_index__must_lose_nothing_when_stopped_at_any_step_of_a_rewrite() {
    let prepared = about_to_rewrite();
    for loss in LOSSES {
        let mut in_a_rewrite = 0;
        for step in 0.. {
            let at = format!("{loss:?} {step}");
            let node = prepared.on(prepared.disk.restarted(Loss::Nothing));
            let (keystore, _) = node.open();
            node.disk.stop_after(step, loss);
            let mut told = Told::default();
            let done = told.run(keystore.pairs()).is_some();
            drop(keystore);
            let node = node.on(node.disk.restarted(loss));
            let temporary = node.path("pairs.log.temp");
            in_a_rewrite += u32::from(node.disk.exists(&temporary).unwrap());
            let (keystore, report) = node.open();
            assert!(report.damaged.is_empty(), "{at}: {}", report.damaged[0]);
            told.invariant_holds(&node, &keystore, &at);
            let found = facts(keystore.pairs());
            // It goes on, and the next start finds it whole.
            drop(keystore);
            let (keystore, report) = node.open();
            assert!(report.damaged.is_empty() && report.torn.is_empty(), "{at}");
            assert_eq!(facts(keystore.pairs()), found, "{at}");
            for number in 70..74 {
                renew(keystore.pairs(), number).unwrap();
            }
            assert!(opens(keystore.pairs(), 73), "{at}");
            if done {
                assert!(step > 60, "{loss:?}: only {step} steps");
                break;
            }
        }
        // Names that were not synced are gone with a power cut.
        let seen = matches!(loss, Loss::Nothing | Loss::HalfOfTheLastWrite);
        assert!(!seen || in_a_rewrite >= 2, "{loss:?}: {in_a_rewrite}");
    }
}

#[test]
fn pair_index__must_lose_nothing_when_stopped_at_any_step_of_a_rewrite_at_the_start() {
    let mut prepared = about_to_rewrite();
    // Rewritten by the start alone: it is long enough already.
    prepared.limits.pair_records = 1;
    prepared.limits.past_pair_states = 0;
    let before = length(&prepared);
    let told = Told::default();
    for loss in LOSSES {
        for step in 0.. {
            let at = format!("{loss:?} {step}");
            let node = prepared.on(prepared.disk.restarted(Loss::Nothing));
            node.disk.stop_after(step, loss);
            let opened = node.try_open().is_ok();
            let node = node.on(node.disk.restarted(loss));
            let (keystore, report) = node.open();
            assert!(report.damaged.is_empty(), "{at}");
            told.invariant_holds(&node, &keystore, &at);
            assert!(length(&node) < before, "{at}: it is rewritten by now");
            if opened {
                assert!(step > 4, "{loss:?}: only {step} steps");
                break;
            }
        }
    }
}
