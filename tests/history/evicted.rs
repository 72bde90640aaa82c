//! Errors in a log that is full: what is evicted, what stays, and what readers see of it.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use mmstats::retire::Cleaner;
use mmstats::{DistinctError, ErrorsValue};

use super::races::{Stop, not_mapped};
use super::*;

#[derive(MmStats)]
#[mmstats(name = "failing")]
struct Failing {
    errors: Errors,
}

/// An error whose message has its number.
#[derive(Debug)]
struct Numbered(u64);

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "number {}", self.0)
    }
}

impl Error for Numbered {}

/// Another type.
#[derive(Debug)]
struct Late;

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("at 3 a.m.")
    }
}

impl Error for Late {}

fn errors(snapshot: &Snapshot) -> &ErrorsValue {
    let value = snapshot.get("failing", "errors").expect("errors");
    value.as_errors().expect("errors")
}

fn count(snapshot: &Snapshot, label: &str) -> Option<u64> {
    snapshot.get("failing", label)?.as_u64()
}

fn sum(errors: &[DistinctError]) -> u64 {
    errors.iter().map(DistinctError::count).sum()
}

fn find<'a>(value: &'a ErrorsValue, message: &str) -> Option<&'a DistinctError> {
    (value.distinct().iter()).find(|error| error.message() == message)
}

#[test]
fn a_new_error_is_seen_when_the_log_is_full() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder().path(root.path()).create().unwrap();
    for number in 0..10_000 {
        failing.errors.record(&Numbered(number));
    }
    failing.errors.record(&Late);
    let snapshot = snapshot(root.path());
    let value = errors(&snapshot);
    assert_eq!(
        (value.all(), value.overflow(), value.unnamed()),
        (10_001, 0, 0)
    );
    assert_eq!(value.distinct().len(), 256);
    assert_eq!(value.evicted(), 10_001 - 256);
    assert_eq!(find(value, "at 3 a.m.").map(DistinctError::count), Some(1));
    assert_eq!(count(&snapshot, "errors__EXC:Late"), Some(1));
    assert_eq!(count(&snapshot, "errors__EXC:Numbered"), Some(10_000));
}

#[test]
fn the_error_that_was_least_recently_seen_is_evicted() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder().path(root.path()).create().unwrap();
    let record = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            failing.errors.record(&Numbered(number));
        }
    };
    record(0..256);
    // Seen again, so the others are older now.
    record(0..100);
    record(1000..1156);
    let snapshot = snapshot(root.path());
    let mut kept: Vec<u64> = (errors(&snapshot).distinct().iter())
        .map(|error| error.message()["number ".len()..].parse().unwrap())
        .collect();
    kept.sort();
    let wanted: Vec<u64> = (0..100).chain(1000..1156).collect();
    assert_eq!(kept, wanted);
}

#[test]
fn counts_by_name_and_place_are_exact_whatever_is_evicted() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder().path(root.path()).create().unwrap();
    let mut before: Vec<(String, String, u64)> = Vec::new();
    for round in 1..=5 {
        for number in 0..700 {
            failing.errors.record(&Numbered(number * round));
            if number % 3 == 0 {
                failing.errors.record(&Numbered(number));
            }
            if number % 7 == 0 {
                failing.errors.note("timeout", number.to_string());
            }
        }
        let snapshot = snapshot(root.path());
        let value = errors(&snapshot);
        let now: Vec<_> = (value.sites().iter())
            .map(|site| (site.exposed_as(), site.site().to_owned(), site.count()))
            .collect();
        let counts: Vec<u64> = now.iter().map(|(.., count)| *count).collect();
        assert_eq!(counts, [700 * round, 234 * round, 100 * round]);
        assert_eq!(sum(value.sites()) + value.unnamed(), value.all());
        assert_eq!(count(&snapshot, "errors__EXC:Numbered"), Some(934 * round));
        for (old, new) in before.iter().zip(&now) {
            assert!(old.0 == new.0 && old.1 == new.1 && old.2 < new.2);
        }
        before = now;
    }
}

#[test]
fn names_beyond_the_bound_count_as_unnamed() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder().path(root.path()).create().unwrap();
    for round in 1..=2 {
        for name in 0..1_000 {
            failing.errors.note(&format!("name-{name}"), "");
        }
        let snapshot = snapshot(root.path());
        let value = errors(&snapshot);
        assert_eq!((value.distinct().len(), value.sites().len()), (256, 256));
        assert_eq!(
            (value.all(), value.unnamed()),
            (1_000 * round, (1_000 - 256) * round)
        );
        assert_eq!(count(&snapshot, "errors__name-255"), Some(round));
        assert_eq!(count(&snapshot, "errors__name-256"), None);
        assert!(
            value
                .distinct()
                .iter()
                .any(|note| note.name() == "name-999")
        );
    }
}

#[test]
fn a_full_file_evicts_too() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder()
        .path(root.path())
        .max_size(16 << 10)
        .create()
        .unwrap();
    for number in 0..200 {
        failing.errors.record(&Numbered(number));
    }
    let snapshot = snapshot(root.path());
    let value = errors(&snapshot);
    let kept = value.distinct().len() as u64;
    assert!((3..10).contains(&kept), "{kept}");
    assert_eq!((value.all(), value.overflow()), (200, 0));
    assert_eq!(value.evicted(), 200 - kept);
    assert!(find(value, "number 199").is_some());
    assert_eq!(count(&snapshot, "errors__EXC:Numbered"), Some(200));
}

#[test]
fn a_storm_in_many_logs_leaves_the_file_space_for_all_else() {
    #[derive(MmStats)]
    #[mmstats(name = "failing")]
    struct Many {
        errors: Errors,
        by_tier: Groups<Failing>,
    }
    let root = tempfile::tempdir().unwrap();
    let many = Many::builder()
        .path(root.path())
        .max_size(2 << 20)
        .create()
        .unwrap();
    for tier in 0..20 {
        for number in 0..300 {
            let group = many.by_tier.group(&tier.to_string());
            group.errors.record(&Numbered(number));
        }
    }
    many.errors.record(&Late);
    let snapshot = snapshot(root.path());
    assert!(snapshot.files()[0].bytes() < 1 << 20);
    assert_eq!(snapshot.get("failing", "_other.errors"), None);
    let of_tiers = |each: &dyn Fn(&ErrorsValue)| {
        let all = snapshot.errors_of("failing");
        let of_tiers = all.filter(|(label, _)| *label != "errors");
        assert_eq!(of_tiers.inspect(|(_, value)| each(value)).count(), 20);
    };
    of_tiers(&|value| {
        assert!(value.distinct().len() >= 8);
        assert!(
            value
                .distinct()
                .iter()
                .any(|error| error.message() == "number 299")
        );
        assert_eq!((sum(value.sites()), value.overflow()), (300, 0));
    });
    assert!(find(errors(&snapshot), "at 3 a.m.").is_some());
}

#[test]
fn an_interval_has_what_was_recorded_in_it_whatever_was_evicted() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder().path(root.path()).create().unwrap();
    let at_one_place = |number: u64| failing.errors.record(&Numbered(number));
    for _ in 0..100 {
        at_one_place(7);
    }
    let mut reader = Reader::open(root.path()).unwrap();
    reader.deltas(true).snapshot().unwrap();
    // It is evicted and recorded again within one interval. The clock is coarse, so this waits for its next tick.
    let tick = || reader_time(root.path());
    let begin = tick();
    while tick() == begin {
        at_one_place(1000);
    }
    let more = errors(&snapshot(root.path())).all() - 100;
    for number in 1001..1400 {
        at_one_place(number);
    }
    at_one_place(7);
    at_one_place(7);
    let snapshot = reader.snapshot().unwrap();
    let [delta] = snapshot.model("failing").unwrap().deltas() else {
        panic!("one")
    };
    let value = delta.value().as_errors().unwrap();
    assert_eq!(value.all(), more + 399 + 2);
    assert_eq!(sum(value.sites()), value.all());
    assert_eq!(find(value, "number 7").map(DistinctError::count), Some(2));
    assert!(value.evicted() > 0 && value.overflow() == 0);
}

/// Returns the latest time in a log.
fn reader_time(root: &Path) -> u64 {
    let snapshot = snapshot(root);
    (errors(&snapshot).distinct().iter())
        .map(DistinctError::last_ns)
        .max()
        .unwrap()
}

#[test]
fn folding_evicted_logs_keeps_all_counts() {
    const NAME: &str = "evicted::folding_evicted_logs_keeps_all_counts";
    let failing = |number: u64| {
        for each in 0..300 {
            let failing = number * 1000 + each;
            Failing::local(|s| s.errors.record(&Numbered(failing)));
        }
    };
    if child::is_child(NAME) {
        failing(std::process::id().into());
        // Aborts, so that its file stays.
        std::process::abort();
    }
    let root = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        child::command(NAME, root.path()).output().unwrap();
    }
    let before = snapshot(root.path());
    assert_eq!(before.files().len(), 3);
    assert_eq!(errors(&before).distinct().len(), 3 * 256);
    Cleaner::new().fold(true).clean(root.path()).unwrap();
    let after = snapshot(root.path());
    assert!(after.files()[0].retired().is_some(), "{:?}", after.files());
    let (before, after) = (errors(&before), errors(&after));
    assert_eq!((after.all(), sum(after.sites())), (900, 900));
    assert_eq!(after.sites(), before.sites());
    // A retired file has as many messages as any other file: the newest ones.
    assert_eq!(after.distinct().len(), 256);
    assert_eq!(after.evicted(), before.evicted() + 2 * 256);
    let newest = |value: &ErrorsValue| value.distinct().iter().map(DistinctError::last_ns).max();
    assert_eq!(newest(after), newest(before));
}

/// Reads while a thread keeps replacing each entry by another error. All parts of an error must belong together: name,
/// message and cause have the same number, and the count is how often that error was recorded in a row.
fn race(mapped: bool) {
    #[derive(Debug)]
    struct Caused(u64, Numbered);
    impl fmt::Display for Caused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            // With different lengths.
            write!(f, "{:>1$}", self.0, (self.0 % 300) as usize)
        }
    }
    impl Error for Caused {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.1)
        }
    }
    let root = tempfile::tempdir().unwrap();
    // Little space, so that each entry is soon used again.
    let failing = Failing::builder()
        .path(root.path())
        .max_size(16 << 10)
        .create()
        .unwrap();
    if !mapped {
        not_mapped(&root.path().join("failing"));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                for _ in 0..number % 4 + 1 {
                    failing.errors.record(&Caused(number, Numbered(number)));
                }
            }
        });
        let _stop = Stop(stop);
        let mut reader = Reader::open(root.path()).unwrap();
        let (mut newest, mut seen, mut all) = (0, 0, 0);
        while seen < 4_000 {
            let snapshot = reader.snapshot().unwrap();
            assert_eq!(snapshot.errors(), []);
            let Some(value) = snapshot.get("failing", "errors") else {
                continue;
            };
            let value = value.as_errors().unwrap();
            for error in value.distinct() {
                let number: u64 = error.message().trim().parse().unwrap();
                assert!(error.sources().eq([format!("number {number}")]));
                let digits = number.to_string().len();
                assert_eq!(error.message().len(), digits.max((number % 300) as usize));
                assert!((1..=number % 4 + 1).contains(&error.count()));
                assert!(error.first_ns() <= error.last_ns());
                assert!(error.site().contains("evicted.rs:"));
                newest = newest.max(number);
                seen += 1;
            }
            let of_name = sum(value.sites());
            assert!(of_name >= all, "{of_name} after {all}");
            all = of_name;
        }
        assert!(newest > 100, "{newest}");
    });
}

#[test]
fn errors_that_are_mapped_are_never_mixed() {
    race(true);
}

#[test]
fn errors_that_are_read_are_never_mixed() {
    race(false);
}

#[test]
fn a_storm_of_new_messages_takes_no_backtrace_of_each() {
    const NAME: &str = "evicted::a_storm_of_new_messages_takes_no_backtrace_of_each";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        let mut command = child::command(NAME, root.path());
        child::run(command.env("RUST_BACKTRACE", "1"));
        return;
    }
    let failing = Failing::create().unwrap();
    for number in 0..600 {
        failing.errors.record(&Numbered(number));
    }
    failing.errors.record(&Late);
    let snapshot = snapshot(Path::new(&std::env::var_os("MMSTATS_PATH").unwrap()));
    let value = errors(&snapshot);
    let has_backtrace = |message: &str| find(value, message).map(|it| it.context().is_some());
    assert_eq!(has_backtrace("number 599"), Some(false));
    assert_eq!(
        has_backtrace("at 3 a.m."),
        Some(true),
        "the first of its name"
    );
}
