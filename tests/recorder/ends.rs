//! Metrics that end: through `remove`, and because no thread writes them.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use metrics::{Key, Label, with_local_recorder};
use mmstats::reader::Reader;
use mmstats::recorder::Recorder;

use super::process::{fork, wait_well};
use super::{child, count, recorder, snapshot};

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_removed_metric_ends_in_all_threads_and_begins_anew_with_the_next_write() {
    let (recorder, root) = recorder();
    let key = Key::from_parts("jobs", vec![Label::new("queue", "mail")]);
    let label = "jobs{queue=\"mail\"}";
    let (written, removed) = (Barrier::new(3), Barrier::new(3));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let jobs =
                    with_local_recorder(&recorder, || metrics::counter!("jobs", "queue" => "mail"));
                jobs.increment(5);
                written.wait();
                removed.wait();
                // The handle is the same as before.
                jobs.increment(2);
                written.wait();
            });
        }
        written.wait();
        assert_eq!(count(root.path(), label), Some(10));
        assert!(recorder.remove(&key));
        assert!(!recorder.remove(&key), "it has ended already");
        assert_eq!(count(root.path(), label), None);
        removed.wait();
        written.wait();
        assert_eq!(count(root.path(), label), Some(4));
    });
    // Also for threads that have ended; and on this thread, which never wrote it.
    assert!(recorder.remove(&key));
    assert_eq!(count(root.path(), label), None);
    with_local_recorder(&recorder, || {
        metrics::counter!("jobs", "queue" => "mail").absolute(7)
    });
    assert_eq!(
        count(root.path(), label),
        Some(7),
        "the total is known to be zero"
    );
    assert!(!recorder.remove(&Key::from_name("jobs")), "other labels");
}

#[test]
fn all_kinds_of_a_key_end_and_others_stay() {
    let (recorder, root) = recorder();
    let handles = with_local_recorder(&recorder, || {
        metrics::counter!("other").increment(1);
        (
            metrics::counter!("all"),
            metrics::gauge!("all"),
            metrics::histogram!("all"),
        )
    });
    let write = |value: f64| {
        handles.0.increment(value as u64);
        handles.1.set(value);
        handles.2.record(value);
    };
    for round in 1..=3u8 {
        // So that the histogram already has octaves.
        (0..100).for_each(|n| handles.2.record(f64::from(n)));
        write(f64::from(round));
        let snapshot = snapshot(root.path());
        let value = |label: &str| snapshot.get("metrics", label).unwrap();
        assert_eq!(value("all").as_u64(), Some(round.into()));
        assert_eq!(value("all.gauge").as_f64(), Some(round.into()));
        assert_eq!(value("all.histogram").count(), Some(101));
        assert!(recorder.remove(&Key::from_name("all")));
        let snapshot = super::snapshot(root.path());
        let labels = snapshot.models()[0]
            .series()
            .iter()
            .map(|series| series.label());
        assert_eq!(labels.collect::<Vec<_>>(), ["other"]);
    }
}

#[test]
fn a_metric_that_ends_again_and_again_takes_no_more_space() {
    let (recorder, root) = recorder();
    let handles = with_local_recorder(&recorder, || {
        (
            metrics::counter!("a"),
            metrics::gauge!("a"),
            metrics::histogram!("a"),
        )
    });
    let bytes = || {
        snapshot(root.path())
            .files()
            .iter()
            .map(|file| file.bytes())
            .sum::<u64>()
    };
    let mut after_first = 0;
    for round in 0..5_000u32 {
        handles.0.increment(1);
        handles.1.increment(1.0);
        handles.2.record(f64::from(round % 50));
        if round == 50 {
            after_first = bytes();
        }
        assert!(recorder.remove(&Key::from_name("a")));
    }
    assert_eq!(bytes(), after_first);
}

/// Removes while other threads create metrics, so that their tables grow meanwhile.
#[test]
fn no_handle_is_left_behind_where_a_table_grows() {
    const METRICS: u64 = 400;
    let (recorder, root) = recorder();
    let key = |n: u64| Key::from_parts("many", vec![Label::new("n", n.to_string())]);
    thread::scope(|scope| {
        let making: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let make = |n: u64| {
                        let made = metrics::counter!("many", "n" => n.to_string());
                        made.increment(1);
                        made
                    };
                    with_local_recorder(&recorder, || (0..METRICS).map(make).collect::<Vec<_>>())
                })
            })
            .collect();
        while !making.iter().all(|thread| thread.is_finished()) {
            (0..METRICS).for_each(|n| _ = recorder.remove(&key(n)));
        }
        (0..METRICS).for_each(|n| _ = recorder.remove(&key(n)));
        let handles: Vec<_> = making
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        // The cells now belong to this thread, and each handle finds its own.
        handles.iter().for_each(|handle| handle.increment(1));
    });
    let snapshot = snapshot(root.path());
    let total = |n: u64| {
        snapshot
            .get("metrics", &format!("many{{n=\"{n}\"}}"))
            .unwrap()
            .as_u64()
    };
    assert!((0..METRICS).all(|n| total(n) == Some(2)));
}

#[test]
fn a_gauge_that_ends_while_it_begins_anew_is_found_again() {
    let (recorder, root) = recorder();
    let level = with_local_recorder(&recorder, || metrics::gauge!("level"));
    let key = Key::from_name("level");
    let mut reader = Reader::open(root.path()).unwrap();
    for round in 1..=200 {
        thread::scope(|scope| {
            // The first write after a removal creates the gauge again, while the next removal is under way.
            let writing = scope.spawn(|| (0..1000).for_each(|_| level.set(0.5)));
            while !writing.is_finished() {
                recorder.remove(&key);
            }
        });
        // Whichever came last, the handle's writes are visible to readers. (The next removal would otherwise repair
        // it.)
        level.set(f64::from(round));
        let snapshot = reader.snapshot().unwrap();
        let seen = snapshot.get("metrics", "level");
        assert_eq!(
            seen.and_then(|value| value.as_f64()),
            Some(f64::from(round))
        );
    }
}

#[test]
fn counters_and_histograms_that_nobody_writes_end_and_gauges_stay() {
    let root = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder()
        .path(root.path())
        .idle(Duration::from_secs(1))
        .build()
        .unwrap();
    let [busy, idle] = with_local_recorder(&recorder, || {
        metrics::gauge!("level").set(1.0);
        metrics::histogram!("sizes").record(1.0);
        ["busy", "idle"].map(|name| metrics::counter!(name))
    });
    let begin = Instant::now();
    idle.increment(5);
    let labels = || {
        busy.increment(1);
        assert!(begin.elapsed() < PATIENCE);
        let snapshot = snapshot(root.path());
        let labels = snapshot.models().iter().flat_map(|model| model.series());
        labels
            .map(|series| series.label().to_owned())
            .collect::<Vec<_>>()
    };
    for round in 1..=3 {
        while labels() != ["busy", "level"] {}
        assert!(begin.elapsed() >= Duration::from_secs(1));
        // A value that is written at the very moment of the end may be lost with the old ones.
        let begun = loop {
            idle.increment(round);
            if let Some(count) = count(root.path(), "idle") {
                break count;
            }
            assert!(begin.elapsed() < PATIENCE);
        };
        assert_eq!(begun, round, "it begins at zero");
    }
    for wrong in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_secs(700_000),
    ] {
        let refused = Recorder::builder().idle(wrong).build().unwrap_err();
        assert!(
            refused.to_string().contains("1 second to 168 hours"),
            "{refused}"
        );
    }
}

#[test]
fn a_fold_leaves_out_what_has_ended() {
    const NAME: &str = "ends::a_fold_leaves_out_what_has_ended";
    if child::is_child(NAME) {
        let recorder = Recorder::builder().build().unwrap();
        with_local_recorder(&recorder, || {
            metrics::counter!("ended").increment(5);
            metrics::counter!("again").increment(5);
            metrics::counter!("stays").increment(5);
        });
        for name in ["ended", "again"] {
            assert!(recorder.remove(&Key::from_name(name)));
        }
        with_local_recorder(&recorder, || metrics::counter!("again").increment(1));
        return;
    }
    let root = tempfile::tempdir().unwrap();
    child::run(child::command(NAME, root.path()).env("MMSTATS_FOLD", "1"));
    let counts = ["again", "ended", "stays"].map(|name| count(root.path(), name));
    assert_eq!(counts, [Some(1), None, Some(5)]);
}

#[test]
fn the_child_of_a_fork_ends_its_own_metrics_only() {
    let (recorder, root) = recorder();
    let handle = with_local_recorder(&recorder, || metrics::counter!("forked"));
    let gauge = with_local_recorder(&recorder, || metrics::gauge!("level"));
    handle.increment(5);
    gauge.set(5.0);
    wait_well(fork(|| {
        let none = !recorder.remove(&Key::from_name("forked"));
        handle.increment(1);
        gauge.set(1.0);
        let both = ["forked", "level"].map(|name| recorder.remove(&Key::from_name(name)));
        i32::from(!(none && both == [true, true]))
    }));
    let snapshot = snapshot(root.path());
    let of = |label: &str| {
        snapshot
            .get("metrics", label)
            .and_then(|value| value.as_f64())
    };
    assert_eq!((of("forked"), of("level")), (Some(5.0), Some(5.0)));
}
