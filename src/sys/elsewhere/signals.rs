//! Signals: there are none.

/// Runs `work`.
pub fn blocked<R>(work: impl FnOnce() -> R) -> R {
    work()
}
