//! `Root`: for code that finds its statistics by itself.

use std::path::Path;
use std::thread;
use std::time::Duration;

use mmstats::reader::Reader;
use mmstats::testing::{Clock, Root, assert_value};
use mmstats::{
    Counter, Groups, MmStats, SharedCounter, SharedGauge, SharedPercentile, SharedTimer,
};

use super::{child, failure};

#[derive(MmStats)]
#[mmstats(name = "cafe")]
struct Cafe {
    #[mmstats(window = "60s")]
    cups: Counter,
    tables: Groups<Table>,
}

#[derive(MmStats)]
struct Table {
    guests: Counter,
}

static VISITS: SharedCounter = SharedCounter::new("visits", "count");
static STAY: SharedTimer = SharedTimer::new("visits", "stay");
static BILL: SharedPercentile<u64> = SharedPercentile::new("visits", "bill");
static SEATS: SharedGauge<i64> = SharedGauge::new("visits", "seats");

/// Counts in all ways that need no statistics as an argument.
fn serve(cups: u64) {
    Cafe::local(|cafe| {
        cafe.cups.add(cups);
        cafe.tables.group("window").guests.inc();
    });
    VISITS.add(cups);
    STAY.record(Duration::from_secs(cups));
    BILL.record(3 * cups);
    SEATS.add(1);
    mmstats::push_stat("cake", cups as f64);
}

fn assert_served(root: &Root, cups: u64) {
    let snapshot = root.snapshot();
    assert_value(&snapshot, "cups", cups);
    assert_value(&snapshot, "window.guests", 1);
    assert_value(&snapshot, "count", cups);
    assert_value(&snapshot, "stay.Max", cups as f64);
    assert_value(&snapshot, "bill.Max", 3 * cups);
    assert_value(&snapshot, "cake.Last", cups as f64);
    let seats = snapshot.get("visits", "seats");
    assert!(seats.is_none(), "of the process: {seats:?}");
}

/// Runs a test of this module in a process with a root; returns whether this is that process.
fn in_a_process_with(name: &str, variable: &str) -> bool {
    let name = format!("root::{name}");
    if child::is_child(&name) {
        return true;
    }
    let root = tempfile::tempdir().unwrap();
    let output = child::run(child::command(&name, root.path()).env(variable, "1"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("mmstats"), "{errors}");
    false
}

fn process_root() -> std::path::PathBuf {
    std::env::var_os("MMSTATS_PATH").unwrap().into()
}

fn total(root: &Path) -> Option<u64> {
    let snapshot = Reader::open(root).unwrap().snapshot().unwrap();
    assert!(snapshot.errors().is_empty());
    snapshot.get("cafe", "cups")?.as_u64()
}

#[test]
fn a_thread_has_its_root_and_others_have_theirs() {
    if !in_a_process_with(
        "a_thread_has_its_root_and_others_have_theirs",
        "MMSTATS_FOLD",
    ) {
        return;
    }
    let process = process_root();
    serve(1000);
    let first = {
        let root = Root::temporary();
        serve(1);
        // One test after another on a thread, and others at the same time.
        thread::scope(|scope| {
            for cups in 2..10 {
                scope.spawn(move || {
                    let root = Root::temporary();
                    serve(cups);
                    assert_served(&root, cups);
                });
            }
        });
        assert_served(&root, 1);
        root.path().to_owned()
    };
    assert!(!first.exists());
    let second = Root::temporary();
    assert!(std::fs::read_dir(second.path()).unwrap().next().is_none());
    serve(20);
    assert_served(&second, 20);
    drop(second);
    // The process's root is unaffected and still in use: on this thread, and on one that takes over an existing file.
    assert_eq!(total(&process), Some(1000));
    serve(1);
    thread::spawn(|| serve(1)).join().unwrap();
    assert_eq!(total(&process), Some(1002));
    assert_eq!(SEATS.get(), 1 + 1 + 8 + 1 + 1 + 1);
}

#[test]
fn references_from_before_stay_valid() {
    if !in_a_process_with("references_from_before_stay_valid", "MMSTATS_QUIET") {
        return;
    }
    Cafe::local(|before| {
        before.cups.inc();
        let root = Root::temporary();
        Cafe::local(|within| {
            within.cups.add(5);
            within.tables.group("door").guests.inc();
            within.tables.remove("door");
            before.tables.group("door").guests.inc();
            before.cups.inc();
            assert_value(&root.snapshot(), "cups", 5);
            drop(root);
            within.cups.inc();
            Cafe::local(|after| after.cups.inc());
        });
        before.cups.inc();
    });
    assert_eq!(total(&process_root()), Some(4));
}

#[test]
fn a_root_has_files_where_the_process_has_none() {
    if !in_a_process_with(
        "a_root_has_files_where_the_process_has_none",
        "MMSTATS_DISABLE",
    ) {
        return;
    }
    serve(1);
    let root = Root::temporary();
    serve(2);
    assert_served(&root, 2);
    drop(root);
    assert!(std::fs::read_dir(process_root()).unwrap().next().is_none());
}

#[test]
fn windows_of_counters_follow_the_clock_in_a_root() {
    let clock = Clock::mock();
    let root = Root::temporary();
    Cafe::local(|cafe| cafe.cups.inc());
    assert_value(&root.snapshot(), "cups.WindowCount", 1);
    clock.advance(Duration::from_secs(90));
    assert_value(&root.snapshot(), "cups.WindowCount", 0);
}

#[test]
fn a_thread_has_one_root() {
    let root = Root::temporary();
    let twice = failure(|| drop(Root::temporary()));
    assert!(twice.contains("has a Root already"), "{twice}");
    assert_eq!(root.snapshot().iter().count(), 0);
}

#[cfg(feature = "metrics")]
#[test]
fn a_recorder_of_the_test_has_gauges_too() {
    use mmstats::recorder::Recorder;
    let root = Root::temporary();
    let recorder = Recorder::builder().path(root.path()).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        metrics::counter!("jobs").increment(2);
        metrics::gauge!("queue").set(7.0);
        metrics::histogram!("sizes").record(12.0);
    });
    let snapshot = root.snapshot();
    assert_value(&snapshot, "jobs", 2);
    assert_value(&snapshot, "queue", 7.0);
    assert_value(&snapshot, "sizes.Count", 1);
}
