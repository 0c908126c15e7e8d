use std::fmt;

use crate::canonical::{Canonical, DecodeError, Reader, Writer};

/// A point in time, in whole seconds since 1970-01-01 UTC. Pure crates get it passed in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// This time and `seconds` more, without overflow.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// RFC 3339 in UTC, as REST writes times.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        // Civil date from days, after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
        let days = self.0 / 86_400 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let second = self.0 % 86_400;
        let (h, m, s) = (second / 3_600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl Canonical for UnixSeconds {
    fn write(&self, out: &mut Writer) {
        out.u64(self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.u64("time")?))
    }
}

/// A point in time, in whole milliseconds since 1970-01-01 UTC: for latencies and for order.
///
/// Databases hold it as a signed 64-bit integer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This time and `millis` more, without overflow.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this time; 0 if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The second that this time is in.
    #[must_use]
    pub const fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0 / 1_000)
    }
}

impl From<UnixSeconds> for UnixMillis {
    fn from(time: UnixSeconds) -> Self {
        Self(time.0.saturating_mul(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339__should_match_known_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(UnixSeconds(seconds).to_rfc3339(), text);
        }
    }

    #[test]
    fn millis__should_convert_to_the_second_they_are_in() {
        assert_eq!(UnixMillis(1_999).seconds(), UnixSeconds(1));
        assert_eq!(UnixMillis::from(UnixSeconds(2)), UnixMillis(2_000));
        assert_eq!(UnixMillis(5).since(UnixMillis(7)), 0);
    }
}
