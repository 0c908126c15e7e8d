//! A byzantine participant while the certificate of a new key is collected.

use quorate_testkit::{Outcome, Proposal};
use quorate_types::KeyId;

use crate::support::{
    byzantine, indices, recorded_outcome, run, start_with, stored_keys, transfer, transfer_digest,
    verified,
};

/// `p3` signs for `p1`, who has the certificate then, and tells `p2` that it never did. `p2` must
/// keep its share: the key exists, and without `p2` it would depend on the liar.
#[tokio::test(flavor = "multi_thread")]
async fn b6_a_member_that_denies_its_signature__must_not_make_an_honest_node_drop_its_share() {
    let mut options = byzantine(3);
    // p2 waits so long in vain; p1 must have the certificate within it.
    options.set_limit("certify_timeout_ms", 5_000);
    let (mut cluster, mut doubles) = start_with(options).await;
    let mut earlier = 0;
    cluster.script(2, "link deny-prepared p2").unwrap();
    let (key, creation, aborted) = loop {
        let intent = cluster.client.create(&cluster.node_ids(), 2).unwrap();
        let key = KeyId::of_intent(&intent.digest());
        let creation = Proposal::new(intent, &[]).unwrap();
        // p1 dies with its certificate before it can pass it on.
        cluster.script(0, "die settle.after_activate").unwrap();
        for double in &doubles {
            double.open(&creation).await.unwrap();
        }
        cluster.wait_for_exit(0).await.unwrap();
        match doubles[1].outcome(creation.session).await.unwrap() {
            Outcome::Aborted(aborted) => break (key, creation, aborted),
            // While p1 died, another of its threads answered p2 with the certificate: seldom.
            Outcome::Created(_) if earlier < 5 => earlier += 1,
            outcome => panic!("{outcome:?}"),
        }
        cluster.script(0, "").unwrap();
        cluster.start_node(0).unwrap();
        cluster.wait_for_links().await.unwrap();
        doubles[0] = cluster.connect(0).await.unwrap();
    };
    assert!(aborted.culprits.contains(&3), "{aborted:?}");
    let event = recorded_outcome(&cluster, 1, creation.session).await;
    assert!(
        event["details"]["culprits"].to_string().contains("p3"),
        "{event}"
    );
    // p2 has heard the denial, and holds its share.
    let heard = |cluster: &quorate_testkit::Cluster| {
        Ok(cluster
            .log(1)?
            .contains("a peer has no share of a run that was signed"))
    };
    cluster
        .eventually("the denial is heard", heard)
        .await
        .unwrap();
    let stored = stored_keys(&cluster, 1);
    assert!(stored.contains(&key.to_string()) && stored.len() == earlier + 1);
    // p1 comes back with the certificate: the key is there at p2 too, and signs without the liar.
    cluster.script(0, "").unwrap();
    cluster.start_node(0).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[0] = cluster.connect(0).await.unwrap();
    let again = creation.again().unwrap();
    let created = run(&mut doubles, &[0], &again).await.remove(0);
    let Outcome::Created(certificate) = created else {
        panic!("{created:?}")
    };
    let certified = |cluster: &quorate_testkit::Cluster| {
        let records = cluster.audit(1)?;
        Ok(records
            .iter()
            .filter(|r| r["event"]["event_type"] == "key.certified")
            .count()
            > earlier)
    };
    cluster
        .eventually("p2 has the certificate", certified)
        .await
        .unwrap();
    let proposal = transfer(&cluster, key, 1, &[0, 1]);
    assert_eq!(proposal.signers, indices(&[0, 1]));
    for outcome in run(&mut doubles, &[0, 1], &proposal).await {
        verified(&outcome, &certificate.statement, &transfer_digest(1));
    }
}
