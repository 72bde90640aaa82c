//! Ends of threads and processes, forks, and code that runs before `main`.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use mmstats::reader::State;
use mmstats::{SharedCounter, SharedGauge, SharedTimer};

use super::process::{fork, wait_well};
use super::{ALLOCATIONS, BYTES, EXPECTED, ON, count, files, is_child, root, snapshot};

static DONE: SharedCounter = SharedCounter::new("work", "done");
static LEVEL: SharedGauge<f64> = SharedGauge::new("level", "of-process");
static TIME: SharedTimer = SharedTimer::new("work", "time");

#[test]
fn a_child_of_a_fork_writes_a_file_of_its_own() {
    if !is_child("ends::a_child_of_a_fork_writes_a_file_of_its_own") {
        return;
    }
    DONE.add(100);
    TIME.time(|| ());
    let own = files(&root().join("work"));
    assert_eq!(own.len(), 1);
    let before = std::fs::read(&own[0]).unwrap();
    wait_well(fork(|| {
        DONE.add(7);
        TIME.time(|| ());
        assert_eq!(DONE.get(), 7);
        // A thread of the child does not have the parent's file, either.
        thread::spawn(|| DONE.add(1)).join().unwrap();
        let live: Vec<_> = (snapshot().files().iter())
            .map(|file| (file.pid() == std::process::id(), file.state()))
            .collect();
        assert_eq!(live.len(), 3, "{live:?}");
        assert_eq!(count("work", "done"), Some(108));
        0
    }));
    assert_eq!(std::fs::read(&own[0]).unwrap(), before);
    // What the child left, because it ended without its exit handlers.
    assert_eq!(count("work", "done"), Some(108));
    for file in files(&root().join("work")) {
        if file != own[0] {
            std::fs::remove_file(file).unwrap();
        }
    }
}

#[test]
fn a_fork_while_other_threads_use_statics_for_the_first_time() {
    if !is_child("ends::a_fork_while_other_threads_use_statics_for_the_first_time") {
        return;
    }
    let end = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while end.load(Ordering::Relaxed) == 0 {
                    thread::spawn(|| {
                        DONE.inc();
                        DONE.set(3);
                    })
                    .join()
                    .unwrap();
                }
            });
        }
        for _ in 0..50 {
            wait_well(fork(|| {
                DONE.inc();
                DONE.set(5);
                assert_eq!(DONE.get(), 5);
                // SAFETY: runs the exit handlers, which remove the files.
                unsafe { libc::exit(0) }
            }));
        }
        end.store(1, Ordering::Relaxed);
    });
}

#[test]
fn in_the_teardown_of_a_thread() {
    if !is_child("ends::in_the_teardown_of_a_thread") {
        return;
    }
    static RAN: AtomicU32 = AtomicU32::new(0);
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            DONE.inc();
            LEVEL.add(1.0);
            TIME.time(|| ());
            RAN.fetch_add(1, Ordering::Relaxed);
        }
    }
    thread_local! {
        static EARLY: Cell<Option<Late>> = const { Cell::new(None) };
        static LATE: Cell<Option<Late>> = const { Cell::new(None) };
    }
    for _ in 0..20 {
        thread::spawn(|| {
            EARLY.set(Some(Late));
            DONE.inc();
            LATE.set(Some(Late));
        })
        .join()
        .unwrap();
    }
    assert_eq!(RAN.load(Ordering::Relaxed), 40);
    assert_eq!(files(&root().join("work")).len(), 1);
    assert!(count("work", "done").unwrap() >= 20);
    assert_eq!(LEVEL.get(), 40.0);
    let snapshot = snapshot();
    let states = ["work", "level"].map(|name| {
        let mut files = snapshot.files().iter();
        files.find(|file| file.model() == name).unwrap().state()
    });
    assert_eq!(states, [State::Orphan, State::Live]);
}

static BEFORE: SharedCounter = SharedCounter::new("before", "main");

/// Runs before `main`.
#[used]
// SAFETY: a pointer to a function that the loader calls once.
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn at_load() {
        if std::env::var("MMSTATS_TEST_ROLE").is_ok_and(|role| role.contains("before_main")) {
            BEFORE.inc();
        }
    }
    at_load
};

#[test]
fn before_main_and_after_the_exit_handler() {
    if !is_child("ends::before_main_and_after_the_exit_handler") {
        return;
    }
    BEFORE.inc();
    assert_eq!(count("before", "main"), Some(2));
    extern "C" fn late() {
        BEFORE.inc();
        DONE.inc();
        LEVEL.add(1.0);
        TIME.time(|| ());
    }
    // SAFETY: the function is never unloaded.
    unsafe { libc::atexit(late) };
    let (tell, told) = std::sync::mpsc::channel();
    // Detached: it keeps running while the process exits.
    thread::spawn(move || {
        loop {
            thread::spawn(|| late()).join().unwrap();
            let _ = tell.send(());
        }
    });
    told.recv().unwrap();
    std::process::exit(0);
}

#[test]
fn an_allocator_counts_in_a_static() {
    if !is_child("ends::an_allocator_counts_in_a_static") {
        return;
    }
    ON.store(true, Ordering::Relaxed);
    let work = || {
        // The first allocation happens while the cell is being created.
        drop(std::hint::black_box(Box::new(1)));
        let (before, expected) = (ALLOCATIONS.get(), EXPECTED.load(Ordering::Relaxed));
        for n in 0..1000 {
            drop(std::hint::black_box(Box::new(n)));
            TIME.record(std::time::Duration::from_nanos(1 << (n % 60)));
        }
        let expected = EXPECTED.load(Ordering::Relaxed) - expected;
        let counted = ALLOCATIONS.get() - before;
        assert!(expected >= 1000 && counted <= expected);
        // Allocations that `TIME` needs for its own cell are not counted.
        assert!(expected - counted < 100, "{counted} of {expected}");
    };
    thread::spawn(work).join().unwrap();
    for _ in 0..5 {
        let threads = [(); 4].map(|()| thread::spawn(|| drop(vec![0u8; 100])));
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    }
    ON.store(false, Ordering::Relaxed);
    assert_eq!(count("heap", "allocations"), Some(ALLOCATIONS.get()));
    assert!(BYTES.get() > 1000);
    let bytes = snapshot().get("heap", "bytes").unwrap().to_string();
    assert_eq!(bytes, BYTES.get().to_string());
}
