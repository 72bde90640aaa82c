//! Counter: a sum that never falls.

use super::field::{Binder, Describe, Field, Options, TakesUnit};
use super::kind::{Counts, Kind, Raw, code};
use super::{Value, check_word};
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
use crate::sync::Ordering;
use crate::sys::words::Word;

/// A count of what happened: never falls, and adds up over threads and processes.
///
/// An increment is a relaxed load and a relaxed store of one word in a mapping: the cost of
/// incrementing a `u64` in memory (no atomic read-modify-write, no lock, no other thread's cache
/// line). That only one thread writes is proved by the compiler: a `Counter` is not `Sync`.
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<mmstats::Counter>();
/// ```
#[derive(Debug)]
pub struct Counter(Word);

impl Counter {
    /// Adds one.
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`. Wraps beyond `u64::MAX`.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        // Relaxed, twice: the word is a whole value by itself, and this thread its only writer.
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(n);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// Raises it to `n`. A counter never falls: a smaller `n` changes nothing.
    #[inline]
    pub fn set(&self, n: u64) {
        if n > self.get() {
            self.0.store(n, Ordering::Relaxed);
        }
    }

    /// What this thread's file says.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Field for Counter {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        schema
            .metric(code::COUNTER, label, options, Geometry::WORD)
            .scalar = Some(Scalar::U64);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, _: Options<'_>) -> Counter {
        Counter(binder.word())
    }
}

impl TakesUnit for Counter {}

pub(super) static KIND: Kind = Kind {
    code: code::COUNTER,
    name: "counter",
    counts: Counts::All,
    check: check_word,
    decode,
    merge,
    none: |_| Value::Counter(0),
    fold: |_, into, next, _| {
        into[0] = into[0].saturating_add(next[0]);
        Ok(())
    },
};

fn decode(_: &MetricSchema, raw: Raw<'_>) -> Value {
    Value::Counter(raw.words[0])
}

fn merge(into: &mut Value, next: Value, _: &MetricSchema, _: u64) {
    if let (Value::Counter(sum), Value::Counter(n)) = (into, next) {
        *sum = sum.saturating_add(n);
    }
}
