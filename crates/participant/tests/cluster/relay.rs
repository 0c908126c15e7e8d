//! Two participants that cannot reach each other, and a coordinator that carries their frames.

use std::time::{Duration, Instant};

use quorate_api::mpc_v1::RefusalKind;
use quorate_testkit::Outcome;

use crate::support::{
    create, options, run, signed_now_or_before, start_with, transfer, transfer_digest, verified,
};

#[tokio::test(flavor = "multi_thread")]
async fn relayed_pair__should_create_and_sign_and_blame_nobody_for_what_the_relay_does() {
    let mut options = options(3);
    options.blocked = vec![(0, 1)];
    let (cluster, mut doubles) = start_with(options).await;
    let health = doubles[0].heartbeat().await.unwrap();
    let via = |peer: &str| {
        let link = health.links.iter().find(|link| link.peer == peer);
        let link = link.unwrap();
        (link.via.clone(), link.fault.clone())
    };
    assert_eq!(via("p2"), ("relay".into(), "connection_refused".into()));
    assert_eq!(via("p3"), ("direct".into(), String::new()));

    let key = create(&cluster, &mut doubles, 2).await.statement;
    let proposal = transfer(&cluster, key.key, 0, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &proposal).await {
        verified(&outcome, &key, &transfer_digest(0));
    }
    let relay = cluster.relay().unwrap();
    assert!(relay.carried() > 0, "the relayed pair used the relay");

    // A coordinator that changes what it carries: sessions end, nobody is banned, no key is lost.
    relay.tamper(true);
    let disturbed = transfer(&cluster, key.key, 1, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &disturbed).await {
        match &outcome {
            Outcome::Aborted(aborted) => assert!(!aborted.ban, "{aborted:?}"),
            Outcome::Refused(refused) => assert_eq!(refused.kind(), RefusalKind::Retry),
            other => panic!("{other:?}"),
        }
    }
    relay.tamper(false);
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        // An attempt without the link fails at once, and an intent has a limited number of them.
        cluster.wait_for_links().await.unwrap();
        let again = run(&mut doubles, &[0, 1], &disturbed.again().unwrap()).await;
        let done = |outcome: &Outcome| match outcome {
            Outcome::Signed(_) => true,
            Outcome::Refused(refused) => refused.kind() == RefusalKind::AlreadySigned,
            _ => false,
        };
        if again.iter().all(done) {
            for outcome in &again {
                signed_now_or_before(outcome, &key, &transfer_digest(1));
            }
            break;
        }
        assert!(Instant::now() < deadline, "{again:?}");
    }
    for double in &mut doubles {
        assert_eq!(double.heartbeat().await.unwrap().bans, []);
    }
    for position in 0..3 {
        for event in cluster.audit(position).unwrap() {
            assert_ne!(event["event"]["event_type"], "pair.banned", "{event}");
        }
    }
}
