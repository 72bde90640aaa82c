//! Percentile: a distribution of numbers.

pub mod distribution;
pub mod exemplars;
pub mod float_distribution;
pub(super) mod floats;
pub mod integers;
pub mod moments;
pub(super) mod samples;

use std::fmt;

use super::field::{
    Binder, Describe, Field, Options, TakesBuffers, TakesDigits, TakesUnit, TakesWindow,
};
use super::kind::code;
use crate::metric::one_thread::of_one_thread;
use distribution::Distribution;
use float_distribution::FloatDistribution;
use floats::Floats;
use integers::Integers;

/// A distribution of numbers: sizes, lengths, ratios, anything whose percentiles matter.
///
/// Count, total, mean, standard deviation, minimum, maximum and last value always describe the same values.
///
/// `Percentile` records `u64` values, `Percentile<f64>` floats of any sign and magnitude. Values are counted in
/// log-linear buckets with a relative error of at most 10⁻ᵈ. `d` is 2 unless `#[mmstats(digits = 3)]` says
/// otherwise. The buckets of an *octave*, the values between two powers of two, take 1 KiB with two digits.
/// They are reserved at its first value. Without space only precision is lost.
///
/// ```
/// # use mmstats::{MmStats, Percentile};
/// #[derive(MmStats)]
/// struct Uploads {
///     #[mmstats(unit = "bytes")]
///     size: Percentile,
///     ratio: Percentile<f64>,
/// }
/// # let uploads = Uploads::builder().anonymous().create()?;
/// uploads.size.record(512);
/// uploads.ratio.record(-0.25);
/// assert_eq!(uploads.size.count(), 1);
/// # Ok::<(), mmstats::Error>(())
/// ```
pub struct Percentile<T: PercentileNumber = u64>(T::Handle);

/// The numbers that a [`Percentile`] can record: `u64` and `f64`.
#[diagnostic::on_unimplemented(
    message = "`Percentile<{Self}>` does not exist",
    label = "not a number that a Percentile records",
    note = "write Percentile for u64 values, or Percentile<f64>"
)]
pub trait PercentileNumber: sealed::Sealed + 'static {
    /// The handle that records such numbers.
    #[doc(hidden)]
    type Handle: fmt::Debug;
    /// The name of a percentile of such numbers.
    #[doc(hidden)]
    const KIND: &'static str;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u64 {}
    impl Sealed for f64 {}
}

impl PercentileNumber for u64 {
    type Handle = Integers;
    const KIND: &'static str = "percentile";
}

impl PercentileNumber for f64 {
    type Handle = Floats;
    const KIND: &'static str = "float_percentile";
}

impl Percentile<u64> {
    /// Records a value, in about two nanoseconds.
    ///
    /// ```
    /// # use mmstats::{Percentile, MmStats};
    /// # #[derive(MmStats)] struct Web { size: Percentile }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.size.record(512);
    /// assert_eq!(web.size.distribution().percentile(50.0), Some(512));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn record(&self, value: u64) {
        self.0.record(value);
    }

    /// Records a value with a context, usually the id of a trace. It is the *exemplar* of its magnitude until
    /// another one comes. See [`Timer::record_with`](crate::Timer::record_with).
    ///
    /// ```
    /// # use mmstats::{Percentile, MmStats};
    /// # #[derive(MmStats)] struct Web { size: Percentile }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.size.record_with(512, "4bf92f3577b34da6a3ce929d0e0e4736");
    /// assert_eq!(web.size.count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn record_with(&self, value: u64, context: impl AsRef<[u8]>) {
        self.0.record_with(value, context.as_ref());
    }

    /// Returns how many values were recorded in this thread's file.
    ///
    /// ```
    /// # use mmstats::{Percentile, MmStats};
    /// # #[derive(MmStats)] struct Web { size: Percentile }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.size.count(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// Returns the distribution in this thread's file. Copies the buckets, which takes microseconds.
    ///
    /// ```
    /// # use mmstats::{Percentile, MmStats};
    /// # #[derive(MmStats)] struct Web { size: Percentile }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.size.record(3);
    /// web.size.record(5);
    /// assert_eq!(web.size.distribution().mean(), Some(4.0));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn distribution(&self) -> Distribution {
        self.0.distribution()
    }

    /// Records a value in the window's step of `now`, by the monotonic clock.
    #[cfg(test)]
    pub(super) fn record_in_window(&self, value: u64, now: u64) {
        self.0.record_in_window(value, now);
    }
}

impl Percentile<f64> {
    /// Records a value, in about three nanoseconds. A NaN or an infinity is counted as rejected and changes
    /// nothing else.
    ///
    /// ```
    /// # use mmstats::{Percentile, MmStats};
    /// # #[derive(MmStats)] struct Web { ratio: Percentile<f64> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.ratio.record(-0.25);
    /// web.ratio.record(f64::NAN); // counted as rejected
    /// let ratio = web.ratio.distribution();
    /// assert_eq!((ratio.min(), ratio.rejected()), (Some(-0.25), 1));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn record(&self, value: f64) {
        self.0.record(value);
    }

    /// Records a value with a context, usually the id of a trace. It is the *exemplar* of its magnitude until
    /// another one comes. See [`Timer::record_with`](crate::Timer::record_with).
    ///
    /// ```
    /// # use mmstats::{Percentile, MmStats};
    /// # #[derive(MmStats)] struct Web { ratio: Percentile<f64> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.ratio.record_with(0.25, "4bf92f3577b34da6a3ce929d0e0e4736");
    /// assert_eq!(web.ratio.count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn record_with(&self, value: f64, context: impl AsRef<[u8]>) {
        self.0.record_with(value, context.as_ref());
    }

    /// Returns how many values were recorded in this thread's file.
    ///
    /// ```
    /// # use mmstats::{Percentile, MmStats};
    /// # #[derive(MmStats)] struct Web { ratio: Percentile<f64> }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.ratio.count(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// Returns the distribution in this thread's file. Copies the buckets, which takes microseconds.
    ///
    /// ```
    /// # use mmstats::{Percentile, MmStats};
    /// # #[derive(MmStats)] struct Web { ratio: Percentile<f64> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.ratio.record(0.5);
    /// assert_eq!(web.ratio.distribution().max(), Some(0.5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn distribution(&self) -> FloatDistribution {
        self.0.distribution()
    }
}

/// For `recorder`.
#[cfg(feature = "metrics")]
impl Percentile<f64> {
    /// Records a value this many times, at the cost of a few records.
    pub(crate) fn record_many(&self, value: f64, times: u64) {
        self.0.record_many(value, times);
    }
}

impl<T: PercentileNumber> fmt::Debug for Percentile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Percentile").field(&self.0).finish()
    }
}

of_one_thread!(Percentile<V>, V: PercentileNumber);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl Field for Percentile<u64> {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        Integers::describe(code::PERCENTILE, schema, label, options);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Self {
        Percentile(Integers::bind(binder, options))
    }
}

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
unsafe impl Field for Percentile<f64> {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        Floats::describe(schema, label, options);
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Self {
        Percentile(Floats::bind(binder, options))
    }
}

impl<T: PercentileNumber> TakesDigits for Percentile<T> {}
impl<T: PercentileNumber> TakesUnit for Percentile<T> {}
impl<T: PercentileNumber> TakesBuffers for Percentile<T> {}
impl<T: PercentileNumber> TakesWindow for Percentile<T> {}
