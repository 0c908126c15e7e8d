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

fn fill(stocks: &Arc<Stocks>, set: &SigningSet, stock: u8) -> Option<u16> {
    let mut filling = stocks.wanted(set, &node("p1"))?;
    let count = filling.count;
    let (announcement, batch) = made(set, filling.link, stock, count);
    assert!(filling.keep(announcement.stock, batch));
    Some(count)
}

/// Keeps a stock that the second signer announced, as its leader.
fn keep(stocks: &Stocks, set: &SigningSet, link: LinkSession, stock: u8) {
    let (announcement, _) = made(set, link, stock, 4);
    let checked = announcement.check(quorate_types::Curve::Secp256k1).unwrap();
    let now = stocks.now();
    let mut state = stocks.state.lock();
    state.held.add(index(2), checked, now).unwrap();
}

#[test]
fn wanted__should_begin_small_double_up_to_64_and_be_one_at_a_time() {
    let (stocks, set) = (stocks(), set(1));
    for (stock, size) in (1..).zip([4, 8, 16, 32, 64, 64]) {
        assert_eq!(fill(&stocks, &set, stock), Some(size));
        // As if all were used.
        stocks.state.lock().own.drop_set(&set);
        stocks.tick();
    }
    let filling = stocks.wanted(&set, &node("p1")).unwrap();
    assert!(
        stocks.wanted(&set, &node("p1")).is_none(),
        "it is being made"
    );
    drop(filling);
    assert!(
        stocks.wanted(&set, &node("p1")).is_some(),
        "it was not made"
    );
    assert!(stocks.wanted(&set, &node("p3")).is_none(), "no link to p3");
    let limited = |stocked_nonces_per_set| {
        let stocks = Arc::new(Stocks::new(&SessionLimits {
            stocked_nonces_per_set,
            ..SessionLimits::default()
        }));
        stocks.link_up(&node("p1"), link(1));
        stocks
    };
    let off = limited(0);
    assert!(off.wanted(&set, &node("p1")).is_none(), "switched off");
    let few = limited(5);
    for (stock, size) in [(1, 4), (2, 5), (3, 5)] {
        assert_eq!(fill(&few, &set, stock), Some(size));
        few.state.lock().own.drop_set(&set);
    }
}

#[test]
fn stock_that_is_not_made__should_change_nothing_not_even_after_a_panic() {
    let (stocks, set) = (stocks(), set(1));
    for _ in 0..3 {
        let making = std::panic::AssertUnwindSafe(|| {
            let _filling = stocks.wanted(&set, &node("p1")).unwrap();
            panic!("while it was being made");
        });
        std::panic::catch_unwind(making).unwrap_err();
    }
    // Neither is it still being made, nor is the next one larger, nor is its room gone.
    assert_eq!(fill(&stocks, &set, 1), Some(4));
    let mut room = 0;
    let mut state = stocks.state.lock();
    while state
        .own
        .reserve(&set, link(9), MAX_STOCK_ENTRIES, false, stocks.now())
    {
        room += 1;
    }
    assert_eq!(room, BYTES_PER_PEER / (64 * 768 + 2_048));
}

#[test]
fn keys_that_sign_once__should_leave_room_for_those_that_sign_often() {
    let (stocks, hot) = (stocks(), set(255));
    assert_eq!(fill(&stocks, &hot, 255), Some(4));
    let mut once = Vec::new();
    let key = |n: usize| {
        let mut other = set(0);
        let bytes = u128::try_from(n).unwrap().to_be_bytes();
        other.key = KeyId::from_array(bytes);
        other
    };
    // Room is what counts; what would fill it is not drawn here.
    while let Some(filling) = stocks.wanted(&key(once.len()), &node("p1")) {
        once.push(filling);
    }
    assert_eq!(once.len(), BYTES_PER_PEER / 2 / (4 * 768 + 2_048) - 1);
    stocks.state.lock().own.drop_set(&hot);
    for (stock, size) in (1..).zip([8, 16, 32, 64]) {
        assert_eq!(fill(&stocks, &hot, stock), Some(size));
        stocks.state.lock().own.drop_set(&hot);
    }
}

#[test]
fn announcement__must_be_refused_when_its_set_was_paused_meanwhile() {
    let (stocks, set) = (stocks(), set(1));
    stocks.link_up(&node("p2"), link(7));
    let (announcement, _) = made(&set, link(7), 1, 4);
    let welcome = stocks.welcomes(&node("p2"), index(2), &announcement, 4);
    assert_eq!(welcome, Ok(()));
    let checked = announcement.check(quorate_types::Curve::Secp256k1);
    stocks.failed(&set, &Reason::PeerAborted);
    let kept = stocks.keep(&node("p2"), index(2), (&set, link(7)), checked);
    assert_eq!(kept, Err(NOT_WANTED));
    assert_eq!(stocks.state.lock().held.entries(), 0);
}

#[test]
fn c7_stock_announced_twice__must_convict_its_maker_until_the_link_comes_up_anew() {
    let (stocks, set) = (stocks(), set(1));
    stocks.link_up(&node("p2"), link(7));
    let announce = |link, stock| {
        let (announcement, _) = made(&set, link, stock, 4);
        stocks.welcomes(&node("p2"), index(2), &announcement, 4)?;
        let checked = announcement.check(quorate_types::Curve::Secp256k1);
        stocks.keep(&node("p2"), index(2), (&set, link), checked)
    };
    assert_eq!(announce(link(7), 1), Ok(()));
    for _ in 0..4 {
        assert!(matches!(
            stocks.ahead(&set, index(1), false),
            Ahead::Lead(_)
        ));
    }
    // All four are used. An honest node would never say this name again; a dishonest one could have us
    // ask for its first entry once more, and name us for that.
    assert_eq!(announce(link(7), 1), Err(MALFORMED));
    assert_eq!(
        announce(link(7), 2),
        Err(NOT_WANTED),
        "it is not believed any more"
    );
    stocks.link_up(&node("p2"), link(8));
    assert_eq!(announce(link(8), 1), Ok(()));
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
    let mut filling = stocks.wanted(&set, &node("p1")).unwrap();
    assert_eq!(filling.link, link(2));
    let (announcement, batch) = made(&set, filling.link, 2, filling.count);
    stocks.link_down(&node("p1"));
    stocks.link_up(&node("p1"), link(3));
    assert!(!filling.keep(announcement.stock, batch));
    assert_eq!(left(&stocks, &set), 0);
    // The other side too.
    let held = |stocks: &Stocks| stocks.state.lock().held.entries();
    stocks.link_up(&node("p2"), link(7));
    keep(&stocks, &set, link(7), 3);
    assert_eq!(held(&stocks), 4);
    stocks.link_down(&node("p2"));
    assert_eq!(held(&stocks), 0);
}

#[test]
fn failed__must_forget_the_set_and_pause_it_unless_it_was_cancelled() {
    let (stocks, set, other) = (stocks(), set(1), set(2));
    for (set, stock) in [(&set, 1), (&other, 2)] {
        keep(&stocks, set, link(7), stock);
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
