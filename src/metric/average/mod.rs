//! Average: the mean of all values.

pub mod value;

use std::fmt;

use super::field::{Binder, Describe, Field, Options, TakesBuffers, TakesUnit};
use super::kind::check_slot;
use super::kind::{Counts, Fold, Kind, code};
use super::value::Value;
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
use crate::format::slot;
use crate::metric::one_thread::of_one_thread;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::words::{Slot, Width};
use value::{AverageValue, WORDS};

/// The mean of all values ever recorded, over all threads and processes.
///
/// For more than the mean use a [`Summary`](crate::Summary); for the mean of the last values only, a
/// [`MovingAverage`](crate::MovingAverage).
///
/// Recording a value adds it with twice the precision of an f64 and publishes three words. A NaN or an
/// infinity is left out.
pub struct Average(Slot<AverageWidth>);

/// A buffer: the count of the values, then their total as two floats.
#[derive(Clone, Copy, Debug)]
pub(super) struct AverageWidth;

impl Width for AverageWidth {
    const WORDS: usize = WORDS;
}

impl Average {
    /// Records a value.
    ///
    /// ```
    /// # use mmstats::{Average, MmStats};
    /// # #[derive(MmStats)] struct Web { load: Average }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.load.record(1.0);
    /// web.load.record(2.0);
    /// assert_eq!(web.load.value().average(), Some(1.5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn record(&self, value: f64) {
        if !value.is_finite() {
            return;
        }
        // A copy, because the compiler must assume that the stores below may change the handle.
        let slot = self.0;
        slot::update(
            slot.sequence(),
            |p| slot.buffer(p),
            |before| {
                let AverageValue { count, total } = load(before);
                AverageValue {
                    count: count.wrapping_add(1),
                    total: total.plus(value),
                }
                .to_words()
            },
        );
    }

    /// Returns the value of this thread's file.
    ///
    /// ```
    /// # use mmstats::{Average, MmStats};
    /// # #[derive(MmStats)] struct Web { load: Average }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.load.value().count(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn value(&self) -> AverageValue {
        published(&self.0)
    }
}

/// Returns what was published last.
pub(super) fn published(slot: &Slot<AverageWidth>) -> AverageValue {
    // Relaxed: this thread is the only writer.
    let p = slot::published(slot.sequence().load(Ordering::Relaxed));
    load(slot.buffer(p))
}

/// Returns what was published in a buffer.
#[inline(always)]
pub(super) fn load(buffer: &[AtomicU64]) -> AverageValue {
    // Relaxed: this thread is the only writer.
    AverageValue::from_words(std::array::from_fn(|i| buffer[i].load(Ordering::Relaxed)))
}

impl fmt::Debug for Average {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Average").field(&self.value()).finish()
    }
}

of_one_thread!(Average);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl Field for Average {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        let geometry = Geometry::slot(AverageWidth::WORDS, options.buffers);
        schema
            .metric(code::AVERAGE, label, options, geometry)
            .scalar = Some(Scalar::F64);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Average {
        let geometry = Geometry::slot(AverageWidth::WORDS, options.buffers);
        Average(Slot::new(binder.place(geometry).0, geometry.buffers.into()))
    }
}

impl TakesUnit for Average {}
impl TakesBuffers for Average {}

pub(super) static KIND: Kind = Kind {
    code: code::AVERAGE,
    name: "average",
    count: |value| match value {
        Value::Average(average) => Some(average.count()),
        _ => None,
    },
    counts: Counts::All,
    check,
    decode: |_, raw| Value::Average(decode(raw.words)),
    merge: |into, next, _, _| {
        if let (Value::Average(sum), Value::Average(next)) = (into, next) {
            sum.merge(next);
        }
    },
    since: Some(|now, before| {
        if let (Value::Average(now), Value::Average(before)) = (now, before) {
            *now = now.since(*before);
        }
    }),
    none: |_| Value::Average(AverageValue::default()),
    fold: FOLD,
    extents: None,
    unit: None,
    samples: |value, unit, each| {
        if let Value::Average(average) = value {
            average.samples(unit, each);
        }
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    check_average(schema, 0)
}

/// Checks that the metric is the slot of an average, with `beside` plain words.
pub(super) fn check_average(schema: &MetricSchema, beside: u32) -> Result<(), String> {
    let words = AverageWidth::WORDS;
    check_slot(schema, "an average", words..=words, beside)
}

/// Returns the value in the words of the slot.
pub(super) fn decode(words: &[u64]) -> AverageValue {
    AverageValue::from_words(*words.first_chunk().expect("as `check` has seen"))
}

/// Adds up the words of the slot. Plain words belong to a live writer.
pub(super) const FOLD: Fold = |_, into, next, _| {
    let mut sum = decode(into);
    sum.merge(decode(next));
    into[..AverageWidth::WORDS].copy_from_slice(&sum.to_words());
    Ok(())
};
