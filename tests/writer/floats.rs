//! Percentiles of floats: any values, over any number of threads and files, have the percentiles of a sorted list.

use mmstats::reader::Reader;
use mmstats::retire::Cleaner;
use mmstats::{FloatDistribution, MmStats, Percentile, Value};
use proptest::prelude::*;

use super::models::snapshot;

#[derive(MmStats)]
#[mmstats(name = "floats")]
struct Floats {
    #[mmstats(unit = "ratio")]
    ratio: Percentile<f64>,
    #[mmstats(digits = 3, buffers = 8)]
    fine: Percentile<f64>,
    #[mmstats(window = "24h")]
    recent: Percentile<f64>,
}

impl Floats {
    fn record(&self, value: f64) {
        self.ratio.record(value);
        self.fine.record(value);
        self.recent.record(value);
    }
}

fn create(root: &tempfile::TempDir) -> mmstats::Stats<Floats> {
    Floats::builder().path(root.path()).create().unwrap()
}

fn merged(root: &tempfile::TempDir) -> impl Fn(&str) -> FloatDistribution {
    let snapshot = Reader::open(root.path()).unwrap().snapshot().unwrap();
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    move |label| {
        let value = snapshot.get("floats", label);
        value
            .and_then(Value::as_float_distribution)
            .unwrap()
            .clone()
    }
}

fn buckets(of: &FloatDistribution) -> Vec<(f64, f64, u64)> {
    let mut buckets = Vec::new();
    of.each_bucket(|low, high, count| buckets.push((low, high, count)));
    buckets
}

/// Values of all signs and magnitudes, some of them close together.
fn values() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        -1.0..1.0f64,
        Just(0.0),
        (-1000..1000i32).prop_map(f64::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn percentiles_are_those_of_the_sorted_values(
        values in prop::collection::vec((values(), 0..3usize), 1..400),
    ) {
        let root = tempfile::tempdir().unwrap();
        let files = [(); 3].map(|()| create(&root));
        for &(value, file) in &values {
            files[file].record(value);
        }
        let mut sorted: Vec<f64> = values.iter().map(|(value, _)| *value).collect();
        sorted.retain(|value| value.is_finite());
        sorted.sort_by(f64::total_cmp);
        let merged = merged(&root);
        for (label, error) in [("ratio", 1.0 / 128.0), ("fine", 1.0 / 1024.0), ("recent", 1.0 / 128.0)] {
            let found = merged(label);
            prop_assert_eq!(found.count(), sorted.len() as u64);
            prop_assert_eq!(found.bucket_count(), found.count());
            prop_assert_eq!(found.rejected(), (values.len() - sorted.len()) as u64);
            prop_assert_eq!(found.min(), sorted.first().copied());
            prop_assert_eq!(found.max(), sorted.last().copied());
            for percent in [0.0, 10.0, 50.0, 90.0, 99.9, 100.0] {
                let rank = (percent * sorted.len() as f64 / 100.0).ceil().max(1.0) as usize;
                match (found.percentile(percent), sorted.get(rank - 1)) {
                    (Some(found), Some(value)) => prop_assert!(
                        (found - value).abs() <= error * value.abs() + f64::MIN_POSITIVE,
                        "{label}: {found} for {value}"
                    ),
                    (found, value) => prop_assert_eq!(found, value.copied()),
                }
            }
        }
    }
}

#[test]
fn more_octaves_than_a_table_has_entries_keep_their_buckets() {
    let root = tempfile::tempdir().unwrap();
    let stats = create(&root);
    // 2000 powers of two, with both signs: each has an octave of its own.
    let values: Vec<f64> = (-1000..1000)
        .map(|n| 2f64.powi(n) * if n % 2 == 0 { 1.25 } else { -1.25 })
        .collect();
    for _ in 0..2 {
        values.iter().for_each(|value| stats.ratio.record(*value));
    }
    let found = merged(&root)("ratio");
    assert_eq!(found.count(), 4000);
    found.each_bucket(|low, high, count| {
        assert!(count == 2 && high - low <= low.abs().max(high.abs()) / 128.0);
    });
    assert!(buckets(&stats.ratio.distribution()) == buckets(&found));
}

#[test]
fn without_space_for_buckets_only_precision_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let small = Floats::builder().path(root.path()).max_size(64 << 10);
    let stats = small.create().unwrap();
    for n in -1000..1000 {
        stats.ratio.record(2f64.powi(n));
        stats.ratio.record(-(2f64.powi(n)));
    }
    let found = merged(&root)("ratio");
    assert_eq!((found.count(), found.bucket_count()), (4000, 4000));
    assert_eq!(found.min(), Some(-(2f64.powi(999))));
    assert!(found.percentile(25.0).unwrap() < 0.0 && found.percentile(75.0).unwrap() > 0.0);
    assert!(buckets(&stats.ratio.distribution()) == buckets(&found));
}

#[test]
fn a_fold_keeps_everything_but_the_last_value() {
    let root = tempfile::tempdir().unwrap();
    let program = |value: f64| {
        let stats = Floats::builder().path(root.path()).keep(true);
        let stats = stats.create().unwrap();
        stats.record(value);
        stats.record(f64::NAN);
        drop(stats);
    };
    // In separate processes, which have ended when they are folded.
    for value in [-2.5, 4.0] {
        // SAFETY: the child creates a file and ends without running any code of its parent's.
        match unsafe { libc::fork() } {
            0 => {
                let done = std::panic::catch_unwind(|| program(value)).is_ok();
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(i32::from(!done)) }
            }
            child => {
                let mut status = 0;
                // SAFETY: waits for the child that was made above.
                assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
                assert_eq!(status, 0);
            }
        }
    }
    let before = merged(&root)("ratio");
    let cleaned = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert_eq!(cleaned.files().len(), 2, "{:?}", cleaned.problems());
    let after = merged(&root)("ratio");
    assert_eq!(buckets(&after), buckets(&before));
    assert_eq!(
        (after.stddev(), after.min()),
        (before.stddev(), before.min())
    );
    // Of the last values of two files, neither is the last.
    assert_eq!(
        (after.count(), after.rejected(), after.last()),
        (2, 2, None)
    );
    assert_eq!((after.total(), after.percentile(50.0)), (1.5, Some(-2.5)));
}

#[test]
fn windows_and_exposed_values_are_floats() {
    let root = tempfile::tempdir().unwrap();
    let stats = create(&root);
    for value in [0.5, 1.5, f64::INFINITY] {
        stats.record(value);
    }
    let snapshot = Reader::open(root.path()).unwrap().snapshot().unwrap();
    let get = |label: &str| snapshot.get("floats", label).and_then(Value::as_f64);
    for (label, value) in [
        ("ratio.Count", 2.0),
        ("ratio.Rejected", 1.0),
        ("ratio.Mean", 1.0),
        ("ratio:Max", 1.5),
        ("ratio.Last", 1.5),
        ("recent.WindowCount", 2.0),
        ("recent.WindowMean", 1.0),
        ("recent.WindowMax", 1.5),
        ("recent.WindowPercentile99th", 1.5),
        ("recent.Percentile999th", 1.5),
    ] {
        assert_eq!(get(label), Some(value), "{label}");
    }
    let model = snapshot.model("floats").unwrap();
    let ratio = (model.series().iter()).find(|stat| stat.label() == "ratio");
    assert_eq!(
        ratio.map(|stat| (stat.unit(), stat.value().kind())),
        Some(("ratio", "percentile"))
    );
}

#[test]
fn a_writer_has_them_too() {
    let writer = mmstats::Writer::builder("w").anonymous().create().unwrap();
    let ratio = writer.float_percentile("ratio").digits(3).add().unwrap();
    ratio.record(0.5);
    assert_eq!(ratio.count(), 1);
}

#[test]
fn displayed_as_a_percentile_of_integers_is() {
    let root = tempfile::tempdir().unwrap();
    let floats = Floats::builder().path(root.path()).create().unwrap();
    let shown = || {
        let snapshot = snapshot(&root);
        snapshot.get(Floats::NAME, "ratio").unwrap().to_string()
    };
    assert_eq!(shown(), "count 0");
    for value in [-2.0, 0.5, 0.5, 0.5, f64::NAN] {
        floats.ratio.record(value);
    }
    assert_eq!(
        shown(),
        "count 4  mean -0.125  p50 0.5  p90 0.5  p99 0.5  max 0.5  rejected 1"
    );
}
