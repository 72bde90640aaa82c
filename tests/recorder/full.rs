//! A file without space for a metric: it is counted under `_other`, and readers find everything that was counted.

use std::path::Path;
use std::thread;

use metrics::{Key, counter, gauge, histogram, with_local_recorder};
use mmstats::Value;
use mmstats::recorder::Recorder;
use tempfile::TempDir;

use super::disk::SmallDisk;
use super::process::{fork, wait_well};
use super::snapshot;

/// Returns a recorder whose files are soon full. Each test has its own model, because problems are reported once per
/// model.
fn recorder(model: &str) -> (Recorder, TempDir) {
    let root = tempfile::tempdir().unwrap();
    (of(model, root.path()), root)
}

fn of(model: &str, root: &Path) -> Recorder {
    let builder = Recorder::builder().model(model).path(root);
    builder.max_size(64 << 10).build().unwrap()
}

/// Returns the sum of `value` over a metric's series, and the number of these.
fn sum(root: &Path, metric: &str, value: impl Fn(&Value) -> f64) -> (f64, usize) {
    let snapshot = snapshot(root);
    let series = snapshot.models()[0].series();
    let values = series
        .iter()
        .filter(|series| metric == series.metric())
        .map(|series| value(series.value()));
    values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn times(value: &Value) -> f64 {
    value.count().unwrap() as f64
}

#[test]
fn labels_count_under_other_in_all_threads() {
    const SETS: usize = 1000;
    let (recorder, root) = recorder("full-labels");
    let write = || {
        with_local_recorder(&recorder, || {
            for n in 0..SETS {
                counter!("hits", "user" => n.to_string()).increment(1);
                histogram!("time", "user" => n.to_string()).record(1.0);
                gauge!("open", "user" => n.to_string()).increment(1.0);
            }
        });
    };
    // Two threads at once, and then two that take over their files.
    for _ in 0..2 {
        thread::scope(|scope| {
            scope.spawn(write);
            scope.spawn(write);
        });
    }
    let all = 4.0 * SETS as f64;
    for (metric, value) in [
        ("hits", number as fn(&Value) -> f64),
        ("time", times),
        ("open", number),
    ] {
        let (total, series) = sum(root.path(), metric, value);
        assert_eq!(total, all, "{metric}");
        assert!((2..SETS).contains(&series), "{metric}: {series} series");
        let snapshot = snapshot(root.path());
        let other = format!("{metric}{{user=\"_other\"}}");
        let other = snapshot.get("full-labels", &other).map(value);
        assert!(other.is_some_and(|other| other > 0.0), "{metric}");
    }
    // Readers of the files find the reason, and so does the process.
    let snapshot = snapshot(root.path());
    for file in snapshot.files() {
        let notes = file.notes().iter();
        let texts = notes.map(|note| note.text()).collect::<Vec<_>>();
        let is_told = |text: &&str| text.contains("MMSTATS_MAX_SIZE") && text.contains("_other");
        assert!(texts.iter().any(is_told), "{texts:?}");
    }
    let status = format!("{:?}", mmstats::status());
    assert!(status.contains("new metrics count under"), "{status}");
}

#[test]
fn names_count_under_other_by_kind() {
    let (recorder, root) = recorder("full-names");
    let write = || {
        with_local_recorder(&recorder, || {
            for n in 0..500 {
                counter!(format!("c{n}")).increment(2);
                gauge!(format!("g{n}")).increment(1.0);
            }
            // None of these existed when the file became full.
            for n in 0..100 {
                histogram!(format!("h{n}")).record(1.0);
                histogram!("labelled", "n" => n.to_string()).record(1.0);
            }
        });
    };
    thread::scope(|scope| {
        scope.spawn(write);
        scope.spawn(write);
    });
    let snapshot = snapshot(root.path());
    let of = |first: &str, other: &str, value: fn(&Value) -> f64| {
        let series = snapshot.models()[0].series().iter();
        let series = series
            .filter(|series| series.metric().starts_with(first) || series.metric() == other)
            .map(|series| value(series.value()));
        series.sum::<f64>()
    };
    assert_eq!(of("c", "_other", number), 2000.0);
    assert_eq!(of("g", "_other.gauge", number), 1000.0);
    assert_eq!(of("h", "_other.histogram", times), 400.0);
}

/// Beyond the cap, `_other` is an ordinary metric. Its labels are also those that a full file uses.
#[test]
fn past_the_cap_and_full_is_one_other() {
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().model("full-capped").path(root.path());
    let recorder = builder.max_size(64 << 10).max_label_sets(300).build();
    let recorder = recorder.unwrap();
    with_local_recorder(&recorder, || {
        for n in 0..1000 {
            counter!("hits", "user" => n.to_string()).increment(1);
            counter!(format!("n{n}"), "user" => "a").increment(1);
            counter!(format!("m{n}")).increment(1);
        }
    });
    let snapshot = snapshot(root.path());
    let series = snapshot.models()[0].series().iter();
    let total: f64 = series.map(|series| number(series.value())).sum();
    assert_eq!(total, 3000.0);
}

#[test]
fn what_is_removed_from_other_stays_there() {
    let (recorder, root) = recorder("full-removed");
    let write = |value: u64| {
        with_local_recorder(&recorder, || {
            for n in 0..1000 {
                counter!("hits", "user" => n.to_string()).increment(value);
            }
        });
    };
    write(1);
    let (_, series) = sum(root.path(), "hits", number);
    let own = series - 1;
    let key = |n: usize| Key::from_parts("hits", vec![metrics::Label::new("user", n.to_string())]);
    let removed = (0..1000).filter(|n| recorder.remove(&key(*n))).count();
    assert_eq!(removed, own);
    assert_eq!(sum(root.path(), "hits", number), ((1000 - own) as f64, 1));
    // They begin again in their old places.
    write(1);
    let total = (1000 - own) as f64 + 1000.0;
    assert_eq!(sum(root.path(), "hits", number), (total, series));
}

#[test]
fn a_child_of_a_fork_has_an_other_of_its_own() {
    let (recorder, root) = recorder("full-forked");
    let write = || {
        with_local_recorder(&recorder, || {
            for n in 0..1000 {
                counter!("hits", "user" => n.to_string()).increment(1);
                gauge!("open", "user" => n.to_string()).increment(1.0);
            }
        });
    };
    write();
    wait_well(fork(|| {
        write();
        let sums = ["hits", "open"].map(|metric| sum(root.path(), metric, number).0);
        i32::from(sums != [2000.0, 2000.0])
    }));
    // After a child that ends without its exit handlers, its counts remain and its levels do not.
    let sums = ["hits", "open"].map(|metric| sum(root.path(), metric, number).0);
    assert_eq!(sums, [2000.0, 1000.0]);
}

#[test]
fn on_a_full_disk() {
    let Some(disk) = SmallDisk::mount("256k") else {
        return;
    };
    let builder = Recorder::builder().model("full-disk").path(disk.path());
    let recorder = builder.build().unwrap();
    with_local_recorder(&recorder, || {
        for n in 0..2000 {
            counter!("hits", "user" => n.to_string()).increment(1);
            histogram!("time", "user" => n.to_string()).record(1.0);
        }
    });
    assert_eq!(sum(disk.path(), "hits", number).0, 2000.0);
    assert_eq!(sum(disk.path(), "time", times).0, 2000.0);
}
