//! A process that is killed loses nothing that it acknowledged.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use quorate_store::{IdempotencyStart, NonceUse, PageRequest, Store, Write};

use crate::open;
use crate::samples::{NOW, event, key, key_id, put_key_and_intent, request, session};

const FOLDER: &str = "STORE_CRASH_TEST_FOLDER";
/// Acknowledged writes after which the parent kills the child.
const ENOUGH: usize = 200;

/// Not a test of its own: the child process that writes until it is killed.
#[test]
#[ignore = "run by killed_process__must_keep_what_it_acknowledged"]
fn child_that_writes_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = open(&PathBuf::from(folder));
        put_key_and_intent(&store, "base").await;
        store
            .write(Write::InsertSession(Box::new(session("s", "base", "base"))))
            .await
            .unwrap();
        store.begin_idempotency(request("r", "b")).await.unwrap();
        for n in 0.. {
            let name = format!("k{n}");
            store
                .apply(vec![
                    Write::InsertKey(Box::new(key(&name))),
                    Write::AppendAudit(Box::new(event("kill"))),
                ])
                .await
                .unwrap();
            store
                .use_nonce("c".into(), name.clone(), NOW)
                .await
                .unwrap();
            // On standard output only what was acknowledged.
            println!("\nacknowledged {name}");
        }
    });
}

#[tokio::test]
async fn killed_process__must_keep_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "crash::child_that_writes_until_killed",
        ])
        .arg("--nocapture")
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let names: Vec<String> = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("acknowledged ").map(str::to_owned))
        .take(ENOUGH)
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names.len(), ENOUGH, "the child stopped by itself");

    let store = open(folder.path());
    for name in &names {
        assert!(store.key(key_id(name)).await.unwrap().is_some(), "{name}");
        let replayed = store.use_nonce("c".into(), name.clone(), NOW).await;
        assert_eq!(replayed.unwrap(), NonceUse::Replayed, "{name}");
    }
    let checked = store.verify_audit_chain(None).await.unwrap();
    assert!(checked.records >= ENOUGH as u64);

    // What was open is found again.
    let open_intents = store.open_intents(PageRequest::default()).await.unwrap();
    assert_eq!(open_intents.rows.len(), 1);
    let open_sessions = store.open_sessions(PageRequest::default()).await.unwrap();
    assert_eq!(open_sessions.rows.len(), 1);
    let begun = store.begin_idempotency(request("r", "b")).await.unwrap();
    assert_eq!(begun, IdempotencyStart::InProgress);
    assert_eq!(store.release_unfinished_idempotency().await.unwrap(), 1);
}
