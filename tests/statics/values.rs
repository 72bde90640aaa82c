//! What readers see of statics, and what several threads count.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use mmstats::{
    Counter, Groups, MmStats, SharedCounter, SharedGauge, SharedPercentile, SharedTimer,
};

use super::{child, count, files, is_child, root, snapshot};

static HITS: SharedCounter = SharedCounter::new("cache", "hits")
    .help("Lookups answered from memory.")
    .unit("lookups");
static OF_GET: SharedCounter =
    SharedCounter::new("cache", "requests").labels(&[("path", "/"), ("method", "GET")]);
/// The same as `OF_GET`: labels have no order.
static OF_GET_AGAIN: SharedCounter =
    SharedCounter::new("cache", "requests").labels(&[("method", "GET"), ("path", "/")]);
static LOOKUP: SharedTimer = SharedTimer::new("cache", "lookup");
static SIZE: SharedPercentile = SharedPercentile::new("cache", "size").unit("bytes");
static RATIO: SharedPercentile<f64> = SharedPercentile::new("cache", "ratio");

#[test]
fn all_kinds_are_seen_with_their_descriptions() {
    if !is_child("values::all_kinds_are_seen_with_their_descriptions") {
        return;
    }
    HITS.inc();
    HITS.add(4);
    OF_GET.inc();
    OF_GET_AGAIN.inc();
    assert_eq!(LOOKUP.time(|| 7), 7);
    LOOKUP.record(Duration::from_millis(3));
    LOOKUP.start().discard();
    assert!(LOOKUP.start().stop() < Duration::from_secs(60));
    SIZE.record(512);
    for value in [0.25, -1.5, f64::NAN, f64::INFINITY] {
        RATIO.record(value);
    }
    let snapshot = snapshot();
    let model = snapshot.models().first().unwrap();
    assert_eq!(model.name(), "cache");
    let seen: Vec<_> = (model.series().iter())
        .map(|series| {
            let count = match series.value().as_u64() {
                Some(count) => count,
                None => match series.label() {
                    "ratio" => 2,
                    _ => series.value().as_distribution().unwrap().count(),
                },
            };
            (series.label().to_owned(), series.unit().to_owned(), count)
        })
        .collect();
    let expected = [
        ("hits", "lookups", 5),
        ("lookup", "seconds", 3),
        ("ratio", "", 2),
        ("requests{method=\"GET\",path=\"/\"}", "", 2),
        ("size", "bytes", 1),
    ];
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (label, unit, count) in expected {
        let entry = (label.to_owned(), unit.to_owned(), count);
        assert!(seen.contains(&entry), "{entry:?} in {seen:?}");
    }
    let hits = model
        .series()
        .iter()
        .find(|series| series.label() == "hits")
        .unwrap();
    assert_eq!(hits.help(), "Lookups answered from memory.");
    let ratio = snapshot.get("cache", "ratio").unwrap().to_string();
    assert!(ratio.contains("-1.5"), "{ratio}");
}

#[test]
fn threads_count_each_in_a_file_of_its_own() {
    if !is_child("values::threads_count_each_in_a_file_of_its_own") {
        return;
    }
    let all = Barrier::new(5);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    HITS.inc();
                }
                all.wait();
                all.wait();
            });
        }
        all.wait();
        assert_eq!(files(&root().join("cache")).len(), 4);
        assert_eq!(count("cache", "hits"), Some(40_000));
        assert_eq!(HITS.get(), 40_000);
        all.wait();
    });
    assert_eq!(HITS.get(), 40_000);
}

#[test]
fn a_thread_goes_on_with_the_file_of_one_that_has_ended() {
    if !is_child("values::a_thread_goes_on_with_the_file_of_one_that_has_ended") {
        return;
    }
    for round in 1..=50 {
        thread::spawn(|| {
            HITS.inc();
            LOOKUP.record(Duration::from_millis(1));
        })
        .join()
        .unwrap();
        assert_eq!(count("cache", "hits"), Some(round));
    }
    assert_eq!(files(&root().join("cache")).len(), 1);
    let lookups = snapshot().get("cache", "lookup").unwrap().clone();
    assert_eq!(lookups.as_distribution().unwrap().count(), 50);
}

#[test]
fn a_counter_is_raised_over_all_threads_and_never_falls() {
    if !is_child("values::a_counter_is_raised_over_all_threads_and_never_falls") {
        return;
    }
    HITS.add(5);
    thread::spawn(|| HITS.set(12)).join().unwrap();
    assert_eq!(HITS.get(), 12);
    HITS.set(3);
    assert_eq!(HITS.get(), 12);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|n| HITS.set(n)));
        }
    });
    assert_eq!(HITS.get(), 999);
    assert_eq!(count("cache", "hits"), Some(999));
}

#[derive(MmStats)]
struct Web {
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
}

/// After a removal, every model of the thread takes the path of its first use again.
#[test]
fn groups_that_are_removed_leave_statics_as_they_are() {
    if !is_child("values::groups_that_are_removed_leave_statics_as_they_are") {
        return;
    }
    for round in 1..=3 {
        HITS.inc();
        Web::local(|web| {
            web.handlers.group("a").requests.inc();
            assert!(web.handlers.remove("a"));
            HITS.inc();
        });
        HITS.inc();
        assert_eq!(count("cache", "hits"), Some(3 * round));
    }
    assert_eq!(files(&root().join("cache")).len(), 1);
}

#[test]
fn more_metrics_than_a_table_has_at_first() {
    if !is_child("values::more_metrics_than_a_table_has_at_first") {
        return;
    }
    // Handles with the same identity are one metric, wherever they are.
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    for first in NAMES {
        for second in NAMES {
            for third in NAMES {
                for fourth in NAMES {
                    let name = [first, second, third, fourth].join(".");
                    let name: &'static str = name.leak();
                    SharedCounter::new("many", name).inc();
                    SharedCounter::new("many", name).inc();
                }
            }
        }
    }
    let snapshot = snapshot();
    let counts = snapshot.models().first().unwrap().series();
    assert_eq!(
        counts
            .iter()
            .map(|series| series.value().as_u64())
            .collect::<Vec<_>>(),
        [Some(2); 256]
    );
}

#[test]
fn what_cannot_be_recorded_is_reported_once() {
    if !is_child("values::what_cannot_be_recorded_is_reported_once") {
        return;
    }
    static TWICE: SharedTimer = SharedTimer::new("cache", "hits");
    static BAD: SharedCounter = SharedCounter::new("cache", "a..b");
    static NOWHERE: SharedCounter = SharedCounter::new("a/b", "c");
    HITS.inc();
    for _ in 0..3 {
        TWICE.record(Duration::from_secs(1));
        BAD.inc();
        NOWHERE.inc();
    }
    assert_eq!(count("cache", "hits"), Some(1));
    let status = format!("{:?}", mmstats::status());
    for text in ["hits", "a/b", "a..b"] {
        assert!(status.contains(text), "{text} in {status}");
    }
    let models = mmstats::status();
    let problems = |name: &str| {
        let mut models = models.models().iter();
        let model = models.find(|model| model.name() == name);
        model.unwrap().problems().len()
    };
    assert_eq!((problems("cache"), problems("a/b")), (2, 1), "{status}");
}

/// Returns the kilobytes of address space that this process uses.
fn addresses() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:"));
    let size = line.unwrap().split_whitespace().nth(1).unwrap();
    size.parse().unwrap()
}

#[test]
fn where_nothing_is_recorded_threads_take_no_more_and_more_memory() {
    let name = "values::where_nothing_is_recorded_threads_take_no_more_and_more_memory";
    if !child::is_child(name) {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        child::run(child::command(name, root.path()).env("MMSTATS_DISABLE", "1"));
        // An invalid root.
        child::run(child::command(name, &file).env("MMSTATS_QUIET", "1"));
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
        return;
    }
    let count = || {
        thread::spawn(|| {
            HITS.inc();
            RATIO.record(1.0);
            SharedGauge::<i64>::new("cache", "level").set(7);
        })
        .join()
        .unwrap();
    };
    count();
    let before = addresses();
    (0..200).for_each(|_| count());
    // Two files of 16 MiB are less than that.
    assert!(addresses() < before + 32 * 1024);
    assert_eq!(HITS.get(), 201);
    let status = mmstats::status();
    let cache = status.models().iter().find(|model| model.name() == "cache");
    assert_eq!(cache.unwrap().problems().len(), 1, "{status:?}");
}
