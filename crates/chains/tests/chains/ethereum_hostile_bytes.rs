//! Hostile bytes: no panic, and nothing accepted that another decoder reads differently.

use alloy_consensus::transaction::Transaction as _;
use alloy_consensus::{SignableTransaction, TxEip1559, TxLegacy, TypedTransaction};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use proptest::prelude::*;
use quorate_chains::EffectKind;

use crate::fixture::{ETHEREUM, bytes, ethereum_effect, vectors};

/// Checks that alloy reads an accepted payload as we do, and hashes it to the same digest.
fn check_against_alloy(payload: &[u8]) {
    let Ok(effect) = ethereum_effect(ETHEREUM, payload) else {
        return;
    };
    let (digests, decoded) = (effect.digests(), effect.decoded);
    let theirs = TypedTransaction::decode_unsigned(&mut &payload[..])
        .expect("what we accept, the lenient decoder accepts");
    assert_eq!(theirs.encoded_for_signing(), payload);
    assert_eq!(digests[0].as_bytes(), &theirs.signature_hash().0);
    assert_eq!(decoded.nonce, Some(theirs.nonce()));
    assert_eq!(theirs.chain_id(), Some(1));
    let fee = U256::from(theirs.max_fee_per_gas()) * U256::from(theirs.gas_limit());
    assert_eq!(
        decoded.fee.map(|fee| fee.to_string()),
        Some(fee.to_string())
    );
    if decoded.kind == EffectKind::Transfer {
        assert!(theirs.input().is_empty());
        let to = theirs.to().map(|to| to.to_checksum(None));
        assert_eq!(decoded.outputs[0].to, to);
        assert_eq!(
            decoded.outputs[0].amount.to_string(),
            theirs.value().to_string()
        );
    }
}

/// Payloads of the golden vectors that are short enough to change many times.
fn seeds() -> Vec<Vec<u8>> {
    vectors("ethereum/transactions.json")
        .iter()
        .filter(|vector| vector["chain"] == "ethereum")
        .map(|vector| bytes(vector, "payload"))
        .filter(|payload| payload.len() < 1_000)
        .collect()
}

#[test]
fn d5_one_changed_bit__must_be_refused_or_read_alike_by_alloy() {
    let seeds = seeds();
    assert!(seeds.len() >= 20);
    let (mut accepted, mut refused) = (0u32, 0u32);
    for payload in &seeds {
        check_against_alloy(payload);
        for bit in 0..payload.len() * 8 {
            let mut changed = payload.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            check_against_alloy(&changed);
            match ethereum_effect(ETHEREUM, &changed) {
                Ok(_) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
    }
    // Both happen often: the test would say nothing if one of them never did.
    assert!(accepted > 1_000 && refused > 1_000, "{accepted}, {refused}");
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4u8);
    let changes = proptest::collection::vec(change, 1..6);
    (proptest::sample::select(seeds()), changes).prop_map(|(mut payload, changes)| {
        for (place, byte, act) in changes {
            let place = place.index(payload.len().max(1));
            match act {
                0 if place < payload.len() => payload[place] = byte,
                1 if place < payload.len() => drop(payload.remove(place)),
                2 => payload.truncate(place),
                _ => payload.insert(place.min(payload.len()), byte),
            }
        }
        payload
    })
}

fn access_list() -> impl Strategy<Value = AccessList> {
    let slots = proptest::collection::vec(any::<[u8; 32]>(), 0..4);
    let item = (any::<[u8; 20]>(), slots).prop_map(|(address, slots)| AccessListItem {
        address: Address::from(address),
        storage_keys: slots.into_iter().map(Into::into).collect(),
    });
    proptest::collection::vec(item, 0..4).prop_map(AccessList)
}

fn body() -> impl Strategy<Value = (TxKind, U256, Bytes)> {
    let to = proptest::option::of(any::<[u8; 20]>());
    let data = proptest::collection::vec(any::<u8>(), 0..300);
    (to, any::<[u8; 32]>(), 0..=32usize, data).prop_map(|(to, value, width, data)| {
        let to = to.map_or(TxKind::Create, |to| TxKind::Call(Address::from(to)));
        (to, U256::from_be_slice(&value[..width]), Bytes::from(data))
    })
}

fn check_accepted(transaction: impl SignableTransaction<alloy_primitives::Signature>) {
    let payload = transaction.encoded_for_signing();
    let effect = ethereum_effect(ETHEREUM, &payload).expect("a valid transaction");
    assert_eq!(
        effect.digests()[0].as_bytes(),
        &transaction.signature_hash().0
    );
    check_against_alloy(&payload);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn d5_random_bytes__must_not_panic(
        first in any::<u8>(),
        mut payload in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        check_against_alloy(&payload);
        for start in [0x02, 0xc0 | first, 0xf8] {
            payload.insert(0, start);
            check_against_alloy(&payload);
        }
    }

    #[test]
    fn d5_mutated_payload__must_be_refused_or_read_alike_by_alloy(payload in mutated()) {
        check_against_alloy(&payload);
    }

    #[test]
    fn eip1559__should_be_accepted_as_alloy_writes_it(
        (nonce, gas_limit, tip, more) in (0..u64::MAX, any::<u64>(), any::<u32>(), any::<u32>()),
        (to, value, input) in body(),
        access_list in access_list(),
    ) {
        let max_priority_fee_per_gas = u128::from(tip);
        check_accepted(TxEip1559 {
            chain_id: 1,
            nonce,
            gas_limit,
            max_fee_per_gas: max_priority_fee_per_gas + u128::from(more),
            max_priority_fee_per_gas,
            to,
            value,
            access_list,
            input,
        });
    }

    #[test]
    fn legacy__should_be_accepted_as_alloy_writes_it(
        (nonce, gas_limit, gas_price) in (0..u64::MAX, any::<u64>(), any::<u64>()),
        (to, value, input) in body(),
    ) {
        check_accepted(TxLegacy {
            chain_id: Some(1),
            nonce,
            gas_price: u128::from(gas_price),
            gas_limit,
            to,
            value,
            input,
        });
    }
}
