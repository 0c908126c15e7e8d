//! Row C12: selective failure of the OT extension. The receiver spoils one row of its matrix and
//! makes the check values fit, so that the check fails exactly if one secret bit of the sender's
//! base OTs is 1. One session tells one bit; 128 bits are the key to every later product.

use std::collections::BTreeMap;

use quorate_dkls23::ban_targets;
use quorate_kernels::{CheckHash, Row, Tccr};
use quorate_protocol::{Reason, Sanction};
use quorate_types::Digest32;

use crate::committee::{TWO_OF_THREE, digest, index, roster};
use crate::misbehaviour::layout::{NONCE, T, U, X};
use crate::misbehaviour::lie;
use crate::pump::Lie;
use crate::signing;

pub(crate) const HONEST: u8 = 1;
pub(crate) const ATTACKER: u8 = 2;
pub(crate) const SESSION: [u8; 16] = [12; 16];
pub(crate) const ROW: usize = 78;

/// Numbers in a pair state behind version, generation, place and zero-sharing seed: both seeds of
/// each base OT, then correlation and chosen seeds.
pub(crate) fn numbers(owner: u8, peer: u8) -> Vec<u128> {
    let state = &TWO_OF_THREE.pairs[&index(owner)][&index(peer)];
    let bytes = state.to_secret_bytes();
    let number = |chunk: &[u8]| u128::from_le_bytes(chunk.try_into().unwrap());
    bytes[66..].chunks(16).map(number).collect()
}

fn bits_of_the_victim() -> u128 {
    numbers(HONEST, ATTACKER)[256]
}

pub(crate) fn oracle(purpose: &[u8], id: &Digest32) -> blake3::Hasher {
    let key = Digest32::of(b"quorate dkls23 v2 oracle", &[purpose, id.as_bytes()]);
    blake3::Hasher::new_keyed(key.as_bytes())
}

/// The id of a session of both, under the tag of a version.
pub(crate) fn session(tag: &[u8], message: &[u8; 32]) -> Digest32 {
    let signers = [index(HONEST), index(ATTACKER)];
    let context = roster(signers[0], &signers, 2, SESSION).context(b"test");
    let key = &TWO_OF_THREE.public_key;
    let parts: [&[u8]; 5] = [
        context.as_bytes(),
        key,
        &[9; 32],
        message,
        &[HONEST, ATTACKER],
    ];
    Digest32::of(tag, &parts)
}

/// The tag of this version.
pub(crate) const TAG: &[u8] = b"quorate dkls23 v3 session";

pub(crate) fn generation() -> Digest32 {
    TWO_OF_THREE.pairs[&index(ATTACKER)][&index(HONEST)].generation()
}

/// The id of an extension: places are those of receiver and sender.
pub(crate) fn extension_id(session: &Digest32, places: [u8; 2], nonce: &[u8]) -> Digest32 {
    let generation = generation();
    let parts: [&[u8]; 4] = [session.as_bytes(), generation.as_bytes(), &places, nonce];
    Digest32::of(b"quorate dkls23 v2 extension", &parts)
}

pub(crate) fn expand(id: &Digest32, seeds: &[u128]) -> Vec<Row> {
    let key = u128::from_le_bytes(id.as_bytes()[..16].try_into().unwrap());
    let mut rows = vec![[0; 5]; seeds.len()];
    Tccr::new(key).hash(1, 0, seeds, &mut rows);
    rows
}

pub(crate) fn row_of(bytes: &[u8]) -> Row {
    let mut padded = [0; 80];
    padded[..ROW].copy_from_slice(bytes);
    std::array::from_fn(|k| u128::from_le_bytes(padded[16 * k..16 * k + 16].try_into().unwrap()))
}

pub(crate) fn check_bytes([first, second]: [u128; 2]) -> Vec<u8> {
    [&first.to_le_bytes()[..], &second.to_le_bytes()[..10]].concat()
}

/// Spoils `row` so that the check fails exactly if the victim's bit there is 1.
fn guess(row: usize, message: [u8; 32]) -> Lie {
    let numbers = numbers(ATTACKER, HONEST);
    lie(1, move |body| {
        let session = session(TAG, &message);
        let id = extension_id(&session, [ATTACKER, HONEST], &body[NONCE..NONCE + 32]);
        let (zeros, ones) = (
            expand(&id, &numbers[..128]),
            expand(&id, &numbers[128..256]),
        );
        let masked = row_of(&body[U..U + ROW]);
        let choices: Row = std::array::from_fn(|k| zeros[0][k] ^ ones[0][k] ^ masked[k]);
        body[U + row * ROW] ^= 1;
        let mut keys = [0; 32];
        let mut hasher = oracle(b"OT check", &id);
        hasher.update(&body[U..X]).finalize_xof().fill(&mut keys);
        let half = |k: usize| u128::from_le_bytes(keys[16 * k..16 * k + 16].try_into().unwrap());
        let check = CheckHash::new([half(0), half(1)]);
        body[X..T].copy_from_slice(&check_bytes(check.fold(&choices)));
        let mut hasher = oracle(b"OT rows", &id);
        for row in &zeros {
            hasher.update(&check_bytes(check.fold(row)));
        }
        body[T..].copy_from_slice(hasher.finalize().as_bytes());
    })
}

/// Runs one session with a guess. Whether the victim noticed; if so, it must ban.
fn victim_notices(row: usize) -> bool {
    let message = digest(&format!("row {row}"));
    let (victim, attacker) = (index(HONEST), index(ATTACKER));
    let lies = BTreeMap::from([(attacker, guess(row, message))]);
    let outcomes = signing::sign_with(&TWO_OF_THREE, &[victim, attacker], SESSION, message, &lies);
    let Err(abort) = &outcomes[&victim] else {
        return false;
    };
    // The attacker's own state does not fit what it sent, so it stops later; the victim has
    // answered by then.
    if abort.reason == Reason::PeerAborted {
        return false;
    }
    let (name, sanction) = ("ot_extension", Sanction::Ban);
    assert_eq!(abort.reason, Reason::Check { name, sanction });
    assert_eq!(abort.culprits, [attacker]);
    let pairs = &TWO_OF_THREE.pairs[&victim];
    let expected = vec![(attacker, pairs[&attacker].generation())];
    assert_eq!(ban_targets(abort, pairs), expected);
    true
}

#[test]
fn c12_ot_selective_failure__must_ban_the_party_and_its_generation_at_the_first_failure() {
    let bits = bits_of_the_victim();
    let row = |bit| (0..128).find(|row| bits >> row & 1 == bit).unwrap();
    assert!(victim_notices(row(1)));
    // The other half of the guesses goes unnoticed, which is why the first failure must be final.
    assert!(!victim_notices(row(0)));
}

#[test]
fn c12_ot_selective_failure__must_ban_in_each_of_64_concurrent_sessions_that_fails() {
    let bits = bits_of_the_victim();
    std::thread::scope(|scope| {
        let session = |row| scope.spawn(move || (row, victim_notices(row)));
        let sessions: Vec<_> = (0..64).map(session).collect();
        for session in sessions {
            let (row, noticed) = session.join().unwrap();
            assert_eq!(noticed, bits >> row & 1 == 1, "row {row}");
        }
    });
}
