//! The one place of this crate that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use quorate_types::UnixMillis;

/// The current time.
#[must_use]
pub fn now() -> UnixMillis {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 makes every intent "from the future": refused, not a panic.
    let millis = elapsed.map_or(0, |elapsed| elapsed.as_millis());
    UnixMillis(u64::try_from(millis).unwrap_or(u64::MAX))
}
