//! MovingAverage: the mean of the last values.

use std::cell::Cell;
use std::fmt;

use super::average::value::AverageValue;
use super::average::{self, AverageWidth};
use super::double_double::Sum;
use super::field::{Binder, Describe, Field, Options, TakesBuffers, TakesUnit};
use super::kind::{Counts, Kind, code};
use super::value::Value;
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
use crate::format::slot;
use crate::metric::one_thread::of_one_thread;
use crate::sync::Ordering;
use crate::sys::memory::words::{Slot, Width, Words};

/// The mean of the last `N` values of each thread (of fewer until there are `N`).
///
/// Over several threads it is the mean of all their last values. Only threads that still write count; if none does,
/// all do.
///
/// Recording costs as much as with an [`Average`](crate::Average), plus `N` additions once in `N`
/// values. A NaN or an infinity is left out.
pub struct MovingAverage<const N: usize = 100> {
    /// The number of the last values, and their total.
    slot: Slot<AverageWidth>,
    /// The last values. Only the writer reads them.
    last: Words,
    /// The place of the next value among them. It goes with the handle from thread to thread.
    next: Cell<usize>,
}

impl<const N: usize> MovingAverage<N> {
    const LEGAL: () = assert!(
        N >= 1 && N <= 4096,
        "MovingAverage<N> averages the last 1 to 4096 values: choose N in this range"
    );

    fn geometry(options: Options<'_>) -> Geometry {
        Geometry {
            plain: N as u16,
            ..Geometry::slot(AverageWidth::WORDS, options.buffers)
        }
    }

    /// Records a value.
    ///
    /// ```
    /// # use mmstats::{MovingAverage, MmStats};
    /// # #[derive(MmStats)] struct Web { load: MovingAverage<2> }
    /// # let web = Web::builder().anonymous().create()?;
    /// for value in [9.0, 1.0, 2.0] {
    ///     web.load.record(value);
    /// }
    /// assert_eq!(web.load.value().average(), Some(1.5)); // of the last two
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn record(&self, value: f64) {
        if !value.is_finite() {
            return;
        }
        // A copy, because the compiler must assume that the stores below may change the handle.
        let slot = self.slot;
        slot::update(
            slot.sequence(),
            |p| slot.buffer(p),
            |before| {
                let AverageValue { count, total } = average::load(before);
                let place = self.next.get();
                self.next.set(if place == N - 1 { 0 } else { place + 1 });
                // Relaxed: readers do not read it. Where there was no value yet it is zero, which is the
                // value 0.0.
                let oldest = f64::from_bits(self.last[place].load(Ordering::Relaxed));
                self.last[place].store(value.to_bits(), Ordering::Relaxed);
                let total = if place == N - 1 {
                    self.total()
                } else {
                    total.plus(value).plus(-oldest)
                };
                AverageValue {
                    count: (count + 1).min(N as u64),
                    total,
                }
                .to_words()
            },
        );
    }

    /// Computes the total of the last values anew. So the rounding errors of values that are gone (a
    /// large one takes the digits of the small ones with it) last for one round at most.
    #[cold]
    #[inline(never)]
    fn total(&self) -> Sum {
        (self.last.iter())
            .map(|word| f64::from_bits(word.load(Ordering::Relaxed)))
            .fold(Sum::default(), Sum::plus)
    }

    /// Returns the value of this thread's file.
    ///
    /// ```
    /// # use mmstats::{MovingAverage, MmStats};
    /// # #[derive(MmStats)] struct Web { load: MovingAverage }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.load.value().average(), None);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn value(&self) -> AverageValue {
        average::published(&self.slot)
    }
}

impl<const N: usize> fmt::Debug for MovingAverage<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MovingAverage").field(&self.value()).finish()
    }
}

of_one_thread!(MovingAverage<N>, const N: usize);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl<const N: usize> Field for MovingAverage<N> {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        let () = Self::LEGAL;
        let geometry = Self::geometry(options);
        let metric = schema.metric(code::MOVING_AVERAGE, label, options, geometry);
        metric.scalar = Some(Scalar::F64);
        metric.parameter = N as u32;
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> MovingAverage<N> {
        let geometry = Self::geometry(options);
        let words = binder.place(geometry).0;
        let slot = words.part(0, geometry.slot_words());
        MovingAverage {
            slot: Slot::new(slot, geometry.buffers.into()),
            last: words.part(geometry.slot_words(), N),
            next: Cell::new(0),
        }
    }
}

impl<const N: usize> TakesUnit for MovingAverage<N> {}
impl<const N: usize> TakesBuffers for MovingAverage<N> {}

pub(super) static KIND: Kind = Kind {
    code: code::MOVING_AVERAGE,
    name: "movingaverage",
    count: |_| None,
    counts: Counts::CurrentElseAll,
    check,
    decode: |_, raw| Value::MovingAverage(average::decode(raw.words)),
    merge: |into, next, _, _| {
        if let (Value::MovingAverage(sum), Value::MovingAverage(next)) = (into, next) {
            sum.merge(next);
        }
    },
    since: None,
    none: |_| Value::MovingAverage(AverageValue::default()),
    fold: average::FOLD,
    extents: None,
    unit: None,
    samples: |value, unit, each| {
        if let Value::MovingAverage(average) = value {
            average.samples(unit, each);
        }
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    if schema.parameter == 0 {
        return Err("a moving average of no values".to_owned());
    }
    average::check_average(schema, schema.parameter)
}
