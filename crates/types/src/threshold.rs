use thiserror::Error;

use crate::canonical::{Canonical, DecodeError, Reader, Writer};

/// Most members of a committee.
pub const MAX_PARTIES: u8 = 20;
/// Fewest signers: with one, a single node would hold the key.
pub const MIN_SIGNERS: u8 = 2;

/// `t` and `n` are not usable together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "threshold {min_signers} of {max_signers} is not possible: 2 <= threshold <= total_nodes <= 20"
)]
pub struct InvalidThreshold {
    /// `t` asked for.
    pub min_signers: u64,
    /// `n` asked for.
    pub max_signers: u64,
}

/// How many of how many sign: `2 <= min_signers <= max_signers <= 20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Threshold {
    min_signers: u8,
    max_signers: u8,
}

impl Threshold {
    /// Checks `t` and `n`.
    ///
    /// # Errors
    /// [`InvalidThreshold`].
    pub fn new(min_signers: u64, max_signers: u64) -> Result<Self, InvalidThreshold> {
        let invalid = InvalidThreshold {
            min_signers,
            max_signers,
        };
        let t = u8::try_from(min_signers).map_err(|_| invalid)?;
        let n = u8::try_from(max_signers).map_err(|_| invalid)?;
        if t < MIN_SIGNERS || t > n || n > MAX_PARTIES {
            return Err(invalid);
        }
        Ok(Self {
            min_signers: t,
            max_signers: n,
        })
    }

    /// `t`: signers needed.
    #[must_use]
    pub const fn min_signers(self) -> u8 {
        self.min_signers
    }

    /// `n`: shares that exist.
    #[must_use]
    pub const fn max_signers(self) -> u8 {
        self.max_signers
    }
}

impl Canonical for Threshold {
    fn write(&self, out: &mut Writer) {
        out.u8(self.min_signers).u8(self.max_signers);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (t, n) = (input.u8("min_signers")?, input.u8("max_signers")?);
        let why = "2 <= min_signers <= max_signers <= 20";
        Self::new(t.into(), n.into()).map_err(|_| DecodeError::Invalid {
            field: "threshold",
            why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threshold__should_allow_exactly_two_to_n_of_at_most_twenty() {
        for t in 0..30 {
            for n in 0..30 {
                let allowed = (2..=n).contains(&t) && n <= 20;
                assert_eq!(Threshold::new(t, n).is_ok(), allowed, "{t} of {n}");
            }
        }
    }
}
