//! Hostile bytes: no panic, and nothing accepted that rust-bitcoin reads differently.

use bitcoin::psbt::Psbt;
use proptest::prelude::*;
use quorate_chains::{
    BitcoinNetwork, Chain, Effect, EncodingFault, MessageType, Refusal, effect_of,
};
use quorate_types::Algorithm;

use crate::fixture::{bytes, key, text, vectors};

const BITCOIN: Chain = Chain::Bitcoin(BitcoinNetwork::Mainnet);

#[derive(Debug, Clone)]
struct Seed {
    name: String,
    algorithm: Algorithm,
    public_key: Vec<u8>,
    payload: Vec<u8>,
}

impl Seed {
    fn effect(&self, payload: &[u8]) -> Result<Effect, Refusal> {
        let key = key(BITCOIN, self.algorithm, &self.public_key);
        effect_of(&key, MessageType::Transaction, payload)
    }

    fn has_carried_fields(&self) -> bool {
        self.name.contains("paths of its keys")
    }

    /// Checks that rust-bitcoin reads an accepted payload as we do.
    fn check(&self, payload: &[u8]) -> Result<Effect, Refusal> {
        let effect = self.effect(payload)?;
        let theirs = match Psbt::deserialize(payload) {
            Ok(theirs) => theirs,
            // Paths of keys are carried along unread: they change nothing that is signed.
            Err(_) if self.has_carried_fields() => return Ok(effect),
            Err(error) => panic!("{}: they refuse what we accept: {error}", self.name),
        };
        let outputs = &theirs.unsigned_tx.output;
        assert_eq!(effect.decoded.outputs.len(), outputs.len());
        for (ours, theirs) in effect.decoded.outputs.iter().zip(outputs) {
            assert_eq!(ours.amount.to_string(), theirs.value.to_sat().to_string());
        }
        assert_eq!(effect.targets.len(), theirs.inputs.len());
        let id = effect.decoded.facts.first().expect("the id");
        assert_eq!(id.value, theirs.unsigned_tx.compute_txid().to_string());
        Ok(effect)
    }
}

/// Golden vectors that differ in their form, for each kind.
const FORMS: [&str; 7] = [
    "pays p2tr with change",
    "lock time in blocks",
    "says ALL",
    "previous transactions",
    "with witnesses",
    "data",
    "paths of its keys",
];

/// Golden vectors that are short enough to change many times.
fn seeds() -> Vec<Seed> {
    vectors("bitcoin/transactions.json")
        .iter()
        .filter(|vector| vector["chain"] == "bitcoin")
        .filter(|vector| {
            FORMS
                .iter()
                .any(|form| text(vector, "name").ends_with(form))
        })
        .map(|vector| Seed {
            name: text(vector, "name").to_owned(),
            algorithm: text(vector, "algorithm").parse().expect("a scheme"),
            public_key: bytes(vector, "public_key"),
            payload: bytes(vector, "payload"),
        })
        .filter(|seed| seed.payload.len() < 1_200)
        .collect()
}

#[test]
fn d5_bitcoin_changed_bit__must_be_refused_or_read_alike_by_rust_bitcoin() {
    let (mut accepted, mut refused) = (0u32, 0u32);
    for seed in seeds() {
        let original = seed.check(&seed.payload).expect(&seed.name);
        for bit in 0..seed.payload.len() * 8 {
            let mut changed = seed.payload.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            match seed.check(&changed) {
                Ok(effect) => {
                    accepted += 1;
                    // Only what carries paths of keys may change without changing what is signed.
                    let is_carried = seed.has_carried_fields();
                    let is_witness = seed.name.contains("with witnesses");
                    let same = effect.targets == original.targets;
                    assert!(!same || is_carried || is_witness, "{} bit {bit}", seed.name);
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(accepted > 1_000 && refused > 1_000, "{accepted}, {refused}");
}

#[test]
fn d5_bitcoin_payload__must_be_refused_at_every_cut_and_with_bytes_behind_it() {
    for seed in seeds() {
        for length in 0..seed.payload.len() {
            let refused = seed.effect(&seed.payload[..length]);
            let code = refused.expect_err(&seed.name).code();
            assert_eq!(code, "malformed_transaction", "{} {length}", seed.name);
        }
        let mut longer = seed.payload.clone();
        longer.push(0);
        let (field, fault) = ("psbt", EncodingFault::TrailingBytes);
        assert_eq!(
            seed.effect(&longer),
            Err(Refusal::Malformed { field, fault })
        );
    }
}

fn mutated() -> impl Strategy<Value = (Seed, Vec<u8>)> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4u8);
    let changes = proptest::collection::vec(change, 1..6);
    (proptest::sample::select(seeds()), changes).prop_map(|(seed, changes)| {
        let mut payload = seed.payload.clone();
        for (place, byte, act) in changes {
            let place = place.index(payload.len().max(1));
            match act {
                0 if place < payload.len() => payload[place] = byte,
                1 if place < payload.len() => drop(payload.remove(place)),
                2 => payload.truncate(place),
                _ => payload.insert(place.min(payload.len()), byte),
            }
        }
        (seed, payload)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn d5_bitcoin_random_bytes__must_not_panic(
        payload in proptest::collection::vec(any::<u8>(), 0..400),
        place in 0..100usize,
    ) {
        let seed = &seeds()[0];
        let _ = seed.check(&payload);
        let mut spliced = seed.payload.clone();
        let place = place.min(spliced.len());
        spliced.truncate(place);
        spliced.extend(payload);
        let _ = seed.check(&spliced);
    }

    #[test]
    fn d5_bitcoin_mutated_payload__must_be_refused_or_read_alike((seed, payload) in mutated()) {
        let _ = seed.check(&payload);
    }
}
