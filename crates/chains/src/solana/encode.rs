//! Encoding of messages (`docs/protocols/solana.md` §2).

use super::compact_length;
use super::message::{Message, Version};

/// First byte of version 0.
pub(super) const VERSION_0: u8 = 0x80;

impl Message {
    /// The bytes that are signed.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = match self.version {
            Version::Legacy => Vec::new(),
            Version::Zero => vec![VERSION_0],
        };
        out.extend([self.signers, self.readonly_signers, self.readonly_others]);
        compact_length::write(&mut out, self.accounts.len());
        out.extend_from_slice(self.accounts.as_flattened());
        out.extend_from_slice(&self.recent_blockhash);
        compact_length::write(&mut out, self.instructions.len());
        for instruction in &self.instructions {
            out.push(instruction.program);
            write_bytes(&mut out, &instruction.accounts);
            write_bytes(&mut out, &instruction.data);
        }
        if self.version == Version::Zero {
            compact_length::write(&mut out, self.lookups.len());
            for lookup in &self.lookups {
                out.extend_from_slice(&lookup.table);
                write_bytes(&mut out, &lookup.writable);
                write_bytes(&mut out, &lookup.readonly);
            }
        }
        out
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    compact_length::write(out, bytes.len());
    out.extend_from_slice(bytes);
}
