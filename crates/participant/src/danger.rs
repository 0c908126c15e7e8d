//! Misbehaviour on demand, for tests only: a participant that lies, or dies at a named place.
//!
//! Compiled only with the feature `danger_byzantine`, and asleep until the test binary wakes it. The
//! script is a file that the test rewrites while the process runs: one act per line, in words.

use std::sync::atomic::{AtomicBool, Ordering};

static AWAKE: AtomicBool = AtomicBool::new(false);

/// From now on this process does what the file named by `QUORATE_DANGER_SCRIPT` says.
pub fn awaken() {
    AWAKE.store(true, Ordering::SeqCst);
}

/// The lines of the script, in words; none if there is no file.
pub(crate) fn script() -> Vec<Vec<String>> {
    if !AWAKE.load(Ordering::SeqCst) {
        return Vec::new();
    }
    let path = std::env::var_os("QUORATE_DANGER_SCRIPT");
    let text = path.and_then(|path| std::fs::read_to_string(path).ok());
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    text.unwrap_or_default().lines().map(words).collect()
}
