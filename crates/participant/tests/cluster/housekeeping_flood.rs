//! A participant that floods another with work for its housekeeping delays nobody but itself.

use quorate_testkit::{Cluster, Outcome, Proposal, eip1559_transfer};
use quorate_types::KeyId;

use crate::support::{byzantine, run, start_with, stored_keys};

/// Nodes that have nothing to do with the flooder, `p3`; `p1` is its victim.
const OTHERS: [usize; 3] = [0, 1, 3];

fn is_flooded(cluster: &Cluster) -> anyhow::Result<bool> {
    let dropped = "quorate_housekeeping_dropped_total{peer=\"p3\"}";
    let named = |line: &str| line.contains("floods this node") && line.contains("p3");
    Ok(cluster.metrics(0)?.contains(dropped) && cluster.log(0)?.lines().any(named))
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_a_flood_of_one_peer__must_not_keep_bans_and_certificates_of_others_from_arriving() {
    let (cluster, mut doubles) = start_with(byzantine(4)).await;
    // Forged in the name of p2, which must not be blamed.
    cluster.script(2, "flood p1 p2").unwrap();
    cluster
        .eventually("the flooder is named", is_flooded)
        .await
        .unwrap();
    // The victim settles a certificate with others.
    let nodes = cluster.node_ids();
    let committee = OTHERS.map(|position| nodes[position].clone());
    let intent = cluster.client.create(&committee, 2).unwrap();
    let key = KeyId::of_intent(&intent.digest());
    let creation = Proposal::new(intent, &[]).unwrap();
    for outcome in run(&mut doubles, &OTHERS, &creation).await {
        assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
    }
    assert_eq!(stored_keys(&cluster, 0), [key.to_string()]);
    // p4 cheats p2, which bans it: the victim hears of that.
    cluster.script(3, "lie xor sign 1 128 p2").unwrap();
    let payload = eip1559_transfer(1, [0x11; 20], 1_000);
    let intent = cluster.client.sign(key, payload).unwrap();
    let cheated = Proposal::new(intent, &[2, 3]).unwrap();
    let outcome = run(&mut doubles, &[1, 3], &cheated).await.remove(0);
    assert!(matches!(outcome, Outcome::Aborted(_)), "{outcome:?}");
    let heard = |cluster: &Cluster| {
        let records = cluster.audit(0)?;
        Ok(records.iter().any(|record| {
            let event = &record["event"];
            event["event_type"] == "pair.banned"
                && event["node_id"] == "p4"
                && event["details"]["reported_by"] == "p2"
        }))
    };
    cluster.eventually("the ban arrives", heard).await.unwrap();
    let log = cluster.log(0).unwrap();
    let floods = log.lines().filter(|line| line.contains("floods this node"));
    for line in floods {
        assert!(
            !line.contains("\"p2\"") && !line.contains("\"p4\""),
            "{line}"
        );
    }
}
