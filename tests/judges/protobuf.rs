//! The protobuf page, decoded by its own description of `io.prometheus.client`.

use std::collections::BTreeMap;
use std::time::Duration;

use mmstats::{MmStats, Percentile, Timer};
use prost::Message;

use crate::agent::{Agent, mmstats};
use crate::hostile;

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(map = "string, string", tag = "1")]
    labels: std::collections::HashMap<String, String>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "4")]
    summary: Option<Distribution>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Distribution>,
}

#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(double, tag = "1")]
    value: f64,
}

#[derive(Clone, PartialEq, Message)]
struct Distribution {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    sum: f64,
    // The remaining fields are for histograms only.
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(uint64, tag = "7")]
    zeros: u64,
    #[prost(message, repeated, tag = "9")]
    negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "10")]
    negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "13")]
    positive_deltas: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

const ACCEPT: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

fn families(agent: &Agent) -> Vec<MetricFamily> {
    let answer = agent.get("/metrics", &[("Accept", ACCEPT)]);
    assert!(
        answer
            .header("content-type")
            .starts_with("application/vnd.google.protobuf")
    );
    decoded(&answer.body)
}

fn decoded(mut page: &[u8]) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    while !page.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut page).unwrap());
    }
    families
}

#[test]
fn every_hostile_value_is_in_the_messages() {
    let root = tempfile::tempdir().unwrap();
    let written = hostile::write(root.path());
    let agent = Agent::start(root.path());
    let output = mmstats()
        .args(["export", "--format", "protobuf"])
        .arg(root.path())
        .output()
        .unwrap();
    for families in [families(&agent), decoded(&output.stdout)] {
        let mut samples = BTreeMap::new();
        let mut add = |name: String, metric: &Metric, value: f64| {
            let labels: BTreeMap<_, _> = metric.labels.clone().into_iter().collect();
            let there = samples.insert((name, labels), value);
            assert_eq!(there, None, "twice: {metric:?}");
        };
        for family in &families {
            assert!(!family.help.is_empty(), "{}", family.name);
            for metric in &family.metrics {
                if let Some(number) = metric.gauge.as_ref().or(metric.counter.as_ref()) {
                    add(family.name.clone(), metric, number.value);
                }
                let of_many = metric.histogram.as_ref().or(metric.summary.as_ref());
                if let Some(Distribution { count, sum, .. }) = of_many {
                    add(format!("{}_count", family.name), metric, *count as f64);
                    add(format!("{}_sum", family.name), metric, *sum);
                }
            }
        }
        for expected in &written.expected {
            // Buckets are judged by Prometheus.
            if expected.name.ends_with("_bucket") {
                continue;
            }
            let key = (
                expected.name.clone(),
                expected.labels.iter().cloned().collect(),
            );
            let found: f64 = *samples.get(&key).unwrap_or_else(|| panic!("lost: {key:?}"));
            let is_right = found == expected.value || (found.is_nan() && expected.value.is_nan());
            assert!(is_right, "{key:?}: {found}, not {}", expected.value);
        }
    }
}

#[derive(MmStats)]
#[mmstats(name = "native")]
struct Native {
    time: Timer,
    size: Percentile,
    ratio: Percentile<f64>,
}

/// Returns the buckets in ascending order: lower bound (exclusive), upper bound (inclusive), count.
fn buckets(histogram: &Distribution) -> Vec<(f64, f64, u64)> {
    let base = 2f64.powf(2f64.powi(-histogram.schema));
    let side = |spans: &[Span], deltas: &[i64]| {
        let (mut at, mut count, mut buckets) = (0, 0, Vec::new());
        let mut deltas = deltas.iter();
        for span in spans {
            at += span.offset;
            for _ in 0..span.length {
                count += deltas.next().expect("a delta for each bucket");
                buckets.push((
                    base.powi(at - 1),
                    base.powi(at),
                    u64::try_from(count).unwrap(),
                ));
                at += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        buckets
    };
    let negative = side(&histogram.negative_spans, &histogram.negative_deltas);
    let negative = negative
        .into_iter()
        .rev()
        .map(|(low, high, count)| (-high, -low, count));
    let positive = side(&histogram.positive_spans, &histogram.positive_deltas);
    (negative
        .chain([(0.0, 0.0, histogram.zeros)])
        .chain(positive))
    .collect()
}

/// Asserts what src/export/native.rs promises: the bounds of the bucket that a quantile falls in are within
/// `[(1 - 2⁻⁸)/b, (1 + 2⁻⁸)·b]` of it.
fn judge(histogram: &Distribution, mut values: Vec<f64>) {
    assert_eq!(histogram.schema, 4);
    assert_eq!(histogram.count, values.len() as u64);
    values.sort_by(f64::total_cmp);
    let buckets = buckets(histogram);
    let total: u64 = buckets.iter().map(|(_, _, count)| count).sum();
    assert_eq!(total, histogram.count);
    let error = (1.0 + 2f64.powi(-8)) * 2f64.powf(1.0 / 16.0) + 1e-9;
    let (mut ends, mut below) = (buckets.iter(), 0);
    let (mut low, mut high) = (0.0, 0.0);
    for (rank, &value) in (1..).zip(&values) {
        while below < rank {
            let bucket = ends.next().unwrap();
            (low, high) = (bucket.0, bucket.1);
            below += bucket.2;
        }
        for bound in [low, high] {
            let is_within = if value == 0.0 {
                bound == 0.0
            } else {
                (1.0 / error..=error).contains(&(bound / value))
            };
            assert!(
                is_within,
                "the {rank}th value, {value}, is in {low}..{high}"
            );
        }
    }
}

#[test]
fn quantiles_of_native_histograms_are_within_the_promise() {
    let root = tempfile::tempdir().unwrap();
    let native = Native::builder().path(root.path()).create().unwrap();
    let (mut times, mut sizes, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // Multiples of an irrational number are spread evenly; used as exponents, they cover all magnitudes.
    for n in 0..5000u32 {
        let spread = (f64::from(n) * 0.618_033_988_749_895).fract();
        let nanoseconds = 10f64.powf(spread * 11.0) as u64;
        native.time.record(Duration::from_nanos(nanoseconds));
        times.push(nanoseconds as f64 / 1e9);
        let size = 10f64.powf(spread * 9.0) as u64 - 1;
        native.size.record(size);
        sizes.push(size as f64);
        let ratio = if n % 50 == 0 {
            0.0
        } else {
            10f64.powf(spread * 60.0 - 30.0)
        };
        let ratio = if n % 3 == 0 { -ratio } else { ratio };
        native.ratio.record(ratio);
        ratios.push(ratio);
    }
    let agent = Agent::start(root.path());
    let families = families(&agent);
    for (name, values) in [
        ("native_time_seconds", times),
        ("native_size", sizes),
        ("native_ratio", ratios),
    ] {
        let family = families.iter().find(|family| family.name == name).unwrap();
        assert_eq!(family.kind, 4);
        judge(family.metrics[0].histogram.as_ref().unwrap(), values);
    }
}
