use super::*;

fn started(t: u8, n: u8, preferred: &[u8]) -> (Stand, SessionId) {
    let mut stand = signing(t, n);
    stand.prefer(preferred, n);
    stand.step(Event::Start);
    let (session, members) = stand.opened().unwrap();
    assert_eq!(members, preferred);
    (stand, session)
}

#[test]
fn sign__should_open_one_session_with_t_nodes_and_end_with_the_first_result() {
    let (mut stand, session) = started(2, 3, &[1, 3]);
    stand.join(session, &[1, 3]);
    assert_eq!(stand.lead.progress().unwrap().stage, Stage::Running);
    stand.complete(session, 3);
    let Some(Outcome::Completed(completed)) = stand.outcome() else {
        panic!("must complete: {:?}", stand.effects);
    };
    assert_eq!(completed.result, [9]);
    assert_eq!(completed.signers, [node(1), node(3)]);
    assert!(!completed.earlier);
    assert!(
        stand.cancelled().is_empty(),
        "the others finish by themselves"
    );
    stand.complete(session, 1);
    assert!(stand.effects.is_empty(), "a late result is ignored");
}

#[test]
fn session_ids__should_begin_with_the_time_and_differ_within_one_moment() {
    let (mut stand, first) = started(2, 3, &[1, 2]);
    let time = |session: SessionId| {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&session.as_bytes()[..6]);
        u64::from_be_bytes(bytes)
    };
    assert_eq!(time(first), START);
    stand.join(first, &[1]);
    stand.tick_after(Limits::default().open_timeout_ms);
    let (second, _) = stand.opened().expect("another attempt");
    assert_eq!(time(second), START + Limits::default().open_timeout_ms);
    assert!(second > first, "later ids are greater");
    let (other, rest) = (signing(2, 3), |id: SessionId| id.as_bytes()[6..].to_vec());
    let mut other = Stand {
        rng: ChaCha20Rng::seed_from_u64(4),
        ..other
    };
    other.step(Event::Start);
    let (same_moment, _) = other.opened().unwrap();
    assert_eq!(time(same_moment), START);
    assert_ne!(rest(same_moment), rest(first));
    assert_ne!(rest(second), rest(first));
}

#[test]
fn sign__should_do_nothing_before_start() {
    let mut stand = signing(2, 3);
    stand.step(Event::Tick);
    assert!(stand.opened().is_none());
    assert!(stand.lead.sessions.is_empty());
}

#[test]
fn sign__should_replace_a_node_that_does_not_join() {
    let (mut stand, first) = started(2, 3, &[1, 2]);
    stand.join(first, &[1]);
    stand.tick_after(Limits::default().open_timeout_ms - 1);
    assert!(stand.opened().is_none());
    stand.tick_after(1);
    let (second, members) = stand.opened().expect("another attempt");
    assert_ne!(first, second);
    assert_eq!(members, [1, 3]);
    assert_eq!(stand.setback().reason, SetbackReason::NotJoined);
    assert_eq!(stand.blamed(), [2]);
    assert_eq!(stand.setback().since, UnixMillis(START));
    let superseded = CancelReason::Superseded;
    assert_eq!(
        stand.cancelled(),
        [(first, 1, superseded), (first, 2, superseded)]
    );
}

#[test]
fn sign__should_name_the_node_that_the_others_wait_for() {
    let (mut stand, session) = started(3, 5, &[1, 2, 3]);
    stand.join(session, &[1, 2, 3]);
    stand.report(session, 3, 1, &[1, 2]);
    stand.now = stand.now.plus(100);
    stand.report(session, 1, 1, &[3]);
    stand.report(session, 2, 1, &[3]);
    let progress = stand.lead.progress().unwrap();
    assert_eq!((progress.round, progress.rounds), (1, 3));
    assert_eq!(progress.round_name, "round 1");
    let awaiting: Vec<_> = progress.awaiting.iter().map(|a| number(&a.node)).collect();
    assert_eq!(awaiting, [3]);
    stand.tick_after(Limits::default().round_timeout_ms);
    assert_eq!(
        stand.setback().reason,
        SetbackReason::NoProgress { round: 1 }
    );
    assert_eq!(stand.blamed(), [3]);
    let (_, members) = stand.opened().unwrap();
    assert!(!members.contains(&3));
}

#[test]
fn sign__must_not_be_held_open_by_repeated_reports() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.join(session, &[1, 2]);
    stand.report(session, 1, 1, &[2]);
    let mut waited = 0;
    while stand.opened().is_none() {
        stand.now = stand.now.plus(500);
        waited += 500;
        stand.report(session, 2, 1, &[1]);
        assert!(
            waited <= 2 * Limits::default().round_timeout_ms,
            "must stall"
        );
    }
}

#[test]
fn sign__should_give_up_an_attempt_that_creeps() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.join(session, &[1, 2]);
    let mut round = 0;
    while stand.opened().is_none() {
        round += 1;
        stand.now = stand.now.plus(1_000);
        stand.report(session, 2, round, &[1]);
    }
    assert_eq!(stand.setback().reason, SetbackReason::TooLong);
}

#[test]
fn sign__should_replace_a_lost_node_at_once() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.join(session, &[1, 2]);
    stand.lose(2);
    let (_, members) = stand.opened().unwrap();
    assert_eq!(members, [1, 3]);
    assert_eq!(stand.setback().reason, SetbackReason::LinkLost);
    assert_eq!(stand.blamed(), [2]);
}

#[test]
fn sign__should_replace_a_node_that_was_lost_and_is_back() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.join(session, &[1, 2]);
    stand.step(Event::NodeLost { node: node(2) });
    let (_, members) = stand.opened().expect("its runs are gone");
    assert_eq!(members, [1, 3]);
}

#[test]
fn sign__should_ignore_the_loss_of_a_node_that_does_not_sign() {
    let (mut stand, _) = started(2, 3, &[1, 2]);
    stand.lose(3);
    assert!(stand.opened().is_none() && stand.cancelled().is_empty());
}

#[test]
fn sign__should_name_the_missing_nodes_after_the_grace() {
    let mut stand = signing(2, 3);
    stand.connect(1, false);
    stand.connect(3, false);
    stand.step(Event::Start);
    assert_eq!(stand.lead.progress().unwrap().stage, Stage::Waiting);
    stand.tick_after(Limits::default().no_nodes_grace_ms - 1);
    assert!(stand.outcome().is_none());
    stand.tick_after(1);
    let failure = stand.failure().unwrap();
    assert_eq!(failure.code(), "NOT_ENOUGH_NODES");
    assert_eq!(
        *failure,
        Failure::NotEnoughNodes {
            needed: 2,
            available: 1,
            missing: vec![node(1), node(3)],
            banned_pairs: vec![],
        }
    );
    assert_eq!(
        failure.to_string(),
        "2 nodes are needed, 1 are available; missing: p1, p3; banned pairs: none"
    );
}

#[test]
fn sign__should_go_on_when_a_node_is_back_within_the_grace() {
    let mut stand = signing(2, 2);
    stand.connect(2, false);
    stand.step(Event::Start);
    stand.now = stand.now.plus(1_000);
    stand.connect(2, true);
    stand.step(Event::NodeBack { node: node(2) });
    assert_eq!(stand.opened().unwrap().1, [1, 2]);
}

#[test]
fn sign__should_fail_at_once_without_a_grace() {
    let limits = Limits {
        no_nodes_grace_ms: 0,
        ..Limits::default()
    };
    let mut stand = signing_within(2, 2, limits);
    stand.connect(2, false);
    stand.step(Event::Start);
    assert_eq!(stand.failure().unwrap().code(), "NOT_ENOUGH_NODES");
}

#[test]
fn sign__should_end_with_a_permanent_refusal_and_seek_nobody_else() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.refuse(session, 2, RefusalKind::Permanent);
    let refused = Failure::Refused {
        node: node(2),
        code: "CODE".to_owned(),
        message: "words".to_owned(),
    };
    assert_eq!(stand.failure(), Some(&refused));
    assert_eq!(stand.failure().unwrap().code(), "CODE");
    assert!(stand.opened().is_none());
    assert_eq!(
        stand.cancelled(),
        [
            (session, 1, CancelReason::Failed),
            (session, 2, CancelReason::Failed)
        ]
    );
}

#[test]
fn sign__should_try_another_set_after_a_passing_refusal() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.refuse(session, 1, RefusalKind::Retry);
    assert_eq!(stand.opened().unwrap().1, [2, 3]);
    assert_eq!(stand.blamed(), [1]);
    assert_eq!(stand.cancelled(), [(session, 2, CancelReason::Superseded)]);
}

#[test]
fn d10_sign__should_return_the_signature_that_a_node_already_holds() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.refuse(session, 1, RefusalKind::AlreadySigned(vec![7]));
    let Some(Outcome::Completed(completed)) = stand.outcome() else {
        panic!("must complete: {:?}", stand.effects);
    };
    assert!(completed.earlier);
    assert_eq!(completed.result, [7]);
    assert!(
        stand
            .cancelled()
            .contains(&(session, 2, CancelReason::Done))
    );
}

#[test]
fn sign__should_take_a_result_of_an_attempt_that_was_given_up() {
    let (mut stand, first) = started(2, 3, &[1, 2]);
    stand.join(first, &[2]);
    stand.tick_after(Limits::default().open_timeout_ms);
    let (second, members) = stand.opened().unwrap();
    stand.complete(first, 2);
    assert!(matches!(stand.outcome(), Some(Outcome::Completed(c)) if c.session == first));
    let open: Vec<_> = stand.cancelled();
    assert_eq!(open.len(), members.len());
    assert!(
        open.iter()
            .all(|(s, _, r)| *s == second && *r == CancelReason::Done)
    );
}

#[test]
fn sign__must_ignore_strangers_and_foreign_sessions() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    let foreign = SessionId::from_array([0; 16]);
    stand.complete(foreign, 1);
    stand.complete(session, 3);
    stand.refuse(session, 3, RefusalKind::Permanent);
    stand.refuse(foreign, 1, RefusalKind::Permanent);
    stand.abort(session, 3, &[1, 2], true);
    assert!(stand.outcome().is_none() && stand.lead.banned.is_empty());
    assert!(matches!(stand.lead.phase, Phase::Running(_)));
}

#[test]
fn sign__should_collect_reports_before_it_chooses_again() {
    let (mut stand, session) = started(3, 5, &[1, 2, 3]);
    stand.join(session, &[1, 2, 3]);
    stand.abort(session, 1, &[], false);
    assert!(stand.opened().is_none(), "who is to blame is not known yet");
    assert_eq!(stand.cancelled().len(), 2);
    stand.abort(session, 2, &[3], false);
    assert!(stand.opened().is_none());
    stand.abort(session, 3, &[], false);
    let (_, members) = stand.opened().expect("all reports are here");
    assert!(!members.contains(&3), "{members:?}");
    assert_eq!(stand.blamed(), [3]);
}

#[test]
fn sign__should_suspect_who_does_not_report_an_abort() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.join(session, &[1, 2]);
    stand.abort(session, 1, &[], false);
    stand.tick_after(Limits::default().abort_settle_ms);
    assert_eq!(stand.opened().unwrap().1, [1, 3]);
    assert!(stand.blamed().is_empty(), "silence is not proof");
}

#[test]
fn c12_sign__must_never_retry_with_a_banned_pair() {
    let (mut stand, session) = started(2, 2, &[1, 2]);
    stand.join(session, &[1, 2]);
    stand.abort(session, 1, &[2], true);
    stand.abort(session, 2, &[], false);
    assert!(stand.opened().is_none());
    let reason = SetbackReason::Aborted {
        reason: "check".to_owned(),
        ban: true,
    };
    assert_eq!(stand.setback().reason, reason);
    stand.tick_after(Limits::default().no_nodes_grace_ms);
    let banned = Failure::NotEnoughNodes {
        needed: 2,
        available: 2,
        missing: vec![],
        banned_pairs: vec![(node(1), node(2))],
    };
    assert_eq!(stand.failure(), Some(&banned));
}

#[test]
fn c12_sign__must_heed_a_ban_that_is_heard_late() {
    let (mut stand, first) = started(2, 2, &[1, 2]);
    stand.step(Event::NodeLost { node: node(2) });
    stand.tick_after(Limits::default().retry_delay_ms);
    let (second, members) = stand.opened().expect("the only set there is");
    assert_eq!(members, [1, 2]);
    stand.abort(first, 1, &[2], true);
    let superseded = CancelReason::Superseded;
    assert_eq!(
        stand.cancelled(),
        [(second, 1, superseded), (second, 2, superseded)]
    );
    stand.tick_after(Limits::default().no_nodes_grace_ms);
    assert_eq!(stand.failure().unwrap().code(), "NOT_ENOUGH_NODES");
}

#[test]
fn sign__should_replace_a_node_whose_result_does_not_verify() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.join(session, &[1, 2]);
    let rejected = |number| Event::ResultRejected {
        node: node(number),
        session,
    };
    stand.step(rejected(1));
    assert!(stand.opened().is_none(), "node 2 may still deliver");
    stand.step(rejected(2));
    let (_, members) = stand.opened().unwrap_or_else(|| {
        stand.tick_after(Limits::default().retry_delay_ms);
        stand.opened().unwrap()
    });
    assert!(members.contains(&3));
    assert_eq!(stand.setback().reason, SetbackReason::BadResult);
}

#[test]
fn sign__should_replace_a_node_that_claims_a_result_it_does_not_have() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.step(Event::ResultRejected {
        node: node(1),
        session,
    });
    assert_eq!(stand.opened().unwrap().1, [2, 3]);
}

#[test]
fn sign__should_pause_before_it_uses_a_suspect_again_and_then_give_up() {
    let (mut stand, mut session) = started(2, 2, &[1, 2]);
    let limits = Limits::default();
    for made in 1..limits.max_attempts {
        stand.refuse(session, 1, RefusalKind::Retry);
        assert!(stand.opened().is_none(), "pause");
        stand.tick_after(limits.signing().retry_delay(made + 1) - 1);
        assert!(stand.opened().is_none(), "pause");
        stand.tick_after(1);
        session = stand.opened().expect("the only set there is").0;
    }
    stand.refuse(session, 1, RefusalKind::Retry);
    let failure = Failure::AttemptsExhausted {
        attempts: limits.max_attempts,
    };
    assert_eq!(stand.failure(), Some(&failure));
}

#[test]
fn sign__should_end_at_the_deadline_or_the_expiry() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.tick_after(Limits::default().total_ms);
    assert_eq!(stand.failure(), Some(&Failure::TimedOut { attempts: 1 }));
    assert!(
        stand
            .cancelled()
            .contains(&(session, 1, CancelReason::Failed))
    );

    let mut stand = signing(2, 3);
    stand.now = expires_at().into();
    stand.step(Event::Start);
    assert_eq!(stand.failure(), Some(&Failure::TimedOut { attempts: 0 }));
}

#[test]
fn sign__should_cancel_for_the_caller() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    stand.step(Event::CancelRequested);
    assert_eq!(stand.outcome(), Some(&Outcome::Cancelled));
    assert_eq!(
        stand.cancelled(),
        [
            (session, 1, CancelReason::Caller),
            (session, 2, CancelReason::Caller)
        ]
    );
    stand.step(Event::CancelRequested);
    assert!(stand.effects.is_empty());
}

#[test]
fn sign__should_not_be_starved_by_a_node_that_blames_everybody() {
    let mut stand = signing(2, 4);
    stand.step(Event::Start);
    for _ in 0..Limits::default().max_attempts {
        while stand.opened().is_none() {
            assert!(stand.failure().is_none(), "an honest set exists");
            stand.tick_after(100);
        }
        let (session, members) = stand.opened().unwrap();
        if !members.contains(&1) {
            stand.complete(session, members[0]);
            assert!(matches!(stand.outcome(), Some(Outcome::Completed(_))));
            return;
        }
        let victim = members.iter().copied().find(|m| *m != 1).unwrap();
        stand.abort(session, 1, &[victim], false);
        if stand.opened().is_none() {
            stand.abort(session, victim, &[], false);
        }
    }
    panic!("the honest nodes were never chosen together");
}

#[test]
fn sign__should_say_when_to_wake() {
    let (mut stand, session) = started(2, 3, &[1, 2]);
    let wake = |stand: &Stand| {
        stand.effects.iter().find_map(|effect| match effect {
            Effect::WakeAt(at) => Some(at.0 - START),
            _ => None,
        })
    };
    let limits = Limits::default();
    assert_eq!(wake(&stand), Some(limits.open_timeout_ms));
    stand.now = stand.now.plus(10);
    stand.join(session, &[1, 2]);
    assert_eq!(wake(&stand), Some(10 + limits.round_timeout_ms));
}

#[test]
fn sign__should_number_attempts_on_after_a_restart() {
    let spec = SignSpec {
        intent: Digest32::from_array([1; 32]),
        committee: committee(2),
        min_signers: 2,
        expires_at: expires_at(),
        earlier_attempts: 4,
    };
    let mut stand = Stand::new(Lead::sign(spec, Limits::default()), 2);
    stand.step(Event::Start);
    let first = &stand.effects[0];
    assert!(
        matches!(first, Effect::Open { attempt: 5, .. }),
        "{first:?}"
    );
}
