//! What signatures sign (BIP143, BIP341; `docs/protocols/bitcoin.md` §5).

use quorate_types::Digest32;

use super::hash::{double_sha256, sha256, tagged};
use super::spend::SpendKind;
use super::spending::{Coin, Spending};
use super::transaction::Input;
use crate::{KeyTweak, SigningTarget};

/// BIP143: what a P2WPKH output's hash stands between in its script code.
const SCRIPT_CODE: ([u8; 4], [u8; 2]) = ([0x19, 0x76, 0xa9, 0x14], [0x88, 0xac]);
/// BIP341: what precedes every message, for later changes.
const EPOCH: u8 = 0;
/// BIP341: key path, without annex.
const SPEND_TYPE: u8 = 0;

/// The parts of the transaction that all digests share, before they are hashed.
struct Shared {
    outpoints: Vec<u8>,
    amounts: Vec<u8>,
    scripts: Vec<u8>,
    sequences: Vec<u8>,
    outputs: Vec<u8>,
}

impl Spending {
    /// What is signed, one for each input, in order.
    pub(super) fn targets(&self) -> Vec<SigningTarget> {
        let shared = self.shared();
        let inputs = self.transaction.inputs.iter().zip(&self.coins);
        inputs
            .zip(0u32..)
            .map(|((input, coin), place)| match self.kind {
                SpendKind::WitnessKeyHash => digest_only(self.version_0(&shared, input, coin)),
                SpendKind::TaprootKeyPath => digest_only(self.taproot(&shared, coin, place))
                    .tweaked(KeyTweak::TaprootKeyPath),
            })
            .collect()
    }

    fn shared(&self) -> Shared {
        let mut shared = Shared {
            outpoints: Vec::new(),
            amounts: Vec::new(),
            scripts: Vec::new(),
            sequences: Vec::new(),
            outputs: Vec::new(),
        };
        for (input, coin) in self.transaction.inputs.iter().zip(&self.coins) {
            input.outpoint.write(&mut shared.outpoints);
            shared.amounts.extend(coin.amount.to_le_bytes());
            super::compact_size::write_bytes(&mut shared.scripts, &self.own_script);
            shared.sequences.extend(input.sequence.to_le_bytes());
        }
        for output in &self.transaction.outputs {
            output.write(&mut shared.outputs);
        }
        shared
    }

    /// BIP143, SIGHASH_ALL.
    fn version_0(&self, shared: &Shared, input: &Input, coin: &Coin) -> [u8; 32] {
        let (before, after) = SCRIPT_CODE;
        let key_hash = self.own_script.get(2..).unwrap_or_default();
        let mut message = self.transaction.version.to_le_bytes().to_vec();
        message.extend(double_sha256(&shared.outpoints));
        message.extend(double_sha256(&shared.sequences));
        input.outpoint.write(&mut message);
        message.extend([before.as_slice(), key_hash, &after].concat());
        message.extend(coin.amount.to_le_bytes());
        message.extend(input.sequence.to_le_bytes());
        message.extend(double_sha256(&shared.outputs));
        message.extend(self.transaction.lock_time.to_le_bytes());
        message.extend(u32::from(coin.sighash.code()).to_le_bytes());
        double_sha256(&message)
    }

    /// BIP341, "SigMsg" with ext_flag 0.
    fn taproot(&self, shared: &Shared, coin: &Coin, place: u32) -> [u8; 32] {
        let mut message = vec![EPOCH, coin.sighash.code()];
        message.extend(self.transaction.version.to_le_bytes());
        message.extend(self.transaction.lock_time.to_le_bytes());
        message.extend(sha256(&shared.outpoints));
        message.extend(sha256(&shared.amounts));
        message.extend(sha256(&shared.scripts));
        message.extend(sha256(&shared.sequences));
        message.extend(sha256(&shared.outputs));
        message.push(SPEND_TYPE);
        message.extend(place.to_le_bytes());
        tagged(b"TapSighash", &message)
    }
}

fn digest_only(digest: [u8; 32]) -> SigningTarget {
    SigningTarget::digest_only(Digest32::from_array(digest))
}
