//! The clock of this machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_types::UnixSeconds;

/// The time now.
pub(crate) fn now() -> UnixSeconds {
    UnixSeconds(since_epoch().as_secs())
}

fn since_epoch() -> Duration {
    // A clock before 1970 reads as 1970: every peer then refuses the call as expired.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
