//! Bounds that no input exceeds: label sets, names, memory; and values that are not numbers.

use metrics::{Key, Label, Level, Metadata, Recorder as _};
use mmstats::recorder::Recorder;

use super::{count, recorder, shown, snapshot};

const META: Metadata<'static> = Metadata::new("target", Level::INFO, Some("module"));

#[test]
fn label_sets_beyond_the_most_count_under_other() {
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().model("many").path(root.path());
    let recorder = builder.max_label_sets(100).build().unwrap();
    for n in 0..20_000 {
        let labels = vec![Label::new("user", n.to_string()), Label::new("kind", "a")];
        let key = Key::from_parts("logins", labels);
        recorder.register_counter(&key, &META).increment(1);
        recorder
            .register_histogram(&Key::from_name(format!("name-{n}")), &META)
            .record(1.0);
    }
    let snapshot = snapshot(root.path());
    let model = snapshot.model("many").unwrap();
    // The maximum number, plus `logins` and a histogram that are `_other`.
    assert_eq!(model.series().len(), 102);
    let of = |label: &str| snapshot.get("many", label);
    let other = of("logins{kind=\"_other\",user=\"_other\"}")
        .unwrap()
        .as_u64();
    assert_eq!(other, Some(20_000 - 50));
    let rest = of("_other").unwrap().as_distribution();
    assert!(rest.is_none(), "a distribution of floats");
    let text = of("_other").unwrap().to_string();
    assert!(text.starts_with("count 19950"), "{text}");
    let status = format!("{:?}", mmstats::status());
    assert!(status.contains("max_label_sets"), "{status}");
}

#[test]
fn what_is_no_finite_number() {
    let (recorder, root) = recorder();
    let values = recorder.register_histogram(&Key::from_name("values"), &META);
    let level = recorder.register_gauge(&Key::from_name("level"), &META);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        values.record(value);
        values.record_many(value, 3);
        level.set(value);
        level.increment(value);
    }
    for value in [
        -1.5,
        0.0,
        -0.0,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
    ] {
        values.record(value);
        values.record_many(value, 0);
    }
    assert!(shown(root.path(), "values").unwrap().starts_with("count 7"));
    level.set(1.0);
    assert_eq!(shown(root.path(), "level"), Some("1".into()));
    let total = recorder.register_counter(&Key::from_name("total"), &META);
    total.absolute(u64::MAX);
    total.absolute(7);
    assert_eq!(count(root.path(), "total"), Some(u64::MAX));
}

#[test]
fn without_a_directory_nothing_is_recorded_and_that_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "").unwrap();
    let builder = Recorder::builder().model("nowhere").path(&file);
    let recorder = builder.build().unwrap();
    let counter = recorder.register_counter(&Key::from_name("n"), &META);
    for n in 0..10 {
        counter.increment(1);
        counter.absolute(n);
        let level = recorder.register_gauge(&Key::from_name("level"), &META);
        level.set(1.0);
        let values = recorder.register_histogram(&Key::from_name("values"), &META);
        values.record(1.0);
    }
    let status = mmstats::status();
    let nowhere = status
        .models()
        .iter()
        .find(|model| model.name() == "nowhere");
    assert!(!nowhere.unwrap().problems().is_empty(), "{status:?}");
}

/// Returns the kilobytes of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_memory_of_a_histogram_is_fixed() {
    let (recorder, root) = recorder();
    let values = recorder.register_histogram(&Key::from_name("values"), &META);
    let record = |times: usize| {
        for n in 0..times {
            values.record((n % 1000) as f64 + 0.5);
        }
        let files = std::fs::read_dir(root.path().join("metrics")).unwrap();
        let bytes: u64 = files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        bytes
    };
    let is_full = std::env::var_os("MMSTATS_RACE").is_some_and(|value| value == "full");
    let times = if is_full { 100_000_000 } else { 1_000_000 };
    let before = record(10_000);
    let (memory, after) = (resident(), record(times));
    assert_eq!(before, after);
    // Other tests run at the same time, and take some memory.
    assert!(resident() < memory + 64 * 1024);
    values.record_many(0.5, 1_000_000_000_000);
    let text = shown(root.path(), "values").unwrap();
    let count = 1_000_000_010_000 + times;
    assert!(text.starts_with(&format!("count {count}")), "{text}");
}
