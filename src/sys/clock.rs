//! The clocks: a fast one for durations, the system's for dates.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::SystemTime;

use super::lock::{self, RawLock};

/// The process's clock, once it is calibrated. Never freed.
static CLOCK: AtomicPtr<quanta::Clock> = AtomicPtr::new(ptr::null_mut());

/// Held while the clock is calibrated. A fork waits for it (see `sys::fork`), because a child that
/// was forked in the middle of a calibration would wait for one that nobody ends.
pub static CALIBRATION: RawLock = RawLock::new();

/// The clock. The first call of a process calibrates it, which takes milliseconds.
#[inline(always)]
pub fn get() -> &'static quanta::Clock {
    // Acquire: pairs with the Release in `calibrate`.
    let clock = CLOCK.load(Ordering::Acquire);
    if clock.is_null() {
        return calibrate();
    }
    // SAFETY: not null, so it is the leaked box that `calibrate` stored, whole by Acquire.
    unsafe { &*clock }
}

#[cold]
fn calibrate() -> &'static quanta::Clock {
    super::fork::register();
    lock::with(&CALIBRATION, || {
        // Relaxed: the lock orders it.
        let ready = CLOCK.load(Ordering::Relaxed);
        if !ready.is_null() {
            // SAFETY: as in `get`.
            return unsafe { &*ready };
        }
        let clock: &'static mut quanta::Clock = Box::leak(Box::new(quanta::Clock::new()));
        let clock: *mut quanta::Clock = clock;
        // Release: whoever sees the pointer sees the clock.
        CLOCK.store(clock, Ordering::Release);
        // SAFETY: leaked just now, and never written again.
        unsafe { &*clock }
    })
}

/// Now, in nanoseconds since 1970-01-01 UTC; 0 before.
pub fn unix_nanos() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}
