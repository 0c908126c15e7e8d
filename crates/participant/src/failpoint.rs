//! Named places where a test may stop this process for good, or a session for a while. Nothing at all in
//! the product.

/// Whether the script of a test has this line.
#[cfg(feature = "danger_byzantine")]
fn is_wanted(verb: &str, place: &str) -> bool {
    let lines = crate::danger::script();
    lines.iter().any(|line| line.as_slice() == [verb, place])
}

/// Dies here, without any cleaning up, if the script of a test says so.
#[cfg(feature = "danger_byzantine")]
pub(crate) fn here(name: &str) {
    if is_wanted("die", name) {
        tracing::error!(name, "failpoint");
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(feature = "danger_byzantine"))]
pub(crate) const fn here(_name: &str) {}

/// Waits here for as long as the script of a test says so.
#[cfg(feature = "danger_byzantine")]
pub(crate) async fn hold(name: &str) {
    while is_wanted("hold", name) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Goes on.
#[cfg(not(feature = "danger_byzantine"))]
pub(crate) fn hold(_name: &str) -> std::future::Ready<()> {
    std::future::ready(())
}

/// [`hold`] for a thread that waits.
#[cfg(feature = "danger_byzantine")]
pub(crate) fn pause(name: &str) {
    while is_wanted("hold", name) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Goes on.
#[cfg(not(feature = "danger_byzantine"))]
pub(crate) const fn pause(_name: &str) {}
