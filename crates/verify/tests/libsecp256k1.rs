//! The same signatures in this crate and in libsecp256k1, both ways.
#![allow(non_snake_case, reason = "test names are subject__should_result")]

use k256::ecdsa::SigningKey;
use quorate_verify::{EcdsaSignature, recover_ecdsa, recovery_id_for, verify_ecdsa};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};
use secp256k1::{Message, PublicKey, SecretKey};

const ROUNDS: usize = 1_000;

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the OS has randomness");
    bytes
}

#[test]
fn c11_libsecp256k1_signatures__should_pass_here() {
    for _ in 0..ROUNDS {
        let secret = SecretKey::from_secret_bytes(random()).unwrap();
        let key = secret.public_key().serialize();
        let digest = random();
        let theirs =
            RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest), &secret);
        let (id, bytes) = theirs.serialize_compact();
        assert_eq!(verify_ecdsa(&key, &digest, &bytes), Ok(()));
        assert_eq!(recovery_id_for(&key, &digest, &bytes), Ok(id.to_u8()));
        let ours = EcdsaSignature::new(bytes, id.to_u8()).unwrap();
        assert_eq!(recover_ecdsa(&digest, &ours), Ok(key));
        assert_eq!(ours.verify(&key, &digest), Ok(()));
        let der = theirs.to_standard().serialize_der();
        assert_eq!(ours.to_der(), der.to_vec());
        assert!(ours.verify(&key, &random()).is_err());
    }
}

#[test]
fn c11_signatures_made_here__should_pass_in_libsecp256k1() {
    for _ in 0..ROUNDS {
        let secret = SigningKey::from_slice(&random()).unwrap();
        let key = secret.verifying_key().to_sec1_point(true);
        let key = key.as_bytes();
        let digest = random();
        let (signature, _) = secret.sign_prehash_recoverable(&digest);
        let ours = EcdsaSignature::find(key, &digest, signature.to_bytes().into()).unwrap();

        let message = Message::from_digest(digest);
        let expected = PublicKey::from_slice(key).unwrap();
        let compact = Signature::from_compact(ours.as_bytes()).unwrap();
        compact.verify(message, &expected).unwrap();
        Signature::from_der(&ours.to_der())
            .unwrap()
            .verify(message, &expected)
            .unwrap();
        let id = RecoveryId::try_from(i32::from(ours.recovery_id())).unwrap();
        let recoverable = RecoverableSignature::from_compact(ours.as_bytes(), id).unwrap();
        assert_eq!(recoverable.recover(message).unwrap(), expected);
    }
}
