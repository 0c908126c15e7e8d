//! `master.json`: how the master key is protected.

use std::path::Path;

use quorate_types::{Digest32, Writer};
use serde::{Deserialize, Serialize};

use super::{Argon2Cost, MasterKeyError};
use crate::storage::Storage;

const VERSION: u16 = 1;
const MAX_FILE_BYTES: usize = 4_096;

/// How a passphrase is stretched.
pub(super) struct KdfFields {
    pub(super) cost: Argon2Cost,
    pub(super) salt: [u8; 16],
}

/// The content of the file.
pub(super) struct MasterFile {
    pub(super) key_id: String,
    pub(super) protection: &'static str,
    pub(super) kdf: Option<KdfFields>,
    pub(super) key_check: [u8; 16],
    pub(super) wrapped_key: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    version: u16,
    key_id: String,
    protection: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kdf: Option<KdfJson>,
    key_check: String,
    wrapped_key: String,
    /// Tells a damaged file from a wrong passphrase; an attacker could recompute it.
    checksum: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KdfJson {
    algorithm: String,
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
    salt: String,
}

impl MasterFile {
    /// What the wrapped key is bound to: everything that says how to unwrap it.
    pub(super) fn binding(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.text("quorate master key v1").u16(VERSION);
        out.text(&self.key_id).text(self.protection);
        out.u8(u8::from(self.kdf.is_some()));
        if let Some(kdf) = &self.kdf {
            out.u32(kdf.cost.memory_kib)
                .u32(kdf.cost.iterations)
                .u32(kdf.cost.parallelism);
            out.fixed(&kdf.salt);
        }
        out.fixed(&self.key_check);
        out.finish()
    }

    fn checksum(&self) -> Digest32 {
        let parts: [&[u8]; 2] = [&self.binding(), &self.wrapped_key];
        Digest32::of(b"quorate master file v1", &parts)
    }

    pub(super) fn to_json(&self) -> String {
        let json = Json {
            version: VERSION,
            key_id: self.key_id.clone(),
            protection: self.protection.to_owned(),
            kdf: self.kdf.as_ref().map(|kdf| KdfJson {
                algorithm: "argon2id".to_owned(),
                memory_kib: kdf.cost.memory_kib,
                iterations: kdf.cost.iterations,
                parallelism: kdf.cost.parallelism,
                salt: hex::encode(kdf.salt),
            }),
            key_check: hex::encode(self.key_check),
            wrapped_key: hex::encode(&self.wrapped_key),
            checksum: self.checksum().to_string(),
        };
        let mut text = serde_json::to_string_pretty(&json).expect("text and numbers only");
        text.push('\n');
        text
    }

    pub(super) fn read(storage: &dyn Storage, path: &Path) -> Result<Self, MasterKeyError> {
        let bytes = storage
            .read_file(path, MAX_FILE_BYTES)
            .map_err(|e| MasterKeyError::io(path, "reading the master key", e))?;
        Self::parse(&bytes).map_err(|check| MasterKeyError::Damaged {
            path: path.to_owned(),
            check,
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let json: Json = serde_json::from_slice(bytes).map_err(|_| "JSON")?;
        if json.version != VERSION {
            return Err("version");
        }
        let protection = match json.protection.as_str() {
            "passphrase" => "passphrase",
            "key file" => "key file",
            _ => return Err("protection"),
        };
        let file = Self {
            key_id: json.key_id,
            protection,
            kdf: json.kdf.map(KdfFields::parse).transpose()?,
            key_check: fixed(&json.key_check).ok_or("key check")?,
            wrapped_key: hex::decode(&json.wrapped_key).map_err(|_| "wrapped key")?,
        };
        // One spelling: what is read is exactly what was written.
        if json.checksum != file.checksum().to_string() || file.to_json().as_bytes() != bytes {
            return Err("checksum");
        }
        Ok(file)
    }
}

impl KdfFields {
    fn parse(json: KdfJson) -> Result<Self, &'static str> {
        let cost = Argon2Cost {
            memory_kib: json.memory_kib,
            iterations: json.iterations,
            parallelism: json.parallelism,
        };
        if json.algorithm != "argon2id" || cost.params().is_none() {
            return Err("key derivation fields");
        }
        let salt = fixed(&json.salt).ok_or("salt")?;
        Ok(Self { cost, salt })
    }
}

fn fixed<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}
