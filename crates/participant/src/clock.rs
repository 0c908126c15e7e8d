//! The system's clock: the one place where a participant reads the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use quorate_types::UnixSeconds;

/// Now, by the system's clock.
pub(crate) fn now() -> UnixSeconds {
    // A clock before 1970 makes every intent one from the future: it fails closed.
    UnixSeconds(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    )
}

/// Now in milliseconds: only for others to compare their clock with.
pub(crate) fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
