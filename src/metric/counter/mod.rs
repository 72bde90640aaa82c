//! Counter: a sum that never falls.

use std::cell::Cell;

use super::field::{Binder, Describe, Field, Options, TakesUnit, TakesWindow};
use super::kind::check_word;
use super::kind::{Counts, Kind, Raw, code};
use super::sample::{Reading, Sample};
use super::value::Value;
use super::window::{self, ring::StepRing};
use crate::format::scalar::{Number, Scalar};
use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::one_thread::of_one_thread;
use crate::sync::Ordering;
use crate::sys::lifecycle::ticker::{Tick, TicksLocked};
use crate::sys::memory::words::Word;

/// A count of events.
///
/// It never falls, and adds up over threads and processes.
///
/// An increment is a relaxed load and a relaxed store of one word in a mapping: the cost of incrementing a
/// `u64` in memory (no atomic read-modify-write, no lock, no other thread's cache line). The compiler proves
/// that only one thread writes it: a `Counter` is not `Sync`.
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<mmstats::Counter>();
/// ```
#[derive(Debug)]
pub struct Counter(Word);

impl Counter {
    /// Adds one.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.requests.inc();
    /// assert_eq!(web.requests.get(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`. Wraps beyond `u64::MAX`.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { bytes: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.bytes.add(512);
    /// web.bytes.add(88);
    /// assert_eq!(web.bytes.get(), 600);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn add(&self, n: u64) {
        // Relaxed, twice: the word is a whole value by itself, and this thread is its only writer.
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(n);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// Raises the count to `n`. A smaller `n` changes nothing, because a counter never falls.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.requests.set(7);
    /// web.requests.set(5); // a counter never falls
    /// assert_eq!(web.requests.get(), 7);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn set(&self, n: u64) {
        if n > self.get() {
            self.0.store(n, Ordering::Relaxed);
        }
    }

    /// Returns this thread's count.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.requests.get(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

of_one_thread!(Counter);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl Field for Counter {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        schema
            .metric(code::COUNTER, label, options, Geometry::WORD)
            .scalar = Some(Scalar::U64);
        if options.window.is_some() {
            schema.window(
                code::COUNTER,
                label,
                options,
                window::geometry(STEP, 0, None),
            );
        }
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Counter {
        let total = binder.word();
        let place = binder.window(options, window::geometry(STEP, 0, None));
        if let (Some(place), Some(storage)) = (place, binder.storage()) {
            let ring = StepRing::new(&place);
            storage.tick(Box::new(Steps { total, ring }));
        }
        Counter(total)
    }
}

impl TakesUnit for Counter {}
impl TakesWindow for Counter {}

/// The steps of a counter's window. An increment does not read the clock, so the ticker reads the count when
/// a step begins.
struct Steps {
    total: Word,
    ring: StepRing<STEP>,
}

/// Words of a window's step: its stamp, the count at its beginning, and the time of that.
const STEP: usize = 1 + STEP_WORDS;
pub(super) const STEP_WORDS: usize = 2;

impl Tick for Steps {
    fn tick(&self, now: u64, _: &TicksLocked) -> u64 {
        let begun = Cell::new(false);
        self.ring.at(now, |_| begun.set(true));
        if begun.get() {
            // Relaxed: any count from about this time will do.
            let total = self.total.load(Ordering::Relaxed);
            self.ring.update(|step| (step[1], step[2]) = (total, now));
        }
        self.ring.end()
    }

    #[cfg(feature = "testing")]
    fn mocked(&self) -> Option<u64> {
        crate::sys::process::mock_clock::steady()
    }
}

/// Returns what was counted since the beginning of the first step that counts, and how long ago that was.
/// `steps` are (stamp, count at the beginning, its time), `first` is the number of the first step that
/// counts, and `now` is the current time.
pub(super) fn in_window(
    steps: impl Iterator<Item = [u64; STEP]> + Clone,
    first: u64,
    total: u64,
    now: u64,
) -> Option<(u64, u64)> {
    // A step that is being begun has no time yet.
    let steps = steps.filter(|[stamp, _, time]| *stamp > 0 && (1..=now).contains(time));
    // If the process is dead or stopped, nobody knows when it counted after its last step.
    if steps.clone().all(|[stamp, ..]| stamp <= first) {
        return None;
    }
    // The step itself, or the last one before it; if there is neither, the writer began later.
    let before = steps.clone().filter(|[stamp, ..]| *stamp <= first + 1);
    let [_, then, time] = before
        .max_by_key(|[stamp, ..]| *stamp)
        .or_else(|| steps.min_by_key(|[stamp, ..]| *stamp))?;
    Some((total.saturating_sub(then), now - time))
}

pub(super) static KIND: Kind = Kind {
    code: code::COUNTER,
    name: "counter",
    count: |value| value.as_u64(),
    counts: Counts::All,
    check: check_word,
    decode,
    merge,
    since: Some(|now, before| {
        if let (Value::Counter(now), Value::Counter(before)) = (now, before) {
            *now = now.saturating_sub(*before);
        }
    }),
    none: |_| Value::Counter(0),
    fold: |_, into, next, _| {
        into[0] = into[0].saturating_add(next[0]);
        Ok(())
    },
    extents: None,
    unit: None,
    samples: |value, unit, each| {
        if let Value::Counter(count) = *value {
            let count = Number::Int(count.into());
            each(Sample::exported("", unit, Reading::Cumulative(count)));
        }
    },
};

fn decode(_: &MetricSchema, raw: Raw<'_>) -> Value {
    Value::Counter(raw.words[0])
}

fn merge(into: &mut Value, next: Value, _: &MetricSchema, _: u64) {
    if let (Value::Counter(sum), Value::Counter(n)) = (into, next) {
        merge_word(sum, n);
    }
}

/// Adds the word of one more file to a sum, as `merge` does, without making a value. Most values of a
/// snapshot are counters and take this path.
#[inline(always)]
pub fn merge_word(sum: &mut u64, word: u64) {
    *sum = sum.saturating_add(word);
}
