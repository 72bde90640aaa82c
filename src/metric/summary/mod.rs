//! Summary: count, total, mean, deviation, extremes and the last of f64 values.

pub mod value;

use std::fmt;

use super::field::{Binder, Describe, Field, Options, TakesBuffers, TakesUnit, TakesWindow};
use super::hot_cold::SeldomSlot;
use super::kind::check_slot;
use super::kind::{Counts, Kind, Raw, code};
use super::sample::{Reading, Sample, Sink};
use super::value::Value;
use super::window::{self, ring::StepRing};
use crate::format::scalar::{Number, Scalar};
use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::one_thread::of_one_thread;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::words::{Slot, Width, Word};
use crate::sys::process::clock;
use value::{SummaryValue, WORDS};

/// Measured values in a few numbers: count, total, mean, standard deviation, least, greatest and last value,
/// and the time of the last one, all from one publication.
///
/// Mean and deviation do not suffer from cancellation, however large the values are and however little they
/// differ: see [`SummaryValue`]. Over threads and processes they are merged as if one thread had recorded all
/// values. A NaN or an infinity is counted as rejected and changes nothing else.
///
/// Recording reads the system's coarse clock (no system call), takes some 20 floating-point operations, and
/// publishes ten words, usually storing only seven of them. It does not divide.
///
/// ```
/// # use mmstats::{MmStats, Summary};
/// # #[derive(MmStats)] struct Tasks { seconds: Summary }
/// # let tasks = Tasks::builder().anonymous().create()?;
/// for value in [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0] {
///     tasks.seconds.record(value);
/// }
/// assert_eq!(tasks.seconds.value().stddev(), Some(1.0));
/// # Ok::<(), mmstats::Error>(())
/// ```
pub struct Summary {
    slot: SeldomSlot<SummaryWidth>,
    rejected: Word,
    /// Bits that, if all are set in a value, have it recorded apart: those that are all set in a NaN or an
    /// infinity. With a window there are none, so every value is recorded apart, and a summary without a window
    /// does not test for one.
    apart: u64,
    window: Option<StepRing<STEP>>,
}

/// The exponent of an f64.
const EXPONENT: u64 = 0x7ff << 52;

#[derive(Clone, Copy, Debug)]
struct SummaryWidth;

impl Width for SummaryWidth {
    const WORDS: usize = WORDS;
}

/// Words of a window's step: its stamp, and the words of a summary.
const STEP: usize = 1 + WORDS;

fn geometry(options: Options<'_>) -> Geometry {
    Geometry {
        // The number of rejected values is not part of a publication.
        plain: 1,
        ..Geometry::slot(WORDS, options.buffers)
    }
}

impl Summary {
    /// Records a value. A NaN or an infinity is only counted as rejected.
    ///
    /// ```
    /// # use mmstats::{Summary, MmStats};
    /// # #[derive(MmStats)] struct Web { seconds: Summary }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.seconds.record(1.5);
    /// web.seconds.record(2.5);
    /// assert_eq!(web.seconds.value().mean(), Some(2.0));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn record(&self, value: f64) {
        if value.to_bits() & self.apart == self.apart {
            return self.record_apart(value);
        }
        self.publish(value, clock::coarse_unix_nanos());
    }

    #[inline(always)]
    fn publish(&self, value: f64, time: u64) {
        let often = |before: &[AtomicU64]| SummaryValue::often(before, value, time);
        if !self.slot.update_often(often) {
            self.publish_all(value, time);
        }
    }

    /// Like [`publish`](Self::publish), for all words: there is a new extreme or shift, or was one just before.
    #[cold]
    #[inline(never)]
    fn publish_all(&self, value: f64, time: u64) {
        self.slot.update_all(&SummaryValue::SELDOM, |before| {
            SummaryValue::load(before).with(value, time).to_words()
        });
    }

    /// Rejects a value that is not finite, and records any other in the window, too.
    #[cold]
    fn record_apart(&self, value: f64) {
        if !value.is_finite() {
            // Relaxed: as for a Counter.
            let rejected = self.rejected.load(Ordering::Relaxed);
            self.rejected
                .store(rejected.wrapping_add(1), Ordering::Relaxed);
            return;
        }
        let time = clock::coarse_unix_nanos();
        self.record_in_window(value, clock::coarse_nanos(), time);
        self.publish(value, time);
    }

    /// Records a value in the step of `now`, by the monotonic clock.
    pub(super) fn record_in_window(&self, value: f64, now: u64, time: u64) {
        let Some(ring) = &self.window else {
            return;
        };
        ring.at(now, |_| {});
        ring.update(|step| {
            let words = step.last_chunk_mut::<WORDS>();
            let words = words.expect("a step is longer");
            *words = SummaryValue::from_words(*words)
                .with(value, time)
                .to_words();
        });
    }

    /// Returns how many values were recorded in this thread's file.
    ///
    /// ```
    /// # use mmstats::{Summary, MmStats};
    /// # #[derive(MmStats)] struct Web { seconds: Summary }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.seconds.count(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn count(&self) -> u64 {
        self.value().count()
    }

    /// Returns the summary in this thread's file.
    ///
    /// ```
    /// # use mmstats::{Summary, MmStats};
    /// # #[derive(MmStats)] struct Web { seconds: Summary }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.seconds.record(-1.0);
    /// let value = web.seconds.value();
    /// assert_eq!((value.min(), value.total()), (Some(-1.0), -1.0));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn value(&self) -> SummaryValue {
        // Relaxed: this thread is the only writer.
        let rejected = self.rejected.load(Ordering::Relaxed);
        SummaryValue::load(self.slot.last()).with_rejected(rejected)
    }
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Summary").field(&self.value()).finish()
    }
}

of_one_thread!(Summary);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl Field for Summary {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        schema
            .metric(code::SUMMARY, label, options, geometry(options))
            .scalar = Some(Scalar::F64);
        if options.window.is_some() {
            let geometry = window::geometry(STEP, 0, options.buffers);
            schema.window(code::SUMMARY, label, options, geometry);
        }
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Summary {
        let geometry = geometry(options);
        let words = binder.place(geometry).0;
        let slot = words.part(0, geometry.slot_words());
        let window = window::geometry(STEP, 0, options.buffers);
        let window = binder.window(options, window);
        Summary {
            slot: SeldomSlot::new(Slot::new(slot, geometry.buffers.into())),
            rejected: words.word(geometry.slot_words()),
            apart: if window.is_some() { 0 } else { EXPONENT },
            window: window.as_ref().map(StepRing::new),
        }
    }
}

impl TakesUnit for Summary {}
impl TakesBuffers for Summary {}
impl TakesWindow for Summary {}

pub(super) static KIND: Kind = Kind {
    code: code::SUMMARY,
    name: "summary",
    count: |value| value.as_summary().map(SummaryValue::count),
    counts: Counts::All,
    check,
    decode,
    merge: |into, next, _, _| {
        if let (Value::Summary(sum), Value::Summary(next)) = (into, next) {
            sum.merge(*next);
        }
    },
    since: Some(|now, before| {
        if let (Value::Summary(now), Value::Summary(before)) = (now, before) {
            **now = now.since(before);
        }
    }),
    none: |_| Value::Summary(Box::default()),
    fold: |_, into, next, _| {
        let mut sum = from_raw(into);
        sum.merge(from_raw(next));
        into[..WORDS].copy_from_slice(&sum.to_words());
        into[WORDS] = sum.rejected();
        Ok(())
    },
    extents: None,
    unit: None,
    samples: |value, unit, each| {
        if let Value::Summary(summary) = value {
            samples(summary, unit, each);
        }
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    check_slot(schema, "a summary", WORDS..=WORDS, 1)
}

fn decode(_: &MetricSchema, raw: Raw<'_>) -> Value {
    Value::Summary(Box::new(from_raw(raw.words)))
}

/// Decodes the words of a slot and the plain one.
fn from_raw(words: &[u64]) -> SummaryValue {
    let published = words.first_chunk().expect("as `check` has seen");
    SummaryValue::from_words(*published).with_rejected(words[WORDS])
}

/// Passes count and total to `each` as one sample, and the extremes and the last value beside it.
fn samples(summary: &SummaryValue, unit: &str, each: &mut Sink<'_>) {
    let (count, sum) = (summary.count(), summary.total());
    each(Sample::exported("", unit, Reading::Summary { count, sum }));
    let count = |n: u64| Reading::Cumulative(Number::Int(n.into()));
    each(Sample::derived("Count", "", count(summary.count())));
    let total = Reading::Sum(Number::Float(sum));
    each(Sample::derived("Total", unit, total));
    for (name, unit, value, make) in [
        (
            "Mean",
            unit,
            summary.mean(),
            Sample::derived as fn(_, _, _) -> _,
        ),
        ("StdDev", unit, summary.stddev(), Sample::exported),
        ("Min", unit, summary.min(), Sample::exported),
        ("Max", unit, summary.max(), Sample::exported),
        ("Last", unit, summary.last(), Sample::exported),
        ("LastTime", "", summary.last_time(), Sample::derived),
    ] {
        if let Some(value) = value {
            each(make(name, unit, Reading::Level(Number::Float(value))));
        }
    }
    each(Sample::derived("Rejected", "", count(summary.rejected())));
}
