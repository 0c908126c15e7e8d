//! What a caller shows in `X-Quorate-Signature`, and whether it is right.

use hmac::Mac as _;
use quorate_verify::verify_ed25519;
use zeroize::Zeroizing;

use super::credentials::{Credential, Verifier};
use super::lines::mac;

/// A signature of a request, of the kind that its length says.
pub(super) enum Proof {
    /// 64 hex digits.
    Hmac([u8; 32]),
    /// 128 hex digits.
    Ed25519(Box<[u8; 64]>),
}

/// Checked in place of a credential that does not exist or is of the other kind.
pub(crate) struct Decoy {
    secret: Zeroizing<[u8; 32]>,
}

/// The base point of Ed25519: a valid public key. A proof by it opens nothing.
const DECOY_PUBLIC_KEY: [u8; 32] = {
    let mut point = [0x66; 32];
    point[0] = 0x58;
    point
};

impl Decoy {
    /// A fresh one.
    pub(crate) fn new() -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice())
            .expect("the system's randomness works, or the process stops");
        Self { secret }
    }
}

impl Proof {
    /// Reads the header; none if it is neither kind.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (mut mac, mut signature) = ([0; 32], Box::new([0; 64]));
        if hex::decode_to_slice(text, &mut mac).is_ok() {
            return Some(Self::Hmac(mac));
        }
        let is_hex = hex::decode_to_slice(text, signature.as_mut_slice()).is_ok();
        is_hex.then_some(Self::Ed25519(signature))
    }

    /// Whether this is the credential's proof of `text`.
    ///
    /// # Security
    /// The kind of the work depends on the proof alone, never on the credential: nobody learns by
    /// time whether a credential exists, or of which kind it is. An HMAC is compared in constant
    /// time; an Ed25519 signature is checked with public values only, strictly.
    pub(super) fn is_right(&self, known: Option<&Credential>, decoy: &Decoy, text: &str) -> bool {
        let verifier = known.map(|credential| &credential.verifier);
        match self {
            Self::Hmac(shown) => {
                let (secret, is_of_kind) = match verifier {
                    Some(Verifier::Hmac(secret)) => (secret, true),
                    _ => (&decoy.secret, false),
                };
                let is_right = mac(secret.as_slice(), text).verify_slice(shown).is_ok();
                is_right && is_of_kind
            }
            Self::Ed25519(shown) => {
                let (key, is_of_kind) = match verifier {
                    Some(Verifier::Ed25519(key)) => (key, true),
                    _ => (&DECOY_PUBLIC_KEY, false),
                };
                let is_right = verify_ed25519(key, text.as_bytes(), shown).is_ok();
                is_right && is_of_kind
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use quorate_types::Tenant;

    use super::*;

    fn credential(verifier: Verifier) -> Credential {
        let (tenant, name) = (Tenant::new("acme").unwrap(), String::new());
        Credential {
            verifier,
            tenant,
            name,
        }
    }

    #[test]
    fn decoy__should_be_a_valid_public_key() {
        quorate_verify::check_ed25519_point(&DECOY_PUBLIC_KEY).unwrap();
    }

    #[test]
    fn proof__must_be_of_the_credentials_kind() {
        let (seed, decoy) = ([7; 32], Decoy::new());
        let key = SigningKey::from_bytes(&seed);
        let public = key.verifying_key().to_bytes();
        let hmac = credential(Verifier::Hmac(Zeroizing::new(seed)));
        let ed25519 = credential(Verifier::Ed25519(public));
        let by_hmac =
            |secret: &[u8]| Proof::Hmac(mac(secret, "text").finalize().into_bytes().into());
        let by_key = || Proof::Ed25519(Box::new(key.sign(b"text").to_bytes()));
        assert!(by_hmac(&seed).is_right(Some(&hmac), &decoy, "text"));
        assert!(by_key().is_right(Some(&ed25519), &decoy, "text"));
        assert!(!by_key().is_right(Some(&ed25519), &decoy, "other"));
        // The same bytes as the other kind; and the public key as a secret.
        assert!(!by_key().is_right(Some(&hmac), &decoy, "text"));
        assert!(!by_hmac(&seed).is_right(Some(&ed25519), &decoy, "text"));
        assert!(!by_hmac(&public).is_right(Some(&ed25519), &decoy, "text"));
        // A proof that the decoy would accept.
        let by_decoy = by_hmac(decoy.secret.as_slice());
        assert!(!by_decoy.is_right(None, &decoy, "text"));
        assert!(!by_decoy.is_right(Some(&ed25519), &decoy, "text"));
        assert!(!by_key().is_right(None, &decoy, "text"));
    }

    #[test]
    fn proof__must_be_hex_of_one_of_two_lengths() {
        for length in [0, 62, 66, 126, 127, 130] {
            assert!(Proof::read(&"a".repeat(length)).is_none(), "{length}");
        }
        assert!(Proof::read(&"g".repeat(64)).is_none());
        assert!(Proof::read(&"a".repeat(64)).is_some());
        assert!(Proof::read(&"a".repeat(128)).is_some());
    }
}
