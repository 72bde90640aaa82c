//! The ring: which entries it keeps, how it grows, and what it costs.

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

fn newest_first(range: std::ops::Range<u32>) -> Vec<f64> {
    range.rev().map(f64::from).collect()
}

#[test]
fn the_last_values_are_there_newest_first() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for pushed in 0..100 {
        let snapshot = snapshot(root.path());
        let history = history(&snapshot, "times");
        assert_eq!(values(history), newest_first(pushed.max(20) - 20..pushed));
        assert_eq!(tasks.times.len(), history.entries().len());
        assert_eq!(
            (history.pushed(), history.missed(), history.lost()),
            (u64::from(pushed), 0, 0)
        );
        tasks.times.push(pushed.into());
    }
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let snapshot = snapshot(root.path());
    let entries = history(&snapshot, "times").entries();
    for pair in entries.windows(2) {
        assert!(pair[0].time_ns() >= pair[1].time_ns());
    }
    // The coarse clock lags by at most one tick: up to 10 ms.
    let first = entries.last().unwrap().timestamp();
    assert!(first >= before.as_secs_f64() - 0.1 && first <= after.as_secs_f64() + 0.1);
    assert!(entries.iter().all(|entry| entry.context().is_none()));
}

#[test]
fn values_that_are_no_numbers_stay_what_they_are() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    for value in [f64::NAN, f64::INFINITY, -0.0] {
        tasks.times.push(value);
    }
    let snapshot = snapshot(root.path());
    let values = values(history(&snapshot, "times"));
    assert!(values[0] == 0.0 && values[0].is_sign_negative());
    assert_eq!(values[1], f64::INFINITY);
    assert!(values[2].is_nan());
}

#[test]
fn one_reader_follows_a_ring_through_all_of_its_growth() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    let task = tasks.by_name.group("a");
    let mut reader = Reader::open(root.path()).unwrap();
    let mut pushed = 0;
    for more in [1, 6, 1, 1, 7, 100, 800, 84, 1, 3_000] {
        (pushed..pushed + more).for_each(|value| task.times.push(value.into()));
        pushed += more;
        let snapshot = reader.snapshot().unwrap();
        assert_eq!(snapshot.errors(), []);
        let history = history(&snapshot, "a.times");
        assert_eq!(
            values(history),
            newest_first(pushed.max(1000) - 1000..pushed)
        );
    }
}

#[test]
fn ten_thousand_labels_of_a_few_values_take_less_than_a_kilobyte_each() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    for value in 0..3 {
        for task in 0..10_000 {
            tasks
                .by_name
                .group(&format!("task-{task}"))
                .times
                .push(value.into());
        }
    }
    let length = tasks.path().unwrap().metadata().unwrap().len();
    assert!(length < 10_000 * 600, "{length} bytes");
    let snapshot = snapshot(root.path());
    assert_eq!(
        values(history(&snapshot, "task-9999.times")),
        [2.0, 1.0, 0.0]
    );
}

#[test]
fn the_budget_bounds_all_rings_together() {
    let root = tempfile::tempdir().unwrap();
    // A first part takes 64 + 8 · 32 bytes, the second as many, the third 64 + 16 · 32.
    let tasks = Tasks::builder()
        .path(root.path())
        .max_history_bytes(320 * 4 + 100)
        .create()
        .unwrap();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| tasks.by_name.group(name));
    for value in 0..5 {
        b.times.push(value.into());
        c.times.push(value.into());
    }
    for value in 0..100 {
        a.times.push(value.into());
    }
    for value in 0..5 {
        d.times.push_with(value.into(), "no space");
    }
    let snapshot = snapshot(root.path());
    let history = |label| history(&snapshot, label);
    assert_eq!(
        values(history("a.times")),
        newest_first(84..100),
        "two parts of 8"
    );
    assert_eq!(values(history("b.times")).len(), 5);
    assert_eq!(values(history("c.times")).len(), 5);
    let none = history("d.times");
    assert_eq!(
        (none.entries().len(), none.lost(), none.pushed()),
        (0, 5, 0)
    );
}

#[test]
fn a_full_file_keeps_the_ring_that_there_is() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder()
        .path(root.path())
        .max_size(16 << 10)
        .max_history_bytes(1 << 20)
        .create()
        .unwrap();
    let task = tasks.by_name.group("a");
    for value in 0..10_000 {
        task.times.push(value.into());
    }
    let snapshot = snapshot(root.path());
    let values = values(history(&snapshot, "a.times"));
    assert!(values.len() >= 128, "{}", values.len());
    assert_eq!(values, newest_first(10_000 - values.len() as u32..10_000));
}

#[test]
fn histories_of_several_threads_become_one_by_time() {
    let root = tempfile::tempdir().unwrap();
    let files = [0, 1, 2].map(|_| Tasks::builder().path(root.path()).create().unwrap());
    for (round, file) in (0..).zip(files.iter().cycle().take(60)) {
        file.times.push(round.into());
    }
    let snapshot = snapshot(root.path());
    let merged = history(&snapshot, "times");
    assert_eq!(
        (merged.entries().len(), merged.pushed(), merged.size()),
        (20, 60, 20)
    );
    let times: Vec<u64> = merged
        .entries()
        .iter()
        .map(|entry| entry.time_ns())
        .collect();
    assert!(times.windows(2).all(|two| two[0] >= two[1]), "{times:?}");
    // The order within each file is kept, whatever the resolution of the clock.
    for file in 0..3 {
        let own: Vec<f64> = (values(merged).into_iter())
            .filter(|value| *value as u32 % 3 == file)
            .collect();
        assert!(own.windows(2).all(|two| two[0] > two[1]), "{own:?}");
    }
}

#[test]
fn the_environment_says_how_many_values_are_kept() {
    const NAME: &str = "ring::the_environment_says_how_many_values_are_kept";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(child::command(NAME, root.path()).env("MMSTATS_HISTORY_SIZE", "3"));
        return;
    }
    let tasks = Tasks::create().unwrap();
    for value in 0..10 {
        tasks.times.push(value.into());
    }
    let snapshot = snapshot(Path::new(&std::env::var_os("MMSTATS_PATH").unwrap()));
    let history = history(&snapshot, "times");
    assert_eq!((values(history), history.size()), (vec![9.0, 8.0, 7.0], 3));
}

#[test]
fn without_a_file_values_go_nowhere() {
    let tasks = Tasks::builder().anonymous().create().unwrap();
    for value in 0..100 {
        tasks.times.push_with(value.into(), "somewhere");
    }
    assert_eq!(tasks.times.len(), 20);
}
