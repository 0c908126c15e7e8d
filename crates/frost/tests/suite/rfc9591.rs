//! RFC 9591 Appendix E.1: FROST(Ed25519, SHA-512), 2 of 3, signers 1 and 3.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use quorate_crypto::{Ed25519, Group, KeyShare, PublicKeyPackage, PublicSharing, SecretScalar};
use quorate_frost::{CheckedShare, Payload, Sign};
use quorate_types::{Curve, PartyIndex, Threshold};
use rand_chacha::rand_core::{Infallible, TryCryptoRng, TryRng};

use crate::committee::index;
use crate::pump::{self, Lie};

const GROUP_KEY: &str = "15d21ccd7ee42959562fc8aa63224c8851fb3ec85a3faf66040d380fb9738673";
const MESSAGE: &[u8] = b"test";
const SHARES: [&str; 3] = [
    "929dcc590407aae7d388761cddb0c0db6f5627aea8e217f4a033f2ec83d93509",
    "a91e66e012e4364ac9aaa405fcafd370402d9859f7b6685c07eed76bf409e80d",
    "d3cb090a075eb154e82fdb4b3cb507f110040905468bb9c46da8bdea643a9a02",
];
const SIGNATURE: &str = "36282629c383bb820a88b71cae937d41f2f2adfcc3d02e55507e2fb9e2dd3cbe\
                         bd9d2b0844e49ae0f3fa935161e1419aab7b47d21a37ebeae1f17d4987b3160b";

struct Signer {
    /// Randomness of the hiding nonce, then of the binding nonce.
    randomness: &'static str,
    /// Commitments, hiding first.
    commitments: &'static str,
    share: &'static str,
}

const SIGNERS: [(u8, Signer); 2] = [
    (
        1,
        Signer {
            randomness: "0fd2e39e111cdc266f6c0f4d0fd45c947761f1f5d3cb583dfcb9bbaf8d4c9fec\
                         69cd85f631d5f7f2721ed5e40519b1366f340a87c2f6856363dbdcda348a7501",
            commitments: "b5aa8ab305882a6fc69cbee9327e5a45e54c08af61ae77cb8207be3d2ce13de3\
                          67e98ab55aa310c3120418e5050c9cf76cf387cb20ac9e4b6fdb6f82a469f932",
            share: "001719ab5a53ee1a12095cd088fd149702c0720ce5fd2f29dbecf24b7281b603",
        },
    ),
    (
        3,
        Signer {
            randomness: "86d64a260059e495d0fb4fcc17ea3da7452391baa494d4b00321098ed2a0062f\
                         13e6b25afb2eba51716a9a7d44130c0dbae0004a9ef8d7b5550c8a0e07c61775",
            commitments: "cfbdb165bd8aad6eb79deb8d287bcc0ab6658ae57fdcc98ed12c0669e90aec91\
                          7487bc41a6e712eea2f2af24681b58b1cf1da278ea11fe4e8b78398965f13552",
            share: "bd86125de990acc5e1f13781d8e32c03a9bbd4c53539bbc106058bfd14326007",
        },
    ),
];

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// The randomness of the vector, and nothing after it.
struct Script(Vec<u8>);

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("nonces are made of bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("nonces are made of bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Script {}

fn share(number: u8) -> CheckedShare {
    let secrets = SHARES.map(|text| SecretScalar::<Ed25519>::from_bytes(&bytes(text)).unwrap());
    let sharing = PublicSharing {
        public_key: hex::decode(GROUP_KEY).unwrap(),
        verifying_shares: secrets
            .iter()
            .map(|secret| Ed25519::point_to_bytes(&secret.public()))
            .collect(),
    };
    let own = &secrets[usize::from(number) - 1];
    let package = PublicKeyPackage {
        curve: Curve::Ed25519,
        threshold: Threshold::new(2, 3).unwrap(),
        x: sharing.clone(),
        k: sharing,
        chain_code: [0; 32],
    };
    let share = KeyShare::new(index(number), own, own, package).unwrap();
    CheckedShare::new(&share).unwrap()
}

#[test]
fn c7_sign__must_agree_with_the_vector_of_rfc_9591_in_every_message() {
    let sent = Rc::new(RefCell::new(BTreeMap::new()));
    let lies: BTreeMap<PartyIndex, Lie> = SIGNERS
        .iter()
        .map(|(number, _)| {
            let (number, sent) = (*number, Rc::clone(&sent));
            let spy: Lie = Rc::new(move |round, _, body| {
                sent.borrow_mut()
                    .insert((number, round), hex::encode(&body[32..]));
            });
            (index(number), spy)
        })
        .collect();
    let signers = [index(1), index(3)];
    let outcomes = pump::run_with(&signers, 2, [9; 16], &lies, |roster, context| {
        let number = roster.me().get();
        let (_, signer) = SIGNERS.iter().find(|(known, _)| *known == number).unwrap();
        let mut rng = Script(hex::decode(signer.randomness).unwrap());
        let payload = Payload::EdDsa(MESSAGE);
        Sign::start(roster, context, &share(number), payload, &mut rng).unwrap()
    });
    for outcome in outcomes.into_values() {
        assert_eq!(hex::encode(outcome.unwrap().as_bytes()), SIGNATURE);
    }
    for (number, signer) in &SIGNERS {
        assert_eq!(sent.borrow()[&(*number, 1)], signer.commitments);
        assert_eq!(sent.borrow()[&(*number, 2)], signer.share);
    }
}
