use quorate_types::{Epoch, KeyId};

use super::*;
use crate::held_key::tests::dealt;

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn index(number: u8) -> PartyIndex {
    PartyIndex::new(number).unwrap()
}

fn link(number: u8) -> LinkSession {
    LinkSession::from_array([number; 32])
}

/// Signers 1, which leads, and 2.
fn set(key: u8) -> SigningSet {
    SigningSet {
        key: KeyId::from_array([key; 16]),
        epoch: Epoch::FIRST,
        signers: SignerSet::new(vec![index(1), index(2)]).unwrap(),
    }
}

fn stocks() -> Arc<Stocks> {
    let stocks = Stocks::new(&SessionLimits::default());
    stocks.link_up(&node("p1"), link(1));
    Arc::new(stocks)
}

/// A new stock of `set`, announced over `link`.
fn made(set: &SigningSet, link: LinkSession, stock: u8, count: u16) -> (Announcement, Batch) {
    // Any share will do: nothing is signed here.
    let share = CheckedShare::new(&dealt()).unwrap();
    let batch = Batch::draw(&share, count, &mut SystemRandomness).unwrap();
    let announcement = Announcement {
        link,
        stock: StockId::from_array([stock; 16]),
        set: set.clone(),
        commitments: batch.announced().to_vec(),
    };
    (announcement, batch)
}

fn left(stocks: &Stocks, set: &SigningSet) -> usize {
    stocks.state.lock().own.left(set, stocks.now())
}

fn fill(stocks: &Stocks, set: &SigningSet, stock: u8) -> Option<u16> {
    let (count, link) = stocks.wanted(set, &node("p1"))?;
    let (announcement, batch) = made(set, link, stock, count);
    assert!(stocks.filled(&announcement, &node("p1"), Some(batch)));
    Some(count)
}

#[test]
fn wanted__should_begin_small_double_up_to_64_and_be_one_at_a_time() {
    let (stocks, set) = (stocks(), set(1));
    for (stock, size) in (1..).zip([4, 8, 16, 32, 64, 64]) {
        assert_eq!(fill(&stocks, &set, stock), Some(size));
        // As if all were used.
        stocks.state.lock().own.drop_idle(&set, Duration::MAX);
        stocks.tick();
    }
    let (size, link) = stocks.wanted(&set, &node("p1")).unwrap();
    assert_eq!(stocks.wanted(&set, &node("p1")), None, "it is being made");
    let (announcement, _) = made(&set, link, 9, size);
    assert!(!stocks.filled(&announcement, &node("p1"), None));
    assert!(
        stocks.wanted(&set, &node("p1")).is_some(),
        "it was not made"
    );
    assert_eq!(stocks.wanted(&set, &node("p3")), None, "no link to p3");
    let off = Stocks::new(&SessionLimits {
        stocked_nonces_per_set: 0,
        ..SessionLimits::default()
    });
    off.link_up(&node("p1"), link);
    assert_eq!(off.wanted(&set, &node("p1")), None, "switched off");
}

#[test]
fn c7_stock__must_die_with_the_link_session_also_while_it_is_being_made() {
    let (stocks, set) = (stocks(), set(1));
    fill(&stocks, &set, 1).unwrap();
    assert_eq!(left(&stocks, &set), 4);
    assert!(matches!(
        stocks.ahead(&set, index(2), false),
        Ahead::Follow(_)
    ));
    // Another handshake, without loss: what was bound to the session before is gone.
    stocks.link_up(&node("p1"), link(2));
    assert_eq!(left(&stocks, &set), 0);
    assert!(matches!(
        stocks.ahead(&set, index(2), false),
        Ahead::Nothing
    ));
    let (count, before) = stocks.wanted(&set, &node("p1")).unwrap();
    assert_eq!(before, link(2));
    let (announcement, batch) = made(&set, before, 2, count);
    stocks.link_down(&node("p1"));
    stocks.link_up(&node("p1"), link(3));
    assert!(!stocks.filled(&announcement, &node("p1"), Some(batch)));
    assert_eq!(left(&stocks, &set), 0);
    // The other side too.
    let held = |stocks: &Stocks| stocks.state.lock().held.entries();
    let keep = |stocks: &Stocks, link, stock| {
        let (announcement, _) = made(&set, link, stock, 4);
        let curve = quorate_types::Curve::Secp256k1;
        let checked = announcement.check(curve).unwrap();
        let now = stocks.now();
        stocks
            .state
            .lock()
            .held
            .add(index(2), checked, now)
            .unwrap();
    };
    stocks.link_up(&node("p2"), link(7));
    keep(&stocks, link(7), 3);
    assert_eq!(held(&stocks), 4);
    stocks.link_down(&node("p2"));
    assert_eq!(held(&stocks), 0);
}

#[test]
fn failed__must_forget_the_set_and_pause_it_unless_it_was_cancelled() {
    let (stocks, set, other) = (stocks(), set(1), set(2));
    for (set, stock) in [(&set, 1), (&other, 2)] {
        let (announcement, _) = made(set, link(7), stock, 4);
        let checked = announcement.check(quorate_types::Curve::Secp256k1).unwrap();
        let now = stocks.now();
        stocks
            .state
            .lock()
            .held
            .add(index(2), checked, now)
            .unwrap();
    }
    stocks.failed(&set, &Reason::Cancelled);
    // Who has spoken before us had no stock when it began: nothing is taken.
    assert!(matches!(stocks.ahead(&set, index(1), true), Ahead::Nothing));
    assert!(matches!(
        stocks.ahead(&set, index(1), false),
        Ahead::Lead(_)
    ));
    stocks.failed(&set, &Reason::PeerAborted);
    assert!(matches!(
        stocks.ahead(&set, index(1), false),
        Ahead::Nothing
    ));
    assert!(matches!(
        stocks.ahead(&other, index(1), false),
        Ahead::Lead(_)
    ));
    assert!(stocks.state.lock().paused.contains_key(&set));
    assert!(!stocks.state.lock().paused.contains_key(&other));
}
