//! The samples of distributions: a histogram, and what follows from it.

use super::distribution::{Distribution, PERCENTILES};
use super::float_distribution::FloatDistribution;
use crate::format::scalar::Number;
use crate::metric::sample::{Histogram, Reading, Sample, Sink};

/// Passes the histogram to `each` and, for people, what follows from it. Values are divided by `divisor`;
/// the results have the unit.
pub(in crate::metric) fn of_integers(
    values: &Distribution,
    divisor: f64,
    unit: &str,
    each: &mut Sink<'_>,
) {
    let histogram = Reading::Histogram(Histogram::of_integers(values, divisor));
    each(Sample::exported("", unit, histogram));
    let scaled = |x: f64| Number::Float(x / divisor);
    let whole = |n: u64| match divisor {
        1.0 => Number::Int(n.into()),
        _ => scaled(n as f64),
    };
    let count = Reading::Cumulative(Number::Int(values.count().into()));
    each(Sample::derived("Count", "", count));
    let total = match i128::try_from(values.total()) {
        Ok(total) if divisor == 1.0 => Number::Int(total),
        _ => scaled(values.total() as f64),
    };
    each(Sample::derived("Total", unit, Reading::Sum(total)));
    let mut level = |name: &str, value: Option<Number>| {
        if let Some(value) = value {
            each(Sample::derived(name, unit, Reading::Level(value)));
        }
    };
    level("Mean", values.mean().map(scaled));
    level("StdDev", values.stddev().map(scaled));
    level("Min", values.min().map(whole));
    level("Max", values.max().map(whole));
    level("Last", values.last().map(whole));
    let percentiles = values.percentiles(&PERCENTILES.map(|(percent, _)| percent));
    level("Median", percentiles[0].map(whole));
    for ((_, name), value) in PERCENTILES.iter().zip(percentiles) {
        level(name, value.map(whole));
    }
}

/// Passes the histogram to `each` and, for people, what follows from it.
pub(super) fn of_floats(values: &FloatDistribution, unit: &str, each: &mut Sink<'_>) {
    let histogram = Reading::Histogram(Histogram::of_floats(values));
    each(Sample::exported("", unit, histogram));
    let count = |n: u64| Reading::Cumulative(Number::Int(n.into()));
    each(Sample::derived("Count", "", count(values.count())));
    let total = Reading::Sum(Number::Float(values.total()));
    each(Sample::derived("Total", unit, total));
    let mut level = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            let value = Reading::Level(Number::Float(value));
            each(Sample::derived(name, unit, value));
        }
    };
    level("Mean", values.mean());
    level("StdDev", values.stddev());
    level("Min", values.min());
    level("Max", values.max());
    level("Last", values.last());
    let percentiles = values.percentiles(&PERCENTILES.map(|(percent, _)| percent));
    level("Median", percentiles[0]);
    for ((_, name), value) in PERCENTILES.iter().zip(percentiles) {
        level(name, value);
    }
    each(Sample::derived("Rejected", "", count(values.rejected())));
}
