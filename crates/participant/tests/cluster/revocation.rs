//! A coordinator whose certificate is revoked while it is connected.

use std::path::PathBuf;

use quorate_testkit::{Cluster, Options};

use crate::support::options;

/// One node that knows a revocation list, empty at first.
async fn with_list(folder: &tempfile::TempDir) -> (Cluster, PathBuf) {
    let list = folder.path().join("revoked.pem");
    let mut options: Options = options(2);
    options.tls = format!("crl_file = \"{}\"\n", list.display());
    options.before_start = Some(Box::new({
        let list = list.clone();
        move |cluster| cluster.write_revocations(&list, false)
    }));
    (Cluster::start(options).await.unwrap(), list)
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_coordinator__must_lose_its_connection_and_be_refused_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (cluster, list) = with_list(&folder).await;
    let mut double = cluster.connect(0).await.unwrap();
    double.heartbeat().await.unwrap();
    // A list that cannot be used changes nothing.
    std::fs::write(&list, "garbage").unwrap();
    cluster
        .eventually("the list is refused", |cluster| {
            Ok(cluster.log(0)?.contains("not a usable revocation list")
                || cluster.log(0)?.contains("TLS files cannot be used"))
        })
        .await
        .unwrap();
    double.heartbeat().await.unwrap();
    cluster.write_revocations(&list, true).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(180);
    while double.heartbeat().await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "it was not cut");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    double.heartbeat().await.unwrap_err();
    cluster
        .eventually("the refusal is recorded", |cluster| {
            Ok(cluster.audit(0)?.iter().any(|record| {
                let event = &record["event"];
                event["event_type"] == "connection.refused"
                    && event["details"]["fault"] == "peer_certificate_revoked"
                    && event["details"]["claimed"] == "coordinator c1"
            }))
        })
        .await
        .unwrap();
}
