//! Clocks: a fast one for durations and the system's for dates.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::fork;
use super::lock;
use crate::sys::memory::race_cell::RaceCell;

/// A clock for durations. It reads the processor's counter where that can be trusted; one multiplication turns a
/// difference of readings into nanoseconds.
#[derive(Debug)]
pub struct Clock {
    source: quanta::Clock,
    /// Nanoseconds per tick, times 2^(64 - shift), so that the upper half of a product is the result.
    scale: u64,
    /// How far ticks are shifted left before the multiplication; 0 where a tick is less than a nanosecond.
    shift: u32,
}

impl Clock {
    /// Returns a reading, in ticks.
    #[inline(always)]
    pub fn ticks(&self) -> u64 {
        #[cfg(feature = "testing")]
        if let Some(now) = super::mock_clock::steady() {
            return now;
        }
        self.source.raw()
    }

    /// Returns the nanoseconds from one reading to a later one; 0 if it is not later.
    #[inline(always)]
    pub fn nanos(&self, start: u64, end: u64) -> u64 {
        #[cfg(feature = "testing")]
        if super::mock_clock::steady().is_some() {
            return end.saturating_sub(start);
        }
        if end < start {
            // A branch, not a data dependency: a timer waits for every step of this computation.
            return backwards();
        }
        let ticks = (end - start) << self.shift;
        ((u128::from(ticks) * u128::from(self.scale)) >> 64) as u64
    }

    /// Calibrates the source, which takes milliseconds.
    fn calibrated() -> Clock {
        let source = quanta::Clock::new();
        // quanta's own factor is private; the duration of 2⁵² ticks yields it to 52 bits.
        let scale = source.delta_as_nanos(0, 1 << 52);
        let room = scale.leading_zeros().min(64 - 52);
        Clock {
            source,
            scale: scale << room,
            shift: 64 - 52 - room,
        }
    }
}

/// Reached only if the counters of two processors differ.
#[cold]
#[inline(never)]
fn backwards() -> u64 {
    0
}

/// The process's clock, once calibrated. In a mapping: nothing may be allocated under [`SETUP`](fork::SETUP).
static CLOCK: RaceCell<Clock> = RaceCell::new();

/// Returns the clock. The first call in a process calibrates it.
#[inline(always)]
pub fn get() -> &'static Clock {
    CLOCK.get().unwrap_or_else(calibrate)
}

/// Runs under the lock that a fork takes first: a child forked in the middle of a calibration would wait for one
/// that never ends.
#[cold]
fn calibrate() -> &'static Clock {
    fork::register();
    lock::with(&fork::SETUP, || CLOCK.get_or_map(Clock::calibrated))
}

/// Returns the time in nanoseconds since 1970-01-01 UTC; 0 if it is before.
pub fn unix_nanos() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(now) = super::mock_clock::unix() {
        return now;
    }
    system_nanos()
}

/// Like [`unix_nanos`], but always by the system's clock, even if a test mocks it: for what tells files apart and
/// compares their ages.
pub fn system_nanos() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// Returns the time, in the unit of [`unix_nanos`], for a file that is being created. Never returns the same time
/// twice in a process, however coarse the clock is, so that no two of its files have the same identity (FORMAT.md,
/// "Liveness").
pub fn creation_nanos() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = system_nanos();
    // Relaxed: only the values of this one word matter.
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        Some(now.max(last.saturating_add(1)))
    });
    now.max(last.unwrap_or(0).saturating_add(1))
}

/// Returns the time since the machine was booted, including sleep; `None` where that is not available.
pub fn since_boot() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let nanos = nanos_of(libc::CLOCK_BOOTTIME);
        if nanos > 0 {
            return Some(Duration::from_nanos(nanos));
        }
    }
    None
}

/// Returns the time in nanoseconds since 1970-01-01 UTC, as of the last tick of the system's timer, so it is late
/// by a few milliseconds at most. Needs no system call and no reading of the processor's counter, whatever the
/// machine's clock is. 0 before 1970, and where there is no such clock.
#[inline]
pub fn coarse_unix_nanos() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(now) = super::mock_clock::unix() {
        return now;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return nanos_of(libc::CLOCK_REALTIME_COARSE);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    nanos_of(libc::CLOCK_REALTIME)
}

/// Returns the nanoseconds since the machine was started, equally coarse. All processes of the machine share this
/// clock, and it cannot be set.
#[inline]
pub fn coarse_nanos() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(now) = super::mock_clock::steady() {
        return now;
    }
    system_coarse_nanos()
}

/// Like [`coarse_nanos`], but always by the system's clock, even if a test mocks it.
#[inline]
pub fn system_coarse_nanos() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return nanos_of(libc::CLOCK_MONOTONIC_COARSE);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    nanos_of(libc::CLOCK_MONOTONIC)
}

/// Returns the time of a system clock, in nanoseconds; 0 where there is no such clock.
#[inline]
fn nanos_of(clock: libc::clockid_t) -> u64 {
    // SAFETY: a timespec is plain integers, for which zeros are a value.
    let mut now: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the struct is ours. If the call fails, it is unchanged.
    unsafe { libc::clock_gettime(clock, &mut now) };
    (now.tv_sec.max(0) as u64).wrapping_mul(1_000_000_000) + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_the_nanoseconds_that_quanta_makes_of_them() {
        let clock = get();
        for ticks in [0, 1, 1000, 1 << 32, 1 << 50, 1 << 55] {
            let (ours, theirs) = (
                clock.nanos(5, 5 + ticks),
                clock.source.delta_as_nanos(5, 5 + ticks),
            );
            assert!(
                ours.abs_diff(theirs) <= 1 + theirs / 100_000_000,
                "{ours} {theirs}"
            );
        }
        assert_eq!(clock.nanos(7, 6), 0);
    }

    #[test]
    fn the_coarse_clock_is_the_system_s() {
        let before = unix_nanos();
        let coarse = coarse_unix_nanos();
        // Late by a tick, or by more if the processor that counts ticks is suspended for a while.
        assert!(coarse <= unix_nanos() && coarse >= before - 10_000_000_000);
    }
}
