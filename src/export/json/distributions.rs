//! Distributions and summaries: their figures, percentiles and exemplars.

use serde_json::{Map, Value as Json, json};

use super::numbers::{float, integer};
use crate::{Context, Distribution, Exemplar, FloatDistribution, PERCENTILES, SummaryValue};

/// How numbers of a distribution are shown.
pub(super) struct Show {
    /// A recorded value, or a sum of recorded values.
    whole: fn(u128) -> Json,
    /// A computed value.
    fraction: fn(f64) -> Json,
}

impl Show {
    pub(super) const SECONDS: Show = Show {
        whole: |nanos| float(nanos as f64 / 1e9),
        fraction: |nanos| float(nanos / 1e9),
    };
    pub(super) const NUMBERS: Show = Show {
        whole: |n| i128::try_from(n).map_or_else(|_| float(n as f64), integer),
        // A mean of integers that is an integer is written as one.
        fraction: |x| {
            if x.fract() == 0.0 {
                integer(x as i128)
            } else {
                float(x)
            }
        },
    };
}

pub(super) fn insert_distribution(
    entry: &mut Map<String, Json>,
    values: &Distribution,
    show: Show,
) {
    let whole = |n: Option<u64>| n.map_or(Json::Null, |n| (show.whole)(n.into()));
    let fraction = |x: Option<f64>| x.map_or(Json::Null, show.fraction);
    let percents = PERCENTILES.map(|(percent, _)| percent);
    let percentiles: Map<_, _> = (percents.iter().zip(values.percentiles(&percents)))
        .map(|(percent, value)| (percent.to_string(), whole(value)))
        .collect();
    entry.extend([
        ("count".to_owned(), values.count().into()),
        ("total".to_owned(), (show.whole)(values.total())),
        ("mean".to_owned(), fraction(values.mean())),
        ("stddev".to_owned(), fraction(values.stddev())),
        ("min".to_owned(), whole(values.min())),
        ("max".to_owned(), whole(values.max())),
        ("last".to_owned(), whole(values.last())),
        ("percentiles".to_owned(), percentiles.into()),
    ]);
    let exemplars = values.exemplars();
    insert_exemplars(entry, exemplars, |value| (show.whole)(value.into()));
}

/// Inserts the values with contexts, if there are any.
fn insert_exemplars<'a, T: Copy + 'a>(
    entry: &mut Map<String, Json>,
    exemplars: impl Iterator<Item = &'a Exemplar<T>>,
    show: impl Fn(T) -> Json,
) {
    let shown = |exemplar: &Exemplar<T>| {
        json!({
            "timestamp": exemplar.timestamp(),
            "value": show(exemplar.value()),
            "context": exemplar.context().map(Context::text),
        })
    };
    let exemplars: Vec<Json> = exemplars.map(shown).collect();
    if !exemplars.is_empty() {
        entry.insert("exemplars".to_owned(), exemplars.into());
    }
}

pub(super) fn insert_floats(entry: &mut Map<String, Json>, values: &FloatDistribution) {
    let number = |x: Option<f64>| x.map_or(Json::Null, float);
    let percents = PERCENTILES.map(|(percent, _)| percent);
    let percentiles: Map<_, _> = (percents.iter().zip(values.percentiles(&percents)))
        .map(|(percent, value)| (percent.to_string(), number(value)))
        .collect();
    entry.extend([
        ("count".to_owned(), values.count().into()),
        ("total".to_owned(), float(values.total())),
        ("mean".to_owned(), number(values.mean())),
        ("stddev".to_owned(), number(values.stddev())),
        ("min".to_owned(), number(values.min())),
        ("max".to_owned(), number(values.max())),
        ("last".to_owned(), number(values.last())),
        ("rejected".to_owned(), values.rejected().into()),
        ("percentiles".to_owned(), percentiles.into()),
    ]);
    insert_exemplars(entry, values.exemplars(), float);
}

pub(super) fn insert_summary(entry: &mut Map<String, Json>, summary: &SummaryValue) {
    let number = |x: Option<f64>| x.map_or(Json::Null, float);
    entry.extend([
        ("count".to_owned(), summary.count().into()),
        ("total".to_owned(), float(summary.total())),
        ("mean".to_owned(), number(summary.mean())),
        ("stddev".to_owned(), number(summary.stddev())),
        ("min".to_owned(), number(summary.min())),
        ("max".to_owned(), number(summary.max())),
        ("last".to_owned(), number(summary.last())),
        ("last_time".to_owned(), number(summary.last_time())),
        ("rejected".to_owned(), summary.rejected().into()),
    ]);
}
