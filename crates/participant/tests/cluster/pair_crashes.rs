//! What pairs of nodes share, and a process that dies at any step towards new state, or while a
//! ban is lifted. Both nodes always come to one generation that they sign with, nothing is used by one
//! of them alone, and no ban is lost or lifted by a crash.

use std::collections::BTreeSet;
use std::path::PathBuf;

use quorate_intent::KeyStatement;
use quorate_testkit::{Cluster, CoordinatorDouble, Outcome};
use quorate_types::Digest32;

use crate::signing_attacks::restart;
use crate::support::{byzantine, create, run, start_with, transfer, transfer_digest, verified};

/// It proposes.
const LOWER: usize = 0;
/// It accepts.
const HIGHER: usize = 1;
const BOTH: [usize; 2] = [LOWER, HIGHER];

/// First byte of the matrix of the OT extension, round 1 (docs/protocols/dkls23.md §2.2).
const MATRIX: usize = 4 * 32;

/// Before the message with which each of the two begins.
const BEGINNING: [&str; 2] = ["pair.before_propose", "pair.before_accept"];

/// Before each message of a set-up, and around each durable step of the agreement.
const AGREEMENT: [&str; 6] = [
    "send.base-OTs",
    "send.confirmation",
    "pair.before_store",
    "pair.after_store",
    "pair.before_switch",
    "pair.after_switch",
];

/// What a node wrote when it came to a place to die at. Other threads may write a line or two before it is
/// dead; a node that lives on writes more.
fn last_words(cluster: &Cluster, position: usize) -> Option<String> {
    let log = cluster.log(position).unwrap();
    let mut last = log.lines().rev().take(3);
    last.find(|line| line.contains("failpoint"))
        .map(str::to_owned)
}

struct Pair {
    cluster: Cluster,
    doubles: Vec<CoordinatorDouble>,
    key: KeyStatement,
    nonce: u64,
}

impl Pair {
    async fn start() -> Self {
        let (cluster, mut doubles) = start_with(byzantine(2)).await;
        let key = create(&cluster, &mut doubles, 2).await.statement;
        Self {
            cluster,
            doubles,
            key,
            nonce: 0,
        }
    }

    /// What a node says about its pair with the other.
    async fn view(&mut self, position: usize) -> quorate_api::mpc_v1::PairState {
        let health = self.doubles[position].heartbeat().await.unwrap();
        assert_eq!(health.pairs.len(), 1);
        health.pairs.into_iter().next().unwrap()
    }

    /// Waits until both use one unbanned generation, another than `before`.
    async fn agreed(&mut self, before: &str, what: &str) -> String {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
        loop {
            let (one, other) = (self.view(LOWER).await, self.view(HIGHER).await);
            let ready = one.state == "ready" && other.state == "ready";
            if ready && one.generation == other.generation && one.generation != before {
                return one.generation;
            }
            let late = std::time::Instant::now() > deadline;
            assert!(!late, "{what}: {one:?} {other:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// One signature with the pair, which must succeed at both.
    async fn signs(&mut self, what: &str) {
        self.nonce += 1;
        let proposal = transfer(&self.cluster, self.key.key, self.nonce, &BOTH);
        for outcome in run(&mut self.doubles, &BOTH, &proposal).await {
            assert!(matches!(outcome, Outcome::Signed(_)), "{what}: {outcome:?}");
            verified(&outcome, &self.key, &transfer_digest(self.nonce));
        }
    }

    /// Both use this generation and have nothing else: no state is left half switched.
    async fn nothing_is_left_beside(&self, generation: &str, what: &str) {
        let alone = |cluster: &Cluster| {
            let of = |position| {
                let files = pair_files(cluster, position).into_iter();
                let names =
                    files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
                names.collect::<Vec<String>>()
            };
            Ok(of(LOWER) == [generation] && of(HIGHER) == [generation])
        };
        let what = format!("{what}: only {generation} is left");
        self.cluster.eventually(&what, alone).await.unwrap();
    }

    /// All that must hold once the dead are back. Returns the generation.
    async fn recovers(&mut self, before: &str, what: &str) -> String {
        let generation = self.agreed(before, what).await;
        self.signs(what).await;
        self.nothing_is_left_beside(&generation, what).await;
        let used = BOTH.map(|position| used(&self.cluster, position));
        assert_eq!(used[LOWER], used[HIGHER], "{what}: used by one alone");
        assert!(used[LOWER].contains(&generation), "{what}: {used:?}");
        generation
    }

    /// Both start anew and honest, with set-ups of their own: no limit of before is in the way.
    async fn restart_both(&mut self) {
        for position in BOTH {
            self.cluster.script(position, "").unwrap();
        }
        restart(&mut self.cluster, &mut self.doubles, &BOTH).await;
    }

    /// Kills both and destroys the state of `loser`; each then does what its script says.
    fn lose_state(&mut self, loser: usize, scripts: [&str; 2]) {
        for position in BOTH {
            self.cluster.kill_node(position).unwrap();
        }
        for file in pair_files(&self.cluster, loser) {
            std::fs::remove_file(file).unwrap();
        }
        for (position, script) in BOTH.into_iter().zip(scripts) {
            self.cluster.script(position, script).unwrap();
            self.cluster.start_node(position).unwrap();
        }
    }

    /// Which node is the first to die at a place that its script names.
    async fn first_dead(&self) -> usize {
        let is_dead = |cluster: &Cluster, position| last_words(cluster, position).is_some();
        let one_is = |cluster: &Cluster| Ok(is_dead(cluster, LOWER) || is_dead(cluster, HIGHER));
        self.cluster.eventually("a death", one_is).await.unwrap();
        usize::from(!is_dead(&self.cluster, LOWER))
    }

    /// Waits for the death of a node at the place that its script names, and brings it back honest.
    async fn revive(&mut self, position: usize, place: &str) {
        self.cluster.wait_for_exit(position).await.unwrap();
        let last = last_words(&self.cluster, position).unwrap_or_default();
        assert!(last.contains(place), "{place}: {last}");
        self.cluster.script(position, "").unwrap();
        self.cluster.start_node(position).unwrap();
    }

    async fn connect(&mut self) {
        self.cluster.wait_for_links().await.unwrap();
        for position in BOTH {
            self.doubles[position] = self.cluster.connect(position).await.unwrap();
        }
    }

    /// The higher node spoils an OT extension: the pair is banned at both.
    async fn attack(&mut self, generation: &str) {
        let before = bans(&self.cluster);
        let lie = format!("lie xor sign 1 {MATRIX} p1");
        self.cluster.script(HIGHER, &lie).unwrap();
        self.nonce += 1;
        let attacked = transfer(&self.cluster, self.key.key, self.nonce, &BOTH);
        let outcome = run(&mut self.doubles, &BOTH, &attacked).await.remove(0);
        assert!(
            matches!(&outcome, Outcome::Aborted(aborted) if aborted.ban),
            "{outcome:?}"
        );
        self.cluster.script(HIGHER, "").unwrap();
        for position in BOTH {
            self.is_banned(position, generation).await;
        }
        // A ban is in force before it is recorded.
        let recorded = |cluster: &Cluster| Ok(bans(cluster) == before + 2);
        let what = "both recorded the ban";
        self.cluster.eventually(what, recorded).await.unwrap();
    }

    async fn is_banned(&mut self, position: usize, generation: &str) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
        loop {
            let view = self.view(position).await;
            if view.state == "banned" && view.banned == [generation] {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{view:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

/// Records of bans at both.
fn bans(cluster: &Cluster) -> usize {
    let banned = |position| {
        let records = cluster.audit(position).unwrap().into_iter();
        let banned = records.filter(|record| record["event"]["event_type"] == "pair.banned");
        banned.count()
    };
    banned(LOWER) + banned(HIGHER)
}

/// Every generation that a node ever began to sign with, by its log.
fn used(cluster: &Cluster, position: usize) -> BTreeSet<String> {
    let log = cluster.log(position).unwrap();
    let lines = log
        .lines()
        .filter(|line| line.contains("\"message\":\"new pair state\""));
    let generation = |line: &str| {
        let (_, rest) = line.split_once("\"generation\":\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    lines.map(generation).collect()
}

fn pair_files(cluster: &Cluster, position: usize) -> Vec<PathBuf> {
    let folder = cluster.data_dir(position).unwrap().join("pairs");
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_anywhere_in_the_set_up_of_a_pair__must_end_in_one_generation_of_both() {
    let mut pair = Pair::start().await;
    let mut generation = pair.recovers("", "at the start").await;
    for victim in BOTH {
        for place in [BEGINNING[victim]].iter().chain(&AGREEMENT) {
            let what = format!("{victim} dies at {place}");
            let die = format!("die {place}");
            let mut scripts = ["", ""];
            scripts[victim] = &die;
            // The lost state is in turn that of the one who dies and that of the other.
            let loser = usize::from(pair.nonce % 2 == 1);
            pair.lose_state(loser, scripts);
            pair.revive(victim, place).await;
            pair.connect().await;
            generation = pair.recovers(&generation, &what).await;
        }
        // What they came to is what is on their disks.
        pair.restart_both().await;
        assert_eq!(pair.agreed("", "after a restart").await, generation);
        pair.signs("after a restart").await;
    }
    assert_eq!(bans(&pair.cluster), 0, "no crash is an attack");
}

#[tokio::test(flavor = "multi_thread")]
async fn crashes_of_both_nodes_in_the_set_up_of_a_pair__must_end_in_one_generation_of_both() {
    let mut pair = Pair::start().await;
    let mut generation = pair.recovers("", "at the start").await;
    // Where the lower and where the higher dies. Whoever does not get there before the other is dead
    // gets there when it is back.
    let deaths = [
        ["pair.before_store", "pair.before_store"],
        ["pair.after_store", "pair.after_store"],
        ["pair.before_switch", "pair.before_switch"],
        ["pair.after_switch", "pair.before_switch"],
        ["pair.before_switch", "pair.after_switch"],
        ["pair.after_switch", "pair.after_switch"],
    ];
    for places in deaths {
        let what = format!("they die at {places:?}");
        let scripts = places.map(|place| format!("die {place}"));
        pair.lose_state(LOWER, [&scripts[LOWER], &scripts[HIGHER]]);
        let first = pair.first_dead().await;
        for position in [first, 1 - first] {
            pair.revive(position, places[position]).await;
        }
        pair.connect().await;
        generation = pair.recovers(&generation, &what).await;
    }
    // What was stored by one and lost by the other is given up, also if that breaks off.
    for victim in BOTH {
        for place in ["pair.before_drop", "pair.after_drop"] {
            let what = format!("{victim} dies at {place}");
            let mut scripts = ["", ""];
            scripts[victim] = "die pair.after_store";
            pair.lose_state(victim, scripts);
            pair.cluster.wait_for_exit(victim).await.unwrap();
            let stored = pair_files(&pair.cluster, victim);
            assert_eq!(stored.len(), 1, "{what}: {stored:?}");
            let die = format!("die {place}");
            scripts[victim] = &die;
            pair.lose_state(1 - victim, scripts);
            pair.revive(victim, place).await;
            pair.connect().await;
            let given_up = stored[0].file_stem().unwrap().to_string_lossy();
            let now = pair.recovers(&generation, &what).await;
            assert_ne!(now, given_up, "{what}");
            generation = now;
        }
    }
    assert_eq!(bans(&pair.cluster), 0, "no crash is an attack");
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_a_crash_while_a_ban_is_lifted__must_neither_lose_the_ban_nor_use_what_was_banned() {
    let mut pair = Pair::start().await;
    let mut generation = pair.recovers("", "at the start").await;
    let mut banned = Vec::new();
    let ids = pair.cluster.node_ids();
    let places = ["pair.before_lift", "pair.after_lift"];
    for victim in BOTH {
        for place in places.iter().chain(&AGREEMENT[2..]) {
            let what = format!("{victim} dies at {place}");
            pair.restart_both().await;
            pair.attack(&generation).await;
            banned.push(generation.clone());
            let of: Digest32 = generation.parse().unwrap();
            let lift = pair.cluster.owner.lift_ban(&ids[0], &ids[1], of).unwrap();
            pair.cluster
                .script(victim, &format!("die {place}"))
                .unwrap();
            assert_eq!(pair.doubles[1 - victim].lift_ban(&lift).await.unwrap(), "");
            let answer = pair.doubles[victim].lift_ban(&lift).await;
            let died = places.contains(place);
            assert!(!died || answer.is_err(), "{what}: {answer:?}");
            pair.revive(victim, place).await;
            pair.connect().await;
            if *place == "pair.before_lift" {
                // Nothing was lifted there, and one node is not enough.
                pair.is_banned(victim, &generation).await;
                // An owner who comes again comes with another intent, to both.
                let again = pair.cluster.owner.lift_ban(&ids[0], &ids[1], of).unwrap();
                assert_eq!(pair.doubles[1 - victim].lift_ban(&again).await.unwrap(), "");
                assert_eq!(pair.doubles[victim].lift_ban(&again).await.unwrap(), "");
            }
            generation = pair.recovers(&generation, &what).await;
            assert!(!banned.contains(&generation), "{what}: {generation} again");
            for position in BOTH {
                let answer = pair.doubles[position].lift_ban(&lift).await.unwrap();
                assert_eq!(answer, "NOT_BANNED", "{what}: a replay");
            }
        }
    }
    pair.restart_both().await;
    assert_eq!(pair.agreed("", "after a restart").await, generation);
    assert_eq!(
        bans(&pair.cluster),
        2 * banned.len(),
        "one of each, at both"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn new_state_while_the_old_is_read__should_be_signed_with_and_the_old_be_no_damage() {
    let mut pair = Pair::start().await;
    let first = pair.recovers("", "at the start").await;
    // The lower node reads its state for the first time, and does not get on with it.
    pair.restart_both().await;
    pair.cluster.script(LOWER, "hold pair.before_load").unwrap();
    pair.nonce += 1;
    let (nonce, key) = (pair.nonce, pair.key.key);
    let proposal = transfer(&pair.cluster, key, nonce, &BOTH);
    pair.doubles[LOWER].open(&proposal).await.unwrap();
    // Meanwhile it answers, and makes new state with the other, which lost its own.
    pair.cluster.kill_node(HIGHER).unwrap();
    for file in pair_files(&pair.cluster, HIGHER) {
        std::fs::remove_file(file).unwrap();
    }
    pair.cluster.start_node(HIGHER).unwrap();
    pair.cluster.wait_for_links().await.unwrap();
    pair.doubles[HIGHER] = pair.cluster.connect(HIGHER).await.unwrap();
    let second = pair.agreed(&first, "while the old state is read").await;
    pair.nothing_is_left_beside(&second, "while the old state is read")
        .await;
    // The session goes on with what is current now.
    pair.cluster.script(LOWER, "").unwrap();
    pair.doubles[HIGHER].open(&proposal).await.unwrap();
    for position in BOTH {
        let outcome = pair.doubles[position]
            .outcome(proposal.session)
            .await
            .unwrap();
        verified(&outcome, &pair.key, &transfer_digest(nonce));
    }
    let health = pair.doubles[LOWER].heartbeat().await.unwrap();
    assert!(health.key_problems.is_empty(), "{:?}", health.key_problems);
    pair.recovers(&first, "after that").await;
}
