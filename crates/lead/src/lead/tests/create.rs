use super::*;

fn started(n: u8) -> (Stand, SessionId) {
    let mut stand = creating(n);
    stand.step(Event::Start);
    let (session, members) = stand.opened().unwrap();
    assert_eq!(members, (1..=n).collect::<Vec<_>>());
    (stand, session)
}

fn unconfirmed(stand: &Stand) -> Option<Vec<u8>> {
    match stand.outcome()? {
        Outcome::Completed(completed) => Some(completed.unconfirmed.iter().map(number).collect()),
        _ => None,
    }
}

#[test]
fn create__should_end_when_every_node_confirmed() {
    let (mut stand, session) = started(3);
    stand.complete(session, 1);
    stand.complete(session, 2);
    assert!(stand.outcome().is_none());
    assert_eq!(stand.lead.progress().unwrap().stage, Stage::Settling);
    stand.complete(session, 3);
    assert_eq!(unconfirmed(&stand), Some(vec![]));
}

#[test]
fn create__should_end_with_a_certificate_and_name_who_has_not_confirmed() {
    let (mut stand, session) = started(3);
    stand.complete(session, 2);
    stand.lose(3);
    stand.tick_after(Limits::default().create_settle_ms - 1);
    assert!(stand.outcome().is_none());
    stand.tick_after(1);
    assert_eq!(unconfirmed(&stand), Some(vec![1, 3]));
}

#[test]
fn create__should_need_every_node_and_name_the_missing() {
    let mut stand = creating(3);
    stand.connect(2, false);
    stand.step(Event::Start);
    assert!(stand.opened().is_none());
    stand.tick_after(Limits::default().no_nodes_grace_ms);
    let missing = Failure::NotEnoughNodes {
        needed: 3,
        available: 2,
        missing: vec![node(2)],
        banned_pairs: vec![],
    };
    assert_eq!(stand.failure(), Some(&missing));
}

#[test]
fn create__should_try_again_with_the_same_nodes_but_not_for_ever() {
    let (mut stand, first) = started(3);
    stand.abort(first, 1, &[2], false);
    stand.abort(first, 2, &[], false);
    stand.abort(first, 3, &[2], false);
    stand.tick_after(Limits::default().create_retry_delay_ms);
    let (second, members) = stand.opened().expect("a second attempt");
    assert_ne!(first, second);
    assert_eq!(members, [1, 2, 3]);
    stand.abort(second, 1, &[2], false);
    stand.tick_after(Limits::default().abort_settle_ms);
    let failure = Failure::AttemptsExhausted { attempts: 2 };
    assert_eq!(stand.failure(), Some(&failure));
}

#[test]
fn create__should_take_the_certificate_of_an_attempt_that_was_given_up() {
    let (mut stand, first) = started(3);
    stand.step(Event::NodeLost { node: node(3) });
    stand.tick_after(Limits::default().create_retry_delay_ms);
    let (second, _) = stand.opened().expect("a second attempt");
    stand.refuse(second, 1, RefusalKind::AlreadySigned(vec![9]));
    assert!(
        stand.opened().is_none(),
        "a stored certificate allows no further attempt"
    );
    assert!(stand.cancelled().contains(&(second, 2, CancelReason::Done)));
    stand.complete(first, 2);
    stand.refuse(second, 3, RefusalKind::Permanent);
    stand.tick_after(Limits::default().create_settle_ms);
    assert_eq!(unconfirmed(&stand), Some(vec![3]));
}

#[test]
fn create__must_not_be_cancelled_once_the_key_exists() {
    let (mut stand, session) = started(2);
    stand.complete(session, 1);
    stand.step(Event::CancelRequested);
    assert!(stand.outcome().is_none());
    stand.complete(session, 2);
    assert_eq!(unconfirmed(&stand), Some(vec![]));
}

#[test]
fn create__must_pause_between_attempts_though_nobody_is_suspected() {
    let (mut stand, first) = started(2);
    stand.abort(first, 1, &[], false);
    stand.abort(first, 2, &[], false);
    assert!(stand.blamed().is_empty());
    let pause = Limits::default().create_retry_delay_ms;
    assert!(stand.opened().is_none(), "at once");
    let due = stand.now.plus(pause);
    assert!(
        stand.effects.contains(&Effect::WakeAt(due)),
        "{:?}",
        stand.effects
    );
    stand.tick_after(pause - 1);
    assert!(stand.opened().is_none(), "too early");
    stand.tick_after(1);
    let (second, members) = stand.opened().expect("a second attempt");
    assert_ne!(first, second);
    assert_eq!(members, [1, 2]);
}

#[test]
fn create__must_pause_too_when_a_node_comes_back() {
    let (mut stand, _) = started(3);
    stand.lose(3);
    stand.connect(3, true);
    stand.step(Event::NodeBack { node: node(3) });
    assert!(stand.opened().is_none(), "its links are not up yet");
    stand.tick_after(Limits::default().create_retry_delay_ms);
    assert!(stand.opened().is_some());
}

#[test]
fn create__should_pause_longer_each_time_up_to_the_limit() {
    let limits = Limits {
        max_create_attempts: 4,
        create_retry_delay_ms: 300,
        max_retry_delay_ms: 1_000,
        ..Limits::default()
    };
    let mut stand = creating_within(2, limits);
    stand.step(Event::Start);
    for pause in [300, 600, 1_000] {
        let (session, _) = stand.opened().expect("an attempt");
        stand.abort(session, 1, &[], false);
        stand.abort(session, 2, &[], false);
        stand.tick_after(pause - 1);
        assert!(stand.opened().is_none(), "before {pause} ms");
        stand.tick_after(1);
    }
    assert!(stand.opened().is_some());
}

#[test]
fn create__should_count_members_that_wait_for_a_link_as_joined_and_say_to_whom() {
    let (mut stand, session) = started(3);
    stand.join(session, &[3]);
    stand.report(session, 1, 0, &[3]);
    stand.report(session, 2, 0, &[3]);
    stand.tick_after(Limits::default().open_timeout_ms);
    assert!(stand.cancelled().is_empty(), "it was given up");
    let progress = stand.lead.progress().unwrap();
    assert_eq!(progress.stage, Stage::Running);
    let awaiting = progress.awaiting.iter();
    let awaiting: Vec<u8> = awaiting.map(|awaited| number(&awaited.node)).collect();
    assert_eq!(awaiting, [3]);
}
