use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// The first carrier of a relay.
const C0: CarrierId = CarrierId(1);
/// More than anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn relay() -> (Relay, RelayAttachment, mpsc::Receiver<RelayFrame>) {
    let relay = Relay::new(id("b"));
    let (frames, sent) = mpsc::channel(64);
    let attachment = relay.attach(id("c0"), frames);
    (relay, attachment, sent)
}

fn frame(stream: u64, body: RelayBody) -> RelayFrame {
    RelayFrame {
        from: id("a"),
        to: id("b"),
        stream,
        body,
    }
}

fn data(stream: u64) -> RelayFrame {
    frame(stream, RelayBody::Data(vec![7; MAX_RELAY_DATA]))
}

async fn ended(sent: &mut mpsc::Receiver<RelayFrame>) -> u64 {
    let end = async {
        loop {
            let frame = sent.recv().await.unwrap();
            if frame.body == RelayBody::End {
                return frame.stream;
            }
        }
    };
    tokio::time::timeout(PATIENCE, end).await.unwrap()
}

/// Until no stream is left.
async fn forgotten(relay: &Relay) {
    let empty = async {
        while !relay.table.lock().streams.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, empty).await.unwrap();
}

#[tokio::test]
async fn relay__should_carry_bytes_both_ways_and_acknowledge_them() {
    let (relay, _attachment, mut sent) = relay();
    let mut opened = relay
        .receive(C0, frame(1, RelayBody::Data(vec![1, 2, 3])), true)
        .unwrap();
    let mut read = [0; 3];
    opened.bytes.read_exact(&mut read).await.unwrap();
    assert_eq!(read, [1, 2, 3]);
    let taken = u32::try_from(3 + RELAY_FRAME_COST).unwrap();
    assert_eq!(sent.recv().await.unwrap().body, RelayBody::Credit(taken));
    opened.bytes.write_all(&[9]).await.unwrap();
    let frame = sent.recv().await.unwrap();
    assert_eq!((frame.from, frame.to, frame.stream), (id("b"), id("a"), 1));
    assert_eq!(frame.body, RelayBody::Data(vec![9]));
}

#[tokio::test]
async fn relay__should_end_one_direction_after_the_other() {
    let (relay, _attachment, mut sent) = relay();
    let mut opened = relay
        .receive(C0, frame(1, RelayBody::Data(vec![5])), true)
        .unwrap();
    assert!(relay.receive(C0, frame(1, RelayBody::End), true).is_none());
    let mut read = Vec::new();
    opened.bytes.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, [5], "nothing that came before the end is lost");
    opened.bytes.write_all(&[6]).await.unwrap();
    drop(opened);
    loop {
        match sent.recv().await.unwrap().body {
            RelayBody::Credit(_) => {}
            RelayBody::Data(data) => assert_eq!(data, [6]),
            RelayBody::End => break,
        }
    }
}

#[tokio::test]
async fn relay__must_stop_sending_at_the_window_and_go_on_with_credit() {
    let (relay, _attachment, mut sent) = relay();
    let (mut bytes, _) = relay.dial(&id("c")).unwrap();
    let writer = tokio::spawn(async move {
        bytes.write_all(&vec![3; 2 * RELAY_WINDOW]).await.unwrap();
        bytes
    });
    let whole = MAX_RELAY_DATA + RELAY_FRAME_COST;
    let (mut stream, mut arrived) = (0, 0);
    while arrived + whole <= RELAY_WINDOW {
        let frame = sent.recv().await.unwrap();
        let RelayBody::Data(data) = frame.body else {
            panic!("only data")
        };
        (stream, arrived) = (frame.stream, arrived + data.len() + RELAY_FRAME_COST);
    }
    tokio::task::yield_now().await;
    assert!(sent.try_recv().is_err(), "the window is used up");
    let credit = RelayFrame {
        from: id("c"),
        to: id("b"),
        stream,
        body: RelayBody::Credit(u32::try_from(whole).unwrap()),
    };
    assert!(relay.receive(C0, credit, false).is_none());
    assert!(matches!(
        sent.recv().await.unwrap().body,
        RelayBody::Data(_)
    ));
    writer.abort();
}

#[tokio::test]
async fn relay__must_end_streams_that_break_the_window() {
    // More data than any honest end has under way, for a link that reads nothing.
    let (relay, _attachment, mut sent) = relay();
    let opened = relay.receive(C0, frame(1, RelayBody::Data(vec![1])), true);
    for _ in 0..=2 * RELAY_WINDOW / RELAY_FRAME_COST {
        relay.receive(C0, frame(1, RelayBody::Data(vec![1])), true);
    }
    assert_eq!(ended(&mut sent).await, 1);
    drop(opened);
    // Data that is empty or too long, and credit for what was never sent.
    for (stream, body) in [
        (2, RelayBody::Data(Vec::new())),
        (3, RelayBody::Data(vec![0; MAX_RELAY_DATA + 1])),
        (4, RelayBody::Credit(1)),
        (5, RelayBody::Credit(u32::MAX)),
    ] {
        let opened = relay.receive(C0, frame(stream, RelayBody::Data(vec![1])), true);
        relay.receive(C0, frame(stream, body), true);
        assert_eq!(ended(&mut sent).await, stream);
        drop(opened);
    }
}

#[tokio::test]
async fn relay__must_bound_the_streams_of_a_peer_and_keep_those_in_use() {
    let (relay, _attachment, _sent) = relay();
    let first = relay.receive(C0, data(0), true).unwrap();
    first.stream.establish();
    let mut others: Vec<Opened> = Vec::new();
    for stream in 1..50 {
        others.push(relay.receive(C0, data(stream), true).unwrap());
        assert!(relay.table.lock().streams.len() <= MAX_STREAMS_PER_PEER);
    }
    assert!(relay.table.lock().streams.contains_key(&(id("a"), 0)));
}

#[tokio::test]
async fn relay__must_open_nothing_for_a_peer_that_does_not_dial() {
    let (relay, _attachment, mut sent) = relay();
    assert!(relay.receive(C0, data(9), false).is_none());
    assert_eq!(ended(&mut sent).await, 9);
    assert!(relay.table.lock().streams.is_empty());
}

#[tokio::test]
async fn relay__should_end_its_streams_when_the_coordinator_goes() {
    let (relay, attachment, _sent) = relay();
    let (mut bytes, _) = relay.dial(&id("c")).unwrap();
    drop(attachment);
    assert_eq!(bytes.read(&mut [0]).await.unwrap(), 0);
    assert!(
        relay.dial(&id("c")).is_none(),
        "nobody is there to carry it"
    );
}

#[tokio::test]
async fn relay__must_count_what_waits_in_bytes_and_not_in_frames() {
    let (relay, _attachment, mut sent) = relay();
    let whole = MAX_RELAY_DATA + RELAY_FRAME_COST;
    let mut opened = relay.receive(C0, data(1), true).unwrap();
    for _ in 1..RELAY_WINDOW / whole {
        relay.receive(C0, data(1), true);
    }
    // The link takes all of it; then as much again may come, and not a frame more.
    let mut read = vec![0; RELAY_WINDOW / whole * MAX_RELAY_DATA];
    opened.bytes.read_exact(&mut read).await.unwrap();
    for _ in 0..RELAY_WINDOW / whole {
        let credit = RelayBody::Credit(u32::try_from(whole).unwrap());
        assert_eq!(sent.recv().await.unwrap().body, credit);
        relay.receive(C0, data(1), true);
    }
    assert!(sent.try_recv().is_err(), "the stream lives");
    relay.receive(C0, data(1), true);
    assert_eq!(ended(&mut sent).await, 1);
    drop(opened);
}

#[tokio::test]
async fn relay__must_end_a_stream_without_credit_when_its_link_is_gone() {
    let (mut relay, _attachment, _sent) = relay();
    relay.linger = Duration::from_millis(20);
    let (mut bytes, _) = relay.dial(&id("c")).unwrap();
    // More than the window: from here on only credit, which nobody gives, would wake it.
    let fill = bytes.write_all(&[3; 2 * RELAY_WINDOW]);
    tokio::select! {
        _ = fill => panic!("the window has an end"),
        () = async {
            while relay.table.lock().carriers[&id("c0")].frames.capacity() > 64 - 15 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    drop(bytes);
    forgotten(&relay).await;
}

#[tokio::test]
async fn relay__must_end_a_stream_whose_frames_nobody_takes_when_its_handshake_failed() {
    let mut relay = Relay::new(id("b"));
    relay.linger = Duration::from_millis(20);
    let (frames, _sent) = mpsc::channel(1);
    let _attachment = relay.attach(id("c0"), frames);
    let mut dialled = relay.dial(&id("c")).unwrap().0;
    dialled.write_all(&[3; 100]).await.unwrap();
    // A stream that the peer opened, whose acknowledgements have no room either.
    let mut opened = relay.receive(C0, data(1), true).unwrap();
    opened.bytes.read_exact(&mut [0; 100]).await.unwrap();
    relay.receive(C0, data(1), true);
    assert!(!opened.stream.is_established());
    drop((dialled, opened));
    forgotten(&relay).await;
}

#[tokio::test]
async fn relay__must_keep_the_streams_of_one_coordinator_from_another() {
    let (relay, attachment, mut sent) = relay();
    let mut opened = relay
        .receive(C0, frame(1, RelayBody::Data(vec![1])), true)
        .unwrap();
    let (frames, mut sent_1) = mpsc::channel(64);
    let second = relay.attach(id("c1"), frames);
    // Neither its bytes nor its end counts in a stream that it does not carry.
    relay.receive(second.id(), frame(1, RelayBody::Data(vec![2])), true);
    relay.receive(second.id(), frame(1, RelayBody::End), true);
    // Nor do its many streams make room at the cost of others.
    let crowd: Vec<_> = (10..60)
        .map(|stream| relay.receive(second.id(), data(stream), true))
        .collect();
    relay.receive(C0, frame(1, RelayBody::Data(vec![3])), true);
    let mut read = [0; 2];
    opened.bytes.read_exact(&mut read).await.unwrap();
    assert_eq!(read, [1, 3]);
    // Answers go where the stream came from.
    opened.bytes.write_all(&[9]).await.unwrap();
    while sent.recv().await.unwrap().body != RelayBody::Data(vec![9]) {}
    drop(second);
    drop(crowd);
    while sent_1.recv().await.is_some() {}
    assert!(relay.table.lock().streams.contains_key(&(id("a"), 1)));
    // Its own newer stream takes the place of the earlier one.
    let (frames, _sent) = mpsc::channel(64);
    let newer = relay.attach(id("c0"), frames);
    assert_eq!(opened.bytes.read(&mut [0]).await.unwrap(), 0);
    drop(attachment);
    assert_eq!(relay.table.lock().next_carrier(), Some(newer.id()));
}

#[tokio::test]
async fn relay__should_dial_through_coordinators_in_turn() {
    let (relay, _attachment, mut sent) = relay();
    let (frames, mut sent_1) = mpsc::channel(64);
    let _second = relay.attach(id("c1"), frames);
    for sent in [&mut sent, &mut sent_1] {
        let (mut bytes, _) = relay.dial(&id("c")).unwrap();
        bytes.write_all(&[1]).await.unwrap();
        assert_eq!(sent.recv().await.unwrap().body, RelayBody::Data(vec![1]));
    }
}
