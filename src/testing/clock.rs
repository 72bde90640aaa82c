//! The mock clock.

use std::marker::PhantomData;
use std::time::Duration;

use crate::sys::lifecycle::ticker;
use crate::sys::process::{clock, mock_clock};

/// A mock clock for one thread. While it lives, time stands still for what this thread measures and reads, until
/// [`advance`](Clock::advance) moves it.
///
/// It is the clock of timers and stopwatches, of windows, and of the times in histories, error logs and summaries.
/// Start measurements after it, and read on the same thread. Other threads keep the system's clock; so do
/// [`std::time::Instant`], the creation times of files, and the ends of idle groups.
///
/// The window of a Counter follows it if the statistics are created after it, on this thread.
///
/// ```
/// use std::time::Duration;
/// use mmstats::Stopwatch;
/// use mmstats::testing::Clock;
///
/// let clock = Clock::mock();
/// let watch = Stopwatch::start();
/// clock.advance(Duration::from_millis(250));
/// assert_eq!(watch.elapsed(), Duration::from_millis(250));
/// ```
///
/// It stays on its thread:
///
/// ```compile_fail
/// let clock = mmstats::testing::Clock::mock();
/// std::thread::spawn(move || drop(clock));
/// ```
#[derive(Debug)]
#[must_use = "the clock is mocked until this is dropped"]
pub struct Clock(PhantomData<*const ()>);

impl Clock {
    /// Stops the clock of this thread at the current time.
    ///
    /// ```
    /// let clock = mmstats::testing::Clock::mock();
    /// let watch = mmstats::Stopwatch::start();
    /// assert!(watch.elapsed().is_zero());
    /// ```
    ///
    /// # Panics
    /// If it is mocked already: a thread has only one clock.
    #[track_caller]
    pub fn mock() -> Clock {
        assert!(
            mock_clock::begin(clock::coarse_nanos(), clock::unix_nanos()),
            "the clock of this thread is mocked already: use that Clock, or drop it first"
        );
        Clock(PhantomData)
    }

    /// Moves the time of this thread forward. Windows of counters take the steps that are due in that time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use mmstats::testing::{self, Clock, assert_value};
    /// # #[derive(mmstats::MmStats)] struct Web { #[mmstats(window = "60s")] size: mmstats::Percentile }
    /// let clock = Clock::mock();
    /// let web = testing::model::<Web>();
    /// web.size.record(100);
    /// clock.advance(Duration::from_secs(50));
    /// assert_value(&testing::snapshot(&web), "size.WindowCount", 1);
    /// clock.advance(Duration::from_secs(10));
    /// assert_value(&testing::snapshot(&web), "size.WindowCount", 0);
    /// ```
    pub fn advance(&self, by: Duration) {
        mock_clock::advance(by.as_nanos().try_into().unwrap_or(u64::MAX));
        if let Some(now) = mock_clock::steady() {
            ticker::catch_up(now);
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        mock_clock::end();
        ticker::end_mocked();
    }
}
