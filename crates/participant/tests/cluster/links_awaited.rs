//! Key generation while the link to a member is not up yet, as right after that member came back.

use std::time::Duration;

use quorate_testkit::{Cluster, CoordinatorDouble, Outcome, Proposal};

use crate::support::{assert_recorded_refusal, options, run, start_with};

/// The node that is away.
const AWAY: usize = 2;

/// A cluster of three without the third, which waits for links as long as told.
async fn without_the_third(links_timeout_ms: u64) -> (Cluster, Vec<CoordinatorDouble>) {
    let mut options = options(3);
    options.set_limit("links_timeout_ms", links_timeout_ms);
    let (mut cluster, doubles) = start_with(options).await;
    cluster.kill_node(AWAY).unwrap();
    (cluster, doubles)
}

fn creation(cluster: &Cluster) -> Proposal {
    let intent = cluster.client.create(&cluster.node_ids(), 2).unwrap();
    Proposal::new(intent, &[]).unwrap()
}

/// Opens the creation at a node until that node says that it waits for the third one: it may not
/// have noticed yet that the link is gone, and then its run ends at once.
async fn waits_for_a_link(
    double: &mut CoordinatorDouble,
    creation: Proposal,
) -> anyhow::Result<Proposal> {
    let search = async {
        let mut proposal = creation;
        loop {
            double.open(&proposal).await?;
            if let Ok(progress) = double.progress(proposal.session).await
                && progress.round == 0
            {
                assert_eq!(progress.round_name, "links");
                assert_eq!(progress.awaiting, [3], "who is missing");
                return Ok(proposal);
            }
            proposal = proposal.again()?;
        }
    };
    tokio::time::timeout(Duration::from_secs(180), search).await?
}

/// Whether the session ever left this node: it is announced in the audit log before that.
fn was_announced(cluster: &Cluster, position: usize, proposal: &Proposal) -> bool {
    let session = proposal.session.to_string();
    let records = cluster.audit(position).unwrap();
    let announced = |event: &serde_json::Value| event["result"] == "intent";
    records
        .iter()
        .map(|record| &record["event"])
        .any(|event| event["session_id"] == session && announced(event))
}

#[tokio::test(flavor = "multi_thread")]
async fn key_generation__should_wait_for_a_member_that_comes_back() {
    let (mut cluster, mut doubles) = without_the_third(300_000).await;
    let creation = creation(&cluster);
    let creation = waits_for_a_link(&mut doubles[0], creation).await.unwrap();
    doubles[1].open(&creation).await.unwrap();
    assert!(!was_announced(&cluster, 0, &creation), "nothing is bound");
    // Asked the moment that it listens: its links are not up, and the others dial again later.
    cluster.start_node(AWAY).unwrap();
    doubles[AWAY] = cluster.connect(AWAY).await.unwrap();
    doubles[AWAY].open(&creation).await.unwrap();
    for (position, double) in doubles.iter_mut().enumerate() {
        let outcome = double.outcome(creation.session).await.unwrap();
        let Outcome::Created(certificate) = outcome else {
            panic!("at {position}: {outcome:?}")
        };
        certificate.verify(&cluster.manifest).unwrap();
        assert!(was_announced(&cluster, position, &creation));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_generation_without_a_link__must_end_in_time_bind_nothing_and_name_who_is_missing() {
    let (mut cluster, mut doubles) = without_the_third(200).await;
    let first = creation(&cluster);
    let first = waits_for_a_link(&mut doubles[0], first).await.unwrap();
    let outcome = doubles[0].outcome(first.session).await.unwrap();
    let Outcome::Aborted(aborted) = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(aborted.reason, "timed_out");
    assert_eq!(
        (aborted.culprits.as_slice(), aborted.ban),
        (&[3][..], false)
    );
    assert_recorded_refusal(&cluster, 0, first.session, "NODE_UNAVAILABLE");
    assert!(!was_announced(&cluster, 0, &first), "nothing is bound");
    // Even the same session serves once all are there.
    cluster.start_node(AWAY).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[AWAY] = cluster.connect(AWAY).await.unwrap();
    for outcome in run(&mut doubles, &[0, 1, 2], &first).await {
        assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_generation_that_waits_for_a_link__must_end_when_it_is_cancelled() {
    let (cluster, mut doubles) = without_the_third(3_600_000).await;
    let waiting = waits_for_a_link(&mut doubles[0], creation(&cluster)).await;
    let session = waiting.unwrap().session;
    doubles[0].cancel(session).await.unwrap();
    let outcome = doubles[0].outcome(session).await.unwrap();
    let Outcome::Aborted(aborted) = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(aborted.reason, "cancelled");
    assert_recorded_refusal(&cluster, 0, session, "NODE_UNAVAILABLE");
}
