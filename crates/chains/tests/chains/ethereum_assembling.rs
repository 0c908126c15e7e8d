//! Signatures that do not belong into a transaction.

use quorate_chains::{
    Chain, EthereumNetwork, Refusal, Signature, SignedTransaction, assemble, assemble_verified,
};
use quorate_types::Algorithm;
use quorate_verify::EcdsaSignature;

use crate::fixture::{ETHEREUM, GENERATOR, key};

/// The example of EIP-155: payload, signature, signed transaction.
const PAYLOAD: &str =
    "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080";
const SIGNATURE: &str = "28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276\
                         67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83";
const SIGNED: &str = "f86c098504a817c800825208943535353535353535353535353535353535353535\
                      880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71\
                      ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc6421\
                      4b297fb1966a3b6d83";

fn payload() -> Vec<u8> {
    hex::decode(PAYLOAD).expect("hex")
}

fn signature(recovery_id: u8) -> EcdsaSignature {
    let bytes = hex::decode(SIGNATURE).expect("hex");
    EcdsaSignature::new(bytes.try_into().expect("64 bytes"), recovery_id).expect("low s")
}

fn assembled(chain: Chain, signatures: &[Signature]) -> Result<SignedTransaction, Refusal> {
    let key = key(chain, Algorithm::Ecdsa, &GENERATOR);
    assemble(&key, &payload(), signatures)
}

#[test]
fn transaction__should_be_the_signed_example_of_eip_155() {
    let signed = assembled(ETHEREUM, &[signature(0).into()]).expect("a signature");
    assert_eq!(hex::encode(&signed.bytes), SIGNED);
    assert_eq!(signed.from, "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F");
}

#[test]
fn c11_transaction__should_show_another_sender_for_another_recovery_id() {
    let signed = assembled(ETHEREUM, &[signature(1).into()]).expect("a signature");
    assert_ne!(signed.from, "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F");
}

#[test]
fn transaction__must_refuse_signatures_without_a_form() {
    let key = key(ETHEREUM, Algorithm::Ecdsa, &GENERATOR);
    for recovery_id in [2, 3] {
        let signature = signature(recovery_id).into();
        let refused = Err(Refusal::RecoveryId(recovery_id));
        assert_eq!(assembled(ETHEREUM, &[signature]), refused);
        assert_eq!(assemble_verified(&key, &payload(), &[signature]), refused);
    }
    let one = signature(0).into();
    for (signatures, found) in [(vec![], 0), (vec![one, one], 2)] {
        assert_eq!(
            assembled(ETHEREUM, &signatures),
            Err(Refusal::SignatureCount { needed: 1, found })
        );
    }
    let local = Chain::Ethereum(EthereumNetwork::Local);
    assert_eq!(
        assembled(local, &[one]).map_err(|refusal| refusal.code()),
        Err("wrong_network")
    );
    assert_eq!(
        assembled(Chain::None, &[one]).map_err(|refusal| refusal.code()),
        Err("no_transactions")
    );
}
