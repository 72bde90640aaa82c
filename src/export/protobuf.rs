//! The protobuf format of Prometheus, the only one with native histograms: messages of `io.prometheus.client`, each
//! preceded by its length.
//!
//! The fields are those of `metrics.proto` in github.com/prometheus/client_model, as far as this crate uses them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;

use super::families::{
    Families, Family, FamilyPoint, HistogramPoint, PointValue, TRACE, TraceExemplar, Type,
};
use super::names::Escaping;
use super::native::{Exponential, SCHEMA};
use super::text::unix_seconds;

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    /// 0 counter, 1 gauge, 2 summary, 4 histogram.
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
    #[prost(string, optional, tag = "5")]
    unit: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Gauge>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Counter>,
    #[prost(message, optional, tag = "4")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Gauge {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Counter {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    start: Option<prost_types::Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(uint64, optional, tag = "1")]
    count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sum: Option<f64>,
    #[prost(message, optional, tag = "4")]
    start: Option<prost_types::Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "9")]
    negative_span: Vec<Span>,
    #[prost(sint64, repeated, packed = "false", tag = "10")]
    negative_delta: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<Span>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    positive_delta: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    start: Option<prost_types::Timestamp>,
    /// Exemplars of a native histogram.
    #[prost(message, repeated, tag = "16")]
    exemplars: Vec<Exemplar>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
    #[prost(message, optional, tag = "3")]
    exemplar: Option<Exemplar>,
}

#[derive(Clone, PartialEq, Message)]
struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(double, optional, tag = "2")]
    value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    timestamp: Option<prost_types::Timestamp>,
}

/// A run of consecutive buckets.
#[derive(Clone, PartialEq, Message)]
struct Span {
    /// For the first span, its index; for others, the number of empty buckets before it.
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

/// Returns the page.
///
/// ```
/// # use mmstats::reader::Reader;
/// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
/// use mmstats::export::{Families, Escaping, protobuf};
///
/// let mut families = Families::new(false);
/// for model in snapshot.models() {
///     families.add_model(model, "", &[]);
/// }
/// let page = protobuf::page(families, Escaping::default());
/// assert!(!page.is_empty());
/// # Ok::<(), mmstats::Error>(())
/// ```
pub fn page(families: Families, escaping: Escaping) -> Vec<u8> {
    let mut out = Vec::new();
    for family in families.into_families() {
        let message = message(family, escaping);
        message
            .encode_length_delimited(&mut out)
            .expect("a Vec takes all");
    }
    out
}

fn message(family: Family, escaping: Escaping) -> MetricFamily {
    // As in text 0.0.4, there is no type info.
    let (suffix, kind) = match family.kind {
        Type::Counter => ("_total", 0),
        Type::Gauge => ("", 1),
        Type::Info => ("_info", 1),
        Type::Summary => ("", 2),
        Type::Histogram => ("", 4),
    };
    let name = format!("{}{suffix}", family.name);
    MetricFamily {
        name: Some(escaping.escape(&name).into_owned()),
        help: Some(family.help),
        kind: Some(kind),
        metric: (family.points.into_iter())
            .map(|point| metric(point, family.kind, escaping))
            .collect(),
        unit: Some(family.unit).filter(|unit| !unit.is_empty()),
    }
}

fn metric(point: FamilyPoint, kind: Type, escaping: Escaping) -> Metric {
    let label = (point.labels.into_iter())
        .map(|(name, value)| LabelPair {
            name: Some(escaping.escape(&name).into_owned()),
            value: Some(value),
        })
        .collect();
    let start = point.since.and_then(timestamp);
    let mut metric = Metric {
        label,
        ..Metric::default()
    };
    match point.value {
        PointValue::Number(number) => {
            let value = Some(number.as_f64());
            match kind {
                Type::Counter => metric.counter = Some(Counter { value, start }),
                _ => metric.gauge = Some(Gauge { value }),
            }
        }
        PointValue::Summary { count, sum } => {
            metric.summary = Some(Summary {
                count: Some(count),
                sum: Some(sum),
                start,
            });
        }
        PointValue::Histogram(point) => metric.histogram = Some(histogram(*point, start)),
    }
    metric
}

/// Returns the histogram with classic buckets, and with native ones if it has them. A server uses those that it
/// wants.
fn histogram(point: HistogramPoint, start: Option<prost_types::Timestamp>) -> Histogram {
    let mut below = f64::NEG_INFINITY;
    let buckets = point.buckets.iter().map(|&(bound, count)| {
        let exemplar = point.exemplar(below, bound).map(exemplar);
        below = bound;
        Bucket {
            cumulative_count: Some(count),
            upper_bound: Some(bound),
            exemplar,
        }
    });
    let mut histogram = Histogram {
        count: Some(point.count()),
        sum: Some(point.sum),
        bucket: buckets.collect(),
        start,
        ..Histogram::default()
    };
    if let Some(Exponential {
        positive,
        negative,
        zero,
    }) = point.native
    {
        histogram.schema = Some(SCHEMA);
        histogram.exemplars = point.exemplars.iter().map(exemplar).collect();
        histogram.zero_threshold = Some(0.0);
        histogram.zero_count = Some(zero);
        (histogram.positive_span, histogram.positive_delta) = spans(&positive);
        (histogram.negative_span, histogram.negative_delta) = spans(&negative);
        if positive.is_empty() && negative.is_empty() {
            // Without a span it would not be a native histogram.
            histogram.positive_span.push(Span {
                offset: Some(0),
                length: Some(0),
            });
        }
    }
    histogram
}

fn exemplar(exemplar: &TraceExemplar) -> Exemplar {
    let time = UNIX_EPOCH + Duration::from_nanos(exemplar.time);
    Exemplar {
        label: vec![LabelPair {
            name: Some(TRACE.to_owned()),
            value: Some(exemplar.trace.clone()),
        }],
        value: Some(exemplar.value),
        timestamp: Some(time.into()),
    }
}

/// Returns the runs of buckets, and for each bucket the difference of its count from the previous one.
fn spans(counts: &BTreeMap<i32, u64>) -> (Vec<Span>, Vec<i64>) {
    let (mut spans, mut deltas): (Vec<Span>, Vec<i64>) = (Vec::new(), Vec::new());
    let (mut next, mut before) = (0, 0i64);
    for (&index, &count) in counts {
        match spans.last_mut().filter(|_| index == next) {
            Some(span) => span.length = span.length.map(|length| length + 1),
            None => spans.push(Span {
                offset: Some(index - next),
                length: Some(1),
            }),
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        deltas.push(count - before);
        (next, before) = (index + 1, count);
    }
    (spans, deltas)
}

fn timestamp(time: SystemTime) -> Option<prost_types::Timestamp> {
    unix_seconds(time).map(|_| prost_types::Timestamp::from(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_tell_gaps_and_counts() {
        let counts = BTreeMap::from([(-3, 5), (-2, 4), (2, 9)]);
        let (spans, deltas) = spans(&counts);
        let spans: Vec<_> = spans.iter().map(|s| (s.offset(), s.length())).collect();
        assert_eq!(spans, [(-3, 2), (3, 1)]);
        assert_eq!(deltas, [5, -1, 5]);
    }
}
