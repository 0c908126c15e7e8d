use super::*;
use quorate_types::SecretBytes;

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

/// Four messages of 60 bytes of each peer in each session.
const ALLOWANCE: Allowance = Allowance {
    messages: 4,
    bytes: 4 * 60,
};

fn limited(early_bytes_per_peer: usize, early_ttl: Duration) -> Mailboxes {
    Mailboxes::new(MailboxLimits {
        queued_bytes_per_peer: 1 << 30,
        early_bytes_per_peer,
        early_ttl,
    })
}

/// Room for one early message of 60 bytes from each peer, and not for two.
fn mailboxes(early_ttl: Duration) -> Mailboxes {
    limited(OVERHEAD + 100, early_ttl)
}

fn session(n: u8) -> SessionId {
    SessionId::from_array([n; 16])
}

fn open(boxes: &Mailboxes, owner: SessionId, part: SessionId) -> Mailbox<'_> {
    boxes.open(owner, part, [node("a"), node("b")], ALLOWANCE)
}

fn body(length: usize) -> SecretBytes {
    SecretBytes::new(vec![0; length])
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn early_messages__should_wait_for_their_session_within_the_limit_of_their_sender() {
    let boxes = mailboxes(MINUTE);
    assert!(boxes.deliver(node("a"), session(1), body(60)));
    assert!(
        !boxes.deliver(node("a"), session(2), body(60)),
        "over the limit of `a`"
    );
    assert!(
        boxes.deliver(node("b"), session(2), body(60)),
        "`b` has its own"
    );
    assert!(boxes.has_early(session(1)) && !boxes.has_early(session(3)));
    let mut mailbox = open(&boxes, session(1), session(1));
    assert!(!boxes.has_early(session(1)), "taken");
    assert!(matches!(
        mailbox.letters.try_recv(),
        Ok(Letter::Round { .. })
    ));
    assert!(
        boxes.deliver(node("a"), session(3), body(60)),
        "given back when it was taken"
    );
}

#[test]
fn early_messages__should_be_charged_for_their_place_too() {
    let boxes = limited(8 * (OVERHEAD + 17), MINUTE);
    let kept = (0..200).filter(|n| boxes.deliver(node("a"), session(*n), body(17)));
    assert_eq!(kept.count(), 8, "17 bytes do not cost 17 bytes");
}

#[test]
fn early_messages__should_vanish_after_their_time() {
    let boxes = mailboxes(Duration::ZERO);
    for n in 0..50 {
        assert!(boxes.deliver(node("a"), session(n), body(60)));
    }
}

#[test]
fn early_messages__should_be_looked_through_at_most_once_in_an_interval() {
    let boxes = mailboxes(MINUTE);
    let looked_at = || boxes.inner.lock().expired_at.unwrap();
    assert!(boxes.deliver(node("a"), session(1), body(60)));
    let first = looked_at();
    for n in 2..50 {
        assert!(!boxes.deliver(node("a"), session(n), body(60)));
    }
    // The walk was skipped, unless this machine was stopped for the whole interval.
    assert!(looked_at() == first || first.elapsed() >= EXPIRE_INTERVAL);
    boxes.inner.lock().expired_at = Instant::now().checked_sub(EXPIRE_INTERVAL);
    let before = looked_at();
    assert!(!boxes.deliver(node("a"), session(50), body(60)));
    assert!(looked_at() > before);
}

#[test]
fn an_envelope_beyond_every_legal_length__must_be_refused() {
    let boxes = limited(1 << 30, MINUTE);
    let mut mailbox = open(&boxes, session(1), session(1));
    assert!(!boxes.deliver(node("a"), session(1), body(LONGEST_ENVELOPE + 1)));
    assert!(mailbox.letters.try_recv().is_err());
    assert!(!boxes.deliver(node("a"), session(2), body(LONGEST_ENVELOPE + 1)));
    assert!(boxes.deliver(node("a"), session(2), body(LONGEST_ENVELOPE)));
}

#[test]
fn a_node_that_is_no_member__must_not_reach_the_mailbox_nor_end_the_session() {
    let boxes = mailboxes(MINUTE);
    assert!(boxes.deliver(node("stranger"), session(2), body(60)));
    let mut mailbox = open(&boxes, session(1), session(2));
    assert!(mailbox.letters.try_recv().is_err(), "nor early");
    assert!(!boxes.deliver(node("stranger"), session(2), body(60)));
    assert!(mailbox.letters.try_recv().is_err());
    assert!(boxes.deliver(node("b"), session(2), body(60)));
    assert!(mailbox.letters.try_recv().is_ok());
    drop(mailbox);
    assert!(boxes.deliver(node("stranger"), session(2), abort_of(session(2))));
    assert_eq!(boxes.aborted_by(session(1)), None);
}

#[test]
fn a_cancelled_session__should_see_it_in_parts_that_open_later() {
    let boxes = mailboxes(MINUTE);
    let mut first = open(&boxes, session(1), session(11));
    boxes.cancel(session(1));
    assert!(matches!(first.letters.try_recv(), Ok(Letter::Cancel)));
    assert!(first.cancelled.load(Ordering::SeqCst));
    let mut second = open(&boxes, session(1), session(12));
    assert!(matches!(second.letters.try_recv(), Ok(Letter::Cancel)));
    assert!(second.cancelled.load(Ordering::SeqCst));
    let mut other = open(&boxes, session(2), session(21));
    assert!(other.letters.try_recv().is_err());
    assert!(!other.cancelled.load(Ordering::SeqCst));
}

#[test]
fn a_cancellation__must_not_be_lost_in_a_full_queue() {
    let boxes = mailboxes(MINUTE);
    let mailbox = open(&boxes, session(1), session(1));
    while mailbox_of(&boxes, session(1))
        .try_send(Letter::Cancel)
        .is_ok()
    {}
    assert!(!boxes.deliver(node("a"), session(1), body(60)), "full");
    boxes.cancel(session(1));
    assert!(mailbox.cancelled.load(Ordering::SeqCst));
}

fn mailbox_of(boxes: &Mailboxes, part: SessionId) -> Sender<Letter> {
    boxes.inner.lock().open[&part].letters.clone()
}

fn letters(mailbox: &mut Mailbox<'_>) -> Vec<&'static str> {
    let name = |letter| match letter {
        Letter::Round { .. } => "round",
        Letter::Flooded(peer) if peer == node("a") => "flooded by a",
        _ => "other",
    };
    mailbox.take_waiting().map(name).collect()
}

#[test]
fn a_flood_in_a_session__must_end_at_what_the_rounds_allow_and_name_its_sender_once() {
    for length in [0, 60, 61, 10_000] {
        let boxes = mailboxes(MINUTE);
        let mut flooded = open(&boxes, session(1), session(1));
        let mut other = open(&boxes, session(2), session(2));
        let sent = (0..100).filter(|_| boxes.deliver(node("a"), session(1), body(length)));
        let kept = sent.count();
        assert_eq!(
            kept,
            [4, 4, 3, 0][[0, 60, 61, 10_000]
                .iter()
                .position(|l| *l == length)
                .unwrap()]
        );
        // Neither another member nor another session is disturbed.
        assert!(boxes.deliver(node("b"), session(1), body(60)));
        assert!(boxes.deliver(node("a"), session(2), body(60)));
        assert_eq!(letters(&mut other), ["round"]);
        let mut expected = vec!["round"; kept];
        expected.extend(["flooded by a", "round"]);
        assert_eq!(letters(&mut flooded), expected, "{length}");
    }
}

#[test]
fn a_flood_before_the_session_opens__must_count_too() {
    let boxes = limited(1 << 20, MINUTE);
    for _ in 0..100 {
        assert!(boxes.deliver(node("a"), session(1), body(60)));
    }
    let mut mailbox = open(&boxes, session(1), session(1));
    assert_eq!(
        letters(&mut mailbox),
        ["round", "round", "round", "round", "flooded by a"]
    );
}

#[test]
fn what_waits_in_all_sessions__must_stay_within_the_bytes_of_its_sender() {
    let boxes = Mailboxes::new(MailboxLimits {
        queued_bytes_per_peer: 2 * (OVERHEAD + 60),
        early_bytes_per_peer: 1 << 20,
        early_ttl: MINUTE,
    });
    let mut open: Vec<_> = (1..=3)
        .map(|n| open(&boxes, session(n), session(n)))
        .collect();
    assert!(boxes.deliver(node("a"), session(1), body(60)));
    assert!(boxes.deliver(node("a"), session(2), body(60)));
    assert!(
        !boxes.deliver(node("a"), session(3), body(60)),
        "over the limit of `a`"
    );
    assert!(
        boxes.deliver(node("b"), session(3), body(60)),
        "`b` has its own"
    );
    // Given back when the session takes it, and when the session ends without.
    assert_eq!(letters(&mut open[0]), ["round"]);
    assert!(boxes.deliver(node("a"), session(3), body(60)));
    drop(open);
    let used: Vec<usize> = {
        let inner = boxes.inner.lock();
        inner
            .queued_bytes
            .values()
            .map(|used| used.load(Ordering::Relaxed))
            .collect()
    };
    assert_eq!(used, [0, 0]);
}

#[test]
fn a_queue__must_hold_all_that_is_allowed() {
    let boxes = limited(1 << 20, MINUTE);
    let mut mailbox = open(&boxes, session(1), session(1));
    for peer in ["a", "b"] {
        for _ in 0..5 {
            boxes.deliver(node(peer), session(1), body(60));
        }
        boxes.link_lost(&node(peer));
    }
    boxes.cancel(session(1));
    let kept: Vec<_> = mailbox.take_waiting().collect();
    assert_eq!(kept.len(), 2 * (4 + 1 + 1) + 1);
    assert!(matches!(kept.last(), Some(Letter::Cancel)));
}

#[test]
fn cancellations_that_nobody_forgets__must_not_pile_up() {
    let boxes = mailboxes(MINUTE);
    let mailbox = open(&boxes, session(0xff), session(0xff));
    for n in 0..2 * REMEMBERED_CANCELS {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        boxes.cancel(SessionId::from_array(id));
    }
    {
        let inner = boxes.inner.lock();
        assert_eq!(inner.cancelled.len(), REMEMBERED_CANCELS);
        assert_eq!(inner.cancelled_order.len(), REMEMBERED_CANCELS);
    }
    // One that runs hears of its own all the same.
    assert!(!mailbox.cancelled.load(Ordering::SeqCst));
    boxes.cancel(session(0xff));
    assert!(mailbox.cancelled.load(Ordering::SeqCst));
}

#[test]
fn late_messages__should_be_dropped_without_cost() {
    let boxes = mailboxes(MINUTE);
    drop(open(&boxes, session(1), session(1)));
    for _ in 0..50 {
        assert!(boxes.deliver(node("a"), session(1), body(60)));
    }
}

#[test]
fn a_session_that_panics__must_close_its_part() {
    let boxes = mailboxes(MINUTE);
    let run = || {
        let _mailbox = open(&boxes, session(1), session(1));
        panic!("a defect");
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
    assert!(boxes.inner.lock().open.is_empty());
}

fn abort_of(part: SessionId) -> SecretBytes {
    let party = |n| quorate_types::PartyIndex::new(n).unwrap();
    let abort = Envelope {
        session: part,
        round: 3,
        slot: Slot::Abort,
        from: party(2),
        to: party(1),
        body: SecretBytes::default(),
        signature: None,
    };
    SecretBytes::new(abort.to_bytes())
}

#[test]
fn an_abort_of_an_earlier_part__should_end_the_later_one_and_only_while_the_session_runs() {
    let boxes = mailboxes(MINUTE);
    let (owner, first, second) = (session(1), session(2), session(3));
    drop(open(&boxes, owner, first));
    assert!(boxes.deliver(node("b"), first, abort_of(first)));
    assert_eq!(boxes.aborted_by(owner), Some(node("b")));
    let mut mailbox = open(&boxes, owner, second);
    let letter = mailbox.letters.try_recv();
    assert!(matches!(letter, Ok(Letter::PeerAborted(peer)) if peer == node("b")));
    drop(mailbox);
    boxes.forget(owner);
    assert!(boxes.deliver(node("b"), first, abort_of(first)));
    assert_eq!(boxes.aborted_by(owner), None);
}
