//! Hostile bytes: no panic, and nothing accepted twice under two spellings.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quorate_chains::{Chain, Effect, MessageType, Refusal, SolanaNetwork, effect_of};
use quorate_types::Algorithm;

use crate::fixture::{bytes, key, vectors};

const SOLANA: Chain = Chain::Solana(SolanaNetwork::Mainnet);

fn effect(public_key: &[u8], payload: &[u8]) -> Result<Effect, Refusal> {
    let key = key(SOLANA, Algorithm::EdDsa, public_key);
    effect_of(&key, MessageType::Transaction, payload)
}

/// Keys and payloads of the golden vectors.
fn seeds() -> Vec<(Vec<u8>, Vec<u8>)> {
    vectors("solana/transactions.json")
        .iter()
        .map(|vector| (bytes(vector, "public_key"), bytes(vector, "payload")))
        .collect()
}

#[test]
fn d5_solana_changed_bit__must_be_refused_or_mean_something_else() {
    let (mut accepted, mut refused) = (0u32, 0u32);
    for (public_key, payload) in seeds() {
        let original = effect(&public_key, &payload).expect("a golden vector");
        for bit in 0..payload.len() * 8 {
            let mut changed = payload.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            match effect(&public_key, &changed) {
                Ok(effect) => {
                    accepted += 1;
                    assert_eq!(effect.targets[0].message(), changed);
                    assert_ne!(effect.targets, original.targets);
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(accepted > 1_000 && refused > 1_000, "{accepted}, {refused}");
}

fn mutated() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4u8);
    let changes = proptest::collection::vec(change, 1..6);
    let seed = proptest::sample::select(seeds());
    (seed, changes).prop_map(|((public_key, mut payload), changes)| {
        for (place, byte, act) in changes {
            let place = place.index(payload.len().max(1));
            match act {
                0 if place < payload.len() => payload[place] = byte,
                1 if place < payload.len() => drop(payload.remove(place)),
                2 => payload.truncate(place),
                _ => payload.insert(place.min(payload.len()), byte),
            }
        }
        (public_key, payload)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn d5_solana_random_bytes__must_not_panic(
        mut payload in proptest::collection::vec(any::<u8>(), 0..1_300),
    ) {
        let public_key = seeds()[0].0.clone();
        let _ = effect(&public_key, &payload);
        for start in [[1, 0, 1, 2], [0x80, 1, 0, 1]] {
            payload.splice(0..0, start);
            let _ = effect(&public_key, &payload);
        }
    }

    #[test]
    fn d5_solana_mutated_payload__must_be_refused_or_signed_as_it_is(
        (public_key, payload) in mutated(),
    ) {
        if let Ok(effect) = effect(&public_key, &payload) {
            prop_assert_eq!(effect.targets[0].message(), &payload[..]);
            prop_assert!(payload.len() <= 1_167);
        }
    }
}

#[test]
fn d5_solana_refusals__should_name_many_different_faults() {
    // The mutations above would say little if they all ended at one check.
    let mut seen = BTreeMap::new();
    for (public_key, payload) in seeds() {
        for place in 0..payload.len() {
            let mut changed = payload.clone();
            changed[place] = changed[place].wrapping_add(1);
            if let Err(refusal) = effect(&public_key, &changed) {
                *seen.entry(refusal.to_string()).or_insert(0) += 1;
            }
        }
    }
    assert!(seen.len() >= 12, "{seen:#?}");
}
