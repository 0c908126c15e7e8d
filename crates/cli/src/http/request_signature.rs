use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use quorate_types::UnixSeconds;
use sha2::{Digest as _, Sha256};

use super::CredentialSecret;
use crate::config::{Setting, Settings};
use crate::error::CliError;
use crate::secret_file;

/// What signs calls.
pub enum Secret {
    /// Bytes that the service has too.
    Hmac(CredentialSecret),
    /// A key of which the service has the public half only. Boxed: it is kept once.
    Ed25519(Box<SigningKey>),
}

/// What authenticates calls. It never replaces the signature over an intent.
pub struct Credential {
    /// Its name.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
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
    /// The credential of the settings.
    pub(super) fn read(settings: &Settings) -> Result<Self, CliError> {
        let id = settings.required(Setting::CredentialId)?.to_owned();
        let kind = settings.required(Setting::CredentialKind)?;
        let path = || settings.path(Setting::CredentialSecretFile);
        let secret = match kind {
            "hmac" => Secret::Hmac(secret_file::read(&path()?)?),
            "ed25519" => {
                let seed = secret_file::read_32(&path()?)?;
                Secret::Ed25519(Box::new(SigningKey::from_bytes(&seed)))
            }
            _ => {
                let what = format!("`credential_kind` is not known: `{kind}`");
                return Err(CliError::invalid(what, "use hmac or ed25519"));
            }
        };
        Ok(Self { id, secret })
    }

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
        let signature = match &self.secret {
            Secret::Hmac(secret) => {
                let mut mac =
                    Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
                mac.update(lines.as_bytes());
                hex::encode(mac.finalize().into_bytes())
            }
            Secret::Ed25519(key) => hex::encode(key.sign(lines.as_bytes()).to_bytes()),
        };
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
        let secret = Secret::Hmac(Zeroizing::new(b"secret".to_vec()));
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

    /// Computed with the Python package `cryptography`: `Ed25519PrivateKey.from_private_bytes(
    /// bytes(range(32))).sign(lines)`, over the same lines.
    #[test]
    fn ed25519_signature__should_equal_that_of_another_implementation() {
        let mut seed = [0; 32];
        for (value, byte) in (0..).zip(seed.iter_mut()) {
            *byte = value;
        }
        let credential = Credential {
            id: "c".to_owned(),
            secret: Secret::Ed25519(Box::new(SigningKey::from_bytes(&seed))),
        };
        let time = UnixSeconds(1_700_000_000);
        let headers = credential.sign_with("POST", "/api/v1/sign?a=b", time, "n", b"{}");
        let [.., (_, signature)] = headers.pairs();
        assert_eq!(
            signature,
            "73eab3ceaf5ade8e2efd9003498c30d5e35053f6580e41d6853d2a6a6edb4f01\
             1fac6b4b35e6e1b39411c3f6a3dc1d382fa8b34ef8c92f91f72289ee4d842a09"
        );
    }

    #[test]
    fn credential_kind__must_be_known() {
        let flags = [
            (Setting::CredentialId, "c".to_owned()),
            (Setting::CredentialKind, "rsa".to_owned()),
        ];
        let settings = Settings::resolve(&flags.into(), None, &|_| None).unwrap();
        let error = Credential::read(&settings).err().unwrap();
        assert!(error.to_string().contains("rsa"), "{error}");
        assert!(error.remedy().contains("ed25519"));
    }

    #[test]
    fn nonce__should_be_fresh_for_each_call() {
        let credential = Credential {
            id: "c".to_owned(),
            secret: Secret::Hmac(Zeroizing::new(vec![1; 32])),
        };
        let sign = || credential.sign("GET", "/", UnixSeconds(1), b"");
        assert_ne!(sign(), sign());
    }
}
