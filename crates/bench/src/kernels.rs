//! The inner loops of `quorate-kernels`, and the library functions that signatures are made of, at
//! the sizes of one DKLs23 signature with one counterparty.

use std::hint::black_box;

use anyhow::{Result, ensure};
use quorate_kernels::{
    CheckHash, Corrections, Group, KnownPoint, Residue, Row, SIDE_BY_SIDE, Tccr, Triple, combine,
    correct, multiply_base, multiply_base_many, portable, transpose,
};
use quorate_verify::{EcdsaSignature, recover_ecdsa, verify_bip340, verify_ecdsa, verify_ed25519};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng as _;
use secp256k1::{Keypair, Message, PublicKey, SecretKey, ecdh};
use sha2::{Digest as _, Sha256};

use crate::cpu::{Effort, measure_loop};
use crate::report::{EngineReport, OURS, Subject};
use crate::stage::Stage;

/// OTs of one extension.
const OTS: usize = 416;
/// Base OTs: rows of an extension.
const ROWS: usize = 128;
/// `a + b·λ` for two numbers of 64 bits: what a challenge of the input check is.
const SHORT: [u8; 32] = [
    0x03, 0x17, 0x69, 0x0f, 0xf1, 0x4e, 0x57, 0x74, 0x4c, 0x2d, 0x33, 0x61, 0x96, 0xc3, 0x78, 0xb8,
    0xc1, 0x25, 0xc4, 0x32, 0xed, 0x8f, 0x39, 0x60, 0x8c, 0xa7, 0xb7, 0xc0, 0x2e, 0x98, 0x69, 0x5c,
];
/// Bytes of one message of corrections, which is hashed once: 416 · 3 · 32.
const LONG: usize = 39_936;
/// Verifications after which a key has a table, and more.
const OFTEN: usize = 40;

pub(crate) fn measure(effort: Effort, stage: &mut Stage, report: &mut EngineReport) -> Result<()> {
    let mut bench = Bench { effort, report };
    let rng = &mut stage.rng;
    extension(&mut bench, rng)?;
    products(&mut bench, rng)?;
    points(&mut bench, rng)?;
    signatures(&mut bench, rng)?;
    hashes(&mut bench, rng)
}

struct Bench<'a> {
    effort: Effort,
    report: &'a mut EngineReport,
}

impl Bench<'_> {
    fn row(&mut self, engine: &'static str, what: &str, act: impl FnMut()) -> Result<()> {
        let subject = Subject {
            section: "kernels",
            engine,
            what: what.to_owned(),
            parties: 1,
        };
        self.report.add(&subject, &measure_loop(self.effort, act)?);
        Ok(())
    }
}

fn block(rng: &mut ChaCha20Rng) -> u128 {
    u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())
}

fn residue(rng: &mut ChaCha20Rng) -> Residue {
    Residue::from_blocks(block(rng), block(rng))
}

fn bytes<const N: usize>(rng: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn extension(bench: &mut Bench<'_>, rng: &mut ChaCha20Rng) -> Result<()> {
    let seeds: [u128; ROWS] = std::array::from_fn(|_| block(rng));
    let mut rows: Box<[Row; ROWS]> = Box::new([[0; 5]; ROWS]);
    bench.row(OURS, "AES hash, 128 to 5 blocks", || {
        let hash = Tccr::new(black_box(7));
        hash.hash(1, 0, black_box(&seeds), black_box(rows.as_mut_slice()));
    })?;

    let pads: Vec<u128> = (0..2 * OTS).map(|_| block(rng)).collect();
    let mut blocks = vec![[0_u128; 6]; 2 * OTS];
    bench.row(OURS, "AES hash, 2 x 416 to 6 blocks", || {
        let hash = Tccr::new(black_box(7));
        for (pads, blocks) in pads.chunks(OTS).zip(blocks.chunks_mut(OTS)) {
            hash.hash(2, 0, black_box(pads), black_box(blocks));
        }
    })?;

    let mut columns = [0_u128; OTS];
    bench.row(OURS, "bit transpose, 128 x 416", || {
        transpose(black_box(&rows), black_box(&mut columns));
    })?;

    let keys = [block(rng), block(rng)];
    let mut folded = [[0; 2]; ROWS];
    bench.row(OURS, "check hash, 128 rows", || {
        let check = CheckHash::new(black_box(keys));
        check.fold_all(black_box(rows.as_slice()), black_box(&mut folded));
    })
}

fn products(bench: &mut Bench<'_>, rng: &mut ChaCha20Rng) -> Result<()> {
    let groups = OTS / SIDE_BY_SIDE;
    let mut triples = || -> Vec<Group<Triple>> {
        let mut triple = || std::array::from_fn(|_| block(rng));
        (0..groups)
            .map(|_| std::array::from_fn(|_| triple()))
            .collect()
    };
    let (zeros, ones) = (triples(), triples());
    let inputs = std::array::from_fn(|_| residue(rng));
    let mut tau = vec![[[0; 96]; SIDE_BY_SIDE]; groups];
    bench.row(OURS, "3 x 416 corrections", || {
        correct(&zeros, &ones, black_box(&inputs), black_box(&mut tau));
    })?;

    let mut entries = || std::array::from_fn(|_| residue(rng));
    let gadget: Vec<Group<Residue>> = (0..groups).map(|_| entries()).collect();
    let theta = [block(rng), block(rng)];
    let mut combined = vec![[[0; 32]; SIDE_BY_SIDE]; groups];
    bench.row(OURS, "416 combined, two sums, sender", || {
        let mut sums = Default::default();
        combine(&zeros, None, &gadget, &theta, &mut combined, &mut sums);
        black_box(sums.map(|sum| sum.reduce()));
    })?;
    let choices: [u8; OTS / SIDE_BY_SIDE] = bytes(rng);
    let corrections = Corrections {
        choices: &choices,
        tau: &tau,
        eta: residue(rng),
    };
    bench.row(OURS, "416 combined, two sums, receiver", || {
        let (mut sums, corrections) = (Default::default(), Some(&corrections));
        combine(
            &zeros,
            corrections,
            &gadget,
            &theta,
            &mut combined,
            &mut sums,
        );
        black_box(sums.map(|sum| sum.reduce()));
    })
}

#[expect(clippy::disallowed_methods, reason = "public: only measured")]
fn points(bench: &mut Bench<'_>, rng: &mut ChaCha20Rng) -> Result<()> {
    let scalar = SecretKey::from_secret_bytes(bytes(rng))?;
    let point = PublicKey::from_secret_key(&SecretKey::from_secret_bytes(bytes(rng))?);
    let slow = PublicKey::from_secret_key(&scalar);
    ensure!(multiply_base(&scalar) == slow, "the base point is wrong");
    bench.row(OURS, "multiple of the base point", || {
        black_box(multiply_base(black_box(&scalar)));
    })?;
    bench.row(OURS, "three multiples of the base point", || {
        black_box(multiply_base_many(black_box(&[&scalar; 3])));
    })?;
    bench.row("libsecp256k1", "multiple of the base point", || {
        black_box(portable::multiply_base(black_box(&scalar)));
    })?;
    bench.row("libsecp256k1", "multiple of the base point, safe", || {
        black_box(PublicKey::from_secret_key(black_box(&scalar)));
    })?;
    bench.row("libsecp256k1", "multiple of any point (ECDH)", || {
        black_box(ecdh::shared_secret_point(
            black_box(&point),
            black_box(&scalar),
        ));
    })?;
    let factor = secp256k1::Scalar::from_be_bytes(bytes(rng))?;
    bench.row("libsecp256k1", "public multiple of any point", || {
        let _ = black_box(black_box(point).mul_tweak(black_box(&factor)));
    })?;
    let factor = secp256k1::Scalar::from_be_bytes(SHORT)?;
    bench.row(
        "libsecp256k1",
        "public multiple of any point, short",
        || {
            let _ = black_box(black_box(point).mul_tweak(black_box(&factor)));
        },
    )
}

fn signatures(bench: &mut Bench<'_>, rng: &mut ChaCha20Rng) -> Result<()> {
    let secret = SecretKey::from_secret_bytes(bytes(rng))?;
    let digest: [u8; 32] = bytes(rng);
    let key = PublicKey::from_secret_key(&secret).serialize();
    let compact = secp256k1::ecdsa::sign(Message::from_digest(digest), &secret).serialize_compact();
    let message = Message::from_digest(digest);
    let parsed = secp256k1::ecdsa::Signature::from_compact(&compact)?;
    bench.row("libsecp256k1", "ECDSA verified", || {
        let key = PublicKey::from_byte_array_compressed(black_box(key));
        let _ = black_box(key.map(|key| secp256k1::ecdsa::verify(&parsed, message, &key)));
    })?;
    let signature = EcdsaSignature::find(&key, &digest, compact)?;
    ensure!(recover_ecdsa(&digest, &signature)? == key, "another key");
    bench.row(OURS, "ECDSA recovered", || {
        let _ = black_box(recover_ecdsa(black_box(&digest), &signature));
    })?;
    let pair = Keypair::from_secret_key(&secret);
    let schnorr = *pair.sign_schnorr_no_aux_rand(&digest).as_byte_array();
    let (x_only, _) = pair.x_only_public_key();
    let parsed = secp256k1::schnorr::Signature::from_byte_array(schnorr);
    bench.row("libsecp256k1", "BIP340 verified", || {
        let _ = black_box(x_only.verify(black_box(&digest), &parsed));
    })?;

    // From here on the key has a table.
    for _ in 0..OFTEN {
        verify_ecdsa(&key, &digest, &compact)?;
    }
    bench.row(OURS, "ECDSA verified, known key", || {
        let _ = black_box(signature.verify(black_box(&key), &digest));
    })?;
    verify_bip340(&key, &digest, &schnorr)?;
    bench.row(OURS, "BIP340 verified, known key", || {
        let _ = black_box(verify_bip340(black_box(&key), &digest, &schnorr));
    })?;
    let point = PublicKey::from_secret_key(&secret);
    bench.row(OURS, "table of a public key", || {
        black_box(KnownPoint::new(black_box(&point)));
    })?;

    let signer = ed25519_dalek::SigningKey::from_bytes(&bytes(rng));
    let signature = ed25519_dalek::Signer::sign(&signer, &digest).to_bytes();
    let key = signer.verifying_key().to_bytes();
    verify_ed25519(&key, &digest, &signature)?;
    bench.row(OURS, "Ed25519 verified", || {
        let _ = black_box(verify_ed25519(black_box(&key), &digest, &signature));
    })
}

fn hashes(bench: &mut Bench<'_>, rng: &mut ChaCha20Rng) -> Result<()> {
    let mut long = vec![0; LONG];
    rng.fill_bytes(&mut long);
    bench.row("blake3", "BLAKE3, 39 936 bytes", || {
        black_box(blake3::hash(black_box(&long)));
    })?;
    bench.row("sha2", "SHA-256, 39 936 bytes", || {
        black_box(Sha256::digest(black_box(&long)));
    })
}
