use futures::StreamExt as _;
use quorate_transport::tls::{ServerTls, TlsIncoming};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::super::{Finding, State};
use super::*;
use crate::enroll::tests::World;

/// A participant's port that lets in who may come in.
async fn serve(files: &TlsFiles) -> String {
    let tls = ServerTls::from_files(files, |_| true).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut incoming = TlsIncoming::start(socket, &tls, TlsLimits::default()).unwrap();
    let address = incoming.local_address().to_string();
    tokio::spawn(async move {
        while let Some(Ok(mut connection)) = incoming.next().await {
            let _ = connection.write_all(&[0]).await;
            let _ = connection.flush().await;
            tokio::spawn(async move {
                // Kept open: the other side reads in its own time.
                let mut end = [0; 64];
                use tokio::io::AsyncReadExt as _;
                while connection.read(&mut end).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    address
}

async fn look_at(world: &World, nodes: &[(&str, &str)]) -> Vec<Finding> {
    let nodes: String = nodes
        .iter()
        .map(|(node, address)| format!("{node} = \"{address}\"\n"))
        .collect();
    let tls = world.files("c1");
    let text = format!(
        "[coordinator]\ncoordinator_id = \"c1\"\n[coordinator.nodes]\n{nodes}[coordinator.tls]\n\
         cert_file = \"{}\"\nkey_file = \"{}\"\nca_file = \"{}\"\n",
        tls.certificate.display(),
        tls.key.display(),
        tls.ca.display(),
    );
    let config = world.path("coordinator.toml");
    std::fs::write(&config, text).unwrap();
    let mut findings = Findings::default();
    look(&config, &mut findings).await.unwrap();
    findings.checks
}

fn fault(findings: &[Finding], node: &str) -> String {
    let finding = findings.iter().find(|f| f.check.starts_with(node)).unwrap();
    assert_eq!(finding.state, State::Fail, "{}", finding.found);
    assert!(!finding.remedy.is_empty());
    let label = finding.found.rsplit('(').next().unwrap();
    label.trim_end_matches(')').to_owned()
}

#[tokio::test]
async fn doctor__should_try_each_link_of_a_coordinator_and_name_its_fault() {
    let world = World::new();
    world.enroll("c1", true);
    let good = world.enroll("p1", false);
    let foreign_world = World::new();
    let foreign = foreign_world.enroll("p3", false);
    let mut strict = world.enroll("p4", false);
    strict.crls = vec![world.revoke(&["c1"])];
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = hole.local_addr().unwrap().to_string();
    drop(hole);
    let findings = look_at(
        &world,
        &[
            ("p1", &serve(&good).await),
            ("p2", &serve(&good).await),
            ("p3", &serve(&foreign).await),
            ("p4", &serve(&strict).await),
            ("p5", &nobody),
        ],
    )
    .await;
    let ok = |check: &str| {
        findings
            .iter()
            .any(|f| f.check.starts_with(check) && f.state == State::Ok)
    };
    assert!(ok("certificate") && ok("TLS files") && ok("p1"));
    assert_eq!(fault(&findings, "p2"), "peer_wrong_name");
    assert_eq!(fault(&findings, "p3"), "peer_foreign_authority");
    assert_eq!(fault(&findings, "p4"), "own_certificate_revoked");
    assert_eq!(fault(&findings, "p5"), "connection_refused");
}

#[tokio::test]
async fn doctor__should_say_when_the_own_files_do_not_work() {
    let world = World::new();
    world.enroll("c1", true);
    world.enroll("c2", true);
    std::fs::copy(world.path("c2/tls.key"), world.path("c1/tls.key")).unwrap();
    let findings = look_at(&world, &[]).await;
    let files = findings.iter().find(|f| f.check == "TLS files").unwrap();
    assert_eq!(files.state, State::Fail);
    std::fs::remove_file(world.path("c1/tls.crt")).unwrap();
    let findings = look_at(&world, &[]).await;
    let own = findings.iter().find(|f| f.check == "certificate").unwrap();
    assert!(own.found.contains("cannot read"), "{}", own.found);
}
