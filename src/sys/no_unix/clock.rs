//! Clocks: those of std. `wasm32-unknown-unknown` has none, and std panics when asked for the time. There, no time
//! passes: it is always 0.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// Whether the platform has clocks.
const CLOCKS: bool = cfg!(not(all(target_family = "wasm", target_os = "unknown")));

/// A clock for durations. Its readings are in nanoseconds.
#[derive(Debug)]
pub struct Clock(());

/// Returns the clock.
pub fn get() -> &'static Clock {
    &Clock(())
}

impl Clock {
    /// Returns a reading, in ticks.
    #[inline]
    pub fn ticks(&self) -> u64 {
        coarse_nanos()
    }

    /// Returns the nanoseconds from one reading to a later one; 0 if it is not later.
    #[inline]
    pub fn nanos(&self, start: u64, end: u64) -> u64 {
        end.saturating_sub(start)
    }
}

/// Returns the time in nanoseconds since 1970-01-01 UTC; 0 if it is before.
pub fn unix_nanos() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(now) = super::mock_clock::unix() {
        return now;
    }
    system_nanos()
}

/// Like [`unix_nanos`], but always by the system's clock, even if a test mocks it.
pub fn system_nanos() -> u64 {
    if !CLOCKS {
        return 0;
    }
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// Returns the time since the machine was booted; `None`: there is no known way to ask.
pub fn since_boot() -> Option<Duration> {
    None
}

/// Like [`unix_nanos`].
pub fn coarse_unix_nanos() -> u64 {
    unix_nanos()
}

/// Returns the nanoseconds since the first call, plus one: 0 would mean no time at all.
pub fn coarse_nanos() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(now) = super::mock_clock::steady() {
        return now;
    }
    system_coarse_nanos()
}

/// Like [`coarse_nanos`], but always by the system's clock, even if a test mocks it.
pub fn system_coarse_nanos() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    if !CLOCKS {
        return 0;
    }
    FIRST.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 1
}
