//! The five signed lines.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Header with the id of the credential.
pub(crate) const KEY: &str = "x-quorate-key";
/// Header with the time, Unix seconds.
pub(crate) const TIMESTAMP: &str = "x-quorate-timestamp";
/// Header with the nonce.
pub(crate) const NONCE: &str = "x-quorate-nonce";
/// Header with the HMAC or the Ed25519 signature.
pub(crate) const SIGNATURE: &str = "x-quorate-signature";

/// The headers of a signed request, except the credential's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `X-Quorate-Timestamp`.
    pub timestamp: String,
    /// `X-Quorate-Nonce`.
    pub nonce: String,
    /// `X-Quorate-Signature`.
    pub signature: String,
}

/// What is signed: method, path with query, timestamp, nonce and SHA-256 of the body, one per line.
pub(super) fn signed_text(
    method: &str,
    path_and_query: &str,
    timestamp: &str,
    nonce: &str,
    body: &[u8],
) -> String {
    let digest = hex::encode(Sha256::digest(body));
    [method, path_and_query, timestamp, nonce, &digest].join("\n")
}

/// HMAC-SHA256 of the signed text.
pub(super) fn mac(secret: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac
}

/// Signs a request as a client with an HMAC credential does. `nonce` must be fresh: 16 to 64 of `A-Z a-z 0-9 - _`.
#[must_use]
pub fn sign_request(
    secret: &[u8; 32],
    method: &str,
    path_and_query: &str,
    timestamp: u64,
    nonce: &str,
    body: &[u8],
) -> SignedHeaders {
    let timestamp = timestamp.to_string();
    let text = signed_text(method, path_and_query, &timestamp, nonce, body);
    SignedHeaders {
        signature: hex::encode(mac(secret, &text).finalize().into_bytes()),
        timestamp,
        nonce: nonce.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    /// The example of `docs/authentication.md`, which must stay true.
    #[test]
    fn signature__should_equal_the_documented_example() {
        let mut secret = [0; 32];
        for (value, byte) in (0..).zip(secret.iter_mut()) {
            *byte = value;
        }
        let body = br#"{"description":"hot wallet"}"#;
        let path = "/api/v1/keys/key_00112233445566778899aabbccddeeff?x=1";
        let signed = sign_request(
            &secret,
            "PUT",
            path,
            1_767_225_600,
            "0123456789abcdef",
            body,
        );
        let document = include_str!("../../../../docs/authentication.md");
        let signature = "X-Quorate-Signature: ".to_owned() + &signed.signature;
        assert!(document.contains(&signature), "{signature}");
        assert!(document.contains(path) && document.contains(&hex::encode(Sha256::digest(body))));
        let text = signed_text("PUT", path, "1767225600", "0123456789abcdef", body);
        assert!(document.contains(&text), "{text}");
        let key = SigningKey::from_bytes(&secret);
        for value in [
            hex::encode(key.sign(text.as_bytes()).to_bytes()),
            hex::encode(key.verifying_key().to_bytes()),
        ] {
            assert!(document.contains(&value), "{value}");
        }
    }
}
