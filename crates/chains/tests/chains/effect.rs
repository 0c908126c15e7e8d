//! What each message type makes of a payload, and what it refuses.

use quorate_chains::{
    Chain, Effect, EffectKind, KeyContext, MAX_PAYLOAD, MessageType, Refusal, Warning,
};
use quorate_types::{Algorithm, ChainId, Curve, Right, Rights};

use crate::fixture::{ETHEREUM, GENERATOR, key};

const ECDSA: Algorithm = Algorithm::Ecdsa;

/// The example of EIP-155.
const TRANSFER: &str =
    "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080";
const TRANSFER_DIGEST: &str = "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53";

/// What it means for a key with these rights.
fn effect_of(
    chain: Chain,
    message_type: MessageType,
    payload: &[u8],
    rights: &Rights,
    algorithm: Algorithm,
) -> Result<Effect, Refusal> {
    let key = KeyContext {
        rights,
        ..key(chain, algorithm, &GENERATOR)
    };
    quorate_chains::effect_of(&key, message_type, payload)
}

fn no_rights() -> Rights {
    Rights::default()
}

fn every_right() -> Rights {
    [Right::RawHash, Right::RawMessage].into_iter().collect()
}

fn transfer() -> Vec<u8> {
    hex::decode(TRANSFER).expect("hex")
}

#[test]
fn d1_transaction__should_be_signed_by_the_digest_of_its_own_payload() {
    for rights in [no_rights(), every_right()] {
        let effect = effect_of(
            ETHEREUM,
            MessageType::Transaction,
            &transfer(),
            &rights,
            ECDSA,
        )
        .expect("a plain transfer");
        assert_eq!(effect.targets.len(), 1);
        assert_eq!(effect.digests()[0].to_string(), TRANSFER_DIGEST);
        assert_eq!(effect.decoded.kind, EffectKind::Transfer);
        // Whoever shows transaction A and asks for the hash of B gets the hash of A.
        let mut other = transfer();
        other[10] ^= 1;
        let shown = effect_of(ETHEREUM, MessageType::Transaction, &other, &rights, ECDSA)
            .expect("another transfer");
        assert_ne!(shown.targets, effect.targets);
        assert_ne!(shown.decoded, effect.decoded);
    }
}

#[test]
fn d1_hash__must_be_refused_without_the_right() {
    let digest = [7; 32];
    for chain in [ETHEREUM, Chain::None] {
        for rights in [no_rights(), [Right::RawMessage].into_iter().collect()] {
            assert_eq!(
                effect_of(chain, MessageType::Hash, &digest, &rights, ECDSA),
                Err(Refusal::RightMissing {
                    message_type: MessageType::Hash,
                    right: Right::RawHash
                })
            );
        }
        let rights = [Right::RawHash].into_iter().collect();
        let effect = effect_of(chain, MessageType::Hash, &digest, &rights, ECDSA)
            .expect("the key has the right");
        assert_eq!(effect.digests()[0].as_bytes(), &digest);
        assert_eq!(effect.decoded.kind, EffectKind::RawHash);
        assert_eq!(effect.decoded.warnings, [Warning::MeaningUnknown]);
    }
}

#[test]
fn d1_hash__must_be_refused_as_a_transaction_and_a_transaction_as_a_hash() {
    let rights = every_right();
    let digest = hex::decode(TRANSFER_DIGEST).expect("hex");
    assert!(effect_of(ETHEREUM, MessageType::Transaction, &digest, &rights, ECDSA).is_err());
    assert_eq!(
        effect_of(ETHEREUM, MessageType::Hash, &transfer(), &rights, ECDSA),
        Err(Refusal::DigestLength { length: 45 })
    );
    for length in [0, 31, 33] {
        assert_eq!(
            effect_of(
                ETHEREUM,
                MessageType::Hash,
                &vec![1; length],
                &rights,
                ECDSA
            ),
            Err(Refusal::DigestLength { length })
        );
    }
}

#[test]
fn d1_raw_message__must_be_refused_on_a_chain_or_without_the_right() {
    // Raw bytes could be a transaction of the chain, signed unseen.
    assert_eq!(
        effect_of(
            ETHEREUM,
            MessageType::Raw,
            &transfer(),
            &every_right(),
            ECDSA
        )
        .map_err(|refusal| refusal.code()),
        Err("unsupported_message_type")
    );
    let rights = [Right::RawHash].into_iter().collect();
    assert_eq!(
        effect_of(Chain::None, MessageType::Raw, b"abc", &rights, ECDSA),
        Err(Refusal::RightMissing {
            message_type: MessageType::Raw,
            right: Right::RawMessage
        })
    );
}

#[test]
fn raw_message__should_be_hashed_with_sha_256() {
    let rights = [Right::RawMessage].into_iter().collect();
    for algorithm in [ECDSA, Algorithm::EdDsa, Algorithm::Schnorr] {
        let effect = effect_of(Chain::None, MessageType::Raw, b"abc", &rights, algorithm)
            .expect("the key has the right");
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            effect.digests()[0].to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(effect.decoded.kind, EffectKind::RawMessage);
    }
}

#[test]
fn message_types__must_be_refused_where_they_are_not_supported() {
    let rights = every_right();
    let code = |chain, message_type, algorithm| {
        effect_of(chain, message_type, &[1; 32], &rights, algorithm)
            .map_err(|refusal| refusal.code())
    };
    let unsupported = Err("unsupported_message_type");
    assert_eq!(code(ETHEREUM, MessageType::TypedData, ECDSA), unsupported);
    assert_eq!(
        code(Chain::None, MessageType::TypedData, ECDSA),
        unsupported
    );
    assert_eq!(
        code(Chain::None, MessageType::Hash, Algorithm::EdDsa),
        unsupported
    );
    assert_eq!(
        code(Chain::None, MessageType::Transaction, ECDSA),
        Err("no_transactions")
    );
}

#[test]
fn payload__must_be_refused_over_the_limit_for_every_type() {
    let payload = vec![1; MAX_PAYLOAD + 1];
    let expected = Refusal::TooLong {
        length: MAX_PAYLOAD + 1,
        limit: MAX_PAYLOAD,
    };
    for message_type in [
        MessageType::Raw,
        MessageType::Hash,
        MessageType::TypedData,
        MessageType::Transaction,
    ] {
        for chain in [ETHEREUM, Chain::None] {
            assert_eq!(
                effect_of(chain, message_type, &payload, &every_right(), ECDSA),
                Err(expected.clone())
            );
        }
    }
}

#[test]
fn chain__should_be_found_by_its_id_only() {
    for chain in Chain::ALL {
        let id = ChainId::new(chain.as_str()).expect("an id");
        assert_eq!(Chain::parse(&id), Some(chain));
    }
    for unknown in ["bitcoin-cash", "ethereum-goerli", "eth"] {
        assert_eq!(Chain::parse(&ChainId::new(unknown).expect("an id")), None);
    }
    let numbered = Chain::ALL
        .into_iter()
        .filter_map(|chain| Some((chain.as_str(), chain.network_chain_id()?)));
    assert!(numbered.eq([
        ("ethereum", 1),
        ("ethereum-sepolia", 11_155_111),
        ("ethereum-holesky", 17_000),
        ("ethereum-local", 31_337),
    ]));
}

#[test]
fn chain__must_refuse_keys_of_the_wrong_curve_or_scheme() {
    assert_eq!(ETHEREUM.check_key(ECDSA, Curve::Secp256k1), Ok(()));
    assert_eq!(
        ETHEREUM.check_key(Algorithm::EdDsa, Curve::Ed25519),
        Err(Refusal::WrongCurve {
            chain: "ethereum",
            algorithm: Algorithm::EdDsa,
            curve: Curve::Ed25519,
            supported: &[ECDSA]
        })
    );
    assert_eq!(
        ETHEREUM.check_key(Algorithm::Schnorr, Curve::Secp256k1),
        Err(Refusal::WrongAlgorithm {
            chain: "ethereum",
            algorithm: Algorithm::Schnorr,
            supported: &[ECDSA]
        })
    );
    let refused = ETHEREUM.check_key(Algorithm::EdDsa, Curve::Ed25519);
    assert_eq!(
        refused.map_err(|refusal| refusal.to_string()),
        Err(
            "chain `ethereum` does not work with EdDSA keys on ed25519, \
             but with ECDSA on secp256k1"
                .to_owned()
        )
    );
    assert_eq!(
        Chain::None.check_key(Algorithm::EdDsa, Curve::Ed25519),
        Ok(())
    );
    for (algorithm, curve) in [
        (ECDSA, Curve::Ed25519),
        (Algorithm::EdDsa, Curve::Secp256k1),
    ] {
        let refused = Chain::None.check_key(algorithm, curve);
        assert_eq!(refused.map_err(|r| r.code()), Err("wrong_curve"));
    }
    let effect = effect_of(
        ETHEREUM,
        MessageType::Transaction,
        &transfer(),
        &no_rights(),
        Algorithm::EdDsa,
    );
    assert_eq!(effect.map_err(|r| r.code()), Err("wrong_algorithm"));
}

#[test]
fn address__should_be_none_without_a_chain_and_refuse_unknown_kinds() {
    assert_eq!(Chain::None.address(ECDSA, &[2; 33], "default"), Ok(None));
    for chain in Chain::ALL {
        assert_eq!(
            chain.address(ECDSA, &[2; 33], "taproot"),
            Err(Refusal::UnknownAddressKind {
                chain: chain.as_str(),
                supported: chain.address_kinds(ECDSA),
            })
        );
    }
}
