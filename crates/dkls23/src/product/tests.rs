//! The whole multiplication against a slow, literal reading of the paper: one bit, one block and one
//! scalar at a time, with `k256` for numbers.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::ops::Reduce;
use k256::{FieldBytes, Scalar};
use quorate_types::PartyIndex;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;
use crate::ot::{BASE_OTS, ReceiverSeeds, SenderSeeds};

/// Everything that both sides start with.
struct World {
    receiver: ReceiverSeeds,
    sender: SenderSeeds,
    extension: Digest32,
    salt: [u8; 32],
    gadget: Gadget,
    gadget_numbers: Vec<Scalar>,
    choices: Row,
    inputs: [Residue; INPUTS],
    mask: Residue,
}

fn world(seed: u64) -> World {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut block = || {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        u128::from_le_bytes(bytes)
    };
    let zeros: [u128; BASE_OTS] = std::array::from_fn(|_| block());
    let ones: [u128; BASE_OTS] = std::array::from_fn(|_| block());
    let delta = block();
    let chosen = std::array::from_fn(|i| {
        if delta >> i & 1 == 1 {
            ones[i]
        } else {
            zeros[i]
        }
    });
    let choices = std::array::from_fn(|_| block());
    let mut number = || Residue::from_blocks(block(), block());
    let (inputs, mask) = ([number(), number()], number());
    let place = PartyIndex::new(1).unwrap();
    let generation = Digest32::of(b"generation", &[&seed.to_be_bytes()]);
    let mut bytes = vec![0; 32 * OTS];
    ids::gadget(&generation, place)
        .finalize_xof()
        .fill(&mut bytes);
    World {
        receiver: ReceiverSeeds {
            zeros: Box::new(zeros),
            ones: Box::new(ones),
        },
        sender: SenderSeeds {
            delta,
            chosen: Box::new(chosen),
        },
        extension: Digest32::of(b"extension", &[&seed.to_be_bytes()]),
        salt: [7; 32],
        gadget: Gadget::new(&generation, place),
        gadget_numbers: bytes.chunks(32).map(big_endian).collect(),
        choices,
        inputs,
        mask,
    }
}

fn big_endian(bytes: &[u8]) -> Scalar {
    let bytes: [u8; 32] = bytes.try_into().unwrap();
    <Scalar as Reduce<FieldBytes>>::reduce(&bytes.into())
}

fn scalar(residue: &Residue) -> Scalar {
    big_endian(&residue.to_be_bytes())
}

fn bytes_of(scalar: Scalar) -> [u8; 32] {
    scalar.to_repr().into()
}

/// π(π(x) ⊕ i) ⊕ π(x).
fn hash(id: &Digest32, input: u128, domain: u32, index: usize, output: u32) -> u128 {
    let cipher = Aes128::new(&Array::try_from(&id.as_bytes()[..16]).unwrap());
    let permute = |block: u128| {
        let mut lane = Array::from(block.to_le_bytes());
        cipher.encrypt_block(&mut lane);
        u128::from_le_bytes(lane.into())
    };
    let index = u32::try_from(index).unwrap();
    let tweak = u128::from(domain) | u128::from(index) << 32 | u128::from(output) << 64;
    permute(permute(input) ^ tweak) ^ permute(input)
}

fn bits(words: &[u128]) -> Vec<bool> {
    let bit = |at: usize| words[at / 128] >> (at % 128) & 1 == 1;
    (0..624).map(bit).collect()
}

fn packed(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| {
        let value = |(at, bit): (usize, &bool)| u8::from(*bit) << at;
        bits.iter().enumerate().map(value).sum()
    };
    bits.chunks(8).map(byte).collect()
}

fn xor(a: &[bool], b: &[bool]) -> Vec<bool> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

fn expand(id: &Digest32, seed: u128, row: usize) -> Vec<bool> {
    let words: Vec<u128> = (0..5).map(|k| hash(id, seed, 1, row, k)).collect();
    bits(&words)
}

/// RFC 8452 §3, bit by bit.
fn polyval(key: u128, blocks: &[u128]) -> u128 {
    let times_x = |a: u128| (a << 1) ^ ((a >> 127) * (1 << 127 | 1 << 126 | 1 << 121 | 1));
    let multiply = |a: u128, b: u128| {
        let (mut sum, mut power) = (0, a);
        for bit in 0..128 {
            sum ^= power * (b >> bit & 1);
            power = times_x(power);
        }
        sum
    };
    let inverse = 1 << 127 | 1 << 124 | 1 << 121 | 1 << 114 | 1;
    let dot = |a, b| multiply(multiply(a, b), inverse);
    blocks.iter().fold(0, |sum, block| dot(sum ^ block, key))
}

/// Hash of the first 416 bits under both keys, masked by the others: 26 bytes.
fn check(keys: &[u8], row: &[bool]) -> Vec<u8> {
    let mut message = packed(&row[..416]);
    message.resize(64, 0);
    let word = |bytes: &[u8]| u128::from_le_bytes(bytes.try_into().unwrap());
    let blocks: Vec<u128> = message.chunks(16).map(word).collect();
    let first = polyval(word(&keys[..16]), &blocks).to_le_bytes();
    let second = polyval(word(&keys[16..32]), &blocks).to_le_bytes();
    let hashed = [&first[..], &second[..10]].concat();
    let mask = packed(&row[416..]);
    hashed.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

/// Message and columns of the receiver, and the digest of the message.
fn literal_extension(world: &World) -> (Vec<u8>, Vec<u128>, Digest32) {
    let id = &world.extension;
    let zeros: Vec<Vec<bool>> = (0..BASE_OTS)
        .map(|i| expand(id, world.receiver.zeros[i], i))
        .collect();
    let choices = bits(&world.choices);
    let row = |i: usize| {
        let ones = expand(id, world.receiver.ones[i], i);
        packed(&xor(&xor(&zeros[i], &ones), &choices))
    };
    let mut message: Vec<u8> = (0..BASE_OTS).flat_map(row).collect();
    // Both keys, then the digest that stands for extension and rows.
    let mut keys = [0; 64];
    let mut hasher = ids::oracle(b"OT check", id);
    hasher.update(&message).finalize_xof().fill(&mut keys);
    let mut hasher = ids::oracle(b"OT rows", id);
    for row in &zeros {
        hasher.update(&check(&keys, row));
    }
    let checks = [
        check(&keys, &choices),
        hasher.finalize().as_bytes().to_vec(),
    ];
    let parts: [&[u8]; 3] = [&keys[32..], &checks[0], &checks[1]];
    let digest = Digest32::of(b"quorate dkls23 v3 matrix", &parts);
    message.extend(checks.concat());
    let column = |m: usize| (0..BASE_OTS).fold(0, |sum, i| sum | u128::from(zeros[i][m]) << i);
    (message, (0..OTS).map(column).collect(), digest)
}

fn literal_pad(id: &Digest32, input: u128, m: usize) -> [Scalar; 3] {
    let number = |k: u32| {
        let (low, high) = (
            hash(id, input, 2, m, 2 * k),
            hash(id, input, 2, m, 2 * k + 1),
        );
        let mut bytes = [low.to_le_bytes(), high.to_le_bytes()].concat();
        bytes.reverse();
        big_endian(&bytes)
    };
    [number(0), number(1), number(2)]
}

fn combine(theta: &[Scalar; 2], [a, b, c]: [Scalar; 3]) -> Scalar {
    c + theta[0] * a + theta[1] * b
}

/// Two numbers of 16 bytes, then the digest that stands for product and corrections.
fn theta(id: &Digest32, tau: &[u8]) -> ([Scalar; 2], Digest32) {
    let mut bytes = [0; 64];
    let mut hasher = ids::oracle(b"theta", id);
    hasher.update(tau).finalize_xof().fill(&mut bytes);
    let short = |bytes: &[u8]| big_endian(&[&[0; 16], bytes].concat());
    let transcript = Digest32::from_array(bytes[32..].try_into().unwrap());
    ([short(&bytes[..16]), short(&bytes[16..32])], transcript)
}

/// Message, shares and transcript of the sender, from the receiver's columns.
fn literal_send(
    world: &World,
    id: &Digest32,
    columns: &[u128],
) -> (Vec<u8>, [Scalar; 2], Digest32) {
    let inputs = [
        scalar(&world.inputs[0]),
        scalar(&world.inputs[1]),
        scalar(&world.mask),
    ];
    let choices = bits(&world.choices);
    let (mut message, mut shares) = (Vec::new(), [Scalar::ZERO; 2]);
    let mut zeros = Vec::new();
    for m in 0..OTS {
        let delta = if choices[m] { world.sender.delta } else { 0 };
        let own = columns[m] ^ delta;
        let zero = literal_pad(id, own, m);
        let one = literal_pad(id, own ^ world.sender.delta, m);
        for k in 0..3 {
            message.extend(bytes_of(zero[k] - one[k] + inputs[k]));
        }
        for k in 0..2 {
            shares[k] -= world.gadget_numbers[m] * zero[k];
        }
        zeros.push(zero);
    }
    let (theta, transcript) = theta(id, &message);
    let mut hasher = ids::oracle(b"mu", id);
    for zero in zeros {
        hasher.update(&bytes_of(combine(&theta, zero)));
    }
    message.extend(bytes_of(combine(&theta, inputs)));
    message.extend(hasher.finalize().as_bytes());
    (message, shares, transcript)
}

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new();
    write(&mut out);
    out.finish()
}

#[test]
fn product__should_send_and_compute_what_the_literal_reference_does() {
    for seed in 0..4 {
        let world = world(seed);
        let (expected, columns, digest) = literal_extension(&world);
        let (matrix, received) =
            extension::receive(&world.receiver, &world.extension, &world.choices);
        assert_eq!(written(|out| matrix.write(out)), expected);
        assert_eq!(*received.pads, columns);
        assert_eq!(received.matrix, digest);

        let id = ids::product(&world.extension, &digest, &world.salt);
        let sent = extension::send(&world.sender, &world.extension, &matrix);
        let sent = sent.unwrap_or_else(|_| panic!("the check fails"));
        assert_eq!(sent.matrix, digest);
        let inputs = &world.inputs;
        let (corrections, ours) = send(
            &sent,
            &world.sender,
            &id,
            &world.gadget,
            inputs,
            &world.mask,
        );
        let (expected, literal, transcript) = literal_send(&world, &id, &columns);
        assert_eq!(written(|out| corrections.write(out)), expected);

        let theirs = receive(&received, &id, &world.gadget, &corrections);
        let theirs = theirs.unwrap_or_else(|_| panic!("the check fails"));
        let choices = bits(&world.choices);
        let chosen = (0..OTS).filter(|m| choices[*m]);
        let expected_chi: Scalar = chosen.map(|m| world.gadget_numbers[m]).sum();
        assert_eq!(scalar(&chi(&received, &world.gadget)), expected_chi);
        assert_eq!(ours.transcript, transcript);
        assert_eq!(theirs.transcript, transcript);
        let shares = ours.numbers.iter().zip(&theirs.numbers);
        for ((input, (ours, theirs)), literal) in world.inputs.iter().zip(shares).zip(literal) {
            assert_eq!(scalar(ours), literal);
            let product = scalar(ours) + scalar(theirs);
            assert_eq!(product, expected_chi * scalar(input));
        }
    }
}

/// A sender that uses another input in OT `m`, and makes everything else fit.
fn cheat(world: &World, m: usize) -> (Corrections, Received, Digest32) {
    let (matrix, received) = extension::receive(&world.receiver, &world.extension, &world.choices);
    let id = ids::product(&world.extension, &received.matrix, &world.salt);
    let sent = extension::send(&world.sender, &world.extension, &matrix);
    let sent = sent.unwrap_or_else(|_| panic!("the check fails"));
    let (mut corrections, _) = send(
        &sent,
        &world.sender,
        &id,
        &world.gadget,
        &world.inputs,
        &world.mask,
    );
    let place = &mut corrections.tau.as_flattened_mut()[m];
    let changed = big_endian(&place[..32]) + Scalar::ONE;
    place[..32].copy_from_slice(&bytes_of(changed));
    // η and μ under the new challenge: consistent wherever the receiver did not choose OT `m`.
    let tau = corrections.tau.as_flattened().as_flattened();
    let (theta, _) = theta(&id, tau);
    let inputs = [
        scalar(&world.inputs[0]),
        scalar(&world.inputs[1]),
        scalar(&world.mask),
    ];
    let eta = bytes_of(combine(&theta, inputs));
    corrections.combined = Residue::from_be_bytes(&eta).unwrap();
    let mut hasher = ids::oracle(b"mu", &id);
    for (m, own) in sent.pads.iter().enumerate() {
        hasher.update(&bytes_of(combine(&theta, literal_pad(&id, *own, m))));
    }
    corrections.check = *hasher.finalize().as_bytes();
    (corrections, received, id)
}

#[test]
fn c12_product__must_notice_another_input_exactly_where_the_receiver_chose_it() {
    let world = world(9);
    let choices = &bits(&world.choices)[..16];
    for (m, choice) in choices.iter().enumerate() {
        let (corrections, received, id) = cheat(&world, m);
        let outcome = receive(&received, &id, &world.gadget, &corrections);
        assert_eq!(outcome.is_err(), *choice, "OT {m}");
    }
    assert!(choices.contains(&true) && choices.contains(&false));
}

#[test]
fn a13_challenges__must_change_with_everything_they_stand_for() {
    let world = world(3);
    let id = world.extension;
    let other = Digest32::of(b"other", &[]);
    let tau = vec![[[5; 96]; SIDE_BY_SIDE]; GROUPS];
    let of = |id: &Digest32, tau: &[Group<TripleBytes>]| {
        let Challenge { theta, transcript } = Challenge::new(id, tau);
        ([theta[0], theta[1]], transcript)
    };
    let base = of(&id, &tau);
    assert_ne!(base.0[0], base.0[1]);
    assert_ne!(of(&other, &tau), base);
    for at in [0, 32 * 3 * 200, TAU - 1] {
        let mut changed = tau.clone();
        changed.as_flattened_mut().as_flattened_mut()[at] ^= 1;
        let ([first, second], transcript) = of(&id, &changed);
        assert!(first != base.0[0] && second != base.0[1], "byte {at}");
        assert_ne!(transcript, base.1);
    }
}

#[test]
fn c10_corrections__must_refuse_any_number_that_is_not_below_the_order() {
    let order = bytes_of(-Scalar::ONE);
    let is_read = |at: usize, number: [u8; 32]| {
        let mut bytes = vec![0; MESSAGE];
        bytes[at..at + 32].copy_from_slice(&number);
        Corrections::read(&mut Reader::new(&bytes)).is_ok()
    };
    let (mut equal, mut near) = (order, order);
    equal[31] += 1;
    near[31] = 0;
    for at in [0, 32, TAU / 2, TAU - 32, TAU] {
        assert!(is_read(at, order) && is_read(at, near), "{at}");
        assert!(!is_read(at, equal) && !is_read(at, [0xff; 32]), "{at}");
    }
}
