//! Threads that come and go: never more files than threads, and totals that never decrease.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use mmstats::reader::Reader;
use mmstats::{Counter, MmStats, Timer, UpDown};

use super::{child, files, many};

#[derive(MmStats)]
struct First {
    done: Counter,
    running: UpDown,
    time: Timer,
}

#[derive(MmStats)]
struct Second {
    done: Counter,
}

#[derive(MmStats)]
struct Third {
    done: Counter,
}

const AT_ONCE: usize = 16;
/// The number of threads that have started.
static STARTED: AtomicU64 = AtomicU64::new(0);

#[test]
fn threads_come_and_go() {
    const NAME: &str = "churn::threads_come_and_go";
    let threads = many(20_000, 800);
    if child::is_child(NAME) {
        let mut alive = VecDeque::new();
        for i in 0..threads {
            if alive.len() == AT_ONCE {
                // Joined: its destructors have run.
                thread::JoinHandle::join(alive.pop_front().unwrap()).unwrap();
            }
            alive.push_back(thread::spawn(move || {
                STARTED.fetch_add(1, Ordering::Relaxed);
                First::local(|s| {
                    s.done.add(3);
                    // Up on one thread, down on another.
                    s.running.add(if i % 2 == 0 { 7 } else { -7 });
                    s.time.record(std::time::Duration::from_nanos(i));
                });
                Second::local(|s| s.done.inc());
                if i % 3 == 0 {
                    Third::local(|s| s.done.inc());
                }
                // The maximum number of threads is alive at once.
                while STARTED.load(Ordering::Relaxed) < threads.min(i + AT_ONCE as u64) {
                    thread::yield_now();
                }
            }));
        }
        for thread in alive {
            thread.join().unwrap();
        }
        println!("\ndone");
        std::io::stdout().flush().unwrap();
        // Stays until its parent has checked.
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let mut churner = child::start(&mut child::command(NAME, root.path()));
    let mut output = BufReader::new(churner.0.stdout.take().unwrap());
    let done = AtomicBool::new(false);
    let mut reader = Reader::open(root.path()).unwrap();
    let (mut last, mut samples, mut seen) = ([0; 4], 0u64, BTreeSet::new());
    let mut sample = || {
        let snapshot = reader.snapshot().unwrap();
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        let get = |model: &str| {
            snapshot
                .get(model, "done")
                .map_or(0, |v| v.as_u64().unwrap())
        };
        let time = snapshot.get("First", "time");
        let time = time.map_or(0, |time| time.as_distribution().unwrap().count());
        let now = [get("First"), get("Second"), get("Third"), time];
        for (now, last) in now.iter().zip(last) {
            assert!(*now >= last, "backwards: {now} after {last}");
        }
        last = now;
        for model in ["First", "Second", "Third"] {
            let names = files(root.path(), model);
            assert!(names.len() <= AT_ONCE, "{names:?}");
            seen.extend(names);
        }
        samples += 1;
        (now, snapshot)
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            // Kept open: the child prints more at its end.
            let mut lines = output.by_ref().lines();
            let said = lines.any(|line| line.unwrap() == "done");
            done.store(true, Ordering::Relaxed);
            assert!(said, "the child has failed");
        });
        while !done.load(Ordering::Relaxed) {
            sample();
        }
    });
    let (now, snapshot) = sample();
    assert_eq!(now, [3 * threads, threads, threads.div_ceil(3), threads]);
    assert_eq!(snapshot.get("First", "running").unwrap().as_i64(), Some(0));
    drop(churner.0.stdin.take());
    assert!(churner.0.wait().unwrap().success());
    for model in ["First", "Second", "Third"] {
        assert_eq!(files(root.path(), model), Vec::<std::path::PathBuf>::new());
    }
    assert!(
        seen.len() <= 3 * AT_ONCE,
        "no file was made again: {seen:?}"
    );
    println!("{threads} threads, {samples} samples, {} files", seen.len());
}

#[test]
fn an_exit_while_threads_make_files_leaves_none() {
    const NAME: &str = "churn::an_exit_while_threads_make_files_leaves_none";
    if child::is_child(NAME) {
        let (tell, told) = std::sync::mpsc::channel();
        for _ in 0..3 {
            let tell = tell.clone();
            thread::spawn(move || {
                let _ = tell.send(());
                loop {
                    drop(Second::create());
                    // A thread that may end in the middle of the exit.
                    let _ = thread::spawn(|| Third::local(|s| s.done.inc())).join();
                }
            });
        }
        for _ in 0..3 {
            told.recv().unwrap();
        }
        // In each round it makes another number of files before the exit.
        let wanted = std::process::id() % 7;
        for _ in 0..wanted {
            First::local(|s| s.done.inc());
            drop(First::create());
        }
        std::process::exit(0);
    }
    for round in 0..many(300, 20) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        for model in ["First", "Second", "Third"] {
            let left = files(root.path(), model);
            assert!(left.is_empty(), "round {round}: {left:?}");
        }
    }
}
