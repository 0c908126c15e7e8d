//! A signer of the version before: the session binding stops it, before any check that bans.

use std::collections::BTreeMap;

use quorate_dkls23::ban_targets;
use quorate_kernels::{CheckHash, Row};
use quorate_protocol::Sanction;
use quorate_types::Digest32;

use crate::c12::{
    ATTACKER as OTHER, HONEST, ROW, SESSION, TAG, check_bytes, expand, extension_id, numbers,
    oracle, row_of, session,
};
use crate::committee::{TWO_OF_THREE, digest, index};
use crate::misbehaviour::layout::{EXTENSION_BINDING, NONCE, T, U, X};
use crate::misbehaviour::lie;
use crate::pump::Lie;
use crate::signing;

const TAG_BEFORE: &[u8] = b"quorate dkls23 v2 session";

/// A double of a signer whose session has the tag `tag`: all of round 1 that follows from it, but for
/// the commitment, which nobody can tell from that of another session. `binds`: also the binding.
fn of_version(tag: &'static [u8], binds: bool, message: [u8; 32]) -> Lie {
    let numbers = numbers(OTHER, HONEST);
    let seeds = numbers[..128].iter().zip(&numbers[128..256]);
    let seeds: (Vec<u128>, Vec<u128>) = seeds.unzip();
    lie(1, move |body| {
        let rows = |session: &Digest32, nonce: &[u8]| {
            let id = extension_id(session, [OTHER, HONEST], nonce);
            (id, expand(&id, &seeds.0), expand(&id, &seeds.1))
        };
        let nonce = body[NONCE..NONCE + 32].to_vec();
        let (_, zeros, ones) = rows(&session(TAG, &message), &nonce);
        let masked = row_of(&body[U..U + ROW]);
        let choices: Row = std::array::from_fn(|k| zeros[0][k] ^ ones[0][k] ^ masked[k]);

        let session = session(tag, &message);
        if binds {
            let parts: [&[u8]; 2] = [session.as_bytes(), &[1, OTHER, HONEST]];
            let binding = Digest32::of(b"quorate dkls23 v2 binding", &parts);
            body[EXTENSION_BINDING..EXTENSION_BINDING + 32].copy_from_slice(binding.as_bytes());
        }
        let (id, zeros, ones) = rows(&session, &nonce);
        let rows = body[U..X].as_chunks_mut::<ROW>().0;
        for (out, (zero, one)) in rows.iter_mut().zip(zeros.iter().zip(&ones)) {
            let row: Row = std::array::from_fn(|k| zero[k] ^ one[k] ^ choices[k]);
            let bytes = row.map(u128::to_le_bytes);
            out.copy_from_slice(&bytes.as_flattened()[..ROW]);
        }
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

/// What the signer of this version says: check, sanction, how many bans. `None` if it signs.
fn outcome(tag: &'static [u8], binds: bool) -> Option<(&'static str, Sanction, usize)> {
    let message = digest("version");
    let lies = BTreeMap::from([(index(OTHER), of_version(tag, binds, message))]);
    let signers = [index(HONEST), index(OTHER)];
    let outcomes = signing::sign_with(&TWO_OF_THREE, &signers, SESSION, message, &lies);
    let abort = outcomes[&index(HONEST)].as_ref().err()?;
    assert_eq!(abort.culprits, [index(OTHER)]);
    let bans = ban_targets(abort, &TWO_OF_THREE.pairs[&index(HONEST)]);
    Some((abort.reason.name(), abort.sanction(), bans.len()))
}

#[test]
fn sign__must_not_ban_a_signer_of_the_version_before() {
    let expected = ("session_binding", Sanction::Retry, 0);
    assert_eq!(outcome(TAG_BEFORE, true), Some(expected));
    // The double is a whole signer: under the tag of this version, it signs.
    assert_eq!(outcome(TAG, true), None);
    // And nothing but the binding stands between the other version and a ban.
    let expected = ("ot_extension", Sanction::Ban, 1);
    assert_eq!(outcome(TAG_BEFORE, false), Some(expected));
}
