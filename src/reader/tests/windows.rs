//! Tests which metric a window belongs to.

use super::*;
use crate::format::header::{Header, LockToken};
use crate::format::scalar::Scalar;
use crate::sys::process::identity::ProcessIdentity;

/// The schema of a counter's window of 12 seconds.
fn window(label: &str) -> MetricSchema {
    let geometry = Geometry {
        plain: 1,
        ..Geometry::slot(13 * 3, None)
    };
    MetricSchema {
        scalar: None,
        parameter: code::COUNTER.into(),
        ..metric(label, code::WINDOW, Scalar::U64, geometry)
    }
}

/// The words of a counter and its window.
fn words(count: u64) -> Vec<u64> {
    let mut words = vec![count];
    words.extend([0; 1 + 2 * 39]);
    words.push(1_000_000_000);
    words
}

fn stat<'a>(snapshot: &'a Snapshot, label: &str) -> Option<&'a Series> {
    let all = snapshot.merged()[0].series();
    all.iter().find(|stat| stat.label() == label)
}

#[test]
fn a_window_is_shown_with_its_counter_only() {
    let both = schema([counter("a"), window("a.Window")]);
    let gauge = schema([word("a", code::GAUGE, Scalar::U64)]);
    let root = Root::new();
    let here = ProcessIdentity::this().header("m", LockToken::default());
    let of_this_clock = Header {
        boot_id: here.boot_id,
        time_namespace: here.time_namespace,
        ..header("m", 1, 1)
    };
    let old = Maker::simple(&of_this_clock, &both, &words(7)).finish();
    root.write("mmstats-1-1", &old);
    let mut reader = root.reader();
    let snapshot = reader.per(Per::File).snapshot().unwrap();
    assert_no_errors(&snapshot);
    let a = stat(&snapshot, "a").unwrap();
    assert_eq!(a.value(), &Value::Counter(7));
    assert_eq!(a.window().unwrap().seconds(), 12.0);
    // A later file has a gauge with that label.
    let new = Maker::simple(&header("m", 2, 2), &gauge, &[5]).finish();
    root.write("mmstats-2-2", &new);
    let snapshot = reader.snapshot().unwrap();
    let a = stat(&snapshot, "a").unwrap();
    assert_eq!(a.value(), &Value::Gauge(Number::Int(5)));
    assert!(a.window().is_none() && a.exposed().is_empty());
    assert!(stat(&snapshot, "a.Window").is_none());
    let own = snapshot.models()[0].series();
    assert!(own[0].window().is_some() && own.len() == 1);
}

#[test]
fn a_window_without_its_metric_is_reported_and_no_label() {
    let other = MetricSchema {
        parameter: code::SUMMARY.into(),
        ..window("a.Window")
    };
    for metrics in [
        vec![window("a.Window")],
        vec![window("a.Window"), counter("a")],
        vec![counter("a"), counter("b"), window("a.Window")],
        vec![counter("a"), window("b.Window")],
        vec![counter("a"), window("a.Window"), window("a.Window.Window")],
        vec![counter("a"), window("a")],
        vec![word("a", code::GAUGE, Scalar::U64), window("a.Window")],
        // A metric of a kind that this version does not know.
        vec![word("a", 999, Scalar::U64), window("a.Window")],
        vec![counter("a"), other],
    ] {
        let root = Root::new();
        let schema = schema(metrics.clone());
        root.write(
            "mmstats-1-1",
            &Maker::simple(&header("m", 1, 1), &schema, &[]).finish(),
        );
        let mut reader = root.reader();
        let snapshot = reader.per(Per::File).snapshot().unwrap();
        assert_eq!(snapshot.errors().len(), 1, "{metrics:?}");
        let error = snapshot.errors()[0].error();
        assert!(error.contains("window"), "{error}");
        let merged = snapshot.merged()[0].series();
        for stat in merged.iter().chain(snapshot.models()[0].series()) {
            assert_ne!(stat.value().kind(), "window", "{metrics:?}");
        }
    }
}

/// Returns a header whose windows this process can read.
fn of_this_clock() -> Header {
    let here = ProcessIdentity::this().header("m", LockToken::default());
    Header {
        boot_id: here.boot_id,
        time_namespace: here.time_namespace,
        ..header("m", 1, 1)
    }
}

#[test]
fn the_window_of_a_metric_that_does_not_count_does_not_either() {
    // The label occurs twice. The second metric, which has a window, does not count.
    let root = Root::new();
    let (first, second) = (
        schema([counter("a")]),
        schema([counter("a"), window("a.Window")]),
    );
    let mut maker = Maker::new(&of_this_clock());
    for (schema, words) in [(&first, vec![3]), (&second, words(100))] {
        let at = maker.schema(schema);
        let block = maker.instance(at, schema, "", "");
        maker.set(block, &words);
    }
    root.write("mmstats-1-1", &maker.finish());
    let mut reader = root.reader();
    let snapshot = reader.per(Per::File).snapshot().unwrap();
    assert_eq!(snapshot.errors().len(), 1);
    assert_eq!(u64_of(&snapshot, "a"), Some(3));
    assert!(stat(&snapshot, "a").unwrap().window().is_none());
    let own = snapshot.models()[0].series();
    assert!(own.len() == 1 && own[0].window().is_none());
}

#[test]
fn the_window_of_an_instance_with_labels_or_a_group_belongs_to_its_metric() {
    let both = schema([counter("a"), window("a.Window")]);
    let mut maker = Maker::new(&of_this_clock());
    let at = maker.schema(&both);
    let labels = vec![("k".to_owned(), "v".to_owned())];
    for (group, labels) in [("", labels), ("g", Vec::new())] {
        let block = maker.labelled(at, &both, "", group, labels);
        maker.set(block, &words(7));
    }
    // A separate metric, whatever its name.
    let other = schema([counter("a.Window")]);
    let at = maker.schema(&other);
    maker.instance(at, &other, "g.", "");
    let root = Root::new();
    root.write("mmstats-1-1", &maker.finish());
    let snapshot = root.reader().per(Per::File).snapshot().unwrap();
    assert_no_errors(&snapshot);
    for model in [&snapshot.merged()[0], &snapshot.models()[0]] {
        let found: Vec<_> = (model.series().iter())
            .map(|series| (series.label(), series.window().is_some()))
            .collect();
        let wanted = [("a{k=\"v\"}", true), ("g.a", true), ("g.a.Window", false)];
        assert_eq!(found, wanted);
    }
}
