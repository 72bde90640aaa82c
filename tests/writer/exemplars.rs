//! Exemplars: the last value of each magnitude that was recorded with a context.

use std::thread;
use std::time::{Duration, Instant};

use mmstats::reader::{Reader, Snapshot};
use mmstats::{Groups, MmStats, Percentile, Stats, Timer};
use tempfile::TempDir;

#[derive(MmStats)]
struct Traced {
    time: Timer,
    size: Percentile,
    ratio: Percentile<f64>,
    #[mmstats(window = "60s")]
    recent: Timer,
    groups: Groups<Group>,
}

#[derive(MmStats)]
struct Group {
    time: Timer,
}

fn traced(root: &TempDir) -> Stats<Traced> {
    Traced::builder().path(root.path()).create().unwrap()
}

fn snapshot(root: &TempDir) -> Snapshot {
    let snapshot = Reader::open(root.path()).unwrap().snapshot().unwrap();
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    snapshot
}

/// Returns the values and contexts of a label.
fn exemplars(root: &TempDir, label: &str) -> Vec<(f64, String)> {
    let snapshot = snapshot(root);
    let value = snapshot.get("Traced", label).unwrap();
    let mut all = Vec::new();
    value.samples("", |sample| {
        if let mmstats::reader::Reading::Histogram(histogram) = sample.reading {
            histogram
                .each_exemplar(|value, _, context| all.push((value, context.text().into_owned())));
        }
    });
    all
}

/// Returns when the exemplar of the least magnitude was recorded.
fn time_of_the_first(root: &TempDir) -> u64 {
    let snapshot = snapshot(root);
    let times = snapshot.get("Traced", "time").unwrap();
    let times = times.as_distribution().unwrap();
    times.exemplars().next().unwrap().time_ns()
}

fn wanted(all: &[(f64, &str)]) -> Vec<(f64, String)> {
    all.iter()
        .map(|&(value, context)| (value, context.to_owned()))
        .collect()
}

#[test]
fn the_last_of_each_magnitude_is_kept() {
    let root = TempDir::new().unwrap();
    let traced = traced(&root);
    traced.size.record(5000);
    assert_eq!(exemplars(&root, "size"), []);
    for (value, context) in [
        (3, "a"),
        (1000, "b"),
        (1023, "c"),
        (5000, "d"),
        (0, "e"),
        (7, "f"),
    ] {
        traced.size.record_with(value, context);
    }
    // 3 and 7 are in one octave in the file, and count as two magnitudes only when files are merged.
    assert_eq!(
        exemplars(&root, "size"),
        wanted(&[(7.0, "f"), (1023.0, "c"), (5000.0, "d")])
    );
    assert_eq!(
        snapshot(&root).get("Traced", "size").unwrap().count(),
        Some(7)
    );

    for (value, context) in [
        (-0.25, "a"),
        (0.25, "b"),
        (1e300, "c"),
        (f64::NAN, "d"),
        (-0.3, "e"),
    ] {
        traced.ratio.record_with(value, context);
    }
    assert_eq!(
        exemplars(&root, "ratio"),
        wanted(&[(-0.3, "e"), (0.25, "b"), (1e300, "c")])
    );

    traced.time.record_with(Duration::from_millis(8), "trace");
    traced
        .recent
        .record_with(Duration::from_millis(8), "recent");
    assert_eq!(exemplars(&root, "time"), wanted(&[(0.008, "trace")]));
    assert_eq!(exemplars(&root, "recent"), wanted(&[(0.008, "recent")]));
}

#[test]
fn the_later_one_of_several_files_is_shown() {
    let root = TempDir::new().unwrap();
    let first = traced(&root);
    first.time.record_with(Duration::from_micros(100), "early");
    first.time.record_with(Duration::from_secs(1), "slow");
    let second = thread::scope(|scope| scope.spawn(|| traced(&root)).join().unwrap());
    let first_time = time_of_the_first(&root);
    // Until the coarse clock has advanced.
    let begin = Instant::now();
    loop {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "the later one is not shown"
        );
        second.time.record_with(Duration::from_micros(101), "late");
        if time_of_the_first(&root) > first_time {
            break;
        }
    }
    assert_eq!(
        exemplars(&root, "time"),
        wanted(&[(0.000101, "late"), (1.0, "slow")])
    );
}

#[test]
fn a_group_in_the_place_of_another_has_none_of_its_exemplars() {
    let root = TempDir::new().unwrap();
    let mut traced = traced(&root);
    for round in 0..50 {
        let (name, context) = (format!("group-{round}"), format!("context-{round}"));
        traced
            .groups
            .group(&name)
            .time
            .record_with(Duration::from_secs(1), &context);
        let label = format!("{name}.time");
        assert_eq!(exemplars(&root, &label), [(1.0, context)]);
        assert!(traced.groups.remove(&name));
        traced.reuse_removed();
        let new = format!("new-{round}");
        traced
            .groups
            .group(&new)
            .time
            .record(Duration::from_secs(1));
        assert_eq!(exemplars(&root, &format!("{new}.time")), []);
        assert!(traced.groups.remove(&new));
        traced.reuse_removed();
    }
    let bytes = traced.path().unwrap().metadata().unwrap().len();
    assert!(
        bytes < 64 << 10,
        "contexts and spaces are used again: {bytes}"
    );
}

#[test]
fn many_contexts_take_the_room_of_those_that_are_referred_to() {
    let root = TempDir::new().unwrap();
    let traced = traced(&root);
    for n in 0..100_000u64 {
        traced.size.record_with(1 << (n % 40), format!("{n:032x}"));
    }
    let found = exemplars(&root, "size");
    // Octave 0 has the values below 128.
    assert_eq!(found.len(), 34);
    let last: Vec<String> = (99_960..100_000u64).map(|n| format!("{n:032x}")).collect();
    assert!(
        found.iter().all(|(_, context)| last.contains(context)),
        "{found:?}"
    );
    let bytes = traced.path().unwrap().metadata().unwrap().len();
    assert!(bytes < 256 << 10, "{bytes}");
}

#[test]
fn private_memory_counts_and_keeps_none() {
    let traced = Traced::builder().anonymous().create().unwrap();
    traced.time.record_with(Duration::from_secs(1), "nowhere");
    assert_eq!(traced.time.count(), 1);
}
