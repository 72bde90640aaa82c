//! One list of operations, performed with metrics-util's `DebuggingRecorder` and with ours: compared value by value.

use std::collections::BTreeMap;

use metrics::{Key, Label, Level, Metadata, Recorder as _, Unit};
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use mmstats::Value;
use mmstats::reader::Series;

use super::{recorder, snapshot};

/// An operation on a metric.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Increment(u64),
    Absolute(u64),
    Up(f64),
    Down(f64),
    Set(f64),
    Record(f64),
    RecordMany(f64, usize),
}
use Operation::*;

const META: Metadata<'static> = Metadata::new("target", Level::INFO, Some("module"));

fn run(recorder: &dyn metrics::Recorder, operations: &[(Key, Operation)]) {
    for (key, operation) in operations {
        match *operation {
            Increment(n) => recorder.register_counter(key, &META).increment(n),
            Absolute(n) => recorder.register_counter(key, &META).absolute(n),
            Up(n) => recorder.register_gauge(key, &META).increment(n),
            Down(n) => recorder.register_gauge(key, &META).decrement(n),
            Set(n) => recorder.register_gauge(key, &META).set(n),
            Record(n) => recorder.register_histogram(key, &META).record(n),
            RecordMany(n, count) => {
                recorder
                    .register_histogram(key, &META)
                    .record_many(n, count);
            }
        }
    }
}

/// Returns operations that a simple generator chooses; the same ones each time.
fn operations() -> Vec<(Key, Operation)> {
    let mut state = 7u64;
    let mut next = |most: u64| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) % most
    };
    let mut operations = Vec::new();
    for _ in 0..5000 {
        let name = ["a", "b.c", "d_total", "e", "both"][next(5) as usize];
        let (path, status) = (
            ["/", "/x"][next(2) as usize],
            ["200", "404"][next(2) as usize],
        );
        let mut labels = vec![Label::new("path", path), Label::new("status", status)];
        if next(2) == 0 {
            labels.reverse();
        }
        labels.truncate(next(3) as usize);
        let value = next(1_000_000) as f64 / 1024.0 - 100.0;
        let operation = match next(8) {
            0 | 1 => Increment(next(1000)),
            2 => Absolute(next(20_000)),
            3 => Up(value),
            4 => Down(value),
            5 => Set(value),
            6 => Record(value),
            _ => RecordMany(value, next(50) as usize),
        };
        operations.push((Key::from_parts(name, labels), operation));
    }
    operations
}

/// Returns kind, name and labels of a metric in our snapshot. If two kinds have one name, that of the later one ends
/// in the kind.
fn identity(series: &Series) -> (MetricKind, String, Vec<(String, String)>) {
    let kind = match series.kind() {
        "counter" => MetricKind::Counter,
        "gauge" => MetricKind::Gauge,
        _ => MetricKind::Histogram,
    };
    let name = series.metric();
    let name = [".counter", ".gauge", ".histogram"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    (kind, name.to_owned(), series.labels().to_vec())
}

#[test]
fn every_value_is_that_of_the_debugging_recorder() {
    let theirs = DebuggingRecorder::new();
    let (ours, root) = recorder();
    let operations = operations();
    run(&theirs, &operations);
    run(&ours, &operations);

    let snapshot = snapshot(root.path());
    let model = snapshot.model("metrics").unwrap();
    let mut found: BTreeMap<_, _> = (model.series().iter())
        .map(|series| (identity(series), series.value()))
        .collect();
    let expected = theirs.snapshotter().snapshot().into_vec();
    assert!(expected.len() > 40, "{}", expected.len());
    for (key, _, _, value) in expected {
        let kind = key.kind();
        let (_, key) = key.into_parts();
        let mut labels: Vec<_> = (key.labels())
            .map(|label| (label.key().to_owned(), label.value().to_owned()))
            .collect();
        labels.sort();
        let identity = (kind, key.name().to_owned(), labels);
        let ours = found.remove(&identity);
        match (value, ours) {
            (DebugValue::Counter(n), Some(ours)) => {
                assert_eq!(ours.as_u64(), Some(n), "{identity:?}")
            }
            (DebugValue::Gauge(level), Some(ours)) => {
                assert_eq!(ours.as_f64(), Some(level.0), "{identity:?}");
            }
            (DebugValue::Histogram(values), Some(Value::FloatPercentile(ours))) => {
                same(
                    &values.iter().map(|value| value.0).collect::<Vec<_>>(),
                    ours,
                );
            }
            // No value was recorded in it: it was only registered, or recorded 0 times.
            (DebugValue::Histogram(values), None) if values.is_empty() => {}
            (value, ours) => panic!("{identity:?}: {value:?} and {ours:?}"),
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

/// Compares a distribution with the values.
fn same(values: &[f64], ours: &mmstats::FloatDistribution) {
    let near = |a: f64, b: f64, off: f64| {
        assert!((a - b).abs() <= off * b.abs().max(1e-9), "{a} is not {b}");
    };
    assert_eq!(ours.count(), values.len() as u64);
    if values.is_empty() {
        return;
    }
    let total: f64 = values.iter().sum();
    let mean = total / values.len() as f64;
    near(ours.total(), total, 1e-9);
    near(ours.mean().unwrap(), mean, 1e-9);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    near(
        ours.stddev().unwrap(),
        (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt(),
        1e-6,
    );
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    assert_eq!(ours.min(), sorted.first().copied());
    assert_eq!(ours.max(), sorted.last().copied());
    for percent in [50.0, 75.0, 90.0, 99.0] {
        let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
        near(
            ours.percentile(percent).unwrap(),
            sorted[rank.max(1) - 1],
            0.01,
        );
    }
}

#[test]
fn units_and_descriptions_come_before_or_after_the_metric() {
    let (recorder, root) = recorder();
    recorder.describe_counter("early".into(), Some(Unit::Bytes), "Old.".into());
    recorder.describe_counter("early".into(), Some(Unit::Bytes), "Known before.".into());
    let late = recorder.register_histogram(&Key::from_name("late"), &META);
    recorder.describe_histogram("late".into(), Some(Unit::Seconds), "Known after.".into());
    recorder.describe_gauge("early".into(), None, "A gauge of this name.".into());
    recorder.describe_gauge("never".into(), None, "Described only.".into());
    recorder
        .register_counter(&Key::from_name("early"), &META)
        .increment(1);
    recorder
        .register_gauge(&Key::from_name("early"), &META)
        .set(2.0);
    late.record(1.0);
    // After its thread has written it, and has a schema without all this in its file.
    recorder
        .register_counter(&Key::from_parts("later", vec![Label::new("a", "1")]), &META)
        .increment(1);
    recorder.describe_counter("later".into(), Some(Unit::Count), "Said at first.".into());
    recorder.describe_counter("later".into(), Some(Unit::Bytes), "Said in the end.".into());
    let snapshot = snapshot(root.path());
    let described: Vec<_> = (snapshot.model("metrics").unwrap().series().iter())
        .map(|series| (series.label(), series.unit(), series.help()))
        .collect();
    let expected = [
        ("early", "bytes", "Known before."),
        ("early.gauge", "", "A gauge of this name."),
        ("late", "seconds", "Known after."),
        ("later{a=\"1\"}", "bytes", "Said in the end."),
    ];
    assert_eq!(described.len(), expected.len(), "{described:?}");
    for entry in expected {
        assert!(described.contains(&entry), "{entry:?} in {described:?}");
    }
}
