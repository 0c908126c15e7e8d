//! Envelope encryption: a fresh data key for each share, wrapped by the master key.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use quorate_types::{Reader, Writer};
use thiserror::Error;
use zeroize::Zeroizing;

/// A key that encrypts one payload. Zeroized on drop.
pub type DataKey = Zeroizing<[u8; 32]>;

/// Length of an AES-GCM nonce.
pub(crate) const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Most bytes of a wrapped data key; ours has 60, a KMS may need more.
pub(crate) const MAX_WRAPPED_BYTES: usize = 4_096;

/// Why a data key was not wrapped or unwrapped. Carries no detail on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The wrapped key does not authenticate: other master key, other binding, or changed bytes.
    #[error("the wrapped data key does not authenticate")]
    Refused,
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    Randomness,
    /// The device that holds the master key cannot be reached.
    #[error("the master key's device is unavailable")]
    Unavailable,
}

/// Wraps data keys under a master key: here in memory, later in an HSM or a KMS.
pub trait WrapKey: Send + Sync + 'static {
    /// Public name of the master key, written beside what it wraps. Printable, 1 to 64 bytes.
    fn key_id(&self) -> &str;

    /// Encrypts a data key, authenticating `binding` with it.
    ///
    /// # Errors
    /// [`WrapError`].
    fn wrap(&self, data_key: &DataKey, binding: &[u8]) -> Result<Vec<u8>, WrapError>;

    /// Decrypts what [`Self::wrap`] made for the same `binding`.
    ///
    /// # Errors
    /// [`WrapError`].
    fn unwrap_key(&self, wrapped: &[u8], binding: &[u8]) -> Result<DataKey, WrapError>;
}

/// Fills from the operating system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], WrapError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| WrapError::Randomness)?;
    Ok(bytes)
}

pub(crate) fn fresh_data_key() -> Result<DataKey, WrapError> {
    let mut key = DataKey::default();
    getrandom::fill(key.as_mut_slice()).map_err(|_| WrapError::Randomness)?;
    Ok(key)
}

/// AES-256-GCM: ciphertext and tag.
///
/// # Security
/// Never twice with one key and nonce. The plaintext is copied once, into a buffer that is large
/// enough to be encrypted in place, so that no copy of it is left behind.
pub(crate) fn encrypt(
    key: &[u8; 32],
    iv: [u8; IV_BYTES],
    binding: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG_BYTES));
    buffer.extend_from_slice(plaintext);
    Aes256Gcm::new(key.into())
        .encrypt_in_place(&Nonce::from(iv), binding, &mut *buffer)
        .expect("payloads are limited far below what AES-GCM allows");
    std::mem::take(&mut *buffer)
}

/// Opens what [`encrypt`] made; `None` if anything differs.
pub(crate) fn decrypt(
    key: &[u8; 32],
    iv: [u8; IV_BYTES],
    binding: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    Aes256Gcm::new(key.into())
        .decrypt_in_place(&Nonce::from(iv), binding, &mut *buffer)
        .ok()?;
    Some(buffer)
}

/// Wraps under a key in memory: nonce, then ciphertext and tag.
pub(crate) fn wrap(
    key: &[u8; 32],
    data_key: &DataKey,
    binding: &[u8],
) -> Result<Vec<u8>, WrapError> {
    let iv = random::<IV_BYTES>()?;
    let mut wrapped = iv.to_vec();
    wrapped.extend_from_slice(&encrypt(key, iv, binding, data_key.as_slice()));
    Ok(wrapped)
}

/// Unwraps what [`wrap`] made.
pub(crate) fn unwrap_key(
    key: &[u8; 32],
    wrapped: &[u8],
    binding: &[u8],
) -> Result<DataKey, WrapError> {
    let (iv, ciphertext) = wrapped.split_first_chunk().ok_or(WrapError::Refused)?;
    let plain = decrypt(key, *iv, binding, ciphertext).ok_or(WrapError::Refused)?;
    let mut data_key = DataKey::default();
    if plain.len() != data_key.len() {
        return Err(WrapError::Refused);
    }
    data_key.copy_from_slice(&plain);
    Ok(data_key)
}

const SECRET_MAGIC: &[u8; 8] = b"QSECRET1";

/// Seals a secret of the node that is not a share (its identity, seeds of a pair) in one blob.
///
/// `binding` says what it is and whose: the blob opens under the same binding only.
///
/// # Errors
/// [`WrapError`].
pub fn seal_secret(
    master: &dyn WrapKey,
    binding: &[u8],
    secret: &[u8],
) -> Result<Vec<u8>, WrapError> {
    let data_key = fresh_data_key()?;
    let iv = random::<IV_BYTES>()?;
    let wrapped = master.wrap(&data_key, &secret_binding(b"key", binding))?;
    let ciphertext = encrypt(&data_key, iv, &secret_binding(b"secret", binding), secret);
    let mut out = Writer::new();
    out.fixed(SECRET_MAGIC)
        .bytes(&wrapped)
        .fixed(&iv)
        .bytes(&ciphertext);
    Ok(out.finish())
}

/// Opens a blob of [`seal_secret`].
///
/// # Errors
/// [`WrapError::Refused`] if the blob, the binding or the master key is another.
pub fn open_secret(
    master: &dyn WrapKey,
    binding: &[u8],
    blob: &[u8],
) -> Result<Zeroizing<Vec<u8>>, WrapError> {
    let mut input = Reader::new(blob);
    let mut parts = || {
        let magic = input.array::<8>("magic").ok()?;
        let wrapped = input.bytes("wrapped key", MAX_WRAPPED_BYTES).ok()?;
        let iv = input.array::<IV_BYTES>("iv").ok()?;
        let ciphertext = input.bytes("ciphertext", blob.len()).ok()?;
        input.finish().ok()?;
        (&magic == SECRET_MAGIC).then_some((wrapped, iv, ciphertext))
    };
    let (wrapped, iv, ciphertext) = parts().ok_or(WrapError::Refused)?;
    let data_key = master.unwrap_key(wrapped, &secret_binding(b"key", binding))?;
    decrypt(
        &data_key,
        iv,
        &secret_binding(b"secret", binding),
        ciphertext,
    )
    .ok_or(WrapError::Refused)
}

fn secret_binding(part: &[u8], binding: &[u8]) -> Vec<u8> {
    let mut out = Writer::new();
    out.text("quorate node secret v1")
        .bytes(part)
        .bytes(binding);
    out.finish()
}
