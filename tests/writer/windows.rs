//! Windows through the public interface: as requested by the attribute and the builder.

use std::time::Duration;

use mmstats::reader::{Reader, Snapshot};
use mmstats::{Counter, Groups, MmStats, Percentile, Summary, Timer, Value, Writer};

#[derive(MmStats)]
#[mmstats(name = "windows")]
struct Model {
    #[mmstats(window = "24h", unit = "bytes")]
    size: Percentile,
    #[mmstats(window = "90m", label = "timers.time", digits = 3)]
    time: Timer,
    #[mmstats(window = "3600s", buffers = 8)]
    load: Summary,
    plain: Summary,
    #[mmstats(window = "1h", unit = "requests")]
    requests: Counter,
    parts: Groups<Part>,
}

#[derive(MmStats)]
struct Part {
    #[mmstats(window = "12h")]
    time: Timer,
}

fn snapshot(root: &tempfile::TempDir) -> Snapshot {
    let snapshot = Reader::open(root.path()).unwrap().snapshot().unwrap();
    assert!(snapshot.errors().is_empty() && snapshot.is_whole());
    snapshot
}

/// Windows longer than any test: a tool that reads for the first time sees everything.
#[test]
fn the_first_read_has_the_window_of_all_files() {
    let root = tempfile::tempdir().unwrap();
    let files = [(); 2].map(|()| Model::builder().path(root.path()).create().unwrap());
    for (model, n) in files.iter().zip([0, 100]) {
        for value in n..n + 100 {
            model.size.record(value * 10);
            model.time.record(Duration::from_millis(value));
            model.load.record(value as f64 / 2.0);
            model.plain.record(1.0);
            model.requests.add(2);
            model.parts.group("a").time.record(Duration::from_secs(2));
        }
        model.load.record(f64::NAN);
    }
    let snapshot = snapshot(&root);
    let get = |label: &str| {
        let value = snapshot.get("windows", label);
        value.unwrap_or_else(|| panic!("{label}")).as_f64().unwrap()
    };
    for (label, value) in [
        ("size.Count", 200.0),
        ("size.WindowCount", 200.0),
        ("size.WindowMean", 995.0),
        ("size.WindowMax", 1990.0),
        ("size:WindowMax", 1990.0),
        ("timers.time.WindowCount", 200.0),
        ("timers.time.WindowMax", 0.199),
        ("load.Count", 200.0),
        ("load.Rejected", 2.0),
        ("load.WindowCount", 200.0),
        ("load.WindowMean", 49.75),
        ("load.WindowMax", 99.5),
        ("requests", 400.0),
        ("requests.WindowCount", 400.0),
        // Per step at least, which is 300 seconds.
        ("requests.Rate", 400.0 / 300.0),
        ("requests:Rate", 400.0 / 300.0),
        ("a.time.WindowCount", 200.0),
        ("a.time.WindowPercentile99th", 2.0),
    ] {
        assert_eq!(get(label), value, "{label}");
    }
    let median = get("size.WindowPercentile50th");
    assert!((median - 990.0).abs() < 0.01 * 990.0, "{median}");
    assert!(snapshot.get("windows", "plain.WindowCount").is_none());
    let model = snapshot.model("windows").unwrap();
    let stat = |label: &str| model.series().iter().find(|stat| stat.label() == label);
    assert!(stat("size.Window").is_none(), "it is with the metric");
    assert_eq!(stat("size").unwrap().window().unwrap().seconds(), 86_400.0);
    assert_eq!(
        stat("timers.time").unwrap().window().unwrap().seconds(),
        5_400.0
    );
    assert!(stat("plain").unwrap().window().is_none());
    // Everything recorded is the same with a window and without.
    let value = stat("size").unwrap().value().as_distribution().unwrap();
    assert_eq!((value.count(), value.bucket_count()), (200, 200));
    assert_eq!(files[0].size.distribution().bucket_count(), 100);
}

#[test]
fn a_metric_added_at_run_time_may_have_a_window() {
    let root = tempfile::tempdir().unwrap();
    let writer = Writer::builder("windows")
        .path(root.path())
        .create()
        .unwrap();
    let hour = Duration::from_secs(3600);
    let load = writer
        .group("g")
        .unwrap()
        .summary("load")
        .window(hour)
        .add()
        .unwrap();
    load.record(3.0);
    for wrong in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
        let error = writer.timer("time").window(wrong).add().unwrap_err();
        assert!(error.to_string().contains("24 hours"), "{error}");
    }
    let snapshot = snapshot(&root);
    let mean = snapshot.get("windows", "g.load.WindowMean").unwrap();
    assert_eq!(mean.as_f64(), Some(3.0));
    // The label of its window is taken.
    assert!(writer.counter("g.load.Window").add().is_err());
}

/// When no thread writes, the window becomes empty; new writes are visible again.
#[test]
fn a_counter_s_window_follows_the_clock() {
    #[derive(MmStats)]
    #[mmstats(name = "windows")]
    struct Fast {
        #[mmstats(window = "1s")]
        requests: Counter,
        #[mmstats(window = "2s")]
        others: Counter,
    }
    let root = tempfile::tempdir().unwrap();
    let fast = Fast::builder().path(root.path()).create().unwrap();
    let get = |label: &str| {
        snapshot(&root)
            .get("windows", label)
            .unwrap()
            .as_f64()
            .unwrap()
    };
    let held: &Counter = &fast.requests;
    for _ in 0..2 {
        held.add(5);
        fast.others.add(5);
        for label in ["requests", "others"] {
            // As long as it takes: the test ends by itself if it works.
            while get(&format!("{label}.WindowCount")) > 0.0 {
                std::thread::yield_now();
            }
            assert_eq!(get(&format!("{label}.Rate")), 0.0);
        }
    }
    assert_eq!(get("requests"), 10.0);
    // The file is removed while its window is being read; another file appears.
    drop(fast);
    for _ in 0..100 {
        let fast = Fast::builder().path(root.path()).create().unwrap();
        fast.requests.inc();
        assert_eq!(get("requests"), 1.0);
    }
}

/// Private memory has no readers.
#[test]
fn without_a_file_there_is_no_window_and_nothing_is_lost() {
    let model = Model::builder().anonymous().create().unwrap();
    model.size.record(5);
    model.load.record(5.0);
    assert_eq!((model.size.count(), model.load.count()), (1, 1));
    assert_eq!(model.size.distribution().bucket_count(), 1);
}

#[test]
fn a_window_of_another_boot_is_empty() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::builder().path(root.path()).create().unwrap();
    model.load.record(1.0);
    let path = model.path().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[80] ^= 1;
    std::fs::write(path.with_file_name("mmstats-0-0"), bytes).unwrap();
    let snapshot = snapshot(&root);
    let get = |label: &str| snapshot.get("windows", label).and_then(Value::as_f64);
    assert_eq!(get("load.Count"), Some(2.0));
    assert_eq!(get("load.WindowCount"), Some(1.0));
}
