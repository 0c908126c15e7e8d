//! The check of inputs in whole runs: a literal computation of a sender's `Γ`, from what it holds and
//! the messages of both, and a sender that multiplies another number than the one it committed to.
//! `docs/protocols/dkls23.md` §2.3 and §2.4.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::sec1::ToSec1Point;
use k256::{FieldBytes, ProjectivePoint, Scalar};
use quorate_dkls23::ban_targets;
use quorate_kernels::Tccr;
use quorate_protocol::{Reason, Sanction};
use quorate_types::Digest32;
use quorate_verify::EcdsaSignature;

use crate::c12::{
    ATTACKER, HONEST, ROW, SESSION, TAG, expand, extension_id, generation, numbers, oracle, row_of,
    session,
};
use crate::committee::{TWO_OF_THREE, digest, index};
use crate::misbehaviour::generator;
use crate::misbehaviour::layout::*;
use crate::pump::{Lie, Outcomes};
use crate::signing;

const OTS: usize = 416;

fn reduced(bytes: &[u8]) -> Scalar {
    let bytes: [u8; 32] = bytes.try_into().unwrap();
    <Scalar as Reduce<FieldBytes>>::reduce(&bytes.into())
}

/// 32 bytes of challenge, and 32 that stand for everything hashed.
fn oracle_output(purpose: &[u8], id: &Digest32, hashed: &[u8]) -> [u8; 64] {
    let mut output = [0; 64];
    let mut hasher = oracle(purpose, id);
    hasher.update(hashed).finalize_xof().fill(&mut output);
    output
}

/// The id of the product in which the attacker sends, and the pads under Δ: the columns of `q`.
fn columns(session: &Digest32, extension: &[u8], salt: &[u8]) -> (Digest32, Vec<u128>) {
    let id = extension_id(session, [HONEST, ATTACKER], &extension[NONCE..NONCE + 32]);
    let numbers = numbers(ATTACKER, HONEST);
    let (delta, chosen) = (numbers[256], &numbers[257..]);
    let mut rows = expand(&id, chosen);
    for (i, row) in rows.iter_mut().enumerate() {
        if delta >> i & 1 == 1 {
            let masked = row_of(&extension[U + i * ROW..U + (i + 1) * ROW]);
            *row = std::array::from_fn(|k| row[k] ^ masked[k]);
        }
    }
    let bit = |i: usize, m: usize| (rows[i][m / 128] >> (m % 128) & 1) << i;
    let column = |m: usize| (0..128).fold(0, |sum, i| sum | bit(i, m));

    let transcript = &oracle_output(b"OT check", &id, &extension[U..X])[32..];
    let parts: [&[u8]; 3] = [transcript, &extension[X..T], &extension[T..]];
    let matrix = Digest32::of(b"quorate dkls23 v3 matrix", &parts);
    let parts: [&[u8]; 3] = [id.as_bytes(), matrix.as_bytes(), salt];
    let product = Digest32::of(b"quorate dkls23 v2 product", &parts);
    (product, (0..OTS).map(column).collect())
}

/// `c = −Σ g_m·p⁰_m` of both products.
fn shares(product: &Digest32, columns: &[u128]) -> [Scalar; 2] {
    let key = u128::from_le_bytes(product.as_bytes()[..16].try_into().unwrap());
    let mut pads = vec![[0_u128; 6]; OTS];
    Tccr::new(key).hash(2, 0, columns, &mut pads);
    // The honest party is the first of the pair, and receives.
    let generation = generation();
    let parts: [&[u8]; 2] = [generation.as_bytes(), &[1]];
    let id = Digest32::of(b"quorate dkls23 v2 gadget id", &parts);
    let mut gadget = vec![0; 32 * OTS];
    oracle(b"gadget", &id).finalize_xof().fill(&mut gadget);
    let mut shares = [Scalar::ZERO; 2];
    for (pad, entry) in pads.iter().zip(gadget.chunks(32)) {
        for (k, share) in shares.iter_mut().enumerate() {
            let mut number = [pad[2 * k], pad[2 * k + 1]].map(u128::to_le_bytes).concat();
            number.reverse();
            *share -= reduced(entry) * reduced(&number);
        }
    }
    shares
}

/// `ρ = a + b·λ`, over the transcript of `τ`, `η`, the digest of all `μ`, `R_j` and `P_j`.
fn rho(product: &Digest32, message: &[u8]) -> Scalar {
    let transcript = &oracle_output(b"theta", product, &message[TAU..ETA])[32..];
    let points = &message[INSTANCE_POINT..GAMMA];
    let hashed = [transcript, &message[ETA..PRODUCT], points].concat();
    let output = oracle_output(b"rho", product, &hashed);
    let lambda = hex::decode("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72");
    let lambda: [u8; 32] = lambda.unwrap().try_into().unwrap();
    let lambda = Scalar::from_repr(lambda.into()).unwrap();
    let half = |bytes: &[u8]| Scalar::from(u64::from_be_bytes(bytes.try_into().unwrap()));
    half(&output[..8]) + half(&output[8..16]) * lambda
}

/// `Γ` that belongs to the attacker's message of round 2.
fn gamma(message: &[u8], extension: &[u8], signed: &[u8; 32]) -> Vec<u8> {
    let session = session(TAG, signed);
    let (product, columns) = columns(&session, extension, &message[SALT..SALT + 32]);
    let [share_u, share_v] = shares(&product, &columns);
    let number = share_u + rho(&product, message) * share_v;
    let point = (ProjectivePoint::GENERATOR * number).to_affine();
    point.to_sec1_point(false).as_bytes().to_vec()
}

/// A run in which the attacker changes what it sends, knowing the message that it got before.
fn run(
    signed: [u8; 32],
    change: impl Fn(u8, &mut Vec<u8>, &[u8]) + 'static,
) -> Outcomes<EcdsaSignature> {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&heard);
    let listen: Lie = Rc::new(move |round, _, body| {
        if round == 1 {
            told.borrow_mut().clone_from(body);
        }
    });
    let change: Lie = Rc::new(move |round, _, body| change(round, body, &heard.borrow()));
    let lies = BTreeMap::from([(index(HONEST), listen), (index(ATTACKER), change)]);
    let signers = [index(HONEST), index(ATTACKER)];
    signing::sign_with(&TWO_OF_THREE, &signers, SESSION, signed, &lies)
}

#[test]
fn gamma__should_be_the_literal_one() {
    let signed = digest("literal gamma");
    let outcomes = run(signed, move |round, body, heard| {
        if round == 2 {
            let expected = gamma(body, heard, &signed);
            assert_eq!(body[GAMMA..GAMMA + 65], expected);
        }
    });
    signing::must_be_one_valid_signature(&TWO_OF_THREE, outcomes, signed);
}

#[test]
fn c12_gamma__must_ban_who_multiplies_another_number_than_the_one_committed_to() {
    let signed = digest("another input");
    let salt = [5; 32];
    // Another point than that of its input, committed to and opened as it should be; `ρ` and `Γ` are
    // those of the changed message.
    let outcomes = run(signed, move |round, body, heard| match round {
        1 => {
            let session = session(TAG, &signed);
            let parts: [&[u8]; 4] = [session.as_bytes(), &[ATTACKER], &generator(), &salt];
            let commitment = Digest32::of(b"quorate dkls23 v2 commitment", &parts);
            body[COMMITMENT..COMMITMENT + 32].copy_from_slice(commitment.as_bytes());
        }
        2 => {
            body[COMMITMENT_SALT..COMMITMENT_SALT + 32].copy_from_slice(&salt);
            body[INSTANCE_POINT..INSTANCE_POINT + 65].copy_from_slice(&generator());
            let gamma = gamma(body, heard, &signed);
            body[GAMMA..GAMMA + 65].copy_from_slice(&gamma);
        }
        _ => {}
    });
    let abort = outcomes[&index(HONEST)].as_ref().unwrap_err();
    let (name, sanction) = ("gamma", Sanction::Ban);
    assert_eq!(abort.reason, Reason::Check { name, sanction });
    assert_eq!(abort.culprits, [index(ATTACKER)]);
    let bans = ban_targets(abort, &TWO_OF_THREE.pairs[&index(HONEST)]);
    assert_eq!(bans, [(index(ATTACKER), generation())]);
}
