use quorate_chains::{EffectKind, Uint256, Warning};
use sha2::{Digest as _, Sha256};

use super::*;

const REGTEST: BitcoinNetwork = BitcoinNetwork::Regtest;

/// The generator of secp256k1: a valid public key.
fn public_key() -> Vec<u8> {
    hex::decode("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798").unwrap()
}

/// A transaction without witnesses that made these coins.
fn funding(made: &[Made]) -> (String, Vec<u8>) {
    let mut bytes = vec![2, 0, 0, 0, 1];
    bytes.extend([0x11; 36]);
    bytes.extend([0, 0xff, 0xff, 0xff, 0xff]);
    size(&mut bytes, made.len());
    for one in made {
        bytes.extend(output(one));
    }
    bytes.extend([0; 4]);
    let mut id = Sha256::digest(Sha256::digest(&bytes)).to_vec();
    id.reverse();
    (hex::encode(id), bytes)
}

fn receiver() -> String {
    let bytes: Vec<u8> = [&[0x6f], [0x22; 20].as_slice()].concat();
    let checksum = Sha256::digest(Sha256::digest(&bytes));
    bs58::encode([&bytes, &checksum[..4]].concat()).into_string()
}

/// 100 000 satoshi of the key's own, of which 60 000 are paid for 500.
fn spend(algorithm: Algorithm) -> Spend {
    let mut spend = Spend {
        chain: Chain::Bitcoin(REGTEST),
        algorithm,
        public_key: public_key(),
        coins: Vec::new(),
        previous: Vec::new(),
        payments: vec![Payment {
            address: receiver(),
            amount: 60_000,
        }],
        change: None,
        fee: Fee::Whole(500),
        is_replaceable: true,
    };
    let own = spend.own_script(REGTEST).unwrap();
    let (id, bytes) = funding(&[(7, vec![0x51]), (100_000, own)]);
    spend.coins = vec![parse_coin(&format!("{id}:1")).unwrap()];
    spend.previous = vec![bytes];
    spend
}

fn refused(spend: &Spend) -> String {
    let error = spend.build().err().unwrap();
    format!("{error} {}", error.remedy())
}

#[test]
fn psbt__should_be_what_the_participants_read() {
    for algorithm in [Algorithm::Ecdsa, Algorithm::Schnorr] {
        let spend = spend(algorithm);
        let decoded = spend.build().unwrap().decoded;
        assert_eq!(decoded.kind, EffectKind::Transfer);
        assert_eq!(decoded.fee, Some(Uint256::from(500_u64)));
        let [paid, change] = decoded.outputs.as_slice() else {
            panic!("{decoded:?}");
        };
        assert_eq!(paid.to, Some(receiver()));
        assert_eq!(
            (paid.amount, paid.is_change),
            (Uint256::from(60_000_u64), false)
        );
        assert_eq!(change.to, decoded.from);
        assert_eq!(
            (change.amount, change.is_change),
            (Uint256::from(39_500_u64), true)
        );
        assert!(decoded.warnings.is_empty(), "{:?}", decoded.warnings);
    }
}

#[test]
fn fee__should_follow_from_a_rate_and_what_is_left_may_be_nothing() {
    let mut priced = spend(Algorithm::Schnorr);
    priced.fee = Fee::Rate(3);
    let decoded = priced.build().unwrap().decoded;
    let size = decoded.virtual_size.unwrap();
    assert_eq!(decoded.fee, Some(Uint256::from(3 * size)));
    let mut whole = spend(Algorithm::Ecdsa);
    whole.payments[0].amount = 99_500;
    let decoded = whole.build().unwrap().decoded;
    assert_eq!(decoded.outputs.len(), 1, "no change");
    // Elsewhere, it is a payment like others.
    let mut elsewhere = spend(Algorithm::Ecdsa);
    elsewhere.change = Some(receiver());
    let decoded = elsewhere.build().unwrap().decoded;
    assert!(decoded.outputs.iter().all(|output| !output.is_change));
}

#[test]
fn several_coins_and_payments__should_be_spent_in_their_order() {
    let mut many = spend(Algorithm::Schnorr);
    let other = format!("{}:7:25000", "ab".repeat(32));
    many.coins.push(parse_coin(&other).unwrap());
    many.payments.push(Payment {
        address: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080".to_owned(),
        amount: 300,
    });
    let built = many.build().unwrap();
    let amounts: Vec<_> = built.decoded.outputs.iter().map(|o| o.amount).collect();
    assert_eq!(amounts, [60_000_u64, 300, 64_200].map(Uint256::from));
    assert!(!built.decoded.warnings.contains(&Warning::UnknownScript));
    // The order of the bytes is that of the network, not that of the text.
    let outpoint = [[0xab; 32].as_slice(), &7_u32.to_le_bytes()].concat();
    assert!(built.psbt.windows(36).any(|bytes| bytes == outpoint));
}

#[test]
fn spend__must_be_refused_where_a_coin_is_not_proven_or_not_there() {
    let mut unproven = spend(Algorithm::Ecdsa);
    let told = format!("{}:1:100000", "ab".repeat(32));
    unproven.coins = vec![parse_coin(&told).unwrap()];
    assert!(refused(&unproven).contains("--previous-tx"));
    let mut unknown = spend(Algorithm::Schnorr);
    unknown.coins[0].transaction = [1; 32];
    assert!(refused(&unknown).contains("amount is not known"));
    for (index, why) in [(0, "not a coin of this key"), (2, "no such output")] {
        let mut wrong = spend(Algorithm::Schnorr);
        wrong.coins[0].index = index;
        assert!(refused(&wrong).contains(why), "{}", refused(&wrong));
    }
    let mut lied = spend(Algorithm::Schnorr);
    lied.coins[0].amount = Some(1);
    assert!(refused(&lied).contains("another amount"));
    let mut twice = spend(Algorithm::Schnorr);
    twice.coins.push(twice.coins[0].clone());
    assert!(refused(&twice).contains("participants would refuse"));
    let mut broken = spend(Algorithm::Schnorr);
    broken.previous[0].pop();
    assert!(refused(&broken).contains("previous transaction 1"));
}

#[test]
fn spend__must_be_refused_where_amounts_or_addresses_do_not_fit() {
    let mut short = spend(Algorithm::Ecdsa);
    short.payments[0].amount = 99_501;
    assert!(refused(&short).contains("99501") || refused(&short).contains("100001"));
    short.fee = Fee::Rate(1_000);
    assert!(refused(&short).contains("are needed"));
    let mut dust = spend(Algorithm::Ecdsa);
    dust.payments[0].amount = 99_000;
    assert!(refused(&dust).contains("--fee 1000"), "{}", refused(&dust));
    let mut endless = spend(Algorithm::Ecdsa);
    endless.payments[0].amount = u64::MAX;
    assert!(refused(&endless).contains("not so many"));
    let mut elsewhere = spend(Algorithm::Ecdsa);
    elsewhere.payments[0].address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4".to_owned();
    assert!(refused(&elsewhere).contains("bitcoin-regtest"));
    let mut other = spend(Algorithm::Ecdsa);
    other.chain = Chain::None;
    assert!(refused(&other).contains("--chain"));
    other.chain = Chain::Bitcoin(REGTEST);
    other.algorithm = Algorithm::EdDsa;
    assert!(refused(&other).contains("--algorithm"));
}

#[test]
fn previous_transaction__should_be_read_with_witnesses_too() {
    // The example of BIP143: two inputs, the second one with a witness.
    let bytes = hex::decode(concat!(
        "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000",
        "494830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be02204052",
        "9b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d1",
        "82d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb2060000000019",
        "76a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e",
        "4dbe6a21b2d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0",
        "d5447a12fb1366d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de6",
        "7eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000",
    ))
    .unwrap();
    let read = Previous::read(bytes.clone()).unwrap();
    let mut id = read.id;
    id.reverse();
    let known = "e8151a2af31c368a35053ddd4bdb285a8595c769a3ad83e0fa02314a602d4609";
    assert_eq!(hex::encode(id), known);
    let amounts: Vec<_> = read.outputs.iter().map(|(amount, _)| *amount).collect();
    assert_eq!(amounts, [112_340_000, 223_450_000]);
    for end in 0..bytes.len() {
        assert!(Previous::read(bytes[..end].to_vec()).is_none(), "{end}");
    }
}

#[test]
fn flags__should_be_read_in_their_form_alone() {
    assert_eq!(parse_amount("0.5btc"), Ok(50_000_000));
    assert_eq!(parse_payment("a=7sat").unwrap().amount, 7);
    for bad in ["", "a", "a=", "a=0.1", "a=0.000000001btc"] {
        assert!(parse_payment(bad).is_err(), "{bad}");
    }
    let id = "ab".repeat(32);
    for bad in [
        "",
        &id,
        &format!("{id}:x"),
        &format!("{}:0", &id[2..]),
        &format!("{id}:0:x"),
    ] {
        assert!(parse_coin(bad).is_err(), "{bad}");
    }
}
