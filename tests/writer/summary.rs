//! Summaries: for any values, in any order, over any number of threads and files, the results are those of exact
//! arithmetic.

use mmstats::reader::Reader;
use mmstats::{MmStats, Summary, SummaryValue, Value};
use proptest::prelude::*;

#[derive(MmStats)]
#[mmstats(name = "summary")]
struct Tasks {
    seconds: Summary,
}

/// Returns the summary of a root's files.
fn merged(root: &tempfile::TempDir) -> SummaryValue {
    let snapshot = Reader::open(root.path()).unwrap().snapshot().unwrap();
    assert!(snapshot.errors().is_empty() && snapshot.is_whole());
    *snapshot
        .get("summary", "seconds")
        .and_then(Value::as_summary)
        .unwrap()
}

#[track_caller]
fn assert_close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 1e-12 * expected.abs(),
        "{what}: {found:?}, not {expected:?}"
    );
}

/// Values are multiples of one over this number, so the oracle can add and square them as integers.
const PARTS: f64 = 1024.0;

/// Small values, large values that differ little, and outliers.
fn parts() -> impl Strategy<Value = i64> {
    prop_oneof![
        -5_000..5_000i64,
        (1_000_000_000 * 1024..1_000_000_010 * 1024i64),
        (-1i64 << 50..1i64 << 50),
        Just(0),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Compared with integers: the oracle rounds only in its last division and root.
    #[test]
    fn values_split_over_threads_and_files_are_those_of_one_thread(
        values in prop::collection::vec((parts(), 0..4usize), 1..300),
        not_finite in prop::collection::vec(0..4usize, 0..5),
    ) {
        let root = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..4)
            .map(|_| Tasks::builder().path(root.path()).create().unwrap())
            .collect();
        let written = std::thread::scope(|scope| {
            let threads: Vec<_> = files.into_iter().enumerate().map(|(file, stats)| {
                let (values, not_finite) = (&values, &not_finite);
                scope.spawn(move || {
                    for _ in not_finite.iter().filter(|of| **of == file) {
                        stats.seconds.record(f64::NAN);
                    }
                    for (part, _) in values.iter().filter(|(_, of)| *of == file) {
                        stats.seconds.record(*part as f64 / PARTS);
                    }
                    stats
                })
            }).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let found = merged(&root);
        drop(written);
        let parts = || values.iter().map(|(part, _)| i128::from(*part));
        let (n, total) = (values.len() as i128, parts().sum::<i128>());
        let squares: i128 = parts().map(|part| part * part).sum();
        prop_assert_eq!(found.count(), n as u64);
        prop_assert_eq!(found.rejected(), not_finite.len() as u64);
        prop_assert_eq!(found.total(), total as f64 / PARTS);
        assert_close(found.mean().unwrap(), total as f64 / n as f64 / PARTS, "mean");
        let deviation = match n {
            1 => 0.0,
            // n·Σx² - (Σx)² fits: 300 · 300 · 2¹⁰⁰.
            _ => ((n * squares - total * total) as f64 / (n * (n - 1)) as f64).sqrt() / PARTS,
        };
        assert_close(found.stddev().unwrap(), deviation, "deviation");
        prop_assert_eq!(found.min(), parts().min().map(|part| part as f64 / PARTS));
        prop_assert_eq!(found.max(), parts().max().map(|part| part as f64 / PARTS));
    }
}

/// 10⁷ values about 10⁹, compared with two passes: first their mean, then the squares of the differences.
#[test]
fn ten_million_large_values_agree_with_two_passes() {
    const N: u64 = 10_000_000;
    let value = |i: u64| {
        let random = (i ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
        1e9 + random as f64 / (1u64 << 53) as f64
    };
    let tasks = Tasks::builder().anonymous().create().unwrap();
    for i in 0..N {
        tasks.seconds.record(value(i));
    }
    // Values minus 10⁹ are exact, and their sum is rounded to 10⁻¹⁰ of a deviation.
    let mean = (0..N).map(|i| value(i) - 1e9).sum::<f64>() / N as f64;
    let squares: f64 = (0..N).map(|i| (value(i) - 1e9 - mean).powi(2)).sum();
    let deviation = (squares / (N - 1) as f64).sqrt();
    let found = tasks.seconds.value();
    assert_eq!(found.count(), N);
    assert_close(found.mean().unwrap(), 1e9 + mean, "mean");
    assert_close(found.stddev().unwrap(), deviation, "deviation");
}

/// The square of a difference from the first value is rounded in the same direction a million times.
#[test]
fn a_first_value_far_away_costs_no_digits() {
    const N: u32 = 1 << 20;
    let tasks = Tasks::builder().anonymous().create().unwrap();
    tasks.seconds.record(0.1);
    for _ in 0..N {
        tasks.seconds.record(1.0 / 3.0);
    }
    let found = tasks.seconds.value();
    let difference = 1.0 / 3.0 - 0.1;
    let deviation = difference / f64::from(N + 1).sqrt();
    assert_close(found.stddev().unwrap(), deviation, "deviation");
}

#[test]
fn what_is_no_number_is_rejected_and_poisons_nothing() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -f64::NAN] {
        tasks.seconds.record(value);
    }
    let nothing = merged(&root);
    assert_eq!((nothing.count(), nothing.rejected()), (0, 4));
    assert_eq!(
        (nothing.mean(), nothing.min(), nothing.last()),
        (None, None, None)
    );
    for value in [1e9 + 1.0, 1e9 + 2.0, f64::NAN, 1e9 + 3.0] {
        tasks.seconds.record(value);
    }
    let found = merged(&root);
    assert_eq!((found.count(), found.rejected()), (3, 5));
    assert_eq!((found.mean(), found.stddev()), (Some(1e9 + 2.0), Some(1.0)));
    assert_eq!(
        (found.min(), found.max(), found.last()),
        (Some(1e9 + 1.0), Some(1e9 + 3.0), Some(1e9 + 3.0))
    );
}

#[test]
fn values_too_large_for_their_sums_are_counted_all_the_same() {
    let root = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..2)
        .map(|_| Tasks::builder().path(root.path()).create().unwrap())
        .collect();
    for value in [f64::MAX, -f64::MAX, f64::MAX, f64::MAX, 1.0, -2.0, 3.0] {
        files[0].seconds.record(value);
    }
    files[1].seconds.record(5.0);
    let found = merged(&root);
    assert_eq!(found.count(), 8);
    assert_eq!(
        (found.min(), found.max()),
        (Some(-f64::MAX), Some(f64::MAX))
    );
    assert!(!found.stddev().unwrap().is_finite());
}

#[test]
fn where_squares_overflow_the_deviation_is_infinite() {
    for values in [
        &[1e200, 1.0][..],
        &[1.0, 1e200, 2.0, 3.0, 4.0],
        &[1e308, -1e308, 1.0],
        &[f64::MIN, f64::MAX],
        &[1e308, 1e308, 1.0],
    ] {
        for files in 1..=values.len() {
            let root = tempfile::tempdir().unwrap();
            let tasks: Vec<_> = (0..files)
                .map(|_| Tasks::builder().path(root.path()).create().unwrap())
                .collect();
            for (i, &value) in values.iter().enumerate() {
                tasks[i % files].seconds.record(value);
            }
            let found = merged(&root);
            assert_eq!(found.stddev(), Some(f64::INFINITY), "{values:?} in {files}");
            assert_eq!(found.count(), values.len() as u64);
        }
    }
}

#[test]
fn the_last_value_is_that_of_the_latest_time() {
    let root = tempfile::tempdir().unwrap();
    let before = std::time::SystemTime::now();
    let [one, two] = [(); 2].map(|()| Tasks::builder().path(root.path()).create().unwrap());
    two.seconds.record(2.0);
    // Until the coarse clock has advanced.
    let earlier = two.seconds.value().last_time().unwrap();
    while one
        .seconds
        .value()
        .last_time()
        .is_none_or(|time| time <= earlier)
    {
        one.seconds.record(1.0);
    }
    let found = merged(&root);
    assert_eq!(found.last(), Some(1.0), "the first file's, written last");
    assert_eq!(found.last_time(), one.seconds.value().last_time());
    let before = before.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(found.last_time().unwrap() > before.as_secs_f64() - 10.0);
}

#[test]
fn every_number_is_exposed() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    let exposed = || {
        let snapshot = Reader::open(root.path()).unwrap().snapshot().unwrap();
        let mut names = Vec::new();
        let value = snapshot.get("summary", "seconds").unwrap();
        value.expose(|name, _| names.push(name.to_owned()));
        names.join(" ")
    };
    assert_eq!(exposed(), "Count Total Rejected");
    tasks.seconds.record(1.5);
    assert_eq!(
        exposed(),
        "Count Total Mean StdDev Min Max Last LastTime Rejected"
    );
    let snapshot = Reader::open(root.path()).unwrap().snapshot().unwrap();
    for label in ["seconds.Mean", "seconds:Mean"] {
        assert_eq!(snapshot.get("summary", label).unwrap().as_f64(), Some(1.5));
    }
}
