//! Timer: a distribution of durations.

use std::fmt;
use std::time::Duration;

use super::field::{Binder, Describe, Field, Options, TakesBuffers, TakesDigits, TakesWindow};
use super::kind::{Counts, Kind, code};
use super::percentile::distribution::Distribution;
use super::percentile::integers::{self, Integers};
use super::value::Value;
use crate::metric::one_thread::of_one_thread;
use crate::metric::percentile::{exemplars, samples};
use crate::sys::process::clock;

/// A distribution of durations: how long something takes.
///
/// Stored in nanoseconds, shown in seconds.
///
/// ```
/// # use mmstats::{MmStats, Timer};
/// # #[derive(MmStats)] struct Web { response_time: Timer }
/// # fn work() {}
/// # let web = Web::builder().anonymous().create()?;
/// let timing = web.response_time.start(); // records when it is dropped …
/// work();
/// let took = timing.stop(); // … or here
/// web.response_time.time(|| work());
/// web.response_time.record(std::time::Duration::from_millis(3));
/// # Ok::<(), mmstats::Error>(())
/// ```
pub struct Timer(Integers);

impl Timer {
    /// Starts a measurement that is recorded when it is dropped, also by a panic. For a measurement that ends on
    /// another thread or after an `.await`, use a [`Stopwatch`]: see [`TimerGuard`].
    ///
    /// ```
    /// # use mmstats::{Timer, MmStats};
    /// # #[derive(MmStats)] struct Web { response_time: Timer }
    /// # let web = Web::builder().anonymous().create()?;
    /// let timer = web.response_time.start();
    /// drop(timer); // records the time since the start
    /// assert_eq!(web.response_time.count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    #[must_use = "dropping it at once records no time"]
    pub fn start(&self) -> TimerGuard<'_> {
        TimerGuard {
            timer: self,
            watch: Stopwatch::start(),
        }
    }

    /// Records how long `work` takes, also if it panics.
    ///
    /// ```
    /// # use mmstats::{Timer, MmStats};
    /// # #[derive(MmStats)] struct Web { response_time: Timer }
    /// # let web = Web::builder().anonymous().create()?;
    /// let sum = web.response_time.time(|| 1 + 1);
    /// assert_eq!((sum, web.response_time.count()), (2, 1));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn time<R>(&self, work: impl FnOnce() -> R) -> R {
        let _timing = self.start();
        work()
    }

    /// Records a duration; saturates at about 584 years.
    ///
    /// ```
    /// # use mmstats::{Timer, MmStats};
    /// # use std::time::Duration;
    /// # #[derive(MmStats)] struct Web { response_time: Timer }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.response_time.record(Duration::from_millis(3));
    /// assert_eq!(web.response_time.distribution().max(), Some(3_000_000));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn record(&self, duration: Duration) {
        self.0
            .record_out_of_line(duration.as_nanos().try_into().unwrap_or(u64::MAX));
    }

    /// Records a duration with a context, usually the id of a trace. It is the *exemplar* of its magnitude until
    /// another one is recorded. JSON includes it; pages for Prometheus do if its context has at most 120 characters.
    ///
    /// Costs what [`History::push_with`](crate::History::push_with) costs, in addition to the record. The context is
    /// stored in the file once, as long as something refers to it.
    ///
    /// ```
    /// # use mmstats::{Timer, MmStats};
    /// # use std::time::Duration;
    /// # #[derive(MmStats)] struct Web { response_time: Timer }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.response_time.record_with(Duration::from_secs(3), "4bf92f3577b34da6a3ce929d0e0e4736");
    /// assert_eq!(web.response_time.count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn record_with(&self, duration: Duration, context: impl AsRef<[u8]>) {
        let nanos = duration.as_nanos().try_into().unwrap_or(u64::MAX);
        self.0.record_with(nanos, context.as_ref());
    }

    /// Returns how many durations were recorded in this thread's file.
    ///
    /// ```
    /// # use mmstats::{Timer, MmStats};
    /// # #[derive(MmStats)] struct Web { response_time: Timer }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.response_time.count(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// Returns the distribution in this thread's file, in nanoseconds. Copies the buckets, which takes microseconds.
    ///
    /// ```
    /// # use mmstats::{Timer, MmStats};
    /// # use std::time::Duration;
    /// # #[derive(MmStats)] struct Web { response_time: Timer }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.response_time.record(Duration::from_micros(2));
    /// assert_eq!(web.response_time.distribution().total(), 2_000);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn distribution(&self) -> Distribution {
        self.0.distribution()
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timer").field(&self.0).finish()
    }
}

/// A running measurement of a [`Timer`].
///
/// It is recorded when it is dropped.
///
/// It borrows the statistics of its thread and cannot leave that thread. The compiler rejects it across an `.await`
/// ("future cannot be sent between threads safely", or "lifetime may not live long enough"), because the task may
/// continue on another thread. Keep a [`Stopwatch`] instead, and record at the end:
///
/// ```
/// # use mmstats::{MmStats, Stopwatch, Timer};
/// # #[derive(MmStats)] struct Web { response_time: Timer }
/// # async fn fetch() {}
/// async fn handle() {
///     let watch = Stopwatch::start();
///     fetch().await;
///     Web::local(|s| s.response_time.record(watch.elapsed()));
/// }
/// ```
#[derive(Debug)]
pub struct TimerGuard<'a> {
    timer: &'a Timer,
    watch: Stopwatch,
}

impl TimerGuard<'_> {
    /// Records the time since the start, and returns it.
    ///
    /// ```
    /// # use mmstats::{Timer, MmStats};
    /// # #[derive(MmStats)] struct Web { response_time: Timer }
    /// # let web = Web::builder().anonymous().create()?;
    /// let took = web.response_time.start().stop();
    /// assert_eq!(u128::from(web.response_time.count()), 1);
    /// assert_eq!(web.response_time.distribution().total(), took.as_nanos());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn stop(self) -> Duration {
        let nanos = self.watch.nanos();
        self.timer.0.record_out_of_line(nanos);
        std::mem::forget(self);
        Duration::from_nanos(nanos)
    }

    /// Ends the measurement without recording it.
    ///
    /// ```
    /// # use mmstats::{Timer, MmStats};
    /// # #[derive(MmStats)] struct Web { response_time: Timer }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.response_time.start().discard();
    /// assert_eq!(web.response_time.count(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn discard(self) {
        std::mem::forget(self);
    }
}

impl Drop for TimerGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.timer.0.record_out_of_line(self.watch.nanos());
    }
}

/// A moment to measure from.
///
/// It can be copied, sent to other threads and kept across `.await`.
///
/// Costs one reading of the processor's clock. (The first one in a process takes some milliseconds, to calibrate the
/// clock.)
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    start: u64,
}

impl Stopwatch {
    /// Returns a stopwatch that starts now.
    ///
    /// ```
    /// use mmstats::Stopwatch;
    ///
    /// let watch = Stopwatch::start();
    /// assert!(watch.elapsed() <= watch.elapsed());
    /// ```
    #[inline]
    #[must_use]
    pub fn start() -> Stopwatch {
        Stopwatch {
            start: clock::get().ticks(),
        }
    }

    /// Returns the time since the start.
    ///
    /// ```
    /// # use mmstats::{MmStats, Stopwatch, Timer};
    /// # #[derive(MmStats)] struct Web { response_time: Timer }
    /// # let web = Web::builder().anonymous().create()?;
    /// let watch = Stopwatch::start(); // may be sent, and kept across `.await`
    /// web.response_time.record(watch.elapsed());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanos())
    }

    /// Returns the time from an earlier start to this one; zero if that was not earlier. It reads no clock: for
    /// consecutive parts, the start of one is the end of the one before.
    ///
    /// ```
    /// # use mmstats::{MmStats, Stopwatch, Timer};
    /// # #[derive(MmStats)] struct Web { parse: Timer, answer: Timer }
    /// # let web = Web::builder().anonymous().create()?;
    /// let begin = Stopwatch::start();
    /// // … parse …
    /// let parsed = Stopwatch::start();
    /// // … answer …
    /// web.answer.record(parsed.elapsed());
    /// web.parse.record(parsed.since(begin)); // three readings of the clock for two parts
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn since(&self, earlier: Stopwatch) -> Duration {
        Duration::from_nanos(clock::get().nanos(earlier.start, self.start))
    }

    #[inline]
    fn nanos(self) -> u64 {
        let clock = clock::get();
        clock.nanos(self.start, clock.ticks())
    }
}

of_one_thread!(Timer);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl Field for Timer {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        // The unit of the words. The kind says that readers show seconds.
        Integers::describe(code::TIMER, schema, label, options.unit("nanoseconds"));
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Timer {
        Timer(Integers::bind(binder, options))
    }
}

impl TakesDigits for Timer {}
impl TakesBuffers for Timer {}
impl TakesWindow for Timer {}

/// The unit in which readers show times.
const UNIT: &str = "seconds";

pub(super) static KIND: Kind = Kind {
    code: code::TIMER,
    name: "timer",
    count: |value| value.as_distribution().map(Distribution::count),
    counts: Counts::All,
    check: integers::check,
    decode: |schema, raw| Value::Timer(Box::new(integers::decode(schema, raw))),
    merge: |into, next, _, _| {
        if let (Value::Timer(sum), Value::Timer(next)) = (into, next) {
            sum.merge(*next);
        }
    },
    since: Some(|now, before| {
        if let (Value::Timer(now), Value::Timer(before)) = (now, before) {
            **now = now.since(before);
        }
    }),
    none: |schema| Value::Timer(Box::new(integers::nothing(schema))),
    fold: integers::fold,
    extents: Some(&exemplars::EXTENTS),
    unit: Some(UNIT),
    samples: |value, _, each| {
        if let Value::Timer(times) = value {
            // Divided, not multiplied by 1e-9, which is not exact as a double: 9 ms must be 0.009 s.
            samples::of_integers(times, 1e9, UNIT, each);
        }
    },
};
