//! Threads, forks, and the ends of threads and processes.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use metrics::{Key, Level, Metadata, Recorder as _, counter, gauge, histogram};

use super::process::{fork, wait_well};
use super::{child, count, recorder, shown, snapshot};

const META: Metadata<'static> = Metadata::new("target", Level::INFO, Some("module"));

#[test]
fn handles_are_used_by_all_threads() {
    let (recorder, root) = recorder();
    let hits = recorder.register_counter(&Key::from_name("hits"), &META);
    let level = recorder.register_gauge(&Key::from_name("level"), &META);
    let time = recorder.register_histogram(&Key::from_name("time"), &META);
    for _ in 0..3 {
        thread::scope(|scope| {
            for thread in 0..4 {
                let (hits, level, time) = (&hits, &level, &time);
                scope.spawn(move || {
                    for n in 0..10_000 {
                        hits.increment(1);
                        level.increment(if thread == 0 { -1.0 } else { 1.0 });
                        time.record(f64::from(n));
                    }
                });
            }
        });
    }
    assert_eq!(count(root.path(), "hits"), Some(120_000));
    assert_eq!(shown(root.path(), "level"), Some("60000".into()));
    let time = shown(root.path(), "time").unwrap();
    assert!(time.starts_with("count 120000"), "{time}");
    level.set(-3.0);
    assert_eq!(shown(root.path(), "level"), Some("-3".into()));
    // A file for each thread that is alive at the same time, and one of the process.
    let files = std::fs::read_dir(root.path().join("metrics"))
        .unwrap()
        .count();
    assert!(files <= 6, "{files}");
}

#[test]
fn absolute_is_over_all_threads() {
    let (recorder, root) = recorder();
    let total = recorder.register_counter(&Key::from_name("total"), &META);
    total.increment(5);
    thread::scope(|scope| {
        for n in 0..4 {
            let total = &total;
            scope.spawn(move || (0..1000).for_each(|i| total.absolute(4 * i + n)));
        }
    });
    assert_eq!(count(root.path(), "total"), Some(3999));
    total.absolute(10);
    total.increment(1);
    assert_eq!(count(root.path(), "total"), Some(4000));
}

/// Returns whether this is the child, with the recorder installed; the parent runs the child.
fn is_child(name: &str) -> bool {
    if child::is_child(name) {
        mmstats::recorder::install().unwrap();
        return true;
    }
    let root = tempfile::tempdir().unwrap();
    child::run(&mut child::command(name, root.path()));
    false
}

fn root() -> std::path::PathBuf {
    std::env::var_os("MMSTATS_PATH").unwrap().into()
}

#[test]
fn a_second_recorder_is_refused() {
    if !is_child("threads::a_second_recorder_is_refused") {
        return;
    }
    let error = mmstats::recorder::install().unwrap_err();
    assert!(error.to_string().contains("only one"), "{error}");
    counter!("n").increment(1);
    assert_eq!(count(&root(), "n"), Some(1));
}

#[test]
fn a_child_of_a_fork_has_files_of_its_own() {
    if !is_child("threads::a_child_of_a_fork_has_files_of_its_own") {
        return;
    }
    let kept = counter!("kept");
    kept.increment(100);
    gauge!("level").set(100.0);
    wait_well(fork(|| {
        kept.increment(1);
        counter!("kept").increment(1);
        counter!("new").increment(1);
        gauge!("level").increment(1.0);
        histogram!("time").record(1.0);
        // The values of the parent are there as well.
        assert_eq!(count(&root(), "kept"), Some(102));
        assert_eq!(shown(&root(), "level"), Some("101".into()));
        kept.absolute(10);
        assert_eq!(count(&root(), "kept"), Some(110));
        // SAFETY: runs the exit handlers, which remove the files.
        unsafe { libc::exit(0) }
    }));
    assert_eq!(count(&root(), "kept"), Some(100));
    assert_eq!(shown(&root(), "level"), Some("100".into()));
}

#[test]
fn a_fork_while_other_threads_register() {
    if !is_child("threads::a_fork_while_other_threads_register") {
        return;
    }
    let end = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut n = 0;
                while end.load(Ordering::Relaxed) == 0 {
                    n += 1;
                    counter!("n", "of" => n.to_string()).absolute(n);
                    gauge!("level", "of" => n.to_string()).set(1.0);
                }
            });
        }
        for n in 0..50 {
            wait_well(fork(|| {
                counter!("child", "of" => n.to_string()).absolute(3);
                gauge!("child", "of" => n.to_string()).set(2.0);
                histogram!("child").record(1.0);
                // SAFETY: runs the exit handlers, which remove the files.
                unsafe { libc::exit(0) }
            }));
        }
        end.store(1, Ordering::Relaxed);
    });
}

#[test]
fn in_the_teardown_of_a_thread_and_after_the_exit_handler() {
    if !is_child("threads::in_the_teardown_of_a_thread_and_after_the_exit_handler") {
        return;
    }
    static RAN: AtomicU32 = AtomicU32::new(0);
    extern "C" fn late() {
        counter!("late").increment(1);
        counter!("late", "n" => RAN.fetch_add(1, Ordering::Relaxed).to_string()).increment(1);
        gauge!("late").set(1.0);
        histogram!("late").record(1.0);
    }
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            late();
        }
    }
    thread_local! {
        static EARLY: Cell<Option<Late>> = const { Cell::new(None) };
        static LATE: Cell<Option<Late>> = const { Cell::new(None) };
    }
    for _ in 0..20 {
        thread::spawn(|| {
            EARLY.set(Some(Late));
            late();
            LATE.set(Some(Late));
        })
        .join()
        .unwrap();
    }
    assert_eq!(RAN.load(Ordering::Relaxed), 60);
    assert!(count(&root(), "late").unwrap() >= 20);
    assert!(snapshot(&root()).files().len() <= 2);
    // SAFETY: the function is never unloaded.
    unsafe { libc::atexit(late) };
    std::process::exit(0);
}
