//! SharedTimer: a timer in a static.

use std::time::Duration;

use super::statics::{Static, StaticDescription, constructors};
use crate::{Stopwatch, Timer};

/// A [`Timer`] for any thread, in a static.
///
/// For its cost compared with a `Timer`, see [`SharedCounter`](crate::SharedCounter).
///
/// ```no_run
/// use mmstats::SharedTimer;
///
/// static LOOKUP: SharedTimer = SharedTimer::new("cache", "lookup");
///
/// # fn work() -> u32 { 1 }
/// let found = LOOKUP.time(|| work());
/// LOOKUP.record(std::time::Duration::from_millis(3));
/// ```
#[derive(Debug)]
pub struct SharedTimer(Static<Timer>);

impl SharedTimer {
    const KIND: &'static str = "timer";

    constructors!("SharedTimer", "SharedTimer", "lookup");

    const fn of(description: StaticDescription) -> Self {
        SharedTimer(Static::new(description))
    }

    const fn description(&self) -> StaticDescription {
        self.0.description()
    }

    /// Records a duration, which saturates at about 584 years.
    ///
    /// ```no_run
    /// # use mmstats::SharedTimer;
    /// static LOOKUP: SharedTimer = SharedTimer::new("cache", "lookup");
    ///
    /// LOOKUP.record(std::time::Duration::from_millis(3));
    /// ```
    #[inline]
    pub fn record(&self, duration: Duration) {
        self.0.with(|timer| timer.record(duration));
    }

    /// Records a duration with a context: see [`Timer::record_with`].
    ///
    /// ```no_run
    /// # use mmstats::SharedTimer;
    /// static LOOKUP: SharedTimer = SharedTimer::new("cache", "lookup");
    ///
    /// LOOKUP.record_with(std::time::Duration::from_secs(3), "4bf92f3577b34da6a3ce929d0e0e4736");
    /// ```
    pub fn record_with(&self, duration: Duration, context: impl AsRef<[u8]>) {
        self.0.with(|timer| timer.record_with(duration, context));
    }

    /// Starts a measurement that is recorded when it is dropped, even by a panic. It goes into the file of the
    /// thread that drops it, so it may be kept across `.await`.
    ///
    /// ```no_run
    /// # use mmstats::SharedTimer;
    /// static LOOKUP: SharedTimer = SharedTimer::new("cache", "lookup");
    ///
    /// let _timing = LOOKUP.start(); // until the end of the block
    /// ```
    #[inline]
    #[must_use = "dropping it at once records no time"]
    pub fn start(&self) -> SharedTimerGuard<'_> {
        SharedTimerGuard {
            timer: self,
            watch: Stopwatch::start(),
        }
    }

    /// Records how long `work` takes, even if it panics.
    ///
    /// ```
    /// # use mmstats::SharedTimer;
    /// # // SAFETY: nothing else runs yet.
    /// # unsafe { std::env::set_var("MMSTATS_DISABLE", "1") }; // private memory
    /// static LOOKUP: SharedTimer = SharedTimer::new("cache", "lookup");
    /// assert_eq!(LOOKUP.time(|| 7), 7);
    /// ```
    #[inline]
    pub fn time<R>(&self, work: impl FnOnce() -> R) -> R {
        let _timing = self.start();
        work()
    }
}

/// A running measurement of a [`SharedTimer`], which is recorded when it is dropped.
#[derive(Debug)]
pub struct SharedTimerGuard<'a> {
    timer: &'a SharedTimer,
    watch: Stopwatch,
}

impl SharedTimerGuard<'_> {
    /// Records the time since the start, and returns it.
    ///
    /// ```
    /// # use mmstats::SharedTimer;
    /// # // SAFETY: nothing else runs yet.
    /// # unsafe { std::env::set_var("MMSTATS_DISABLE", "1") }; // private memory
    /// static LOOKUP: SharedTimer = SharedTimer::new("cache", "lookup");
    /// let timing = LOOKUP.start();
    /// println!("{:?}", timing.stop());
    /// ```
    #[inline]
    pub fn stop(self) -> Duration {
        let duration = self.watch.elapsed();
        self.timer.record(duration);
        std::mem::forget(self);
        duration
    }

    /// Ends the measurement without recording it.
    ///
    /// ```no_run
    /// # use mmstats::SharedTimer;
    /// static LOOKUP: SharedTimer = SharedTimer::new("cache", "lookup");
    ///
    /// let timing = LOOKUP.start();
    /// if "the cache is cold".is_empty() {
    ///     timing.discard();
    /// }
    /// ```
    #[inline]
    pub fn discard(self) {
        std::mem::forget(self);
    }
}

impl Drop for SharedTimerGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.timer.record(self.watch.elapsed());
    }
}
