//! The value of a SamplingCounter.

use crate::format::scalar::Number;
use crate::metric::sample::{Reading, Sample, Sink};

/// The value of a [`SamplingCounter`](crate::SamplingCounter): the last sample of one file, or the sum of the last
/// samples of many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SamplingCounterValue {
    /// The count.
    pub count: u64,
    /// Increments per millisecond.
    pub rate: f64,
}

impl SamplingCounterValue {
    /// The count, for exporters; then count and rate as derived parts, for people.
    pub(super) fn samples(&self, unit: &str, each: &mut Sink<'_>) {
        let count = Reading::Cumulative(Number::Int(self.count.into()));
        each(Sample::exported("", unit, count));
        each(Sample::derived("Count", "", count));
        let rate = Reading::Level(Number::Float(self.rate));
        each(Sample::derived("Rate", "", rate));
    }
}
