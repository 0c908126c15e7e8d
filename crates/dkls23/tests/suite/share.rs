//! A share is used only under its own key.

use quorate_dkls23::{CheckedShare, InvalidShare, ShareInput};
use quorate_types::Threshold;

use crate::committee::{deal, index};

fn refused(change: impl FnOnce(&mut ShareInput)) -> Option<InvalidShare> {
    let mut input = deal(3, 5, 7).remove(&index(2)).unwrap();
    change(&mut input);
    CheckedShare::new(&input).err()
}

fn set(input: &mut ShareInput, party: u8, point: [u8; 33]) {
    input.verifying_shares.insert(index(party), point);
}

#[test]
fn share__should_pass_its_own_checks() {
    for (t, n) in [(2, 2), (2, 3), (3, 5), (5, 5), (2, 20), (20, 20)] {
        for input in deal(t, n, 11).values() {
            let share = CheckedShare::new(input).unwrap();
            assert_eq!(share.public_key(), input.public_key);
            assert_eq!(
                (share.index(), share.threshold()),
                (input.index, input.threshold)
            );
        }
    }
}

#[test]
fn c9_share__must_be_refused_under_a_foreign_public_key() {
    let other = deal(3, 5, 8).remove(&index(2)).unwrap();
    let foreign = other.public_key;
    assert_eq!(
        refused(|s| s.public_key = foreign),
        Some(InvalidShare::ForeignKey)
    );
    // With the foreign verifying shares too, our share does not fit them.
    assert_eq!(
        refused(|s| {
            s.public_key = foreign;
            s.verifying_shares = other.verifying_shares;
        }),
        Some(InvalidShare::Mismatch)
    );
}

#[test]
fn share__must_be_refused_when_anything_in_it_is_wrong() {
    assert_eq!(refused(|s| s.share[31] ^= 1), Some(InvalidShare::Mismatch));
    assert_eq!(refused(|s| s.share.fill(0xff)), Some(InvalidShare::Scalar));
    assert_eq!(refused(|s| s.share.fill(0)), Some(InvalidShare::Mismatch));
    assert_eq!(
        refused(|s| s.index = index(3)),
        Some(InvalidShare::Mismatch)
    );
    assert_eq!(
        refused(|s| s.public_key = [0; 33]),
        Some(InvalidShare::PublicKey)
    );
    assert_eq!(
        refused(|s| set(s, 5, [0; 33])),
        Some(InvalidShare::VerifyingShare(index(5)))
    );
    let five = InvalidShare::VerifyingShares { max_signers: 5 };
    assert_eq!(
        refused(|s| s.verifying_shares.retain(|i, _| *i != index(5))),
        Some(five)
    );
    let own = |s: &ShareInput| s.verifying_shares[&index(2)];
    assert_eq!(refused(|s| set(s, 6, own(s))), Some(five));
    // One point off the polynomial, inside and outside of the first t.
    for off in [1, 3, 4, 5] {
        assert_eq!(
            refused(|s| set(s, off, own(s))),
            Some(InvalidShare::ForeignKey),
            "party {off}"
        );
    }
    // A polynomial of another degree.
    let threshold = Threshold::new(2, 5).unwrap();
    assert_eq!(
        refused(|s| s.threshold = threshold),
        Some(InvalidShare::ForeignKey)
    );
}
