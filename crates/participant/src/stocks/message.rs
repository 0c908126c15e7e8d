//! What a signer says to its leader about stocked nonces. `docs/protocols/frost.md` §7.1.

use quorate_frost::Announcement;
use quorate_types::{Canonical, DecodeError, Reader, Writer};

const VERSION: u8 = 1;

/// Commitments for signatures to come. Public: nothing in it is secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StockMessage(pub(crate) Announcement);

impl Canonical for StockMessage {
    fn write(&self, out: &mut Writer) {
        out.u8(VERSION).value(&self.0);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.u8("version")? != VERSION {
            let what = "version of stock messages";
            return Err(DecodeError::Unknown { what });
        }
        Announcement::read(input).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use quorate_frost::{LinkSession, SigningSet, StockId};
    use quorate_types::{Epoch, KeyId, PartyIndex, SignerSet};

    use super::*;

    #[test]
    fn stock_messages__should_have_one_spelling_and_refuse_any_other() {
        let signers = [1, 3].map(|index| PartyIndex::new(index).unwrap());
        let message = StockMessage(Announcement {
            link: LinkSession::from_array([1; 32]),
            stock: StockId::from_array([2; 16]),
            set: SigningSet {
                key: KeyId::from_array([3; 16]),
                epoch: Epoch::FIRST,
                signers: SignerSet::new(signers.to_vec()).unwrap(),
            },
            commitments: vec![4; 64],
        });
        let bytes = message.to_bytes();
        assert!(StockMessage::from_bytes(&bytes).is_ok_and(|read| read == message));
        let mut later_version = bytes.clone();
        later_version[0] = 2;
        let mut longer = bytes.clone();
        longer.push(0);
        let shorter = bytes[..bytes.len() - 1].to_vec();
        for wrong in [later_version, longer, shorter] {
            assert!(StockMessage::from_bytes(&wrong).is_err());
        }
    }
}
