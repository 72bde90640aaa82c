//! Averages, moving averages and sampling counters.

use std::time::{Duration, Instant};

use mmstats::reader::{Reader, Snapshot};
use mmstats::{Average, MmStats, MovingAverage, SamplingCounter, SamplingCounterValue, Value};
use proptest::prelude::*;

#[derive(MmStats)]
#[mmstats(name = "averages")]
struct Model {
    all: Average,
    last: MovingAverage<8>,
    hundred: MovingAverage,
    hits: SamplingCounter<10>,
    every: SamplingCounter<1>,
}

fn snapshot(root: &tempfile::TempDir) -> Snapshot {
    let snapshot = Reader::open(root.path()).unwrap().snapshot().unwrap();
    assert!(snapshot.errors().is_empty() && snapshot.is_whole());
    snapshot
}

fn sampled(snapshot: &Snapshot, label: &str) -> SamplingCounterValue {
    match snapshot.get("averages", label) {
        Some(Value::SamplingCounter(sample)) => *sample,
        other => panic!("{label}: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Values are eighths, so that the oracle is exact with integers.
    #[test]
    fn averages_of_files_are_those_of_their_values(
        values in prop::collection::vec((-1i64 << 40..1i64 << 40, 0..3usize), 0..200),
    ) {
        let root = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..3)
            .map(|_| Model::builder().path(root.path()).create().unwrap())
            .collect();
        for (eighths, file) in &values {
            let value = *eighths as f64 / 8.0;
            files[*file].all.record(value);
            files[*file].last.record(value);
            files[*file].hundred.record(f64::NAN);
        }
        let snapshot = snapshot(&root);
        let mean = |eighths: &[i64]| match eighths.len() {
            0 => None,
            n => Some(eighths.iter().map(|n| i128::from(*n)).sum::<i128>() as f64 / 8.0 / n as f64),
        };
        let all: Vec<i64> = values.iter().map(|(eighths, _)| *eighths).collect();
        let found = snapshot.get("averages", "all").unwrap();
        prop_assert_eq!(found.as_f64(), mean(&all));
        prop_assert_eq!(found.as_average().unwrap().count(), all.len() as u64);
        let last: Vec<i64> = (0..3).flat_map(|file| {
            let of_file = values.iter().rev().filter(move |(_, of)| *of == file);
            of_file.take(8).map(|(eighths, _)| *eighths).collect::<Vec<_>>()
        }).collect();
        let found = snapshot.get("averages", "last").unwrap();
        prop_assert_eq!(found.as_f64(), mean(&last));
        prop_assert_eq!(found.as_average().unwrap().count(), last.len() as u64);
        prop_assert_eq!(snapshot.get("averages", "hundred").unwrap().as_f64(), None);
    }
}

/// A large value makes the digits of the small ones disappear, but not forever.
#[test]
fn a_moving_average_recovers_from_a_large_value() {
    let model = Model::builder().anonymous().create().unwrap();
    for value in [0.5, 1e300, -0.25] {
        model.last.record(value);
    }
    for _ in 0..2 * 8 {
        model.last.record(0.1);
    }
    assert_eq!(model.last.value().average(), Some(0.1));
    assert_eq!(model.last.value().count(), 8);
}

#[test]
fn a_moving_average_goes_on_where_the_last_thread_left_it() {
    let model = Model::builder().anonymous().create().unwrap();
    for value in 0..5 {
        model.last.record(value.into());
    }
    let model = std::thread::spawn(move || {
        for value in 5..12 {
            model.last.record(value.into());
        }
        model
    });
    let average = model.join().unwrap().last.value();
    assert_eq!(average.average(), Some((4..12).sum::<i32>() as f64 / 8.0));
}

#[test]
fn a_sample_is_taken_every_n_increments() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::builder().path(root.path()).create().unwrap();
    for _ in 0..9 {
        model.hits.inc();
    }
    assert_eq!(sampled(&snapshot(&root), "hits").count, 0);
    model.hits.inc();
    let tenth = sampled(&snapshot(&root), "hits");
    assert_eq!(tenth.count, 10);
    assert!(tenth.rate > 0.0, "measured from the first increment on");
    for _ in 0..15 {
        model.hits.inc();
    }
    let snapshot = snapshot(&root);
    assert_eq!(sampled(&snapshot, "hits").count, 20);
    assert_eq!(model.hits.get(), 25);
    assert_eq!(sampled(&snapshot, "hits"), model.hits.value());
    for (label, count) in [("hits.Count", 20), ("hits:Count", 20), ("every.Count", 0)] {
        assert_eq!(
            snapshot.get("averages", label).unwrap().as_u64(),
            Some(count)
        );
    }
    model.hits.add(100);
    assert_eq!(model.hits.value().count, 125, "beyond a multiple");
    model.every.inc();
    assert_eq!(model.every.value().count, 1);
}

/// Within bounds that hold however slow the machine is.
#[test]
fn a_rate_is_per_millisecond() {
    let model = Model::builder().anonymous().create().unwrap();
    let before = Instant::now();
    model.hits.inc();
    let first = Instant::now();
    while first.elapsed() < Duration::from_millis(5) {}
    let least = first.elapsed();
    for _ in 0..9 {
        model.hits.inc();
    }
    let per_milli = |time: Duration| 9.0 / (time.as_secs_f64() * 1e3);
    let rate = model.hits.value().rate;
    // A tenth for the difference between the clocks.
    assert!(rate <= 1.1 * per_milli(least), "{rate}");
    assert!(rate >= 0.9 * per_milli(before.elapsed()), "{rate}");
}

#[test]
fn only_who_may_still_write_has_a_rate() {
    #[derive(MmStats)]
    #[mmstats(name = "averages")]
    struct Hits {
        hits: SamplingCounter<10>,
    }
    let root = tempfile::tempdir().unwrap();
    let live = Hits::builder().path(root.path()).create().unwrap();
    for _ in 0..10 {
        live.hits.inc();
    }
    let file = live.path().unwrap();
    let both = std::fs::read(&file).unwrap();
    // The same file of a thread that has ended: the state in the owner word is 1.
    let mut ended = both.clone();
    ended[44] = 1;
    // With another tid, or it would be a copy, which does not count.
    ended[60] ^= 1;
    std::fs::write(file.with_file_name("mmstats-0-0"), ended).unwrap();
    let found = sampled(&snapshot(&root), "hits");
    assert_eq!(found.count, 20);
    assert_eq!(found.rate, live.hits.value().rate);
    let mut both = both;
    both[60] ^= 1;
    std::fs::write(file.with_file_name("mmstats-0-0"), both).unwrap();
    let found = sampled(&snapshot(&root), "hits");
    assert_eq!(found.rate, 2.0 * live.hits.value().rate);
}

#[test]
fn a_sampling_counter_is_sampled_on_after_its_count_has_wrapped() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::builder().path(root.path()).create().unwrap();
    model.hits.add(u64::MAX - 5);
    for _ in 0..100_004 {
        model.hits.inc();
    }
    assert_eq!(model.hits.get(), 99_998);
    assert_eq!(model.hits.value().count, 99_990);
    assert_eq!(sampled(&snapshot(&root), "hits").count, 99_990);
    model.every.add(u64::MAX);
    model.every.add(3);
    assert_eq!(model.every.value().count, 2);
}
