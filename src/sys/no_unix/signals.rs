//! Signals: there are none on this platform.

/// Runs `work`.
pub fn blocked<R>(work: impl FnOnce() -> R) -> R {
    work()
}
