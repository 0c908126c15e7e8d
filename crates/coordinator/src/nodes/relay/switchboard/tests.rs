use tokio_stream::StreamExt as _;

use super::*;

const PAIR_BYTES: usize = 4 * (MAX_RELAY_DATA + RELAY_FRAME_COST);

fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn switchboard() -> Switchboard {
    Switchboard::new(vec![id("p1"), id("p2"), id("p3")], PAIR_BYTES)
}

fn data(from: &str, to: &str, length: usize) -> RelayFrame {
    RelayFrame {
        from: from.to_owned(),
        to: to.to_owned(),
        stream: 7,
        body: Some(Body::Data(vec![1; length])),
    }
}

/// What waits for a node now.
fn waiting(queue: &mut Queue) -> Vec<RelayFrame> {
    let mut frames = Vec::new();
    while let Some(Some(request)) = futures_now(queue) {
        frames.extend(request.frame);
    }
    frames
}

fn futures_now(queue: &mut Queue) -> Option<Option<ExchangeSharesRequest>> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    match Pin::new(queue).poll_next(&mut context) {
        Poll::Ready(item) => Some(item),
        Poll::Pending => None,
    }
}

fn is_end(frame: &RelayFrame) -> bool {
    matches!(frame.body, Some(Body::End(_)))
}

#[tokio::test]
async fn switchboard__should_carry_frames_to_the_node_they_are_for() {
    let board = switchboard();
    let (one, mut to_one) = board.plug_in(&id("p1"));
    let (two, mut to_two) = board.plug_in(&id("p2"));
    one.carry(data("p1", "p2", 10));
    two.carry(data("p2", "p1", 20));
    assert_eq!(
        to_two.next().await.unwrap().frame,
        Some(data("p1", "p2", 10))
    );
    assert_eq!(
        to_one.next().await.unwrap().frame,
        Some(data("p2", "p1", 20))
    );
}

#[test]
fn switchboard__must_not_answer_foreign_senders_or_to_unknown_receivers() {
    let board = switchboard();
    let (one, mut to_one) = board.plug_in(&id("p1"));
    let (_two, mut to_two) = board.plug_in(&id("p2"));
    let long = "x".repeat(1 << 20);
    for (from, to) in [
        ("p3", "p2"),
        ("p1", "p9"),
        ("p1", "p1"),
        ("p1", ""),
        ("p1", &long),
        (&long, "p2"),
    ] {
        one.carry(data(from, to, 1));
        // An answer would carry the name, at the coordinator's cost.
        assert_eq!(waiting(&mut to_one), []);
    }
    assert_eq!(waiting(&mut to_two), []);
}

#[test]
fn switchboard__must_refuse_what_cannot_be_carried_and_say_so() {
    let board = switchboard();
    let (one, mut to_one) = board.plug_in(&id("p1"));
    let (_two, mut to_two) = board.plug_in(&id("p2"));
    let nobody = "p3"; // of the manifest, but not connected
    for (to, length) in [(nobody, 1), ("p2", MAX_RELAY_DATA + 1)] {
        one.carry(data("p1", to, length));
        let told = waiting(&mut to_one);
        assert!(told.len() == 1 && is_end(&told[0]), "to {to}: {told:?}");
        assert_eq!((told[0].from.as_str(), told[0].stream), (to, 7));
    }
    assert_eq!(waiting(&mut to_two), []);
}

#[test]
fn switchboard__must_hold_no_more_than_the_limit_of_each_pair() {
    let board = switchboard();
    let (one, mut to_one) = board.plug_in(&id("p1"));
    let (three, _to_three) = board.plug_in(&id("p3"));
    let (_two, mut to_two) = board.plug_in(&id("p2"));
    for _ in 0..1_000 {
        one.carry(data("p1", "p2", MAX_RELAY_DATA));
    }
    // One that floods takes nothing from the others.
    three.carry(data("p3", "p2", 5));
    let frames = waiting(&mut to_two);
    assert_eq!(frames.len(), 5);
    assert_eq!(frames[4], data("p3", "p2", 5));
    // The answers that it provokes are bounded as well.
    let told = waiting(&mut to_one);
    assert!(told.len() <= PAIR_BYTES / RELAY_FRAME_COST && told.iter().all(is_end));
    // What was taken makes room again.
    one.carry(data("p1", "p2", MAX_RELAY_DATA));
    assert_eq!(waiting(&mut to_two).len(), 1);
}

#[test]
fn switchboard__should_give_a_new_stream_of_a_node_the_place_of_the_old_one() {
    let board = switchboard();
    let (one, _to_one) = board.plug_in(&id("p1"));
    let (old, mut to_old) = board.plug_in(&id("p2"));
    let (new, mut to_new) = board.plug_in(&id("p2"));
    drop(old);
    one.carry(data("p1", "p2", 3));
    assert_eq!(waiting(&mut to_new).len(), 1);
    assert_eq!(
        futures_now(&mut to_old),
        Some(None),
        "the old stream is over"
    );
    drop(new);
    assert!(board.board.lock().ports.contains_key(&id("p1")));
    assert!(!board.board.lock().ports.contains_key(&id("p2")));
}
