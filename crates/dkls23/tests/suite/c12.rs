//! Row C12: selective failure of the OT extension. The receiver spoils one column of its matrix
//! and makes the check values fit, so that the check fails exactly if one secret bit of the
//! sender's base OTs is 1. One session tells one bit; 256 bits are the key to every later product.

use std::collections::BTreeMap;

use dkls23::utilities::hashes::tagged_hash;
use dkls23::utilities::multiplication::{MulReceiver, MulSender};
use dkls23::utilities::oracle_tags::{
    TAG_OTE_CHI, TAG_OTE_PRG, TAG_OTE_SESSION, TAG_SIGN_MUL_SESSION,
};
use dkls23::utilities::ot::extension::field_mul;
use dkls23::utilities::zero_shares::SeedPair;
use k256::Secp256k1;
use quorate_dkls23::ban_targets;
use quorate_protocol::{Reason, Sanction};
use quorate_types::PartyIndex;
use serde::Deserialize;

use crate::committee::{TWO_OF_THREE, digest, index, roster};
use crate::misbehaviour::layout::{NONCE, T, U, X};
use crate::misbehaviour::lie;
use crate::pump::Lie;
use crate::signing;

const HONEST: u8 = 1;
const ATTACKER: u8 = 2;
const SESSION: [u8; 16] = [12; 16];
const ROW: usize = 78;
const FIELD: usize = 26;

/// What the attacker knows of its own pair state, and the test of the victim's.
#[derive(Deserialize)]
struct State {
    _zero_share: SeedPair,
    sender: MulSender<Secp256k1>,
    receiver: MulReceiver<Secp256k1>,
}

fn state(owner: u8, peer: u8) -> State {
    let setup = TWO_OF_THREE.setups[&index(owner)].get(index(peer)).unwrap();
    postcard::from_bytes(&setup.to_secret_bytes()[35..]).unwrap()
}

/// The engine's id of the extension in which the attacker is the receiver.
fn extension_id(message: &[u8; 32], nonce: &[u8]) -> [u8; 32] {
    let signers = [index(HONEST), index(ATTACKER)];
    let context = roster(signers[0], &signers, 2, SESSION).context(b"test");
    let multiplication = tagged_hash(
        TAG_SIGN_MUL_SESSION,
        &[
            b"quorate dkls23 sign v1",
            context.as_bytes(),
            &[9; 32],
            &TWO_OF_THREE.public_key,
            message,
            &[HONEST, ATTACKER],
            &[ATTACKER, HONEST],
        ],
    );
    let id = [b"OT Extension protocol", multiplication.as_slice()].concat();
    tagged_hash(TAG_OTE_SESSION, &[&id, nonce])
}

fn expand(id: &[u8; 32], column: u16, seed: &[u8; 32]) -> Vec<u8> {
    let chunk = |count: u16| {
        let (column, count) = (column.to_be_bytes(), count.to_be_bytes());
        tagged_hash(TAG_OTE_PRG, &[id, &column, &count, seed])
    };
    let mut row: Vec<u8> = (0..3).flat_map(chunk).collect();
    row.truncate(ROW);
    row
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// The check value of one row under the challenges.
fn fold(row: &[u8], challenges: &[Vec<u8>; 2]) -> Vec<u8> {
    let product = |at: usize, c: &Vec<u8>| field_mul(&row[at..at + FIELD], c).unwrap();
    let sum = xor(&product(0, &challenges[0]), &product(FIELD, &challenges[1]));
    xor(&sum, &row[2 * FIELD..])
}

/// Spoils `column` so that the check fails exactly if the victim's bit there is 1.
fn guess(column: u16, message: [u8; 32]) -> Lie {
    let receiver = state(ATTACKER, HONEST).receiver.ote_receiver.clone();
    lie(1, move |body| {
        let id = extension_id(&message, &body[NONCE..NONCE + 32]);
        let rows = |seeds: &[[u8; 32]]| -> Vec<Vec<u8>> {
            (0..256u16)
                .map(|i| expand(&id, i, &seeds[usize::from(i)]))
                .collect()
        };
        let (zeros, ones) = (rows(&receiver.seeds0), rows(&receiver.seeds1));
        let choices = xor(&xor(&zeros[0], &ones[0]), &body[U..U + ROW]);
        body[U + usize::from(column) * ROW] ^= 1;
        let matrix = &body[U..X];
        let challenge =
            |name: &[u8]| tagged_hash(TAG_OTE_CHI, &[&id, name, matrix])[..FIELD].to_vec();
        let challenges = [challenge(b"chi1"), challenge(b"chi2")];
        let t: Vec<u8> = zeros
            .iter()
            .flat_map(|row| fold(row, &challenges))
            .collect();
        body[X..T].copy_from_slice(&fold(&choices, &challenges));
        body[T..].copy_from_slice(&t);
    })
}

/// Runs one session with a guess. Whether the victim noticed; if so, it must ban.
fn victim_notices(column: u16) -> bool {
    let message = digest(&format!("column {column}"));
    let (victim, attacker) = (index(HONEST), index(ATTACKER));
    let lies = BTreeMap::from([(attacker, guess(column, message))]);
    let outcomes = signing::sign_with(&TWO_OF_THREE, &[victim, attacker], SESSION, message, &lies);
    let Err(abort) = &outcomes[&victim] else {
        return false;
    };
    // The attacker's own engine stumbles over its lie later; the victim has answered by then.
    if abort.reason == Reason::PeerAborted {
        return false;
    }
    let (name, sanction) = ("ot_extension", Sanction::Ban);
    assert_eq!(abort.reason, Reason::Check { name, sanction });
    assert_eq!(abort.culprits, [attacker]);
    let setups = &TWO_OF_THREE.setups[&victim];
    let banned: Vec<(PartyIndex, _)> = vec![(attacker, setups.generation(attacker).unwrap())];
    assert_eq!(ban_targets(abort, setups), banned);
    true
}

#[test]
fn c12_ot_selective_failure__must_ban_the_party_and_its_generation_at_the_first_failure() {
    let bits = state(HONEST, ATTACKER)
        .sender
        .ote_sender
        .correlation
        .clone();
    let column = |bit| u16::try_from(bits.iter().position(|b| *b == bit).unwrap()).unwrap();
    assert!(victim_notices(column(true)));
    // The other half of the guesses goes unnoticed, which is why the first failure must be final.
    assert!(!victim_notices(column(false)));
}

#[test]
fn c12_ot_selective_failure__must_ban_in_each_of_64_concurrent_sessions_that_fails() {
    let bits = state(HONEST, ATTACKER)
        .sender
        .ote_sender
        .correlation
        .clone();
    std::thread::scope(|scope| {
        let session = |column: u16| scope.spawn(move || (column, victim_notices(column)));
        let sessions: Vec<_> = (0..64).map(session).collect();
        for session in sessions {
            let (column, noticed) = session.join().unwrap();
            assert_eq!(noticed, bits[usize::from(column)], "column {column}");
        }
    });
}
