//! What the specification requires of every request, and the values in it.

use std::collections::{HashMap, HashSet};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Export;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, metric::Data, number_data_point::Value as Number,
};

use super::receiver::Request;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: i32 = 2;

/// Panics if a request violates the specification.
pub fn check(message: &Export) {
    let mut identities = HashSet::new();
    for resource in &message.resource_metrics {
        let own = attributes(resource);
        assert!(own.contains_key("service.name"), "{own:?}");
        let own = sorted(own);
        for scope in &resource.scope_metrics {
            assert_eq!(scope.scope.as_ref().unwrap().name, "mmstats");
            let mut kinds = HashMap::new();
            for metric in &scope.metrics {
                assert!(!metric.name.is_empty());
                let data = std::mem::discriminant(metric.data.as_ref().unwrap());
                let kind = (data, &metric.unit);
                let first = kinds.insert(&metric.name, kind);
                assert!(first.is_none_or(|first| first == kind), "{metric:?}");
                for attributes in check_points(metric) {
                    let attributes = sorted(keys_and_values(attributes));
                    let identity = format!("{own:?} {} {attributes:?}", metric.name);
                    assert!(identities.insert(identity.clone()), "twice: {identity}");
                }
            }
        }
    }
}

fn sorted(attributes: HashMap<String, String>) -> Vec<(String, String)> {
    let mut sorted: Vec<_> = attributes.into_iter().collect();
    sorted.sort();
    sorted
}

/// Checks the points, and returns their attributes.
fn check_points(metric: &Metric) -> Vec<&[KeyValue]> {
    let times = |start: u64, time: u64| assert!(start <= time && time > 0, "{metric:?}");
    let mut all = Vec::new();
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => {
            for point in &gauge.data_points {
                assert!(point.value.is_some(), "{metric:?}");
                times(0, point.time_unix_nano);
                all.push(&*point.attributes);
            }
        }
        Data::Sum(sum) => {
            assert_eq!(sum.aggregation_temporality, CUMULATIVE);
            for point in &sum.data_points {
                times(point.start_time_unix_nano, point.time_unix_nano);
                assert!(!sum.is_monotonic || number(point) >= 0.0, "{metric:?}");
                all.push(&*point.attributes);
            }
        }
        Data::Histogram(histogram) => {
            assert_eq!(histogram.aggregation_temporality, CUMULATIVE);
            for point in &histogram.data_points {
                times(point.start_time_unix_nano, point.time_unix_nano);
                assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                assert!(point.explicit_bounds.is_sorted_by(|a, b| a < b));
                assert!(point.sum.is_none_or(|sum| sum >= 0.0), "{metric:?}");
                all.push(&*point.attributes);
            }
        }
        Data::ExponentialHistogram(histogram) => {
            assert_eq!(histogram.aggregation_temporality, CUMULATIVE);
            for point in &histogram.data_points {
                times(point.start_time_unix_nano, point.time_unix_nano);
                let buckets = [&point.positive, &point.negative].into_iter().flatten();
                let counts = buckets.flat_map(|buckets| &buckets.bucket_counts);
                assert_eq!(counts.sum::<u64>() + point.zero_count, point.count);
                assert!(point.sum.is_none_or(|sum| sum >= 0.0), "{metric:?}");
                all.push(&*point.attributes);
            }
        }
        Data::Summary(summary) => {
            for point in &summary.data_points {
                times(point.start_time_unix_nano, point.time_unix_nano);
                assert!(point.sum >= 0.0, "{metric:?}");
                all.push(&*point.attributes);
            }
        }
    }
    assert!(!all.is_empty(), "no points: {metric:?}");
    all
}

/// Returns attributes by key; each key may occur once.
pub fn keys_and_values(attributes: &[KeyValue]) -> HashMap<String, String> {
    let mut all = HashMap::new();
    for attribute in attributes {
        assert!(!attribute.key.is_empty());
        let value = match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
            Value::StringValue(text) => text.clone(),
            Value::IntValue(int) => int.to_string(),
            Value::BoolValue(bool) => bool.to_string(),
            other => panic!("{other:?}"),
        };
        let before = all.insert(attribute.key.clone(), value);
        assert!(before.is_none(), "{} occurs twice", attribute.key);
    }
    all
}

/// Returns the attributes of a resource.
pub fn attributes(resource: &ResourceMetrics) -> HashMap<String, String> {
    keys_and_values(&resource.resource.as_ref().unwrap().attributes)
}

impl Request {
    /// Returns the resource that has this attribute.
    pub fn resource(&self, key: &str, value: &str) -> Option<&ResourceMetrics> {
        let is_wanted = |resource: &&ResourceMetrics| {
            attributes(resource)
                .get(key)
                .is_some_and(|found| found == value)
        };
        self.message.resource_metrics.iter().find(is_wanted)
    }

    /// Returns the resource of a process.
    pub fn process(&self, pid: u32) -> Option<&ResourceMetrics> {
        self.resource("process.pid", &pid.to_string())
    }

    /// Returns the value of the only point of a metric of a process.
    pub fn value(&self, pid: u32, name: &str) -> Option<f64> {
        let (points, _) = points(self.process(pid)?, name)?;
        assert_eq!(points.len(), 1, "{name}");
        Some(number(&points[0]))
    }
}

/// Returns a metric of a resource.
pub fn metric<'a>(resource: &'a ResourceMetrics, name: &str) -> Option<&'a Metric> {
    let mut metrics = resource
        .scope_metrics
        .iter()
        .flat_map(|scope| &scope.metrics);
    metrics.find(|metric| metric.name == name)
}

/// Returns the points of a sum or gauge, and for a sum whether it is monotonic.
pub fn points<'a>(
    resource: &'a ResourceMetrics,
    name: &str,
) -> Option<(&'a [NumberDataPoint], Option<bool>)> {
    match metric(resource, name)?.data.as_ref().unwrap() {
        Data::Gauge(gauge) => Some((&gauge.data_points, None)),
        Data::Sum(sum) => Some((&sum.data_points, Some(sum.is_monotonic))),
        other => panic!("{name}: {other:?}"),
    }
}

pub fn number(point: &NumberDataPoint) -> f64 {
    match point.value.as_ref().unwrap() {
        Number::AsInt(int) => *int as f64,
        Number::AsDouble(double) => *double,
    }
}
