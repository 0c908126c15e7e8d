use ed25519_dalek::Signature;
use quorate_audit::{AuditEvent, AuditResult, Facts, Record};
use quorate_keystore::{AppendLog, AuditLogError, Keystore, LogKind, Storage as _};
use quorate_types::UnixSeconds;

use crate::fixture::Node;
use crate::simulated_disk::Loss;

const KIND: LogKind = LogKind::new("audit");

pub(crate) fn event(number: u64) -> AuditEvent {
    AuditEvent::new(
        UnixSeconds(number),
        "test.event",
        "test",
        AuditResult::Succeeded,
    )
    .with("number", number)
}

pub(crate) fn write_some(keystore: &Keystore, count: u64) {
    for number in 0..count {
        keystore
            .audit()
            .record(event(number))
            .unwrap()
            .wait()
            .unwrap();
    }
}

#[test]
fn audit_log__should_pair_intents_with_outcomes_and_report_what_a_crash_interrupted() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let audit = keystore.audit();
    let done = audit.begin(event(1)).unwrap().wait().unwrap();
    let lost = audit.begin(event(2)).unwrap().wait().unwrap();
    assert_eq!(done.event().result, AuditResult::Intent);
    let facts = Facts::from_iter([("signature".to_owned(), "ab".into())]);
    let outcome = audit.finish(&done, AuditResult::Succeeded, UnixSeconds(9), facts);
    assert_eq!(outcome.unwrap().wait().unwrap(), 3);
    drop(keystore);

    let (keystore, report) = node.open();
    assert_eq!(report.unfinished, std::slice::from_ref(&lost));
    let audit = keystore.audit();
    let unknown = audit.finish(&lost, AuditResult::Unknown, UnixSeconds(10), Facts::new());
    unknown.unwrap().wait().unwrap();
    drop(keystore);
    let (keystore, report) = node.open();
    assert!(report.unfinished.is_empty());
    assert_eq!(keystore.audit().head().sequence, 4);
}

fn records(node: &Node) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut visit = |record: &[u8]| {
        records.push(record.to_vec());
        Ok(())
    };
    let path = node.path("audit.log");
    AppendLog::open(node.storage(), &path, KIND, 1 << 20, &mut visit).unwrap();
    records
}

fn rewrite(node: &Node, records: Vec<Vec<u8>>) {
    let path = node.path("audit.log");
    let (log, _) = AppendLog::open(node.storage(), &path, KIND, 1 << 20, &mut |_| Ok(())).unwrap();
    log.replace(records).unwrap().wait().unwrap();
}

#[test]
fn audit_log__must_not_open_after_an_edit_deletion_or_reordering() {
    let node = Node::new();
    let (keystore, _) = node.open();
    write_some(&keystore, 5);
    drop(keystore);
    let good = records(&node);
    rewrite(&node, good.clone());
    drop(node.open());

    let mut edited = good.clone();
    let text = String::from_utf8(edited[2].clone()).unwrap();
    edited[2] = text.replace("\"number\":2", "\"number\":7").into_bytes();
    let mut deleted = good.clone();
    deleted.remove(2);
    let mut swapped = good.clone();
    swapped.swap(2, 3);
    for forged in [edited, deleted, swapped] {
        rewrite(&node, forged);
        let refusal = node.refusal();
        assert!(
            refusal.contains("audit.log") && refusal.contains("audit record 3"),
            "{refusal}"
        );
    }
}

#[test]
fn audit_log__must_not_open_shorter_than_its_checkpoint() {
    let node = Node::new();
    let (keystore, _) = node.open();
    write_some(&keystore, 3);
    let (head, signature) = keystore.audit().checkpoint().unwrap();
    let statement = keystore.audit().checkpoint_statement(head);
    let key = node.signer.verifying_key();
    key.verify_strict(&statement, &Signature::from_bytes(&signature))
        .unwrap();
    write_some(&keystore, 2);
    drop(keystore);
    let good = records(&node);
    let at_the_checkpoint = node.on(node.disk.restarted(Loss::Nothing));
    rewrite(&at_the_checkpoint, good[..3].to_vec());
    assert_eq!(at_the_checkpoint.open().0.audit().head(), head);
    let shorter = node.on(node.disk.restarted(Loss::Nothing));
    rewrite(&shorter, good[..2].to_vec());
    assert!(
        shorter
            .refusal()
            .contains("length named by the signed head")
    );
    // Opening signs the new end, so that cutting what came after the checkpoint shows too.
    drop(node.open());
    rewrite(&node, good[..4].to_vec());
    assert!(node.refusal().contains("length named by the signed head"));
}

#[test]
fn audit_log__must_refuse_the_act_if_it_cannot_be_written() {
    let node = Node::new();
    let (keystore, _) = node.open();
    node.disk.stop_after(0, Loss::Nothing);
    assert!(keystore.audit().begin(event(1)).unwrap().wait().is_err());
    let refused = keystore.audit().begin(event(2));
    assert!(matches!(refused, Err(AuditLogError::Log(_))));
    let long = event(1).with("x", "y".repeat(1 << 20));
    assert!(matches!(
        keystore.audit().record(long),
        Err(AuditLogError::InvalidEvent(_))
    ));
}

#[test]
fn audit_log__should_chain_events_of_many_threads() {
    let node = Node::new();
    let (keystore, _) = node.open();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| write_some(&keystore, 50));
        }
    });
    drop(keystore);
    let (keystore, _) = node.open();
    assert_eq!(keystore.audit().head().sequence, 400);
    let lines = records_of_closed(&node, keystore);
    let last = Record::from_line(std::str::from_utf8(lines.last().unwrap()).unwrap()).unwrap();
    assert_eq!(last.sequence, 400);
}

fn records_of_closed(node: &Node, keystore: Keystore) -> Vec<Vec<u8>> {
    drop(keystore);
    assert!(node.disk.exists(&node.path("audit.log")).unwrap());
    records(node)
}
