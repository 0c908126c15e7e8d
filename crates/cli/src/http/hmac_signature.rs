use hmac::{Hmac, KeyInit as _, Mac as _};
use quorate_types::UnixSeconds;
use sha2::{Digest as _, Sha256};

use super::CredentialSecret;

/// What authenticates calls. It never replaces the signature over an intent.
pub struct Credential {
    /// Its name.
    pub id: String,
    /// Its secret.
    pub secret: CredentialSecret,
}

/// The four headers of a signed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    key: String,
    timestamp: String,
    nonce: String,
    signature: String,
}

impl SignedHeaders {
    /// Names and values.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, &str); 4] {
        [
            ("X-Quorate-Key", &self.key),
            ("X-Quorate-Timestamp", &self.timestamp),
            ("X-Quorate-Nonce", &self.nonce),
            ("X-Quorate-Signature", &self.signature),
        ]
    }
}

impl Credential {
    /// Signs one call with a fresh nonce.
    #[must_use]
    pub fn sign(&self, method: &str, path: &str, now: UnixSeconds, body: &[u8]) -> SignedHeaders {
        let mut nonce = [0; 16];
        // Invariant 8: if randomness fails, the process stops.
        getrandom::fill(&mut nonce).expect("the operating system gives randomness");
        self.sign_with(method, path, now, &hex::encode(nonce), body)
    }

    fn sign_with(
        &self,
        method: &str,
        path: &str,
        now: UnixSeconds,
        nonce: &str,
        body: &[u8],
    ) -> SignedHeaders {
        let timestamp = now.0.to_string();
        let digest = hex::encode(Sha256::digest(body));
        let lines = [method, path, &timestamp, nonce, &digest].join("\n");
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(lines.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        SignedHeaders {
            key: self.id.clone(),
            timestamp,
            nonce: nonce.to_owned(),
            signature,
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// Computed with OpenSSL: `printf 'POST\n/api/v1/sign?a=b\n1700000000\nn\n'"$(printf '{}' |
    /// sha256sum | cut -d' ' -f1)" | openssl dgst -sha256 -hmac secret`.
    #[test]
    fn signature__should_equal_that_of_another_implementation() {
        let secret = Zeroizing::new(b"secret".to_vec());
        let credential = Credential {
            id: "c".to_owned(),
            secret,
        };
        let time = UnixSeconds(1_700_000_000);
        let headers = credential.sign_with("POST", "/api/v1/sign?a=b", time, "n", b"{}");
        let values = headers.pairs().map(|(_, value)| value.to_owned());
        assert_eq!(
            values,
            [
                "c",
                "1700000000",
                "n",
                "af8aebdc67097b558c3733eab69aa91c7102377e782e7c5042ef69fa067cd50b"
            ]
        );
    }

    #[test]
    fn nonce__should_be_fresh_for_each_call() {
        let credential = Credential {
            id: "c".to_owned(),
            secret: Zeroizing::new(vec![1; 32]),
        };
        let sign = || credential.sign("GET", "/", UnixSeconds(1), b"");
        assert_ne!(sign(), sign());
    }
}
