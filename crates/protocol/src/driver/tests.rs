//! Every [`Reason`] at the level of the driver: does it fire, and is the right party blamed?

use quorate_types::{Canonical, SecretBytes, SessionId};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

mod led;

use super::*;
use crate::phases::Allowance;
use crate::simulator::{Cast, Plan};
use crate::toy::{LIED, Number, Toy};

const SEED: u64 = 11;

fn party(index: u8) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(SEED)
}

/// Three parties; we are party 1 and receive.
struct Table {
    cast: Cast,
    us: Driver<Toy>,
    sent: Vec<Envelope>,
}

impl Table {
    fn new() -> Self {
        let cast = Cast::new(&Plan::honest(SEED, 3, 2), b"toy", &mut rng());
        let (us, effects) = Toy::start(&cast, party(1));
        let mut table = Self {
            cast,
            us,
            sent: Vec::new(),
        };
        assert_eq!(table.keep(effects), None);
        table
    }

    /// A message as party `from` would send it to us, signed by it where messages are.
    fn message(&self, from: u8, round: u8, slot: Slot, body: &[u8]) -> Envelope {
        let mut envelope = Envelope {
            session: self.cast.session(),
            round,
            slot,
            from: party(from),
            to: party(1),
            body: SecretBytes::new(body.to_vec()),
            signature: None,
        };
        if matches!(slot, Slot::Broadcast | Slot::Direct) {
            self.sign(&mut envelope, from);
        }
        envelope
    }

    fn sign(&self, envelope: &mut Envelope, by: u8) {
        let statement = envelope.statement(&self.cast.context());
        envelope.signature = Some(self.cast.signer(party(by)).sign(&statement));
    }

    fn say(&self, from: u8) -> Envelope {
        self.message(from, 1, Slot::Broadcast, &[from, 0, 0, 7])
    }

    /// The echo that an honest party sends if it received `said`.
    fn echo(&self, from: u8, said: &[&Envelope]) -> Envelope {
        let ours = self.sent[0].clone();
        let entries = std::iter::once(&ours)
            .chain(said.iter().copied())
            .map(|message| echo::EchoEntry {
                from: message.from,
                digest: message.body_digest(),
                signature: message.signature.unwrap(),
            });
        let body = Echo(entries.collect()).to_bytes();
        self.message(from, 1, Slot::Echo, &body)
    }

    fn receive(&mut self, link: u8, bytes: &[u8]) -> Option<Abort> {
        let effects = self.us.receive(party(link), bytes, &mut rng());
        self.keep(effects)
    }

    fn take(&mut self, envelope: &Envelope) -> Option<Abort> {
        let link = envelope.from.get();
        self.receive(link, &envelope.to_bytes())
    }

    fn keep(&mut self, effects: Vec<Effect<Vec<[u8; 4]>>>) -> Option<Abort> {
        let mut abort = None;
        for effect in effects {
            match effect {
                Effect::Send { message, .. } => {
                    self.sent.push(Envelope::from_bytes(&message).unwrap());
                }
                Effect::Finished(_) => {}
                Effect::Aborted(reason) => abort = Some(reason),
            }
        }
        abort
    }
}

/// That a run ended for `reason` by the fault of `culprits`, and that all others were told no more.
#[track_caller]
fn assert_blames(table: &Table, abort: Option<Abort>, reason: Reason, culprits: &[u8]) -> Abort {
    let abort = abort.expect("the run ends");
    assert_eq!(abort.reason, reason);
    let named: Vec<_> = abort.culprits.iter().map(|c| c.get()).collect();
    assert_eq!(named, culprits);
    assert!(!table.us.is_running());
    let told: Vec<_> = table
        .sent
        .iter()
        .filter(|m| m.slot == Slot::Abort)
        .collect();
    assert_eq!(told.len(), 2, "both others are told");
    assert!(told.iter().all(|m| m.body.is_empty()), "c13: but not why");
    abort
}

#[test]
fn driver__should_finish_when_everybody_is_honest() {
    let mut table = Table::new();
    let (two, three) = (table.say(2), table.say(3));
    for message in [&two, &three] {
        assert_eq!(table.take(message), None);
    }
    for from in [2, 3] {
        let echo = table.echo(from, &[&two, &three]);
        assert_eq!(table.take(&echo), None);
    }
    assert_eq!(table.us.progress().round, 2);
    for from in [2, 3] {
        let repeat = table.message(from, 2, Slot::Direct, &[from, 0, 0, 7]);
        assert_eq!(table.take(&repeat), None);
    }
    assert!(!table.us.is_running());
    assert!(table.us.progress().awaiting.is_empty());
}

#[test]
fn malformed__must_blame_the_link_for_bytes_that_do_not_decode() {
    let honest = Table::new().say(2).to_bytes();
    let mut trailing = honest.clone();
    trailing.push(0);
    let mut index_zero = honest.clone();
    index_zero[19] = 0; // b2: version, session, round and slot come before the sender
    let mut unknown_version = honest.clone();
    unknown_version[0] = 9;
    let truncated = honest[..honest.len() - 1].to_vec();
    for bytes in [Vec::new(), truncated, trailing, index_zero, unknown_version] {
        let mut table = Table::new();
        let abort = table.receive(2, &bytes);
        assert_blames(&table, abort, Reason::Malformed, &[2]);
    }
}

#[test]
fn malformed__must_blame_bodies_over_the_limit_of_the_round() {
    let mut table = Table::new();
    let long = table.message(2, 1, Slot::Broadcast, &[0; 5]);
    let abort = table.take(&long);
    assert_blames(&table, abort, Reason::Malformed, &[2]);
}

#[test]
fn malformed__must_blame_early_messages_over_the_limit_when_their_round_opens() {
    let mut table = Table::new();
    let early = table.message(2, 2, Slot::Direct, &[0; 5]);
    assert_eq!(table.take(&early), None, "the limit is not known yet");
    let (two, three) = (table.say(2), table.say(3));
    let echoes = [2, 3].map(|from| table.echo(from, &[&two, &three]));
    let messages = [two, three].into_iter().chain(echoes);
    let abort = messages.filter_map(|m| table.take(&m)).last();
    assert_blames(&table, abort, Reason::Malformed, &[2]);
}

#[test]
fn malformed__must_blame_echoes_that_do_not_decode() {
    let mut table = Table::new();
    let echo = table.message(2, 1, Slot::Echo, &[1, 2, 3]);
    let abort = table.take(&echo);
    assert_blames(&table, abort, Reason::Malformed, &[2]);
}

#[test]
fn wrong_session__must_blame_the_link() {
    let mut table = Table::new();
    let mut message = table.say(2);
    message.session = SessionId::from_array([9; 16]);
    table.sign(&mut message, 2);
    let abort = table.take(&message);
    assert_blames(&table, abort, Reason::WrongSession, &[2]);
}

#[test]
fn b2_wrong_sender__must_blame_the_link_for_every_other_index() {
    // Ours, another party's, n + 1, and the largest that exists.
    for claimed in [1, 3, 4, 20] {
        let mut table = Table::new();
        let mut message = table.say(2);
        message.from = party(claimed);
        table.sign(&mut message, 2);
        let abort = table.receive(2, &message.to_bytes());
        assert_blames(&table, abort, Reason::WrongSender, &[2]);
    }
    let mut table = Table::new();
    let mut message = table.say(2);
    message.to = party(3);
    let abort = table.take(&message);
    assert_blames(&table, abort, Reason::WrongSender, &[2]);
}

#[test]
fn b2_wrong_sender__must_refuse_a_link_that_is_not_in_the_run() {
    let mut table = Table::new();
    let mut message = table.say(2);
    message.from = party(4);
    let abort = table.receive(4, &message.to_bytes());
    assert_blames(&table, abort, Reason::WrongSender, &[4]);
}

#[test]
fn wrong_round__must_blame_messages_that_no_open_round_has() {
    let places = [
        (0, Slot::Broadcast),
        (3, Slot::Broadcast),
        (255, Slot::Direct),
        (1, Slot::Direct),
    ];
    for (round, slot) in places {
        let mut table = Table::new();
        let message = table.message(2, round, slot, &[2, 0, 0, 7]);
        let abort = table.take(&message);
        assert_blames(&table, abort, Reason::WrongRound, &[2]);
    }
}

#[test]
fn wrong_round__must_blame_early_messages_of_a_kind_that_their_round_does_not_have() {
    let mut table = Table::new();
    let early = table.message(3, 2, Slot::Broadcast, &[0; 4]);
    assert_eq!(table.take(&early), None);
    let (two, three) = (table.say(2), table.say(3));
    let echoes = [2, 3].map(|from| table.echo(from, &[&two, &three]));
    let messages = [two, three].into_iter().chain(echoes);
    let abort = messages.filter_map(|m| table.take(&m)).last();
    assert_blames(&table, abort, Reason::WrongRound, &[3]);
}

#[test]
fn duplicate__must_be_ignored_if_identical_and_blamed_if_not() {
    let mut table = Table::new();
    let first = table.say(2);
    assert_eq!(table.take(&first), None);
    assert_eq!(table.take(&first), None, "an identical copy");
    let second = table.message(2, 1, Slot::Broadcast, &[2, 0, 0, 8]);
    let abort = table.take(&second);
    let abort = assert_blames(&table, abort, Reason::Duplicate, &[2]);
    assert!(!abort.evidence.is_empty());
}

#[test]
fn duplicate__must_be_blamed_after_its_round_too() {
    let mut table = Table::new();
    let (two, three) = (table.say(2), table.say(3));
    let echoes = [2, 3].map(|from| table.echo(from, &[&two, &three]));
    for message in [&two, &three, &echoes[0], &echoes[1], &two] {
        assert_eq!(table.take(message), None);
    }
    assert_eq!(table.us.progress().round, 2);
    let second = table.message(2, 1, Slot::Broadcast, &[2, 0, 0, 8]);
    let abort = table.take(&second);
    assert_blames(&table, abort, Reason::Duplicate, &[2]);
}

#[test]
fn bad_signature__must_blame_forged_missing_and_stray_signatures() {
    let mut table = Table::new();
    let mut forged = table.say(2);
    table.sign(&mut forged, 3);
    let abort = table.take(&forged);
    assert_blames(&table, abort, Reason::BadSignature, &[2]);

    let mut table = Table::new();
    let mut missing = table.say(2);
    missing.signature = None;
    let abort = table.take(&missing);
    assert_blames(&table, abort, Reason::BadSignature, &[2]);

    let mut table = Table::new();
    let mut stray = table.message(2, 1, Slot::Echo, &[]);
    table.sign(&mut stray, 2);
    let abort = table.take(&stray);
    assert_blames(&table, abort, Reason::BadSignature, &[2]);
}

#[test]
fn a7_bad_signature__must_blame_a_message_of_another_run() {
    let mut table = Table::new();
    let other_purpose = Cast::new(&Plan::honest(SEED, 3, 2), b"another purpose", &mut rng());
    let mut replayed = table.say(2);
    let statement = replayed.statement(&other_purpose.context());
    replayed.signature = Some(other_purpose.signer(party(2)).sign(&statement));
    let abort = table.take(&replayed);
    assert_blames(&table, abort, Reason::BadSignature, &[2]);
}

/// Two and three are here; three claims that two said something else to it.
fn equivocation(table: &Table) -> [Envelope; 4] {
    let (two, three) = (table.say(2), table.say(3));
    let other = table.message(2, 1, Slot::Broadcast, &[2, 0, 0, 8]);
    let honest = table.echo(2, &[&two, &three]);
    let accusing = table.echo(3, &[&other, &three]);
    [two, three, honest, accusing]
}

#[track_caller]
fn assert_convicts_two(table: &Table, abort: &Abort) {
    let identity = table.us.roster.member(party(2)).unwrap().identity;
    let [first, second] = abort.evidence.as_slice() else {
        panic!("two statements convict, not {}", abort.evidence.len());
    };
    assert_ne!(first.statement, second.statement);
    for evidence in [first, second] {
        assert_eq!(evidence.culprit, party(2));
        quorate_verify::verify_ed25519(&identity, &evidence.statement, &evidence.signature)
            .expect("anyone can check the evidence with the manifest");
    }
}

#[test]
fn b5_equivocation__must_convict_by_two_signed_statements() {
    let mut table = Table::new();
    let messages = equivocation(&table);
    let abort = messages.iter().filter_map(|m| table.take(m)).last();
    let abort = assert_blames(&table, abort, Reason::Equivocation, &[2]);
    assert_convicts_two(&table, &abort);
    let directs = table.sent.iter().filter(|m| m.slot == Slot::Direct).count();
    assert_eq!(directs, 0, "nothing of the next round leaves");
}

#[test]
fn b5_equivocation__must_convict_when_the_equivocator_withholds_its_echo() {
    let mut table = Table::new();
    let [two, three, _, accusing] = equivocation(&table);
    for message in [&two, &three, &accusing] {
        assert_eq!(table.take(message), None);
    }
    let effects = table.us.give_up(Reason::TimedOut);
    let abort = table.keep(effects);
    let abort = assert_blames(&table, abort, Reason::Equivocation, &[2]);
    assert_convicts_two(&table, &abort);
}

#[test]
fn b5_equivocation__must_convict_when_the_equivocator_aborts_first() {
    let mut table = Table::new();
    let [two, three, _, accusing] = equivocation(&table);
    for message in [&two, &three, &accusing] {
        assert_eq!(table.take(message), None);
    }
    let quitting = table.message(2, 1, Slot::Abort, &[]);
    let abort = table.take(&quitting);
    let abort = assert_blames(&table, abort, Reason::Equivocation, &[2]);
    assert_eq!(abort.reported_by, Some(party(2)));
}

#[test]
fn b5_bad_echo__must_blame_claims_without_a_signature_of_the_broadcaster() {
    let mut table = Table::new();
    let (two, three) = (table.say(2), table.say(3));
    let mut forged = table.message(2, 1, Slot::Broadcast, &[2, 0, 0, 8]);
    table.sign(&mut forged, 3);
    let lying = table.echo(3, &[&forged, &three]);
    let honest = table.echo(2, &[&two, &three]);
    let messages = [two, three, honest, lying];
    let abort = messages.iter().filter_map(|m| table.take(m)).last();
    assert_blames(&table, abort, Reason::BadEcho, &[3]);
}

#[test]
fn bad_echo__must_blame_all_echoes_that_leave_parties_out_or_double_them() {
    let mut table = Table::new();
    let (two, three) = (table.say(2), table.say(3));
    let short = table.echo(2, &[&two]);
    let doubled = table.echo(3, &[&two, &two]);
    let messages = [two, three, short, doubled];
    let abort = messages.iter().filter_map(|m| table.take(m)).last();
    assert_blames(&table, abort, Reason::BadEcho, &[2, 3]);
}

#[test]
fn check__must_blame_everybody_who_failed_with_evidence() {
    let mut table = Table::new();
    let (two, three) = (table.say(2), table.say(3));
    let echoes = [2, 3].map(|from| table.echo(from, &[&two, &three]));
    for message in [&two, &three, &echoes[0], &echoes[1]] {
        assert_eq!(table.take(message), None);
    }
    let lies = [2, 3].map(|from| table.message(from, 2, Slot::Direct, &[9; 4]));
    let abort = lies.iter().filter_map(|m| table.take(m)).last();
    let abort = assert_blames(&table, abort, LIED, &[2, 3]);
    let lie = lies[1].statement(&table.cast.context());
    assert!(abort.evidence.iter().any(|e| e.statement == lie));
}

#[test]
fn malformed__must_blame_everybody_whose_body_does_not_decode() {
    let mut table = Table::new();
    let short = [2, 3].map(|from| table.message(from, 1, Slot::Broadcast, &[1]));
    let echoes = [2, 3].map(|from| table.echo(from, &[&short[0], &short[1]]));
    let messages = short.iter().chain(&echoes);
    let abort = messages.filter_map(|m| table.take(m)).last();
    assert_blames(&table, abort, Reason::Malformed, &[2, 3]);
}

#[test]
fn b4_peer_aborted__must_blame_nobody_but_say_who_reported_it() {
    let mut table = Table::new();
    let message = table.message(3, 1, Slot::Abort, b"party 2 did it");
    let abort = table.take(&message);
    let abort = assert_blames(&table, abort, Reason::PeerAborted, &[]);
    assert_eq!(abort.reported_by, Some(party(3)));
}

#[test]
fn b4_timed_out__should_name_whom_we_wait_for() {
    let mut table = Table::new();
    let two = table.say(2);
    assert_eq!(table.take(&two), None);
    let awaiting = table.us.progress().awaiting;
    assert_eq!(awaiting, [party(3)], "two may be unable to echo");
    let effects = table.us.give_up(Reason::TimedOut);
    let abort = table.keep(effects);
    assert_blames(&table, abort, Reason::TimedOut, &[3]);
}

#[test]
fn b4_timed_out__should_name_whose_echo_is_missing() {
    let mut table = Table::new();
    let (two, three) = (table.say(2), table.say(3));
    let echo = table.echo(2, &[&two, &three]);
    for message in [&two, &three, &echo] {
        assert_eq!(table.take(message), None);
    }
    let effects = table.us.give_up(Reason::TimedOut);
    let abort = table.keep(effects);
    assert_blames(&table, abort, Reason::TimedOut, &[3]);
}

#[test]
fn cancelled__should_blame_nobody() {
    let mut table = Table::new();
    let effects = table.us.give_up(Reason::Cancelled);
    let abort = table.keep(effects);
    assert_blames(&table, abort, Reason::Cancelled, &[]);
}

#[test]
fn local_state__should_blame_nobody_when_our_own_broadcast_is_missing() {
    let mut table = Table::new();
    let own = Number([1, 0, 0, 7]);
    let (roster, signer) = (table.cast.roster(party(1)), table.cast.signer(party(1)));
    let context = table.cast.context();
    let phase = Toy::Say { own };
    let (us, _) = Driver::start(roster, context, signer, phase, Outbox::empty());
    table.us = us;
    let messages = [table.say(2), table.say(3)];
    let abort = messages.iter().filter_map(|m| table.take(m)).last();
    let reason = abort.as_ref().map(|abort| abort.reason.clone());
    assert!(matches!(reason, Some(Reason::LocalState { .. })));
    assert_blames(&table, abort, reason.unwrap(), &[]);
}

#[test]
fn c13_abort__must_tell_peers_the_same_bytes_whatever_failed() {
    let told = |fail: fn(&mut Table) -> Option<Abort>| {
        let mut table = Table::new();
        let abort = fail(&mut table).expect("the run ends");
        let aborts = table.sent.iter().filter(|m| m.slot == Slot::Abort);
        let bytes: Vec<_> = aborts.map(Canonical::to_bytes).collect();
        assert_eq!(bytes.len(), 2);
        (abort.reason, bytes)
    };
    let all = [
        told(|table| table.receive(2, b"garbage")),
        told(|table| {
            let forged = table.message(2, 1, Slot::Broadcast, &[2, 0, 0, 7]);
            let signature = None;
            table.take(&Envelope {
                signature,
                ..forged
            })
        }),
        told(|table| {
            let effects = table.us.flooded(party(3));
            table.keep(effects)
        }),
        told(|table| {
            let effects = table.us.give_up(Reason::TimedOut);
            table.keep(effects)
        }),
        told(|table| {
            let effects = table.us.give_up(Reason::Cancelled);
            table.keep(effects)
        }),
    ];
    for (position, (reason, bytes)) in all.iter().enumerate() {
        assert!(all[..position].iter().all(|(other, _)| other != reason));
        assert_eq!(*bytes, all[0].1, "{reason:?}");
    }
}

#[test]
fn driver__must_be_silent_after_its_end() {
    let mut table = Table::new();
    assert!(table.receive(2, b"garbage").is_some());
    let sent = table.sent.len();
    let two = table.say(2);
    assert_eq!(table.take(&two), None);
    assert!(table.us.give_up(Reason::TimedOut).is_empty());
    assert_eq!(table.sent.len(), sent);
}

#[test]
fn flood__must_end_the_run_and_name_its_sender() {
    let mut table = Table::new();
    let effects = table.us.flooded(party(3));
    let abort = table.keep(effects);
    let abort = assert_blames(&table, abort, Reason::Flooded, &[3]);
    assert!(abort.reason.is_attributable());
    assert!(table.us.flooded(party(2)).is_empty(), "it ends once");
}

#[test]
fn allowance__must_cover_what_an_honest_party_sends() {
    let mut table = Table::new();
    let (second, third) = (table.say(2), table.say(3));
    table.take(&second);
    table.take(&third);
    let to_one: Vec<&Envelope> = table.sent.iter().filter(|m| m.to == party(2)).collect();
    let bytes: usize = to_one.iter().map(|m| m.to_bytes().len()).sum();
    let Allowance {
        messages,
        bytes: limit,
    } = Allowance::of::<Toy>();
    assert!(!to_one.is_empty() && to_one.len() <= messages && bytes <= limit);
}
