//! Any t shares are the key, fewer are not, for both curves.

#![allow(
    non_snake_case,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test names are subject__should_result; tests stop at the first surprise"
)]

#[path = "stage/stage.rs"]
mod stage;

use std::collections::BTreeMap;

use quorate_crypto::{Ed25519, Group, KeyShare, Secp256k1, SecretName};
use quorate_dkg::DkgOutput;
use quorate_protocol::simulator::Plan;
use quorate_types::PartyIndex;
use stage::{secret_behind, simulate};

type Outputs = BTreeMap<PartyIndex, DkgOutput>;

/// All subsets of `size` of 1 to n.
fn subsets(n: u8, size: usize) -> Vec<Vec<u8>> {
    (0u32..1 << n)
        .map(|mask| {
            (1..=n)
                .filter(|i| mask >> (i - 1) & 1 == 1)
                .collect::<Vec<_>>()
        })
        .filter(|subset| subset.len() == size)
        .collect()
}

fn interpolate<G: Group>(outputs: &Outputs, subset: &[u8], secret: SecretName) -> Vec<u8> {
    let shares: BTreeMap<PartyIndex, &KeyShare> = outputs
        .iter()
        .filter(|(index, _)| subset.contains(&index.get()))
        .map(|(index, output)| (*index, &output.key_share))
        .collect();
    assert_eq!(shares.len(), subset.len());
    secret_behind::<G>(&shares, secret)
}

fn check<G: Group>(t: u8, n: u8, enough: &[Vec<u8>], too_few: &[Vec<u8>]) {
    let outcome = simulate::<G>(Plan::honest(u64::from(t) * 100 + u64::from(n), n, t)).unwrap();
    let outputs = outcome.outputs;
    assert_eq!(outputs.len(), usize::from(n), "{t} of {n}");
    let package = outputs.values().next().unwrap().key_share.package().clone();
    assert_ne!(package.x.public_key, package.k.public_key);
    for (index, output) in &outputs {
        assert_eq!(output.key_share.index(), *index);
        assert_eq!(output.key_share.package(), &package);
        assert_eq!(output.key_share.check(), Ok(()));
    }
    for secret in SecretName::ALL {
        let public_key = &package.sharing(secret).public_key;
        for subset in enough {
            let found = interpolate::<G>(&outputs, subset, secret);
            assert_eq!(&found, public_key, "{secret} from {subset:?}, {t} of {n}");
        }
        for subset in too_few {
            let found = interpolate::<G>(&outputs, subset, secret);
            assert_ne!(&found, public_key, "{secret} from {subset:?}, {t} of {n}");
        }
    }
}

fn check_small<G: Group>() {
    for n in 2..=5 {
        for t in 2..=n {
            let larger = usize::from(t)..=usize::from(n);
            let enough: Vec<_> = larger.flat_map(|size| subsets(n, size)).collect();
            check::<G>(t, n, &enough, &subsets(n, usize::from(t) - 1));
        }
    }
}

fn check_large<G: Group>() {
    for t in [2, 11, 20] {
        let first: Vec<u8> = (1..=t).collect();
        let last: Vec<u8> = (21 - t..=20).collect();
        check::<G>(t, 20, &[first.clone(), last], &[first[1..].to_vec()]);
    }
}

#[test]
fn any_t_shares__should_be_the_key_up_to_5_of_5_on_secp256k1() {
    check_small::<Secp256k1>();
}

#[test]
fn any_t_shares__should_be_the_key_up_to_5_of_5_on_ed25519() {
    check_small::<Ed25519>();
}

#[test]
fn any_t_shares__should_be_the_key_with_20_parties_on_secp256k1() {
    check_large::<Secp256k1>();
}

#[test]
fn any_t_shares__should_be_the_key_with_20_parties_on_ed25519() {
    check_large::<Ed25519>();
}

#[test]
fn two_runs__should_have_nothing_in_common() {
    let run = |seed| {
        let outcome = simulate::<Secp256k1>(Plan::honest(seed, 2, 2)).unwrap();
        let output = outcome.outputs.into_values().next().unwrap();
        (output.transcript, output.key_share.package().clone())
    };
    let ((transcript, package), (other_transcript, other)) = (run(1), run(2));
    assert_ne!(transcript, other_transcript);
    assert_ne!(package.public_key(), other.public_key());
    assert_ne!(package.k.public_key, other.k.public_key);
    assert_ne!(package.chain_code, other.chain_code);
}
