use quorate_types::{Canonical as _, Digest32, KeyId, NodeId, SessionId, UnixSeconds};
use serde_json::json;

use super::*;
use crate::event::AuditResult;
use crate::record::InvalidLine;

fn event(number: u64) -> AuditEvent {
    let mut event = AuditEvent::new(
        UnixSeconds(1_700_000_000 + number),
        "sign.completed",
        "sign",
        AuditResult::Succeeded,
    )
    .with("number", number)
    .with("nested", json!({"b": [1, -2, "x", null], "a": true}));
    event.user_id = Some("alice".into());
    event.key_id = Some(KeyId::from_array([1; 16]));
    event.node_id = Some(NodeId::new("p1").unwrap());
    event.session_id = Some(SessionId::from_array([2; 16]));
    event.ip_address = Some("192.0.2.1".into());
    event.user_agent = Some("quorate/0.1".into());
    event.request_id = Some(format!("req-{number}"));
    event
}

fn chain(length: u64) -> (Head, Vec<Record>) {
    let genesis = Head::genesis(b"p1");
    let mut chain = Chain::at(genesis);
    let records = (1..=length)
        .map(|n| chain.append(event(n)).unwrap())
        .collect();
    (genesis, records)
}

#[test]
fn chain__should_verify_what_was_appended() {
    let (genesis, records) = chain(10);
    let head = verify(genesis, &records, None).unwrap();
    assert_eq!(head, records[9].head());
    assert_eq!(verify(genesis, &records, Some(head)), Ok(head));
    assert_eq!(verify(genesis, &records, Some(records[4].head())), Ok(head));
    assert_eq!(verify(genesis, &[], None), Ok(genesis));
}

#[test]
fn chain__must_find_an_edit_of_each_field_and_name_the_record() {
    let (genesis, records) = chain(6);
    let edits: [fn(&mut AuditEvent); 13] = [
        |e| e.timestamp = UnixSeconds(1),
        |e| e.event_type.push('x'),
        |e| e.user_id = None,
        |e| e.user_id = Some("mallory".into()),
        |e| e.key_id = Some(KeyId::from_array([9; 16])),
        |e| e.node_id = None,
        |e| e.session_id = None,
        |e| e.operation = "other".into(),
        |e| e.result = AuditResult::Failed,
        |e| drop(e.details.remove("nested")),
        |e| e.ip_address = None,
        |e| e.user_agent = None,
        |e| e.request_id = None,
    ];
    for edit in edits {
        for place in 0..records.len() {
            let mut edited = records.clone();
            edit(&mut edited[place].event);
            let sequence = place as u64 + 1;
            let why = ChainFault::Hash;
            assert_eq!(
                verify(genesis, &edited, None),
                Err(ChainError { sequence, why })
            );
        }
    }
}

#[test]
fn chain__must_find_an_edit_that_recomputes_its_own_hash() {
    let (genesis, mut records) = chain(6);
    let before = records[1].head();
    records[2] = Record::after(before, event(99)).unwrap();
    let why = ChainFault::Previous;
    assert_eq!(
        verify(genesis, &records, None),
        Err(ChainError { sequence: 4, why })
    );
}

#[test]
fn chain__must_find_deletions_insertions_and_reordering() {
    let (genesis, records) = chain(6);
    for place in 0..5 {
        let sequence = place as u64 + 1;
        let mut deleted = records.clone();
        deleted.remove(place);
        let why = ChainFault::Sequence {
            found: sequence + 1,
        };
        assert_eq!(
            verify(genesis, &deleted, None),
            Err(ChainError { sequence, why })
        );

        let mut repeated = records.clone();
        repeated.insert(place + 1, records[place].clone());
        let why = ChainFault::Sequence { found: sequence };
        let sequence = sequence + 1;
        assert_eq!(
            verify(genesis, &repeated, None),
            Err(ChainError { sequence, why })
        );

        let mut swapped = records.clone();
        swapped.swap(place, place + 1);
        let error = verify(genesis, &swapped, None).unwrap_err();
        assert_eq!(error.sequence, place as u64 + 1);
    }
}

#[test]
fn chain__must_find_truncation_and_a_rewritten_tail_against_a_known_head() {
    let (genesis, records) = chain(6);
    let head = records[5].head();
    for kept in 0..6 {
        let sequence = kept as u64 + 1;
        let why = ChainFault::Truncated;
        let cut = &records[..kept];
        assert_eq!(
            verify(genesis, cut, Some(head)),
            Err(ChainError { sequence, why })
        );
    }
    let mut rewritten = records[..5].to_vec();
    rewritten.push(Record::after(records[4].head(), event(99)).unwrap());
    let why = ChainFault::Head;
    assert_eq!(
        verify(genesis, &rewritten, Some(head)),
        Err(ChainError { sequence: 6, why })
    );
}

#[test]
fn chain__must_refuse_the_chain_of_another_node() {
    let (_, records) = chain(2);
    let why = ChainFault::Previous;
    assert_eq!(
        verify(Head::genesis(b"p2"), &records, None),
        Err(ChainError { sequence: 1, why })
    );
    let mine = Head::genesis(b"p1");
    let why = ChainFault::Head;
    assert_eq!(
        verify(Head::genesis(b"p2"), &[], Some(mine)),
        Err(ChainError { sequence: 0, why })
    );
}

#[test]
fn record__should_round_trip_as_one_line_and_keep_the_product_names() {
    let (_, records) = chain(1);
    let line = records[0].to_line();
    assert!(!line.contains('\n'));
    assert_eq!(Record::from_line(&line).unwrap(), records[0]);
    for name in [
        "timestamp",
        "event_type",
        "user_id",
        "key_id",
        "node_id",
        "session_id",
        "operation",
        "result",
        "details",
        "ip_address",
        "user_agent",
        "request_id",
    ] {
        assert!(line.contains(&format!("\"{name}\":")), "{name}");
    }
    let bare = AuditEvent::new(UnixSeconds(1), "a", "b", AuditResult::Intent);
    let bare = Record::after(Head::genesis(b"p1"), bare).unwrap();
    assert_eq!(Record::from_line(&bare.to_line()).unwrap(), bare);
}

#[test]
fn d5_record__must_refuse_other_spellings_of_a_line() {
    let (_, records) = chain(1);
    let line = records[0].to_line();
    let spaced = line.replacen(':', ": ", 1);
    assert_eq!(Record::from_line(&spaced), Err(InvalidLine::Spelling));
    let upper = line.replace(
        &records[0].hash.to_string(),
        &records[0].hash.to_string().to_uppercase(),
    );
    assert_eq!(Record::from_line(&upper), Err(InvalidLine::Spelling));
    let repeated = line.replacen("\"details\":{", "\"details\":{\"number\":2,", 1);
    assert_ne!(repeated, line);
    assert_eq!(Record::from_line(&repeated), Err(InvalidLine::Spelling));
    let unknown = line.replacen('{', "{\"extra\":1,", 1);
    assert!(matches!(
        Record::from_line(&unknown),
        Err(InvalidLine::Syntax { .. })
    ));
}

#[test]
fn chain__must_refuse_events_beyond_the_limits_and_stay_as_it_was() {
    let mut chain = Chain::at(Head::genesis(b"p1"));
    let before = chain.head();
    let base = || AuditEvent::new(UnixSeconds(1), "a", "b", AuditResult::Intent);
    let mut long = base();
    long.user_agent = Some("x".repeat(crate::MAX_TEXT_BYTES + 1));
    let field = "user_agent";
    assert_eq!(chain.append(long), Err(InvalidEvent::TextTooLong { field }));
    let fraction = base().with("x", json!([1.5]));
    assert_eq!(chain.append(fraction), Err(InvalidEvent::Fraction));
    let deep = (0..9).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(
        chain.append(base().with("x", deep)),
        Err(InvalidEvent::TooDeep)
    );
    let large = base().with("x", "y".repeat(crate::MAX_EVENT_BYTES));
    assert!(matches!(
        chain.append(large),
        Err(InvalidEvent::TooLarge { .. })
    ));
    assert_eq!(chain.head(), before);
}

#[test]
fn hash__should_not_depend_on_the_order_of_details() {
    let base = || AuditEvent::new(UnixSeconds(1), "a", "b", AuditResult::Intent);
    let one = base().with("a", 1).with("b", 2).canonical().unwrap();
    let two = base().with("b", 2).with("a", 1).canonical().unwrap();
    assert_eq!(one, two);
    let typed = base().with("a", "1").with("b", 2).canonical().unwrap();
    assert_ne!(one, typed);
}

#[test]
fn head__should_round_trip_and_refuse_other_versions() {
    let head = Head {
        sequence: 7,
        hash: Digest32::from_array([3; 32]),
    };
    let bytes = head.to_bytes();
    assert_eq!(Head::from_bytes(&bytes).unwrap(), head);
    for place in 0..8 {
        let mut other = bytes.clone();
        other[place] ^= 1;
        assert!(Head::from_bytes(&other).is_err());
    }
}
