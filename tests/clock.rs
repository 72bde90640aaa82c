//! The system time is set while a program writes: counts and windows are not affected, and a time stamp is what the
//! clock said. This program has its own `clock_gettime`, which the library calls.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use mmstats::reader::{Reader, Snapshot};
use mmstats::{Counter, Errors, History, HistoryValue, MmStats, Stats, Summary, Value};

/// Seconds by which the time of day is off.
static OFF: AtomicI64 = AtomicI64::new(0);
/// Lets one test at a time change it.
static MOVING: Mutex<()> = Mutex::new(());

fn moving() -> MutexGuard<'static, ()> {
    // A failure of another test is no reason for this one to fail.
    MOVING.lock().unwrap_or_else(PoisonError::into_inner)
}

const HOUR: i64 = 3600;

/// Replaces the function of the C library.
///
/// # Safety
/// As there: `time` points to a timespec.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(
    clock: libc::clockid_t,
    time: *mut libc::timespec,
) -> libc::c_int {
    // SAFETY: the same arguments, with the same effect.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE) {
        // SAFETY: it belongs to the caller, and was filled above.
        unsafe { (*time).tv_sec += OFF.load(Ordering::Relaxed) };
    }
    result as libc::c_int
}

#[derive(MmStats)]
#[mmstats(name = "clock")]
struct Clock {
    #[mmstats(window = "24h")]
    load: Summary,
    #[mmstats(window = "24h")]
    requests: Counter,
    times: History,
    errors: Errors,
}

fn create(root: &Path) -> Stats<Clock> {
    Clock::builder().path(root).create().unwrap()
}

impl Clock {
    /// Records a value while the clock is off by so many seconds; returns its time on that clock.
    fn record(&self, value: f64, off: i64) -> f64 {
        OFF.store(off, Ordering::Relaxed);
        self.load.record(value);
        self.requests.inc();
        self.times.push(value);
        self.errors.note("noted", "");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0.0, |since| since.as_secs_f64())
    }
}

fn snapshot(root: &Path) -> Snapshot {
    let snapshot = Reader::open(root).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.errors(), []);
    snapshot
}

fn number(snapshot: &Snapshot, label: &str) -> f64 {
    snapshot
        .get("clock", label)
        .and_then(Value::as_f64)
        .expect(label)
}

fn history(snapshot: &Snapshot) -> &HistoryValue {
    snapshot.history("clock", "times").unwrap()
}

fn values(history: &HistoryValue) -> Vec<f64> {
    history
        .entries()
        .iter()
        .map(|entry| entry.value())
        .collect()
}

/// The coarse clock lags by a tick, and on a busy machine by more; the steps are hours.
fn near(stamp: f64, time: f64) {
    assert!((stamp - time).abs() < 600.0, "{stamp} is not {time}");
}

#[test]
fn a_clock_that_is_set_changes_no_count_no_window_and_no_order_of_a_thread() {
    let _moving = moving();
    let root = tempfile::tempdir().unwrap();
    let clock = create(root.path());
    // Back and forth, also by years, and to a time before 1970, which is stored as 0.
    let steps = [
        0,
        -HOUR,
        2 * HOUR,
        100_000 * HOUR,
        -1_000_000 * HOUR,
        -2 * HOUR,
    ];
    let mut told: Vec<f64> = (1..)
        .zip(steps)
        .map(|(value, off)| clock.record(value.into(), off))
        .collect();
    let snapshot = snapshot(root.path());
    for label in [
        "load.Count",
        "load.WindowCount",
        "requests",
        "requests.WindowCount",
    ] {
        assert_eq!(number(&snapshot, label), 6.0, "{label}");
    }
    assert_eq!(number(&snapshot, "load.Last"), 6.0);
    near(number(&snapshot, "load.LastTime"), told[5]);
    // The order is that of the pushes; the times are those of the clock.
    let history = history(&snapshot);
    assert_eq!(values(history), [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
    told.reverse();
    for (entry, told) in history.entries().iter().zip(&told) {
        near(entry.timestamp(), *told);
    }
    assert!(history.entries()[1].timestamp() < 1.0, "before 1970");
    // The last time of an error may be before its first.
    let (_, errors) = snapshot.errors_of("clock").next().unwrap();
    let noted = &errors.distinct()[0];
    assert_eq!(noted.count(), 6);
    near(noted.first_ns() as f64 / 1e9, told[5]);
    near(noted.last_ns() as f64 / 1e9, told[0]);
    assert!(noted.last_ns() < noted.first_ns());
}

#[test]
fn of_two_files_the_stamps_say_what_was_last() {
    let _moving = moving();
    let root = tempfile::tempdir().unwrap();
    let (before, after) = (create(root.path()), create(root.path()));
    before.record(1.0, 0);
    // Later, on a clock that was set back in between.
    after.record(2.0, -HOUR);
    after.record(3.0, -2 * HOUR);
    let first = snapshot(root.path());
    assert_eq!(number(&first, "load.Count"), 3.0);
    assert_eq!(number(&first, "load.WindowCount"), 3.0);
    assert_eq!(number(&first, "load.Last"), 1.0);
    // Entries of several files are ordered by time, those of one file by push.
    assert_eq!(values(history(&first)), [1.0, 3.0, 2.0]);
    // And forward: the value comes before all others again.
    after.record(4.0, HOUR);
    let second = snapshot(root.path());
    assert_eq!(number(&second, "load.Last"), 4.0);
    assert_eq!(values(history(&second)), [4.0, 1.0, 3.0, 2.0]);
}

#[test]
fn a_file_made_after_the_clock_was_set_back_counts_whole() {
    let _moving = moving();
    let root = tempfile::tempdir().unwrap();
    let mut reader = Reader::open(root.path()).unwrap();
    reader.deltas(true);
    let mut delta = || {
        let snapshot = reader.snapshot().unwrap();
        let model = snapshot.model("clock").unwrap();
        let mut stats = model.deltas().iter();
        let requests = stats.find(|stat| stat.label() == "requests");
        requests.unwrap().value().as_u64().unwrap()
    };
    let old = create(root.path());
    old.record(1.0, 0);
    assert_eq!(delta(), 0, "the first snapshot");
    old.record(1.0, 0);
    let new = create(root.path());
    new.record(1.0, 0);
    assert_eq!(delta(), 2);
    // A process never stamps a file earlier than its previous one.
    old.record(1.0, -HOUR);
    let stamped_before = create(root.path());
    stamped_before.record(1.0, -HOUR);
    assert_eq!(delta(), 2);
    stamped_before.record(1.0, -HOUR);
    assert_eq!(delta(), 1);
}
