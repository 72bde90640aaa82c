//! Names and labels: how they are converted, and under which layers.

use std::sync::Arc;

use metrics::{Key, Label, Level, Metadata, Recorder as _, with_local_recorder};
use metrics_util::layers::{FanoutBuilder, Layer, PrefixLayer};
use mmstats::recorder::Recorder;

use super::{count, recorder, shown, snapshot};

const META: Metadata<'static> = Metadata::new("target", Level::INFO, Some("module"));

#[test]
fn a_name_of_two_kinds_keeps_both() {
    let (recorder, root) = recorder();
    with_local_recorder(&recorder, || {
        metrics::gauge!("both").set(1.5);
        metrics::counter!("both").increment(3);
        metrics::counter!("both", "a" => "1").increment(4);
        metrics::histogram!("both").record(2.0);
        metrics::gauge!("both").increment(1.0);
    });
    assert_eq!(shown(root.path(), "both"), Some("2.5".into()));
    assert_eq!(count(root.path(), "both.counter"), Some(3));
    assert_eq!(count(root.path(), "both.counter{a=\"1\"}"), Some(4));
    let histogram = shown(root.path(), "both.histogram").unwrap();
    assert!(histogram.starts_with("count 1"), "{histogram}");
    // The names of the facade are complete: there is no prefix.
    assert_eq!(snapshot(root.path()).models()[0].export(), "");
}

#[test]
fn labels_have_no_order() {
    let (recorder, root) = recorder();
    with_local_recorder(&recorder, || {
        metrics::counter!("n", "b" => "2", "a" => "1").increment(1);
        metrics::counter!("n", "a" => "1", "b" => "2").increment(1);
    });
    assert_eq!(count(root.path(), "n{a=\"1\",b=\"2\"}"), Some(2));
    assert_eq!(snapshot(root.path()).iter().count(), 1);
}

#[test]
fn what_cannot_be_part_of_a_name_or_label_becomes_an_underscore() {
    let (recorder, root) = recorder();
    let all: String = (0..=300u32).filter_map(char::from_u32).collect();
    let long = "x".repeat(5000);
    let names = ["", ".", "a..b", "a.", "line\nfeed\0", &all, &long];
    for name in names {
        let labels = vec![
            Label::new(name.to_owned(), name.to_owned()),
            Label::new("same", "1"),
            Label::new("same", "2"),
        ];
        let key = Key::from_parts(name.to_owned(), labels);
        recorder.register_counter(&key, &META).increment(1);
        recorder.register_histogram(&key, &META).record(1.0);
        recorder.register_gauge(&key, &META).set(1.0);
    }
    let many: Vec<Label> = (0..200)
        .map(|n| Label::new(format!("k{n:03}"), "v"))
        .collect();
    let key = Key::from_parts("many", many);
    recorder.register_counter(&key, &META).increment(1);
    let snapshot = snapshot(root.path());
    let series = snapshot.model("metrics").unwrap().series();
    assert_eq!(series.len(), 3 * names.len() + 1);
    let metrics: Vec<&str> = series.iter().map(|series| series.metric()).collect();
    for expected in ["_", "_._", "a._.b", "a._", "line_feed_"] {
        assert!(metrics.contains(&expected), "{expected} in {metrics:?}");
    }
    let same = |series: &mmstats::reader::Series| {
        series
            .labels()
            .iter()
            .any(|(key, value)| key == "same" && value == "2")
    };
    assert_eq!(
        series.iter().filter(|series| same(series)).count(),
        3 * names.len()
    );
    // Nothing was refused.
    let status = format!("{:?}", mmstats::status());
    assert!(!status.contains("is there already"), "{status}");
}

#[test]
fn under_the_layers_of_metrics_util() {
    let (recorder, root) = recorder();
    let (second, second_root) = super::recorder();
    let fanout = FanoutBuilder::default()
        .add_recorder(PrefixLayer::new("app").layer(recorder.clone()))
        .add_recorder(second)
        .build();
    with_local_recorder(&fanout, || {
        for _ in 0..3 {
            metrics::counter!("requests").increment(1);
        }
    });
    assert_eq!(count(root.path(), "app.requests"), Some(3));
    assert_eq!(count(second_root.path(), "requests"), Some(3));
}

#[test]
fn a_recorder_has_a_model_and_a_root_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder()
        .model("my-app")
        .path(root.path())
        .build()
        .unwrap();
    with_local_recorder(&recorder, || metrics::counter!("n").increment(5));
    let snapshot = snapshot(root.path());
    assert_eq!(snapshot.get("my-app", "n").unwrap().as_u64(), Some(5));
    for bad in ["", "a/b", ".hidden"] {
        let error = Recorder::builder().model(bad).build().unwrap_err();
        assert!(error.to_string().contains("model"), "{error}");
    }
    // Kept longer than the recorder.
    let handle = recorder.register_counter(&Key::from_name("n"), &META);
    drop(recorder);
    handle.increment(1);
    assert_eq!(
        super::snapshot(root.path())
            .get("my-app", "n")
            .unwrap()
            .as_u64(),
        Some(6)
    );
    drop(Arc::new(handle));
}
