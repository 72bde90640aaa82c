//! Gauge: a level that one thread sets.

pub mod merge;

use super::field::{Binder, Describe, Field, Options, TakesMerge, TakesUnit};
use super::kind::check_number;
use super::kind::{Counts, ENDS, Kind, Raw, code};
use super::sample::{Reading, Sample};
use super::value::Value;
use crate::format::scalar::{Number, Scalar};
use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::one_thread::of_one_thread;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::words::Word;
use merge::merge_numbers;
use std::fmt;
use std::marker::PhantomData;

/// A level that its thread sets: a temperature, the length of a queue.
///
/// The levels of live threads and processes add up, unless `#[mmstats(merge = "max")]` (or `min`, `mean`, `latest`)
/// says otherwise. When its thread ends, the level becomes 0 and no longer counts.
///
/// `T` is an integer of 8 to 64 bits, `f32` or `f64`. Setting it is one store.
pub struct Gauge<T>(Word, PhantomData<T>);

/// A number that a [`Gauge`] or a [`Constant`](crate::Constant) holds: an integer of 8 to 64 bits,
/// `f32` or `f64`. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number that a metric can hold",
    label = "not a number of a fixed size",
    note = "write u8, u16, u32, u64, i8, i16, i32, i64, f32 or f64"
)]
pub trait Numeric: Copy + sealed::Sealed + 'static {
    #[doc(hidden)]
    const SCALAR: Scalar;
    #[doc(hidden)]
    fn to_word(self) -> u64;
    #[doc(hidden)]
    fn from_word(word: u64) -> Self;
    #[doc(hidden)]
    #[must_use]
    fn plus(self, n: Self) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! numeric {
    ($($type:ty: $scalar:ident, |$value:ident| $to:expr, |$word:ident| $from:expr, |$a:ident, $b:ident| $plus:expr;)*) => {$(
        impl sealed::Sealed for $type {}
        impl Numeric for $type {
            const SCALAR: Scalar = Scalar::$scalar;
            #[inline(always)]
            fn to_word(self) -> u64 {
                let $value = self;
                $to
            }
            #[inline(always)]
            fn from_word($word: u64) -> $type {
                $from
            }
            #[inline(always)]
            fn plus(self, n: $type) -> $type {
                let ($a, $b) = (self, n);
                $plus
            }
        }
    )*};
}
numeric! {
    u8: U8, |n| n.into(), |w| w as u8, |a, b| a.wrapping_add(b);
    u16: U16, |n| n.into(), |w| w as u16, |a, b| a.wrapping_add(b);
    u32: U32, |n| n.into(), |w| w as u32, |a, b| a.wrapping_add(b);
    u64: U64, |n| n, |w| w, |a, b| a.wrapping_add(b);
    i8: I8, |n| n as u64, |w| w as i8, |a, b| a.wrapping_add(b);
    i16: I16, |n| n as u64, |w| w as i16, |a, b| a.wrapping_add(b);
    i32: I32, |n| n as u64, |w| w as i32, |a, b| a.wrapping_add(b);
    i64: I64, |n| n as u64, |w| w as i64, |a, b| a.wrapping_add(b);
    f32: F32, |x| x.to_bits().into(), |w| f32::from_bits(w as u32), |a, b| a + b;
    f64: F64, |x| x.to_bits(), |w| f64::from_bits(w), |a, b| a + b;
}

impl<T: Numeric> Gauge<T> {
    /// Sets the level.
    ///
    /// ```
    /// # use mmstats::{Gauge, MmStats};
    /// # #[derive(MmStats)] struct Web { temperature: Gauge<f64> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.temperature.set(36.6);
    /// assert_eq!(web.temperature.get(), 36.6);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn set(&self, value: T) {
        // Relaxed: the word is a whole value by itself.
        self.0.store(value.to_word(), Ordering::Relaxed);
    }

    /// Adds to the level. Integers wrap.
    ///
    /// ```
    /// # use mmstats::{Gauge, MmStats};
    /// # #[derive(MmStats)] struct Web { open: Gauge<i64> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.open.set(5);
    /// web.open.add(-2);
    /// assert_eq!(web.open.get(), 3);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn add(&self, n: T) {
        self.set(self.get().plus(n));
    }

    /// Returns the level.
    ///
    /// ```
    /// # use mmstats::{Gauge, MmStats};
    /// # #[derive(MmStats)] struct Web { open: Gauge<u32> }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.open.get(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn get(&self) -> T {
        T::from_word(self.0.load(Ordering::Relaxed))
    }

    /// Returns its word, for a gauge in a file of the process, which all threads write.
    pub(crate) fn word(&self) -> &AtomicU64 {
        &self.0
    }
}

impl<T: Numeric + fmt::Debug> fmt::Debug for Gauge<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gauge").field(&self.get()).finish()
    }
}

of_one_thread!(Gauge<T>, T: Numeric);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl<T: Numeric> Field for Gauge<T> {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        schema
            .metric(code::GAUGE, label, options, Geometry::WORD)
            .scalar = Some(T::SCALAR);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, _: Options<'_>) -> Gauge<T> {
        Gauge(binder.level(), PhantomData)
    }
}

impl<T> TakesUnit for Gauge<T> {}
impl<T> TakesMerge for Gauge<T> {}

pub(super) static KIND: Kind = Kind {
    code: code::GAUGE,
    name: "gauge",
    count: |_| None,
    counts: Counts::Current,
    check: check_number,
    decode,
    merge,
    since: None,
    none: |_| Value::Gauge(Number::Int(0)),
    fold: ENDS,
    extents: None,
    unit: None,
    samples: |value, unit, each| {
        if let Value::Gauge(level) = *value {
            each(Sample::exported("", unit, Reading::Level(level)));
        }
    },
};

fn decode(schema: &MetricSchema, raw: Raw<'_>) -> Value {
    Value::Gauge(schema.scalar.unwrap_or(Scalar::U64).number(raw.words[0]))
}

fn merge(into: &mut Value, next: Value, schema: &MetricSchema, files: u64) {
    if let (Value::Gauge(merged), Value::Gauge(next)) = (into, next) {
        *merged = merge_numbers(*merged, next, schema.merge, files);
    }
}
