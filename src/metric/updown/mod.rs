//! UpDown: a sum that rises and falls.

use super::field::{Binder, Describe, Field, Options, TakesUnit};
use super::kind::check_word;
use super::kind::{Counts, ENDS, Kind, Raw, code};
use super::sample::{Reading, Sample};
use super::value::Value;
use crate::format::scalar::{Number, Scalar};
use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::one_thread::of_one_thread;
use crate::sync::Ordering;
use crate::sys::memory::words::Word;

/// A number that goes up on one thread and may go down on another, such as requests in flight.
///
/// Only the sum over all threads of the live processes is meaningful.
///
/// Costs the same as a [`Counter`](crate::Counter). When a thread ends, its part of the sum stays.
#[derive(Debug)]
pub struct UpDown(Word);

impl UpDown {
    /// Adds one.
    ///
    /// ```
    /// # use mmstats::{UpDown, MmStats};
    /// # #[derive(MmStats)] struct Web { in_flight: UpDown }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.in_flight.inc();
    /// assert_eq!(web.in_flight.get(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Subtracts one.
    ///
    /// ```
    /// # use mmstats::{UpDown, MmStats};
    /// # #[derive(MmStats)] struct Web { in_flight: UpDown }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.in_flight.dec(); // of a request that another thread began
    /// assert_eq!(web.in_flight.get(), -1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn dec(&self) {
        self.add(-1);
    }

    /// Adds `n`, which may be negative. Wraps beyond the range of an i64.
    ///
    /// ```
    /// # use mmstats::{UpDown, MmStats};
    /// # #[derive(MmStats)] struct Web { queued: UpDown }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.queued.add(10);
    /// web.queued.add(-3);
    /// assert_eq!(web.queued.get(), 7);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn add(&self, n: i64) {
        // Relaxed, twice: as for a Counter.
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(n as u64);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// Returns this thread's part of the sum.
    ///
    /// ```
    /// # use mmstats::{UpDown, MmStats};
    /// # #[derive(MmStats)] struct Web { queued: UpDown }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.queued.get(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed) as i64
    }
}

of_one_thread!(UpDown);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl Field for UpDown {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        schema
            .metric(code::UP_DOWN, label, options, Geometry::WORD)
            .scalar = Some(Scalar::I64);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, _: Options<'_>) -> UpDown {
        UpDown(binder.word())
    }
}

impl TakesUnit for UpDown {}

pub(super) static KIND: Kind = Kind {
    code: code::UP_DOWN,
    name: "updown",
    count: |_| None,
    counts: Counts::NotDead,
    check: check_word,
    decode,
    merge,
    since: None,
    none: |_| Value::UpDown(0),
    fold: ENDS,
    extents: None,
    unit: None,
    samples: |value, unit, each| {
        if let Value::UpDown(sum) = *value {
            each(Sample::exported(
                "",
                unit,
                Reading::Sum(Number::Int(sum.into())),
            ));
        }
    },
};

fn decode(_: &MetricSchema, raw: Raw<'_>) -> Value {
    Value::UpDown(raw.words[0] as i64)
}

fn merge(into: &mut Value, next: Value, _: &MetricSchema, _: u64) {
    if let (Value::UpDown(sum), Value::UpDown(n)) = (into, next) {
        *sum = sum.saturating_add(n);
    }
}
