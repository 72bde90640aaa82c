//! The clocks: those of std. `wasm32-unknown-unknown` has none, and std panics where it is asked: there no time
//! passes, it is always 0.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// Whether there are clocks.
const CLOCKS: bool = cfg!(not(all(target_family = "wasm", target_os = "unknown")));

/// A clock for durations: a reading is in nanoseconds.
#[derive(Debug)]
pub struct Clock(());

/// The clock.
pub fn get() -> &'static Clock {
    &Clock(())
}

impl Clock {
    /// A reading, in ticks.
    #[inline]
    pub fn ticks(&self) -> u64 {
        coarse_nanos()
    }

    /// The nanoseconds from one reading to a later one; 0 if it is not later.
    #[inline]
    pub fn nanos(&self, start: u64, end: u64) -> u64 {
        end.saturating_sub(start)
    }
}

/// Now, in nanoseconds since 1970-01-01 UTC; 0 before.
pub fn unix_nanos() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(now) = super::mock_clock::unix() {
        return now;
    }
    system_nanos()
}

/// [`unix_nanos`] by the system's clock, whatever tests mock.
pub fn system_nanos() -> u64 {
    if !CLOCKS {
        return 0;
    }
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// How long ago the machine was booted; `None`: it is not known how to ask.
pub fn since_boot() -> Option<Duration> {
    None
}

/// As [`unix_nanos`].
pub fn coarse_unix_nanos() -> u64 {
    unix_nanos()
}

/// Nanoseconds since this was asked first, and one: 0 would be no time at all.
pub fn coarse_nanos() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(now) = super::mock_clock::steady() {
        return now;
    }
    system_coarse_nanos()
}

/// [`coarse_nanos`] by the system's clock, whatever tests mock.
pub fn system_coarse_nanos() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    if !CLOCKS {
        return 0;
    }
    FIRST.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 1
}
