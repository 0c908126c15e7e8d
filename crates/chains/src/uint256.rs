use std::fmt;

/// An unsigned 256-bit number, such as an amount in the smallest unit of an asset.
///
/// `Display` and serde write it in decimal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uint256([u8; 32]); // big-endian, so the derived order is the numeric one

impl Uint256 {
    /// Zero.
    pub const ZERO: Self = Self([0; 32]);
    /// 2²⁵⁶ − 1.
    pub const MAX: Self = Self([0xff; 32]);

    /// The number with these big-endian digits.
    #[must_use]
    pub const fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The number with these big-endian digits; `None` if there are more than 32.
    #[must_use]
    pub fn from_be_slice(digits: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        let start = 32usize.checked_sub(digits.len())?;
        bytes.get_mut(start..)?.copy_from_slice(digits);
        Some(Self(bytes))
    }

    /// All 32 big-endian digits.
    #[must_use]
    pub const fn as_be_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Big-endian digits without leading zeros: none for zero.
    #[must_use]
    pub fn minimal_be_bytes(&self) -> &[u8] {
        let zeros = self.0.iter().take_while(|digit| **digit == 0).count();
        self.0.get(zeros..).unwrap_or_default()
    }

    /// Whether this is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Divides in place and returns the remainder.
    fn divide_by(&mut self, divisor: u32) -> u32 {
        let mut remainder = 0u64;
        for digit in &mut self.0 {
            let value = remainder << 8 | u64::from(*digit);
            let quotient = value / u64::from(divisor);
            *digit = u8::try_from(quotient).expect("remainder < divisor, so quotient < 256");
            remainder = value % u64::from(divisor);
        }
        u32::try_from(remainder).expect("remainder < divisor")
    }
}

impl From<u128> for Uint256 {
    fn from(value: u128) -> Self {
        let mut bytes = [0; 32];
        let (_, low) = bytes.split_at_mut(16);
        low.copy_from_slice(&value.to_be_bytes());
        Self(bytes)
    }
}

impl From<u64> for Uint256 {
    fn from(value: u64) -> Self {
        Self::from(u128::from(value))
    }
}

impl fmt::Display for Uint256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHUNK: u32 = 1_000_000_000;
        let mut rest = *self;
        let mut chunks = vec![rest.divide_by(CHUNK)];
        while !rest.is_zero() {
            chunks.push(rest.divide_by(CHUNK));
        }
        let mut text = String::new();
        for chunk in chunks.iter().rev() {
            text.push_str(&format!("{chunk:09}"));
        }
        let digits = text.trim_start_matches('0');
        f.write_str(if digits.is_empty() { "0" } else { digits })
    }
}

impl serde::Serialize for Uint256 {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn uint256__should_print_known_numbers() {
        assert_eq!(Uint256::ZERO.to_string(), "0");
        assert_eq!(
            Uint256::MAX.to_string(),
            "115792089237316195423570985008687907853269984665640564039457584007913129639935"
        );
        let ether = Uint256::from(1_000_000_000_000_000_000u64);
        assert_eq!(ether.to_string(), "1000000000000000000");
        assert_eq!(Uint256::from_be_slice(&[1, 0]), Some(Uint256::from(256u64)));
        assert_eq!(Uint256::from_be_slice(&[0; 33]), None);
        assert!(Uint256::MAX > Uint256::from(u128::MAX));
    }

    proptest! {
        #[test]
        fn uint256__should_print_as_u128_does(value: u128) {
            prop_assert_eq!(Uint256::from(value).to_string(), value.to_string());
        }
    }
}
