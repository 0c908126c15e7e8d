//! A member that keeps the certificate of a new key to itself gains nothing: anyone may carry it.

use quorate_intent::KeyCertificate;
use quorate_testkit::{Cluster, CoordinatorDouble, Outcome, Proposal};
use quorate_types::Canonical as _;

use crate::support::{byzantine, create, run, start_with, transfer, transfer_digest, verified};

struct Withheld {
    cluster: Cluster,
    doubles: Vec<CoordinatorDouble>,
    creation: Proposal,
    certificate: KeyCertificate,
    /// Of an honest key of the same nodes.
    other: KeyCertificate,
}

/// A key whose certificate `p3` alone holds: it took the signatures of the others, told nobody its
/// own, reported the key, and is gone.
async fn withheld() -> Withheld {
    let mut options = byzantine(3);
    // The honest ones wait so long in vain; the key before must be made within it.
    options.set_limit("certify_timeout_ms", 5_000);
    let (mut cluster, mut doubles) = start_with(options).await;
    let other = create(&cluster, &mut doubles, 2).await;
    let lies = "link deny-prepared p1\nlink deny-prepared p2";
    cluster.script(2, lies).unwrap();
    let intent = cluster.client.create(&cluster.node_ids(), 2).unwrap();
    let creation = Proposal::new(intent, &[]).unwrap();
    let mut outcomes = run(&mut doubles, &[0, 1, 2], &creation).await;
    let Outcome::Created(certificate) = outcomes.remove(2) else {
        panic!("p3 holds it: {outcomes:?}")
    };
    for outcome in outcomes {
        assert!(matches!(outcome, Outcome::Aborted(_)), "{outcome:?}");
    }
    cluster.kill_node(2).unwrap();
    Withheld {
        cluster,
        doubles,
        creation,
        certificate: *certificate,
        other,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_a_withheld_certificate__must_make_the_key_sign_once_a_coordinator_carries_it() {
    let Withheld {
        mut cluster,
        mut doubles,
        certificate,
        other,
        ..
    } = withheld().await;
    let key = certificate.statement.key;
    // Nobody carries it: the shares wait.
    let waiting = transfer(&cluster, key, 1, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &waiting).await {
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }
    // Wrong ones change nothing: no certificate at all, too long, of another
    // key, one signature spoiled.
    let mut spoiled = certificate.clone();
    spoiled.signatures[2][5] ^= 1;
    let wrong = [
        vec![7; 40],
        vec![7; 20_000],
        other.to_bytes(),
        spoiled.to_bytes(),
    ];
    for wrong in wrong {
        let mut proposal = waiting.again().unwrap();
        proposal.certificate = wrong;
        for outcome in run(&mut doubles, &[0, 1], &proposal).await {
            assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
        }
    }
    // p2 was restarted in between: it takes its share up again first.
    cluster.kill_node(1).unwrap();
    cluster.start_node(1).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[1] = cluster.connect(1).await.unwrap();
    let mut carrying = waiting.again().unwrap();
    carrying.certificate = certificate.to_bytes();
    for outcome in run(&mut doubles, &[0, 1], &carrying).await {
        verified(&outcome, &certificate.statement, &transfer_digest(1));
    }
    // It is durable: the next session need not carry it.
    let next = transfer(&cluster, key, 2, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &next).await {
        verified(&outcome, &certificate.statement, &transfer_digest(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_a_withheld_certificate__must_answer_the_creation_once_a_coordinator_carries_it() {
    let Withheld {
        cluster: _cluster,
        mut doubles,
        creation,
        certificate,
        ..
    } = withheld().await;
    let mut again = creation.again().unwrap();
    let refused = run(&mut doubles, &[0], &again).await.remove(0);
    assert_eq!(refused.code(), "IN_PROGRESS", "{refused:?}");
    again = creation.again().unwrap();
    again.certificate = certificate.to_bytes();
    for outcome in run(&mut doubles, &[0, 1], &again).await {
        assert_eq!(outcome, Outcome::Created(Box::new(certificate.clone())));
    }
}
