//! PSBTs with one fault each. Faults that other software makes are in `vectors/bitcoin`.

use quorate_chains::{
    BitcoinNetwork, Chain, Effect, EncodingFault, KeyContext, MAX_PAYLOAD, MessageType, Refusal,
    effect_of,
};
use quorate_types::{Algorithm, Curve, Right, Rights};
use sha2::{Digest, Sha256};

use crate::fixture::{ETHEREUM, GENERATOR, key};

const BITCOIN: Chain = Chain::Bitcoin(BitcoinNetwork::Mainnet);

/// BIP173 and BIP86 give these for the generator.
const OWN: [(Algorithm, &str); 2] = [
    (
        Algorithm::Ecdsa,
        "0014751e76e8199196d454941c45d1b3a323f1433bd6",
    ),
    (
        Algorithm::Schnorr,
        "5120da4710964f7852695de2da025290e24af6d8c281de5a0b902b7135fd9fd74d21",
    ),
];

type Field = (Vec<u8>, Vec<u8>);

/// A PSBT in its parts, so that each can be spoiled.
#[derive(Clone)]
struct Parts {
    algorithm: Algorithm,
    transaction: Vec<u8>,
    global: Vec<Field>,
    input: Vec<Field>,
    output: Vec<Field>,
}

impl Parts {
    fn new(algorithm: Algorithm, own: &str) -> Self {
        let own = hex::decode(own).expect("hex");
        let coin = [&50_000u64.to_le_bytes()[..], &[length(&own)], &own].concat();
        // The transaction that made the coin: one input, one output.
        let previous = [
            &[2, 0, 0, 0, 1][..],
            &[7; 36],
            &[0],
            &[0xff; 4],
            &[1],
            &coin,
            &[0; 4],
        ]
        .concat();
        let id = Sha256::digest(Sha256::digest(&previous));
        let transaction = [
            &[2, 0, 0, 0, 1][..],
            &id,
            &[0; 4],
            &[0],
            &[0xfd, 0xff, 0xff, 0xff],
            &[1],
            &49_000u64.to_le_bytes(),
            &[1, 0x6a],
            &[0; 4],
        ]
        .concat();
        Self {
            algorithm,
            transaction,
            global: vec![],
            input: vec![(vec![0], previous), (vec![1], coin)],
            output: vec![],
        }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = b"psbt\xff".to_vec();
        let transaction = (vec![0], self.transaction.clone());
        let global = [&[transaction], self.global.as_slice()].concat();
        for map in [&global, &self.input, &self.output] {
            for (key, value) in map {
                for bytes in [key, value] {
                    match bytes.len() {
                        ..0xfd => out.push(length(bytes)),
                        long => {
                            let long = u16::try_from(long).expect("not that long");
                            out.extend([&[0xfd][..], &long.to_le_bytes()].concat());
                        }
                    }
                    out.extend(bytes);
                }
            }
            out.push(0);
        }
        out
    }

    fn effect(&self) -> Result<Effect, Refusal> {
        let key = key(BITCOIN, self.algorithm, &GENERATOR);
        effect_of(&key, MessageType::Transaction, &self.bytes())
    }

    fn refused(&self) -> Refusal {
        self.effect().expect_err("the payload has a fault")
    }
}

fn length(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).expect("short")
}

fn each() -> [Parts; 2] {
    OWN.map(|(algorithm, own)| Parts::new(algorithm, own))
}

fn malformed(field: &'static str, fault: EncodingFault) -> Refusal {
    Refusal::Malformed { field, fault }
}

#[test]
fn bitcoin_parts__should_be_valid_as_they_are() {
    for parts in each() {
        let effect = parts.effect().expect("no fault");
        assert_eq!(effect.targets.len(), 1);
        assert_eq!(
            effect.decoded.fee.map(|fee| fee.to_string()),
            Some("1000".to_owned())
        );
    }
}

#[test]
fn d6_bitcoin_input__must_come_with_its_previous_output() {
    let [version_0, taproot] = each();
    let missing = |parts: Parts| match parts.refused() {
        Refusal::PreviousOutputMissing { input: 0, needed } => needed.to_owned(),
        other => panic!("{other}"),
    };
    // A stated amount is no proof: two requests with other amounts would pay the rest as fee.
    let stated_only = version_0.with(|p| drop(p.input.remove(0)));
    assert!(missing(stated_only).contains("whole previous transaction"));
    assert!(missing(version_0.with(|p| p.input.clear())).contains("non_witness_utxo"));
    assert_eq!(missing(taproot.with(|p| p.input.clear())), "witness_utxo");
    // Each of these proves the amount.
    for enough in [
        version_0.with(|p| drop(p.input.pop())),
        taproot.with(|p| drop(p.input.pop())),
        taproot.with(|p| drop(p.input.remove(0))),
    ] {
        assert!(enough.effect().is_ok());
    }
}

#[test]
fn d6_bitcoin_previous_transaction__must_be_the_one_that_is_spent() {
    let mismatch = Refusal::PreviousOutputMismatch { input: 0 };
    for parts in each() {
        let last = parts.input[0].1.len() - 1;
        let other_id = parts.with(|p| p.input[0].1[last] ^= 1);
        assert_eq!(other_id.refused(), mismatch);
        let other_place = parts.with(|p| p.transaction[5 + 32] = 1);
        assert_eq!(other_place.refused(), mismatch);
        let more_stated = parts.with(|p| p.input[1].1[0] ^= 1);
        assert_eq!(more_stated.refused(), mismatch);
        let spoiled = parts.with(|p| p.input[0].1.push(0));
        let fault = EncodingFault::TrailingBytes;
        assert_eq!(
            spoiled.refused(),
            malformed("input.non_witness_utxo", fault)
        );
        let spoiled = parts.with(|p| p.input[1].1.push(0));
        assert_eq!(spoiled.refused(), malformed("input.witness_utxo", fault));
    }
}

#[test]
fn d5_bitcoin_previous_transaction__must_not_have_empty_witnesses() {
    for parts in each() {
        let superfluous = parts.with(|p| {
            let whole = &mut p.input[0].1;
            whole.splice(4..4, [0, 1]);
            let place = whole.len() - 4;
            whole.insert(place, 0);
        });
        let refusal = malformed("input.non_witness_utxo", EncodingFault::NotMinimal);
        assert_eq!(superfluous.refused(), refusal);
        let witnessed = parts.with(|p| {
            let whole = &mut p.input[0].1;
            whole.splice(4..4, [0, 1]);
            let place = whole.len() - 4;
            whole.splice(place..place, [1, 2, 9, 9]);
        });
        // Witnesses do not change the id.
        assert!(witnessed.effect().is_ok());
    }
}

#[test]
fn d6_bitcoin_sighash__must_cover_everything() {
    let asking = |parts: &Parts, code: u32| {
        parts.with(|p| p.input.push((vec![3], code.to_le_bytes().to_vec())))
    };
    let [version_0, taproot] = each();
    for parts in [&version_0, &taproot] {
        assert!(asking(parts, 1).effect().is_ok());
        for code in [2, 3, 0x80, 0x81, 0x82, 0x83, 4, 0x101, u32::MAX] {
            match asking(parts, code).refused() {
                Refusal::SighashType {
                    input: 0,
                    code: found,
                    ..
                } => assert_eq!(found, code),
                other => panic!("{other}"),
            }
        }
        let short = parts.with(|p| p.input.push((vec![3], vec![1])));
        let fault = EncodingFault::WrongLength;
        assert_eq!(short.refused(), malformed("input.sighash_type", fault));
    }
    // Taproot's default is no type of version 0.
    assert!(asking(&taproot, 0).effect().is_ok());
    assert_eq!(asking(&version_0, 0).refused().code(), "sighash_type");
    // ALL, said or not, is another digest for Taproot, and the same for version 0.
    let digests = |parts: &Parts| parts.effect().expect("valid").digests();
    assert_ne!(digests(&asking(&taproot, 1)), digests(&taproot));
    assert_eq!(digests(&asking(&version_0, 1)), digests(&version_0));
}

#[test]
fn bitcoin_input__must_be_the_key_s_own() {
    let [version_0, taproot] = each();
    // The coin of one is foreign to the other.
    let swapped = Parts {
        algorithm: Algorithm::Schnorr,
        ..version_0
    };
    assert_eq!(swapped.refused(), Refusal::ForeignInput { input: 0 });
    let swapped = Parts {
        algorithm: Algorithm::Ecdsa,
        ..taproot
    };
    assert_eq!(swapped.refused(), Refusal::ForeignInput { input: 0 });
}

#[test]
fn d6_bitcoin_outputs__must_not_be_above_the_inputs_or_all_coins() {
    for parts in each() {
        let place = parts.transaction.len() - 4 - 2 - 8;
        let paying = |amount: u64| {
            parts.with(|p| {
                p.transaction[place..place + 8].copy_from_slice(&amount.to_le_bytes());
            })
        };
        assert!(paying(50_000).effect().is_ok());
        assert_eq!(paying(50_001).refused(), Refusal::OutputsAboveInputs);
        for absurd in [21_000_000 * 100_000_000 + 1, u64::MAX] {
            let refusal = malformed("transaction.outputs", EncodingFault::TooLarge);
            assert_eq!(paying(absurd).refused(), refusal);
        }
    }
}

#[test]
fn d5_bitcoin_field__must_be_known_and_there_once() {
    for parts in each() {
        for (key, code) in [
            (vec![0x02; 34], "already_signed"),
            (vec![0x07], "already_signed"),
            (vec![0x08], "already_signed"),
            (vec![0x13], "already_signed"),
            ([vec![0x14], vec![5; 64]].concat(), "already_signed"),
            (vec![0x04], "unsupported_field"),
            (vec![0x05], "unsupported_field"),
            (vec![0x09], "unsupported_field"),
            (vec![0x0a; 21], "unsupported_field"),
            (vec![0x15; 34], "unsupported_field"),
            (vec![0x18], "unsupported_field"),
            (vec![0xfc, 1, b'q', 0], "unsupported_field"),
            (vec![0x77], "unsupported_field"),
            (vec![0x00, 0], "malformed_transaction"),
            (vec![0x01, 0], "malformed_transaction"),
            (vec![0x03, 0], "malformed_transaction"),
            (vec![0x01], "malformed_transaction"), // twice
        ] {
            let spoiled = parts.with(|p| p.input.push((key.clone(), vec![1, 0, 0, 0])));
            assert_eq!(spoiled.refused().code(), code, "{key:02x?}");
        }
        for (key, ok) in [
            (0xfc, false),
            (0x03, false),
            (0x08, false),
            (0x00, true),
            (0x07, true),
        ] {
            let spoiled = parts.with(|p| p.output.push((vec![key], vec![9; 40])));
            assert_eq!(spoiled.effect().is_ok(), ok, "{key:02x}");
        }
        for key in [vec![0xfc, 0], vec![0x02], vec![0x06], vec![0x00]] {
            assert!(
                parts
                    .with(|p| p.global.push((key, vec![9])))
                    .effect()
                    .is_err()
            );
        }
    }
}

#[test]
fn d5_bitcoin_psbt__must_be_of_version_0() {
    for parts in each() {
        let version = |bytes: &[u8]| parts.with(|p| p.global.push((vec![0xfb], bytes.to_vec())));
        assert!(version(&[0; 4]).effect().is_ok());
        assert_eq!(
            version(&[2, 0, 0, 0]).refused().code(),
            "unsupported_transaction_type"
        );
        assert!(version(&[]).effect().is_err());
        let mut other_magic = parts.bytes();
        other_magic[0] = b'P';
        let key = key(BITCOIN, parts.algorithm, &GENERATOR);
        let refused = effect_of(&key, MessageType::Transaction, &other_magic);
        assert_eq!(refused, Err(malformed("magic", EncodingFault::OutOfRange)));
    }
}

#[test]
fn d5_bitcoin_transaction__must_be_unsigned_and_plain() {
    for parts in each() {
        let scripted = parts.with(|p| {
            p.transaction[41] = 1;
            p.transaction.insert(42, 0x51);
        });
        let refusal = malformed("transaction.script_sig", EncodingFault::NotEmpty);
        assert_eq!(scripted.refused(), refusal);
        for version in [0, 4] {
            let spoiled = parts.with(|p| p.transaction[0] = version);
            let refusal = malformed("transaction.version", EncodingFault::OutOfRange);
            assert_eq!(spoiled.refused(), refusal);
        }
        // With the marker of witnesses, the count of inputs is zero.
        let witnessed = parts.with(|p| {
            p.transaction.splice(4..4, [0, 1]);
        });
        let refusal = malformed("transaction.inputs", EncodingFault::Missing);
        assert_eq!(witnessed.refused(), refusal);
        let twice = parts.with(|p| {
            let input = p.transaction[5..46].to_vec();
            p.transaction[4] = 2;
            p.transaction.splice(46..46, input);
        });
        let refusal = malformed("transaction.inputs", EncodingFault::Duplicate);
        assert_eq!(twice.refused(), refusal);
    }
}

#[test]
fn bitcoin_internal_key__must_be_the_key_s_own() {
    let [version_0, taproot] = each();
    let stating = |parts: &Parts, x: &[u8]| parts.with(|p| p.input.push((vec![0x17], x.to_vec())));
    let own = &GENERATOR[1..];
    assert!(stating(&taproot, own).effect().is_ok());
    for (parts, x) in [
        (&taproot, &[9; 32][..]),
        (&version_0, own),
        (&taproot, &own[1..]),
    ] {
        assert_eq!(stating(parts, x).refused().code(), "malformed_transaction");
    }
}

#[test]
fn d3_payloads_of_other_chains__must_be_refused() {
    let ethereum = hex::decode(
        "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080",
    )
    .expect("hex");
    let solana = {
        let mut message = vec![1, 0, 1, 2];
        message.extend(&GENERATOR[1..]);
        message.extend([0; 32 + 32]);
        message.extend([1, 1, 0, 0]);
        message
    };
    let psbt = each()[0].bytes();
    for (chain, algorithm, foreign) in [
        (BITCOIN, Algorithm::Ecdsa, [&ethereum, &solana]),
        (BITCOIN, Algorithm::Schnorr, [&ethereum, &solana]),
        (ETHEREUM, Algorithm::Ecdsa, [&psbt, &solana]),
        (
            Chain::Solana(quorate_chains::SolanaNetwork::Mainnet),
            Algorithm::EdDsa,
            [&psbt, &ethereum],
        ),
    ] {
        let key = key(chain, algorithm, &GENERATOR);
        for payload in foreign {
            let refused = effect_of(&key, MessageType::Transaction, payload);
            assert!(refused.is_err(), "{chain}");
        }
    }
}

#[test]
fn d4_key__must_have_one_chain_family() {
    // One scheme serves several chains, but a key is made for one of them: what it signs follows
    // from its own chain, whatever the payload is.
    let psbt = &each()[0];
    let at = |chain| {
        let key = key(chain, Algorithm::Ecdsa, &GENERATOR);
        effect_of(&key, MessageType::Transaction, &psbt.bytes()).map_err(|refusal| refusal.code())
    };
    assert!(at(BITCOIN).is_ok());
    assert!(at(ETHEREUM).is_err());
    assert_eq!(at(Chain::None), Err("no_transactions"));
    let refused = BITCOIN.check_key(Algorithm::EdDsa, Curve::Ed25519);
    assert_eq!(refused.map_err(|r| r.code()), Err("wrong_curve"));
}

#[test]
fn d1_bitcoin_key__must_sign_no_raw_message_and_a_hash_with_the_right_only() {
    for (algorithm, _) in OWN {
        let key = key(BITCOIN, algorithm, &GENERATOR);
        let code = |key: &KeyContext<'_>, message_type| {
            effect_of(key, message_type, &[7; 32])
                .map(|effect| effect.digests())
                .map_err(|refusal| refusal.code())
        };
        assert_eq!(
            code(&key, MessageType::Raw),
            Err("unsupported_message_type")
        );
        assert_eq!(code(&key, MessageType::Hash), Err("right_missing"));
        let rights: Rights = [Right::RawHash].into_iter().collect();
        let key = KeyContext {
            rights: &rights,
            ..key
        };
        assert!(code(&key, MessageType::Hash).is_ok());
    }
}

#[test]
fn bitcoin_kinds__must_fit_the_scheme() {
    for (algorithm, own, other) in [
        (Algorithm::Ecdsa, "p2wpkh", "p2tr"),
        (Algorithm::Schnorr, "p2tr", "p2wpkh"),
    ] {
        assert_eq!(BITCOIN.address_kinds(algorithm), [own]);
        assert_eq!(BITCOIN.check_address_kind(algorithm, own), Ok(()));
        assert_eq!(BITCOIN.check_address_kind(algorithm, "default"), Ok(()));
        for wrong in [other, "p2pkh", ""] {
            let refused = BITCOIN.check_address_kind(algorithm, wrong);
            let supported = BITCOIN.address_kinds(algorithm);
            let chain = "bitcoin";
            assert_eq!(
                refused,
                Err(Refusal::UnknownAddressKind { chain, supported })
            );
        }
        let mistaken = KeyContext {
            address_kind: other,
            ..key(BITCOIN, algorithm, &GENERATOR)
        };
        let payload = Parts::new(algorithm, OWN[0].1).bytes();
        let refused = effect_of(&mistaken, MessageType::Transaction, &payload);
        assert_eq!(refused.map_err(|r| r.code()), Err("unknown_address_kind"));
    }
    let address = |(algorithm, _)| BITCOIN.address(algorithm, &GENERATOR, "default");
    assert_eq!(
        OWN.map(address),
        [
            // BIP173, example; BIP341 with the key of BIP340's vector 0.
            Ok(Some(
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4".to_owned()
            )),
            Ok(Some(
                "bc1pmfr3p9j00pfxjh0zmgp99y8zftmd3s5pmedqhyptwy6lm87hf5sspknck9".to_owned()
            )),
        ]
    );
}

#[test]
fn bitcoin_payload__must_be_refused_over_the_limit() {
    let parts = each()[0].with(|p| p.input[0].1.resize(60_000, 0));
    assert_eq!(parts.refused().code(), "malformed_transaction");
    let key = key(BITCOIN, Algorithm::Ecdsa, &GENERATOR);
    let refused = effect_of(&key, MessageType::Transaction, &vec![0; MAX_PAYLOAD + 1]);
    assert_eq!(refused.map_err(|r| r.code()), Err("payload_too_long"));
}
