//! Messages of the set-up: fixed layouts. `docs/protocols/dkls23.md` §1.

use quorate_types::{Canonical, DecodeError, Reader, Writer};
use zeroize::{Zeroize, Zeroizing};

use crate::ot::base::OFFERS;

/// Bytes of an [`Offer`].
pub(crate) const OFFER: usize = 32 + 32 + OFFERS;
/// Bytes of a [`Confirmation`].
pub(crate) const CONFIRMATION: usize = 32;

/// Step 1.1: our half of the zero-sharing seed, and both roles of the base OTs.
pub(crate) struct Offer {
    pub(crate) zero_half: Zeroizing<[u8; 32]>,
    /// Our key where the other side chooses.
    pub(crate) key: [u8; 32],
    /// Our points where we choose.
    pub(crate) points: Vec<u8>,
}

impl Canonical for Offer {
    fn write(&self, out: &mut Writer) {
        out.fixed(self.zero_half.as_slice())
            .fixed(&self.key)
            .fixed(&self.points);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut half: [u8; 32] = input.array("seed half")?;
        let zero_half = Zeroizing::new(half);
        // An array is copied, not moved.
        half.zeroize();
        Ok(Self {
            zero_half,
            key: input.array("key")?,
            points: input.take("points", OFFERS)?.to_vec(),
        })
    }

    // As the general check, but what it encodes again is wiped.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let message = Self::read(&mut input)?;
        input.finish()?;
        if Zeroizing::new(message.to_bytes()).as_slice() == bytes {
            Ok(message)
        } else {
            Err(DecodeError::NotCanonical)
        }
    }
}

/// Step 1.2: a digest of everything that both must have alike.
pub(crate) struct Confirmation(pub(crate) [u8; 32]);

impl Canonical for Confirmation {
    fn write(&self, out: &mut Writer) {
        out.fixed(&self.0);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array("confirmation")?))
    }
}
