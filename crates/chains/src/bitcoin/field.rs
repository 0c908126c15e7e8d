//! Which fields a PSBT may have, and how each is taken (`docs/protocols/bitcoin.md` §3).

use crate::{EncodingFault, Refusal};

/// Which of the maps of a PSBT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MapKind {
    /// About the transaction.
    Global,
    /// About one input.
    Input,
    /// About one output.
    Output,
}

impl MapKind {
    /// Its name in messages.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// A field whose value is read, and whose key is its type alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Type of the key.
    pub(super) code: u8,
    /// Its name in BIP174, in small letters.
    pub(super) name: &'static str,
}

/// The transaction to sign.
pub(super) const UNSIGNED_TX: Field = field(0x00, "transaction");
/// Version of the PSBT.
pub(super) const VERSION: Field = field(0xfb, "version");
/// The whole transaction that made the coin.
pub(super) const NON_WITNESS_UTXO: Field = field(0x00, "input.non_witness_utxo");
/// The coin alone.
pub(super) const WITNESS_UTXO: Field = field(0x01, "input.witness_utxo");
/// What the signature covers.
pub(super) const SIGHASH_TYPE: Field = field(0x03, "input.sighash_type");
/// The key before its Taproot tweak.
pub(super) const TAP_INTERNAL_KEY: Field = field(0x17, "input.tap_internal_key");

const fn field(code: u8, name: &'static str) -> Field {
    Field { code, name }
}

/// How a field is taken.
enum Use {
    /// Its value is checked.
    Read(Field),
    /// Carried along: it is about keys and scripts that make no difference to what is signed.
    Carried,
    /// It holds, or is about, a signature.
    Signed,
}

/// Checks that a field may stand in a map.
///
/// # Errors
/// [`Refusal::AlreadySigned`], [`Refusal::UnsupportedField`], [`Refusal::Malformed`].
pub(super) fn check(map: MapKind, code: u8, key_rest: &[u8]) -> Result<(), Refusal> {
    let how = match (map, code) {
        (MapKind::Global, 0x00) => Use::Read(UNSIGNED_TX),
        (MapKind::Global, 0xfb) => Use::Read(VERSION),
        (MapKind::Input, 0x00) => Use::Read(NON_WITNESS_UTXO),
        (MapKind::Input, 0x01) => Use::Read(WITNESS_UTXO),
        (MapKind::Input, 0x03) => Use::Read(SIGHASH_TYPE),
        (MapKind::Input, 0x17) => Use::Read(TAP_INTERNAL_KEY),
        // Partial signature, final scripts, Taproot signatures.
        (MapKind::Input, 0x02 | 0x07 | 0x08 | 0x13 | 0x14) => Use::Signed,
        // Extended keys, and the paths of keys.
        (MapKind::Global, 0x01) | (MapKind::Input, 0x06 | 0x16) => Use::Carried,
        // Scripts and keys of outputs: who is paid is in the transaction.
        (MapKind::Output, 0x00..=0x02 | 0x05..=0x07) => Use::Carried,
        _ => {
            let map = map.as_str();
            return Err(Refusal::UnsupportedField { map, code });
        }
    };
    match how {
        Use::Signed => Err(Refusal::AlreadySigned),
        Use::Read(field) if !key_rest.is_empty() => {
            Err(Refusal::malformed(field.name, EncodingFault::WrongLength))
        }
        Use::Read(_) | Use::Carried => Ok(()),
    }
}
