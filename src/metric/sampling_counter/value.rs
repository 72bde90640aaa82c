//! What a SamplingCounter says.

use crate::format::scalar::Number;
use crate::metric::sample::{Reading, Sample, Sink};

/// What a [`SamplingCounter`](crate::SamplingCounter) says: the last sample of one file, or the samples of many added up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SamplingCounterValue {
    /// The count.
    pub count: u64,
    /// Increments per millisecond.
    pub rate: f64,
}

impl SamplingCounterValue {
    /// The count, for exporters without more; and both for people.
    pub(super) fn samples(&self, unit: &str, each: &mut Sink<'_>) {
        let count = Reading::Cumulative(Number::Int(self.count.into()));
        each(Sample::exported("", unit, count));
        each(Sample::derived("Count", "", count));
        let rate = Reading::Level(Number::Float(self.rate));
        each(Sample::derived("Rate", "", rate));
    }
}
