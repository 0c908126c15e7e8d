//! Records: Noise transport messages with a length in front (Spec 3.1).
//!
//! `length (u16, big-endian) ‖ ciphertext ‖ tag (16 bytes)`. The nonce is a counter per direction,
//! never sent: a record that is lost, repeated, moved or changed does not authenticate, and there
//! is no way to continue after one that does not.

use quorate_types::SecretBytes;
use std::sync::Arc;

use snow::StatelessTransportState;

use super::event::DownReason;

/// Longest Noise message (Noise specification §3).
pub(super) const MAX_CIPHERTEXT: usize = 65_535;
/// Bytes of an authentication tag.
pub(super) const TAG: usize = 16;
/// Most plaintext in one record.
pub(super) const MAX_PLAINTEXT: usize = MAX_CIPHERTEXT - TAG;

/// Encrypts records of one direction.
pub(super) struct Sealer {
    keys: Arc<StatelessTransportState>,
    nonce: u64,
    max_records: u64,
}

impl Sealer {
    /// Starts at `nonce`.
    pub(super) fn new(keys: Arc<StatelessTransportState>, nonce: u64, max_records: u64) -> Self {
        Self {
            keys,
            nonce,
            max_records,
        }
    }

    /// Appends the record of `plaintext` to `out`.
    ///
    /// # Errors
    /// [`DownReason::KeyExhausted`] at the record limit.
    pub(super) fn seal(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), DownReason> {
        if self.nonce >= self.max_records {
            return Err(DownReason::KeyExhausted);
        }
        let length = plaintext.len() + TAG;
        let prefix = u16::try_from(length).expect("records are filled to MAX_PLAINTEXT at most");
        out.extend_from_slice(&prefix.to_be_bytes());
        let start = out.len();
        out.resize(start + length, 0);
        let target = out.get_mut(start..).expect("the vector was just extended");
        self.keys
            .write_message(self.nonce, plaintext, target)
            .map_err(|_| DownReason::KeyExhausted)?;
        self.nonce += 1;
        Ok(())
    }
}

/// Decrypts records of one direction.
pub(super) struct Opener {
    keys: Arc<StatelessTransportState>,
    nonce: u64,
    max_records: u64,
    plaintext: SecretBytes,
}

impl Opener {
    /// Starts at `nonce`.
    pub(super) fn new(keys: Arc<StatelessTransportState>, nonce: u64, max_records: u64) -> Self {
        Self {
            keys,
            nonce,
            max_records,
            plaintext: SecretBytes::new(vec![0; MAX_CIPHERTEXT]),
        }
    }

    /// Decrypts the next record (without its length).
    ///
    /// # Errors
    /// [`DownReason::NotAuthentic`]: nothing after it may be read. [`DownReason::KeyExhausted`].
    pub(super) fn open(&mut self, ciphertext: &[u8]) -> Result<&[u8], DownReason> {
        if self.nonce >= self.max_records {
            return Err(DownReason::KeyExhausted);
        }
        let length = self
            .keys
            .read_message(self.nonce, ciphertext, &mut self.plaintext)
            .map_err(|_| DownReason::NotAuthentic)?;
        self.nonce += 1;
        self.plaintext.get(..length).ok_or(DownReason::NotAuthentic)
    }
}
