//! Samples: the parts of a value, each with what an exporter or a display has to know about it.

use super::context::Context;
use super::percentile::distribution::Distribution;
use super::percentile::float_distribution::FloatDistribution;
use crate::format::scalar::Number;

/// One part of a [`Value`](crate::Value): its name, its unit, and what it says. See
/// [`Value::samples`](crate::Value::samples).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sample<'a> {
    /// The name of the part, as in `response_time.Mean`; empty for the value as a whole (see
    /// [`is_whole`](Self::is_whole)).
    pub part: &'a str,
    /// For parts that are alike and differ only in their names: the key of the label that an exporter makes of the
    /// name, such as `error`. Of the names of other parts it makes a suffix.
    pub label: Option<&'static str>,
    /// Its unit; empty if it has none, like a plain count.
    pub unit: &'a str,
    /// What it says.
    pub reading: Reading<'a>,
    /// Whether exporters show it. The others follow from those that they show (means, percentiles), or are for
    /// people (the time of the last value, windows).
    pub is_exported: bool,
}

/// What a [`Sample`] says: a number with its temporality, a text, or a number of numbers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Reading<'a> {
    /// A count since the start of its writers that never falls: a counter, a monotonic sum.
    Cumulative(Number),
    /// A sum since the start of its writers that may fall: a non-monotonic sum, or else a gauge.
    Sum(Number),
    /// A number as it is now: a gauge.
    Level(Number),
    /// True or false now: a gauge of 1 or 0.
    Flag(bool),
    /// A text: an info.
    Text(&'a str),
    /// A distribution.
    Histogram(Histogram<'a>),
    /// Count and sum of values, both since the start. The sum may fall.
    Summary {
        /// How many values.
        count: u64,
        /// Their sum.
        sum: f64,
    },
}

impl<'a> Sample<'a> {
    /// Returns whether the sample is the value as a whole. An empty `part` alone does not mean that: a note of
    /// [`Errors`](crate::Errors) may have the empty name.
    ///
    /// ```
    /// mmstats::Value::Counter(3).samples("", |sample| assert!(sample.is_whole()));
    /// ```
    pub fn is_whole(&self) -> bool {
        self.part.is_empty() && self.label.is_none()
    }

    /// Returns a part that exporters show.
    pub(super) fn exported(part: &'a str, unit: &'a str, reading: Reading<'a>) -> Sample<'a> {
        Sample {
            part,
            label: None,
            unit,
            reading,
            is_exported: true,
        }
    }

    /// Returns a part that exporters leave out.
    pub(super) fn derived(part: &'a str, unit: &'a str, reading: Reading<'a>) -> Sample<'a> {
        Sample {
            is_exported: false,
            ..Sample::exported(part, unit, reading)
        }
    }
}

/// The buckets of a Timer (in seconds) or of a Percentile (in its unit).
#[derive(Clone, Copy, Debug)]
pub struct Histogram<'a>(Buckets<'a>);

/// The distribution, and the divisor of its values.
#[derive(Clone, Copy, Debug)]
enum Buckets<'a> {
    Integers(&'a Distribution, f64),
    Floats(&'a FloatDistribution),
}

impl<'a> Histogram<'a> {
    /// Returns a histogram of integers, divided by `divisor`.
    pub(super) fn of_integers(values: &'a Distribution, divisor: f64) -> Histogram<'a> {
        Histogram(Buckets::Integers(values, divisor))
    }

    /// Returns a histogram of floats.
    pub(super) fn of_floats(values: &'a FloatDistribution) -> Histogram<'a> {
        Histogram(Buckets::Floats(values))
    }

    /// Returns the divisor of the integers that were recorded; `None` for floats.
    #[cfg(feature = "export")]
    pub(crate) fn divisor(&self) -> Option<f64> {
        match self.0 {
            Buckets::Integers(_, divisor) => Some(divisor),
            Buckets::Floats(_) => None,
        }
    }

    /// Returns how many values were recorded. While a writer records, the buckets may have one more or less.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// use mmstats::{Value, reader::Reading};
    ///
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// Value::Percentile(size.distribution().into()).samples("bytes", |sample| {
    ///     if let Reading::Histogram(histogram) = sample.reading {
    ///         assert_eq!(histogram.count(), 2);
    ///     }
    /// });
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn count(&self) -> u64 {
        match self.0 {
            Buckets::Integers(values, _) => values.count(),
            Buckets::Floats(values) => values.count(),
        }
    }

    /// Returns the sum of the values.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// use mmstats::{Value, reader::Reading};
    ///
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// Value::Percentile(size.distribution().into()).samples("bytes", |sample| {
    ///     if let Reading::Histogram(histogram) = sample.reading {
    ///         assert_eq!(histogram.sum(), 8.0);
    ///     }
    /// });
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn sum(&self) -> f64 {
        match self.0 {
            // Divided, not multiplied, so that 9 ms are 0.009 s.
            Buckets::Integers(values, divisor) => values.total() as f64 / divisor,
            Buckets::Floats(values) => values.total(),
        }
    }

    /// Returns the least value; `None` if there is none.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// use mmstats::{Value, reader::Reading};
    ///
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// Value::Percentile(size.distribution().into()).samples("bytes", |sample| {
    ///     if let Reading::Histogram(histogram) = sample.reading {
    ///         assert_eq!(histogram.min(), Some(3.0));
    ///     }
    /// });
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn min(&self) -> Option<f64> {
        match self.0 {
            Buckets::Integers(values, divisor) => values.min().map(|min| min as f64 / divisor),
            Buckets::Floats(values) => values.min(),
        }
    }

    /// Returns the greatest value; `None` if there is none.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// use mmstats::{Value, reader::Reading};
    ///
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// Value::Percentile(size.distribution().into()).samples("bytes", |sample| {
    ///     if let Reading::Histogram(histogram) = sample.reading {
    ///         assert_eq!(histogram.max(), Some(5.0));
    ///     }
    /// });
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn max(&self) -> Option<f64> {
        match self.0 {
            Buckets::Integers(values, divisor) => values.max().map(|max| max as f64 / divisor),
            Buckets::Floats(values) => values.max(),
        }
    }

    /// Calls `each` with the last value of each magnitude that was recorded with a context, in ascending order: the
    /// value, its time in nanoseconds since 1970-01-01 UTC, and the context. A value whose context did not fit in
    /// the file is left out.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// use mmstats::{Value, reader::Reading};
    ///
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// Value::Percentile(size.distribution().into()).samples("bytes", |sample| {
    ///     if let Reading::Histogram(histogram) = sample.reading {
    ///         histogram.each_exemplar(|value, _, context| println!("{value} {}", context.text()));
    ///     }
    /// });
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn each_exemplar(&self, mut each: impl FnMut(f64, u64, &Context)) {
        match self.0 {
            Buckets::Integers(values, divisor) => {
                for exemplar in values.exemplars() {
                    if let Some(context) = exemplar.context() {
                        each(
                            exemplar.value() as f64 / divisor,
                            exemplar.time_ns(),
                            context,
                        );
                    }
                }
            }
            Buckets::Floats(values) => {
                for exemplar in values.exemplars() {
                    if let Some(context) = exemplar.context() {
                        each(exemplar.value(), exemplar.time_ns(), context);
                    }
                }
            }
        }
    }

    /// Calls `each` with the least value, the greatest value and the count of every bucket that is not
    /// empty, in ascending order.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// use mmstats::{Value, reader::Reading};
    ///
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// Value::Percentile(size.distribution().into()).samples("bytes", |sample| {
    ///     if let Reading::Histogram(histogram) = sample.reading {
    ///         histogram.each_bucket(|low, high, count| println!("{low} to {high}: {count}"));
    ///     }
    /// });
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn each_bucket(&self, mut each: impl FnMut(f64, f64, u64)) {
        match self.0 {
            Buckets::Integers(values, divisor) => values.each_bucket(|low, high, count| {
                each(low as f64 / divisor, high as f64 / divisor, count);
            }),
            Buckets::Floats(values) => values.each_bucket(each),
        }
    }
}

/// What samples are passed to.
pub(crate) type Sink<'s> = dyn FnMut(Sample<'_>) + 's;
