//! Transactions invented with rust-bitcoin, signed, and checked by the network's own rules.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::psbt::{Psbt, PsbtSighashType};
use bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, WPubkeyHash, Witness,
};
use k256::elliptic_curve::sec1::ToSec1Point;
use proptest::prelude::*;
use quorate_chains::{
    BitcoinNetwork, Chain, Effect, KeyTweak, MessageType, Refusal, Signature, assemble, effect_of,
};
use quorate_types::Algorithm;
use quorate_verify::{EcdsaSignature, taproot_output_key};

use crate::consensus::{Coin, check_spends};
use crate::fixture::key;

const BITCOIN: Chain = Chain::Bitcoin(BitcoinNetwork::Mainnet);
const SCHEMES: [Algorithm; 2] = [Algorithm::Ecdsa, Algorithm::Schnorr];

/// A whole key, which only tests have.
struct Whole {
    secret: k256::SecretKey,
    algorithm: Algorithm,
}

impl Whole {
    fn new(algorithm: Algorithm, seed: u8) -> Self {
        let secret = k256::SecretKey::from_slice(&[seed; 32]).expect("a scalar");
        Self { secret, algorithm }
    }

    fn public_key(&self) -> Vec<u8> {
        let point = self.secret.public_key().to_sec1_point(true);
        point.as_bytes().to_vec()
    }

    fn own_script(&self) -> ScriptBuf {
        let public_key = self.public_key();
        match self.algorithm {
            Algorithm::Ecdsa => ScriptBuf::new_p2wpkh(&WPubkeyHash::hash(&public_key)),
            _ => {
                let output = taproot_output_key(&public_key).expect("a key");
                ScriptBuf::from_bytes([&[0x51, 32], &output[1..]].concat())
            }
        }
    }

    fn effect(&self, payload: &[u8]) -> Result<Effect, Refusal> {
        let public_key = self.public_key();
        let key = key(BITCOIN, self.algorithm, &public_key);
        effect_of(&key, MessageType::Transaction, payload)
    }

    fn sign(&self, payload: &[u8]) -> Vec<Signature> {
        let effect = self.effect(payload).expect("a valid PSBT");
        effect
            .targets
            .iter()
            .map(|target| match self.algorithm {
                Algorithm::Ecdsa => self.ecdsa(target.digest().as_bytes()),
                _ => {
                    assert_eq!(target.tweak(), KeyTweak::TaprootKeyPath);
                    self.tweaked_bip340(target.digest().as_bytes())
                }
            })
            .collect()
    }

    fn ecdsa(&self, digest: &[u8; 32]) -> Signature {
        use k256::ecdsa::signature::hazmat::PrehashSigner;
        let signing = k256::ecdsa::SigningKey::from(&self.secret);
        let signature: k256::ecdsa::Signature = signing.sign_prehash(digest).expect("signed");
        let bytes = signature.normalize_s().to_bytes().into();
        let signature = EcdsaSignature::find(&self.public_key(), digest, bytes);
        Signature::Ecdsa(signature.expect("a valid signature"))
    }

    /// BIP341: negate for even y, add the tweak, sign.
    fn tweaked_bip340(&self, digest: &[u8; 32]) -> Signature {
        let mut secret = *self.secret.to_nonzero_scalar();
        if self.public_key()[0] == 3 {
            secret = -secret;
        }
        let x = &self.public_key()[1..];
        let tag = sha256(b"TapTweak");
        let tweak = sha256(&[&tag, &tag, x].concat());
        let tweak = k256::SecretKey::from_slice(&tweak).expect("a scalar");
        let tweaked = k256::NonZeroScalar::new(secret + *tweak.to_nonzero_scalar());
        let tweaked = k256::schnorr::SigningKey::from(tweaked.expect("not zero"));
        let signature = tweaked.sign_raw(digest, &[0; 32]).expect("signed");
        Signature::Schnorr(signature.to_bytes())
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    bitcoin::hashes::sha256::Hash::hash(bytes).to_byte_array()
}

/// What a PSBT is made of.
#[derive(Debug, Clone)]
struct Draft {
    coins: Vec<(u64, u32)>,
    outputs: Vec<(u64, Vec<u8>)>,
    lock_time: u32,
    version: i32,
    says_all: bool,
}

fn draft() -> impl Strategy<Value = Draft> {
    let coins = proptest::collection::vec((1..1_000_000u64, any::<u32>()), 1..6);
    let script = proptest::collection::vec(any::<u8>(), 0..300);
    let outputs = proptest::collection::vec((0..100_000u64, script), 1..5);
    (coins, outputs, any::<u32>(), 1..=3i32, any::<bool>()).prop_map(
        |(coins, outputs, lock_time, version, says_all)| Draft {
            coins,
            outputs,
            lock_time,
            version,
            says_all,
        },
    )
}

/// The PSBT as rust-bitcoin writes it, and the coins that it spends.
fn psbt(draft: &Draft, whole: &Whole) -> (Psbt, Vec<TxOut>) {
    let own = whole.own_script();
    let coin = |amount| TxOut {
        value: Amount::from_sat(amount),
        script_pubkey: own.clone(),
    };
    let coins: Vec<_> = draft
        .coins
        .iter()
        .map(|(amount, _)| coin(*amount))
        .collect();
    let makers: Vec<_> = coins.iter().zip(0..).map(maker).collect();
    let input = |(maker, (_, sequence)): (&Transaction, &(u64, u32))| TxIn {
        previous_output: OutPoint::new(maker.compute_txid(), 0),
        script_sig: ScriptBuf::new(),
        sequence: Sequence(*sequence),
        witness: Witness::new(),
    };
    let output = |(amount, script): &(u64, Vec<u8>)| TxOut {
        value: Amount::from_sat(*amount),
        script_pubkey: ScriptBuf::from_bytes(script.clone()),
    };
    let unsigned = Transaction {
        version: Version(draft.version),
        lock_time: LockTime::from_consensus(draft.lock_time),
        input: makers.iter().zip(&draft.coins).map(input).collect(),
        output: draft.outputs.iter().map(output).collect(),
    };
    let mut psbt = Psbt::from_unsigned_tx(unsigned).expect("unsigned");
    for ((field, maker), coin) in psbt.inputs.iter_mut().zip(makers).zip(&coins) {
        field.witness_utxo = Some(coin.clone());
        if whole.algorithm == Algorithm::Ecdsa {
            field.non_witness_utxo = Some(maker);
        }
        if draft.says_all {
            field.sighash_type = Some(PsbtSighashType::from_u32(1));
        }
    }
    (psbt, coins)
}

/// The transaction that made a coin.
fn maker((coin, number): (&TxOut, u8)) -> Transaction {
    let previous_output = OutPoint::new(Txid::from_byte_array([number; 32]), 3);
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output,
            script_sig: ScriptBuf::from_bytes(vec![0x51]),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[[number; 40]]),
        }],
        output: vec![coin.clone()],
    }
}

fn their_digests(psbt: &Psbt, coins: &[TxOut], whole: &Whole) -> Vec<[u8; 32]> {
    let mut cache = SighashCache::new(&psbt.unsigned_tx);
    (0..coins.len())
        .map(|place| match whole.algorithm {
            Algorithm::Ecdsa => cache
                .p2wpkh_signature_hash(
                    place,
                    &coins[place].script_pubkey,
                    coins[place].value,
                    EcdsaSighashType::All,
                )
                .expect("a digest")
                .to_byte_array(),
            _ => {
                let asked = psbt.inputs[place].sighash_type;
                let kind = asked.map_or(TapSighashType::Default, |_| TapSighashType::All);
                cache
                    .taproot_key_spend_signature_hash(place, &Prevouts::All(coins), kind)
                    .expect("a digest")
                    .to_byte_array()
            }
        })
        .collect()
}

fn check(draft: &Draft, whole: &Whole) {
    let (psbt, coins) = psbt(draft, whole);
    let payload = psbt.serialize();
    let spent: u64 = draft.coins.iter().map(|(amount, _)| amount).sum();
    let paid: u64 = draft.outputs.iter().map(|(amount, _)| amount).sum();
    let Some(fee) = spent.checked_sub(paid) else {
        assert_eq!(whole.effect(&payload), Err(Refusal::OutputsAboveInputs));
        return;
    };
    let effect = whole.effect(&payload).expect("a valid PSBT");
    let digests = effect
        .digests()
        .into_iter()
        .map(|digest| *digest.as_bytes());
    assert!(digests.eq(their_digests(&psbt, &coins, whole)));
    let shown = effect.decoded.fee.map(|fee| fee.to_string());
    assert_eq!(shown, Some(fee.to_string()));

    let public_key = whole.public_key();
    let key = key(BITCOIN, whole.algorithm, &public_key);
    let signatures = whole.sign(&payload);
    let signed = assemble(&key, &payload, &signatures).expect("signed");
    let theirs: Transaction = bitcoin::consensus::deserialize(&signed.bytes).expect("read");
    assert_eq!(theirs.compute_txid().to_string(), signed.tx_id);
    // Signatures of the greatest length are counted; most are a byte or two shorter.
    let size = effect.decoded.virtual_size.expect("a size");
    let real = theirs.vsize() as u64;
    assert!(
        real <= size && size - real <= coins.len() as u64,
        "{real} {size}"
    );
    let coins: Vec<_> = coins
        .iter()
        .map(|coin| Coin {
            amount: coin.value.to_sat(),
            script: coin.script_pubkey.to_bytes(),
        })
        .collect();
    // Locks are the spender's affair: the script engine does not look at them here.
    assert_eq!(check_spends(&signed.bytes, &coins), Ok(()));
    let mut spoiled = signed.bytes;
    let amount = spoiled.len() - 60;
    spoiled[amount] ^= 1; // inside the last witness
    assert!(
        check_spends(&spoiled, &coins).is_err(),
        "the engine is awake"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bitcoin_transactions__should_be_valid_by_the_rules_of_the_network(
        draft in draft(),
        seed in 1..=254u8,
    ) {
        for algorithm in SCHEMES {
            check(&draft, &Whole::new(algorithm, seed));
        }
    }
}

#[test]
fn c10_bitcoin_signature__must_verify_before_it_goes_into_a_transaction() {
    let draft = Draft {
        coins: vec![(50_000, 0), (60_000, 0)],
        outputs: vec![(100_000, vec![0x6a])],
        lock_time: 0,
        version: 2,
        says_all: false,
    };
    for algorithm in SCHEMES {
        let whole = Whole::new(algorithm, 7);
        let payload = psbt(&draft, &whole).0.serialize();
        let public_key = whole.public_key();
        let key = key(BITCOIN, algorithm, &public_key);
        let code = |signatures: &[Signature]| {
            assemble(&key, &payload, signatures).map_err(|refusal| refusal.code())
        };
        let good = whole.sign(&payload);
        let (first, second) = (good[0], good[1]);
        assert!(code(&good).is_ok());
        assert_eq!(code(&[first]), Err("signature_count"));
        assert_eq!(code(&[first, second, second]), Err("signature_count"));
        // Each signature belongs to its own input.
        assert_eq!(code(&[second, first]), Err("invalid_signature"));
        let other = match first {
            Signature::Schnorr(bytes) => Signature::EdDsa(bytes),
            _ => Signature::Schnorr(*first.as_bytes()),
        };
        assert_eq!(code(&[other, second]), Err("invalid_signature"));
        // A signature of another key, or of the key without its tweak.
        let strangers =
            Whole::new(algorithm, 8).sign(&psbt(&draft, &Whole::new(algorithm, 8)).0.serialize());
        assert_eq!(code(&strangers), Err("invalid_signature"));
    }
}
