//! Row D12 for processes: who a node is, is what the manifest says.

use quorate_testkit::Cluster;

use crate::support::{create, options, run, start_with, transfer, transfer_digest, verified};

const OTHER: usize = 2;

fn replace_key(cluster: &Cluster, name: &str, secret: &str) -> String {
    let path = cluster.node_dir(OTHER).unwrap().join(name);
    let old = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, secret).unwrap();
    old
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_a_process_with_other_keys_than_the_manifest__must_not_take_part() {
    let (mut cluster, mut doubles) = start_with(options(3)).await;
    let key = create(&cluster, &mut doubles, 2).await.statement;
    // A participant's certificate does not open the door for coordinators.
    assert!(cluster.connect_as_node(0, OTHER).await.is_err());
    // With another identity or link key the process does not start.
    for name in ["identity.key", "noise.key"] {
        cluster.kill_node(OTHER).unwrap();
        let own = replace_key(&cluster, name, &"42".repeat(32));
        cluster.start_node(OTHER).unwrap();
        cluster.wait_for_exit(OTHER).await.unwrap();
        replace_key(&cluster, name, &own);
    }
    // With a manifest that fits its other link key it starts, but no honest node talks to it.
    let secret = x25519_dalek::StaticSecret::from([0x42; 32]);
    let public = x25519_dalek::PublicKey::from(&secret).to_bytes();
    let owner = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let mut manifest = cluster.manifest.clone();
    manifest.nodes[OTHER].noise = public;
    manifest.owners[0].key = owner.verifying_key().to_bytes();
    let owner_id = manifest.owners[0].id.clone();
    let signed = quorate_intent::SignedManifest::sign(manifest, [(&owner_id, &owner)]);
    let home = cluster.node_dir(OTHER).unwrap().to_owned();
    let forged = home.join("forged.json");
    std::fs::write(&forged, signed.to_json().unwrap()).unwrap();
    let config = home.join("participant.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let real = cluster.folder().join("manifest.json");
    let text = text.replace(real.to_str().unwrap(), forged.to_str().unwrap());
    std::fs::write(&config, text).unwrap();
    replace_key(&cluster, "noise.key", &hex::encode([0x42; 32]));
    cluster.start_node(OTHER).unwrap();
    cluster.connect(OTHER).await.unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(180);
    loop {
        let links = doubles[0].heartbeat().await.unwrap().links;
        let link = links.iter().find(|link| link.peer == "p3").unwrap();
        assert_ne!(link.state, "up", "{link:?}");
        // It was reached, and could not show who it is.
        let unreached = ["", "connection_refused", "unreachable"];
        if !unreached.contains(&link.fault.as_str()) {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "no attempt was made: {link:?}"
        );
        tokio::task::yield_now().await;
    }
    // The others go on.
    let proposal = transfer(&cluster, key.key, 0, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &proposal).await {
        verified(&outcome, &key, &transfer_digest(0));
    }
}
