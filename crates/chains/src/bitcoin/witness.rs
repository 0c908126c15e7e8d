//! Transactions with their signatures (BIP144; `docs/protocols/bitcoin.md` §6).

use super::compact_size;
use super::spending::Spending;
use crate::Signature;

/// Marker and flag: witnesses follow the outputs.
const MARKER: [u8; 2] = [0, 1];

impl Spending {
    /// The bytes that the network takes; one signature for each input, in order.
    pub(super) fn encode_signed(&self, public_key: &[u8], signatures: &[Signature]) -> Vec<u8> {
        let mut out = self.transaction.version.to_le_bytes().to_vec();
        out.extend(MARKER);
        out.extend(self.transaction.encode_body());
        for (coin, signature) in self.coins.iter().zip(signatures) {
            let form = signature
                .to_der()
                .unwrap_or_else(|| signature.as_bytes().to_vec());
            let signature_item = [form.as_slice(), coin.sighash.suffix()].concat();
            let items: &[&[u8]] = match signature {
                Signature::Ecdsa(_) => &[&signature_item, public_key],
                _ => &[&signature_item],
            };
            compact_size::write(&mut out, items.len());
            for item in items {
                compact_size::write_bytes(&mut out, item);
            }
        }
        out.extend(self.transaction.lock_time.to_le_bytes());
        out
    }

    /// What fees are paid for, with signatures of the greatest length: a byte outside the
    /// witnesses counts as one, a byte in them as a quarter (BIP141).
    pub(super) fn virtual_size(&self) -> u64 {
        let witnesses: u64 = self
            .coins
            .iter()
            .map(|coin| self.kind.witness_size(coin.sighash))
            .sum();
        let bare = self.transaction.encode().len() as u64;
        (4 * bare + MARKER.len() as u64 + witnesses).div_ceil(4)
    }
}
