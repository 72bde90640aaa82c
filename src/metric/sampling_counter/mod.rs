//! SamplingCounter: a count, and the rate at which it grows.

pub mod value;

use std::cell::Cell;
use std::fmt;

use super::field::{Binder, Describe, Field, Options, TakesBuffers, TakesUnit};
use super::kind::check_slot;
use super::kind::{Counts, Kind, Raw, code};
use super::value::Value;
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
use crate::format::slot;
use crate::metric::one_thread::of_one_thread;
use crate::sync::Ordering;
use crate::sys::memory::words::{Slot, Width, Word};
use crate::sys::process::clock;
use value::SamplingCounterValue;

/// A count and its rate per millisecond, sampled every `N` increments and published together.
///
/// It is for events so frequent that the differences that a reader can compute say too little.
///
/// Between two samples an increment costs little more than that of a [`Counter`](crate::Counter). Readers
/// see the last sample: a count that is up to `N - 1` behind, and the mean rate since the sample before it
/// (0 until there are two moments to measure between). A writer that stops leaves its last rate, which
/// counts for as long as its thread may still write.
pub struct SamplingCounter<const N: u64 = 100> {
    slot: Slot<SampleWidth>,
    /// All increments, sampled or not.
    running: Word,
    /// The multiple of `N` at or below the count of the last sample; the next sample is due `N` further on.
    /// Before the first increment it is `-N` (wrapped), so that the first increment begins the first
    /// measurement.
    last: Cell<u64>,
    /// Count and clock at the last sample.
    since: Cell<Option<(u64, u64)>>,
}

/// A buffer: the count, and the rate as a float.
#[derive(Clone, Copy, Debug)]
struct SampleWidth;

impl Width for SampleWidth {
    const WORDS: usize = 2;
}

fn geometry(options: Options<'_>) -> Geometry {
    Geometry {
        plain: 1,
        ..Geometry::slot(SampleWidth::WORDS, options.buffers)
    }
}

impl<const N: u64> SamplingCounter<N> {
    const LEGAL: () = assert!(
        N >= 1 && N <= u32::MAX as u64,
        "SamplingCounter<N> is sampled every 1 to 4294967295 increments: choose N in this range"
    );

    /// Adds one.
    ///
    /// ```
    /// # use mmstats::{SamplingCounter, MmStats};
    /// # #[derive(MmStats)] struct Web { hits: SamplingCounter<10> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.hits.inc();
    /// assert_eq!(web.hits.get(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`. Wraps beyond `u64::MAX`.
    ///
    /// ```
    /// # use mmstats::{SamplingCounter, MmStats};
    /// # #[derive(MmStats)] struct Web { hits: SamplingCounter<10> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.hits.add(25);
    /// assert_eq!(web.hits.get(), 25);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn add(&self, n: u64) {
        // Relaxed: as for a Counter.
        let count = self.running.load(Ordering::Relaxed).wrapping_add(n);
        self.running.store(count, Ordering::Relaxed);
        // A difference, so that sampling continues after a wrap.
        if count.wrapping_sub(self.last.get()) >= N {
            self.sample(count);
        }
    }

    #[cold]
    #[inline(never)]
    fn sample(&self, count: u64) {
        let clock = clock::get();
        let now = clock.ticks();
        self.last.set(count / N * N);
        let rate = match self.since.replace(Some((count, now))) {
            Some((before, then)) => {
                let nanos = clock.nanos(then, now).max(1);
                count.wrapping_sub(before) as f64 * 1e6 / nanos as f64
            }
            // The first increment of this handle: there is no time to measure yet.
            None if !count.is_multiple_of(N) => return,
            None => self.value().rate,
        };
        let slot = self.slot;
        slot::publish(slot.sequence(), |p| slot.buffer(p), [count, rate.to_bits()]);
    }

    /// Returns all increments in this thread's file, sampled or not.
    ///
    /// ```
    /// # use mmstats::{SamplingCounter, MmStats};
    /// # #[derive(MmStats)] struct Web { hits: SamplingCounter<10> }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.hits.get(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn get(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// Returns the last sample in this thread's file.
    ///
    /// ```
    /// # use mmstats::{SamplingCounter, MmStats};
    /// # #[derive(MmStats)] struct Web { hits: SamplingCounter<10> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.hits.add(10); // takes a sample
    /// assert_eq!(web.hits.value().count, 10);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn value(&self) -> SamplingCounterValue {
        // Relaxed: this thread is the only writer.
        let p = slot::published(self.slot.sequence().load(Ordering::Relaxed));
        let word = |i: usize| self.slot.buffer(p)[i].load(Ordering::Relaxed);
        SamplingCounterValue {
            count: word(0),
            rate: f64::from_bits(word(1)),
        }
    }
}

impl<const N: u64> fmt::Debug for SamplingCounter<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SamplingCounter")
            .field(&self.value())
            .finish()
    }
}

of_one_thread!(SamplingCounter<N>, const N: u64);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl<const N: u64> Field for SamplingCounter<N> {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        let () = Self::LEGAL;
        let metric = schema.metric(code::SAMPLING_COUNTER, label, options, geometry(options));
        metric.scalar = Some(Scalar::U64);
        metric.parameter = N as u32;
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> SamplingCounter<N> {
        let geometry = geometry(options);
        let words = binder.place(geometry).0;
        let slot = words.part(0, geometry.slot_words());
        SamplingCounter {
            slot: Slot::new(slot, geometry.buffers.into()),
            running: words.word(geometry.slot_words()),
            last: Cell::new(N.wrapping_neg()),
            since: Cell::new(None),
        }
    }
}

impl<const N: u64> TakesUnit for SamplingCounter<N> {}
impl<const N: u64> TakesBuffers for SamplingCounter<N> {}

pub(super) static KIND: Kind = Kind {
    code: code::SAMPLING_COUNTER,
    name: "samplingcounter",
    count: |value| match value {
        Value::SamplingCounter(sample) => Some(sample.count),
        _ => None,
    },
    counts: Counts::All,
    check,
    decode,
    merge: |into, next, _, _| {
        if let (Value::SamplingCounter(sum), Value::SamplingCounter(next)) = (into, next) {
            sum.count = sum.count.saturating_add(next.count);
            sum.rate += next.rate;
        }
    },
    since: Some(|now, before| {
        if let (Value::SamplingCounter(now), Value::SamplingCounter(before)) = (now, before) {
            // The rate stays that of the last sample.
            now.count = now.count.saturating_sub(before.count);
        }
    }),
    none: |_| Value::SamplingCounter(SamplingCounterValue::default()),
    // Without a rate, because nobody writes it any more.
    fold: |_, into, next, _| {
        into[0] = into[0].saturating_add(next[0]);
        Ok(())
    },
    extents: None,
    unit: None,
    samples: |value, unit, each| {
        if let Value::SamplingCounter(sample) = value {
            sample.samples(unit, each);
        }
    },
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    let words = SampleWidth::WORDS;
    check_slot(schema, "a sampling counter", words..=words, 1)
}

fn decode(_: &MetricSchema, raw: Raw<'_>) -> Value {
    Value::SamplingCounter(SamplingCounterValue {
        count: raw.words[0],
        // A file that nobody writes any more has no rate.
        rate: if raw.current {
            f64::from_bits(raw.words[1])
        } else {
            0.0
        },
    })
}
