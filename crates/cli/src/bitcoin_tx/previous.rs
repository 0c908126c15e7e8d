//! A whole previous transaction: its id, and the coins that it made.

use sha2::{Digest as _, Sha256};

/// An output: its amount in satoshi, and its script.
pub(super) type Made = (u64, Vec<u8>);

/// A transaction that made coins.
pub(super) struct Previous {
    /// In the order of its bytes.
    pub(super) id: [u8; 32],
    pub(super) outputs: Vec<Made>,
    pub(super) bytes: Vec<u8>,
}

/// What is left of the bytes.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        let mut number = [0; 8];
        number.get_mut(..bytes)?.copy_from_slice(self.take(bytes)?);
        Some(u64::from_le_bytes(number))
    }

    fn compact_size(&mut self) -> Option<usize> {
        let size = match self.number(1)? {
            0xfd => self.number(2)?,
            0xfe => self.number(4)?,
            0xff => self.number(8)?,
            small => small,
        };
        usize::try_from(size).ok()
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.compact_size()?;
        self.take(length)
    }
}

impl Previous {
    /// Reads a transaction with or without witnesses (BIP144). Whether every spelling in it is the
    /// shortest is left to the decoder that reads the PSBT back.
    pub(super) fn read(bytes: Vec<u8>) -> Option<Self> {
        let mut cursor = Cursor(&bytes);
        let version = cursor.take(4)?;
        let has_witnesses = cursor.0.starts_with(&[0, 1]);
        if has_witnesses {
            cursor.take(2)?;
        }
        let body = cursor.0;
        let inputs = cursor.compact_size()?;
        for _ in 0..inputs {
            cursor.take(36)?;
            cursor.string()?;
            cursor.take(4)?;
        }
        let mut outputs = Vec::new();
        for _ in 0..cursor.compact_size()? {
            let amount = cursor.number(8)?;
            outputs.push((amount, cursor.string()?.to_vec()));
        }
        let (body, _) = body.split_at_checked(body.len() - cursor.0.len())?;
        if has_witnesses {
            for _ in 0..inputs {
                for _ in 0..cursor.compact_size()? {
                    cursor.string()?;
                }
            }
        }
        let lock_time = cursor.take(4)?;
        if !cursor.0.is_empty() {
            return None;
        }
        let id = Sha256::digest(Sha256::digest([version, body, lock_time].concat())).into();
        Some(Self { id, outputs, bytes })
    }
}
