//! Gauges: one word for all threads of a process.

use std::sync::Barrier;
use std::thread;

use mmstats::SharedGauge;

use super::process::{fork, wait_well};
use super::{files, is_child, root, snapshot};

static SIZE: SharedGauge<i64> = SharedGauge::new("cache", "size")
    .help("What it takes.")
    .unit("bytes");
static LOAD: SharedGauge<f64> = SharedGauge::new("cache", "load");
static OF_A: SharedGauge<i64> = SharedGauge::new("cache", "open").labels(&[("a", "1"), ("b", "2")]);
static OF_A_AGAIN: SharedGauge<i64> =
    SharedGauge::new("cache", "open").labels(&[("b", "2"), ("a", "1")]);

/// Returns the value that readers display.
fn shown(label: &str) -> Option<String> {
    Some(snapshot().get("cache", label)?.to_string())
}

#[test]
fn the_last_value_wins_whichever_thread_has_set_it() {
    if !is_child("gauges::the_last_value_wins_whichever_thread_has_set_it") {
        return;
    }
    assert_eq!(SIZE.get(), 0);
    for n in 1..=20 {
        thread::spawn(move || SIZE.set(-n)).join().unwrap();
        assert_eq!(SIZE.get(), -n);
        assert_eq!(shown("size"), Some((-n).to_string()));
    }
    SIZE.set(7);
    LOAD.set(0.5);
    LOAD.add(-0.75);
    OF_A.add(1);
    OF_A_AGAIN.add(1);
    assert_eq!(OF_A.get(), 2);
    assert_eq!(shown("size"), Some("7".into()));
    assert_eq!(shown("load"), Some("-0.25".into()));
    assert_eq!(shown("open{a=\"1\",b=\"2\"}"), Some("2".into()));
    // One file, which belongs to the process and outlives every thread.
    assert_eq!(files(&root().join("cache")).len(), 1);
    let snapshot = snapshot();
    assert_eq!(snapshot.files()[0].tid(), 0);
    assert_eq!(snapshot.files()[0].state().to_string(), "live");
    let model = snapshot.model("cache").unwrap();
    let size = model
        .series()
        .iter()
        .find(|series| series.label() == "size");
    let size = size.unwrap();
    assert_eq!(
        (size.unit(), size.help(), size.kind()),
        ("bytes", "What it takes.", "gauge")
    );
}

#[test]
fn what_threads_add_is_exact() {
    if !is_child("gauges::what_threads_add_is_exact") {
        return;
    }
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for thread in 0..4 {
            let start = &start;
            scope.spawn(move || {
                // The first use, by all threads at once.
                start.wait();
                for _ in 0..50_000 {
                    SIZE.add(if thread == 0 { -1 } else { 1 });
                    LOAD.add(0.5);
                }
            });
        }
    });
    assert_eq!((SIZE.get(), LOAD.get()), (100_000, 100_000.0));
    assert_eq!(shown("size"), Some("100000".into()));
    assert_eq!(files(&root().join("cache")).len(), 1);
}

#[test]
fn a_child_of_a_fork_has_a_level_of_its_own() {
    if !is_child("gauges::a_child_of_a_fork_has_a_level_of_its_own") {
        return;
    }
    SIZE.set(100);
    let parents = files(&root().join("cache"));
    let before = std::fs::read(&parents[0]).unwrap();
    wait_well(fork(|| {
        assert_eq!(SIZE.get(), 0);
        SIZE.add(7);
        assert_eq!(SIZE.get(), 7);
        assert_eq!(files(&root().join("cache")).len(), 2);
        // Both are alive, and add up.
        assert_eq!(shown("size"), Some("107".into()));
        // A grandchild, whose parent has a file.
        wait_well(fork(|| {
            SIZE.set(1);
            assert_eq!(shown("size"), Some("108".into()));
            0
        }));
        0
    }));
    assert_eq!(std::fs::read(&parents[0]).unwrap(), before);
    // Levels of processes that have ended no longer count.
    assert_eq!(shown("size"), Some("100".into()));
    for file in files(&root().join("cache")) {
        if file != parents[0] {
            std::fs::remove_file(file).unwrap();
        }
    }
}

#[test]
fn a_fork_while_other_threads_make_gauges() {
    if !is_child("gauges::a_fork_while_other_threads_make_gauges") {
        return;
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..2000 {
                let name: &'static str = format!("gauge-{n}").leak();
                SharedGauge::<i64>::new("cache", name).set(n);
            }
        });
        for _ in 0..50 {
            wait_well(fork(|| {
                SIZE.add(3);
                SharedGauge::<f64>::new("cache", "of-child").set(1.5);
                assert_eq!(SIZE.get(), 3);
                // SAFETY: runs the exit handlers, which remove the files.
                unsafe { libc::exit(0) }
            }));
        }
    });
    assert_eq!(shown("gauge-1999"), Some("1999".into()));
}
