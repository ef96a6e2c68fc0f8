//! Places at which a test ends the process, as a power cut would: nothing runs after, nothing is flushed.
//!
//! They exist in builds with debug assertions only. A release has neither the places nor the name of the
//! variable, so that nothing can switch them on there.

/// The environment's variable that says where to end: the name of a place. Debug builds only.
#[cfg(debug_assertions)]
pub const PLACE: &str = "JALON_TEST_FAILPOINT";

/// Ends the process here, when a test asked for it.
#[cfg(debug_assertions)]
pub fn reach(place: &str) {
    static WANTED: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| std::env::var(PLACE).ok());
    if WANTED.as_deref() == Some(place) {
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn reach(_: &str) {}
