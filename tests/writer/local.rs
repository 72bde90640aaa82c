//! `local`: one file for each thread and model, handed on when the thread ends.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;

use mmstats::reader::{Reader, State};
use mmstats::{Counter, Flag, Gauge, MmStats, UpDown};

use super::child;
use super::models::{Web, directory, names};

#[derive(MmStats)]
struct Pool {
    done: Counter,
    running: UpDown,
    level: Gauge<u32>,
    busy: Flag,
}

#[test]
fn ended_threads_leave_their_counts_to_the_next() {
    const NAME: &str = "local::ended_threads_leave_their_counts_to_the_next";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    let root = std::env::var_os("MMSTATS_PATH").unwrap();
    let root = Path::new(&root);
    let get = |label: &str| {
        let mut reader = Reader::open(root).unwrap();
        let snapshot = reader.snapshot().unwrap();
        let states: Vec<State> = snapshot.files().iter().map(|file| file.state()).collect();
        (snapshot.get("Pool", label).cloned().unwrap(), states)
    };
    let both = Arc::new(Barrier::new(2));
    let work = |both: &Barrier| {
        Pool::local(|s| {
            s.done.inc();
            s.running.inc();
            s.level.set(3);
            s.busy.set(true);
        });
        both.wait();
        both.wait();
    };
    let first = thread::spawn({
        let both = both.clone();
        move || work(&both)
    });
    both.wait();
    assert_eq!(get("level").0.as_u64(), Some(3));
    assert_eq!(get("busy"), (mmstats::Value::Flag(true), vec![State::Live]));
    both.wait();
    first.join().unwrap();
    assert_eq!(
        get("done"),
        (mmstats::Value::Counter(1), vec![State::Orphan])
    );
    assert_eq!(get("running").0.as_i64(), Some(1));
    assert_eq!(get("level").0.as_u64(), Some(0));
    assert_eq!(get("busy").0.as_bool(), Some(false));
    // The next thread continues with the same file.
    thread::spawn(|| {
        Pool::local(|s| {
            s.done.inc();
            s.running.dec();
        })
    })
    .join()
    .unwrap();
    assert_eq!(get("done").0.as_u64(), Some(2));
    assert_eq!(get("running").0.as_i64(), Some(0));
    assert_eq!(names(&root.join("Pool")).len(), 1);
}

#[test]
fn there_are_never_more_files_than_threads_alive_at_once() {
    const NAME: &str = "local::there_are_never_more_files_than_threads_alive_at_once";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    let root = std::env::var_os("MMSTATS_PATH").unwrap();
    let mut reader = Reader::open(Path::new(&root)).unwrap();
    let (mut last, mut seen) = (0, BTreeSet::new());
    for _ in 0..100 {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Pool::local(|s| s.done.add(3)));
            }
        });
        let snapshot = reader.snapshot().unwrap();
        let done = snapshot.get("Pool", "done").unwrap().as_u64().unwrap();
        assert!(done >= last, "{done} after {last}");
        last = done;
        seen.extend(names(&Path::new(&root).join("Pool")));
    }
    // A scope ends when its closures have ended; the destructors of its threads may run a little later. So the files
    // are those of at most two rounds.
    assert!(seen.len() <= 16, "{seen:?}");
    let total = reader
        .snapshot()
        .unwrap()
        .get("Pool", "done")
        .unwrap()
        .as_u64();
    assert_eq!(total, Some(100 * 8 * 3));
}

#[test]
fn without_a_file_the_closure_runs_all_the_same() {
    const NAME: &str = "local::without_a_file_the_closure_runs_all_the_same";
    if child::is_child(NAME) {
        let mut ran = 0;
        for _ in 0..3 {
            Web::local(|s| {
                ran += 1;
                s.requests.inc();
                s.handlers.group("index").response_time.time(|| ());
            });
        }
        assert_eq!(ran, 3);
        assert_eq!(
            Web::local(|s| s.requests.get()),
            3,
            "the thread keeps what it has"
        );
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("not-a-directory");
    std::fs::write(&file, "").unwrap();
    child::run(&mut child::command(NAME, &file));
}

#[test]
fn during_the_teardown_of_a_thread_the_closure_runs_against_private_memory() {
    const NAME: &str =
        "local::during_the_teardown_of_a_thread_the_closure_runs_against_private_memory";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    /// Uses the statistics when its thread ends, before or after they are gone.
    struct Late(Arc<std::sync::atomic::AtomicU32>);
    impl Drop for Late {
        fn drop(&mut self) {
            Web::local(|s| {
                s.requests.inc();
                s.body_size.record(7);
                s.handlers.group("late").response_ok.inc();
                s.release.set("late");
            });
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    thread_local! {
        static EARLY: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
        static LATE: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
    }
    let ran = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let late = || Some(Late(ran.clone()));
    let (before, after) = (late(), late());
    thread::spawn(move || {
        // The order of destructors is not defined, so there is one on each side of the first use.
        EARLY.set(before);
        Web::local(|s| s.requests.inc());
        LATE.set(after);
    })
    .join()
    .unwrap();
    assert_eq!(ran.load(std::sync::atomic::Ordering::Relaxed), 2);
    let root = std::env::var_os("MMSTATS_PATH").unwrap();
    assert_eq!(names(&Path::new(&root).join("my-app")).len(), 1);
}

#[test]
fn a_crash_leaves_the_file_with_its_last_values() {
    const NAME: &str = "local::a_crash_leaves_the_file_with_its_last_values";
    if child::is_child(NAME) {
        Web::local(|s| {
            s.requests.add(41);
            s.in_flight.inc();
            s.pool.update(|p| p.waits = 9);
        });
        std::process::abort();
    }
    let root = tempfile::tempdir().unwrap();
    let output = child::command(NAME, root.path()).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(names(&directory(&root, "my-app")).len(), 1);
    let snapshot = super::models::snapshot(&root);
    assert_eq!(snapshot.files()[0].state(), State::Dead);
    assert_eq!(
        snapshot.get("my-app", "requests").unwrap().as_u64(),
        Some(41)
    );
    assert_eq!(
        snapshot.get("my-app", "pool.waits").unwrap().as_u64(),
        Some(9)
    );
    assert_eq!(
        snapshot.get("my-app", "in_flight").unwrap().as_i64(),
        Some(0),
        "nothing of it is in flight"
    );
}

#[test]
fn a_forked_child_writes_nothing_into_its_parents_file() {
    const NAME: &str = "local::a_forked_child_writes_nothing_into_its_parents_file";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    let root = std::env::var_os("MMSTATS_PATH").unwrap();
    let directory = Path::new(&root).join("my-app");
    let owned = Web::create().unwrap();
    owned.requests.add(5);
    Web::local(|s| s.requests.add(7));
    let before: Vec<Vec<u8>> = names(&directory)
        .iter()
        .map(|name| std::fs::read(directory.join(name)).unwrap())
        .collect();
    // SAFETY: the child does only what this test is about, and exits through `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        owned.requests.add(1000);
        owned
            .handlers
            .group("index")
            .response_time
            .record(std::time::Duration::from_millis(1));
        Web::local(|s| s.requests.add(10_000));
        drop(owned);
        let own = names(&directory).len();
        // SAFETY: `_exit` is always safe.
        unsafe { libc::_exit(if own == 3 { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: our child, and a pointer to our integer.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0, "the child has a file of its own");
    let mine = format!("mmstats-{}-", std::process::id());
    let after: Vec<Vec<u8>> = names(&directory)
        .iter()
        .filter(|name| name.starts_with(&mine))
        .map(|name| std::fs::read(directory.join(name)).unwrap())
        .collect();
    assert_eq!(before, after);
    owned.requests.inc();
    assert_eq!(owned.requests.get(), 6, "the parent goes on");
    let snapshot = super::models::snapshot(&root);
    assert_eq!(
        snapshot.get("my-app", "requests").unwrap().as_u64(),
        Some(6 + 7 + 10_000)
    );
}

/// Two metrics of one label, which only the whole model shows.
#[derive(MmStats)]
struct Twice {
    #[mmstats(label = "inner.n")]
    own: Counter,
    inner: Inner,
    parts: mmstats::Groups<Inner>,
}

#[derive(MmStats)]
struct Inner {
    n: Counter,
}

/// 1100 bytes in two parts, each of which is a label.
#[derive(MmStats)]
struct TooLong {
    #[mmstats(
        label = "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
    )]
    inner: Long,
    parts: mmstats::Groups<Inner>,
}

#[derive(MmStats)]
struct Long {
    #[mmstats(
        label = "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
    )]
    n: Counter,
}

/// A logger that keeps its lines.
struct Lines(std::sync::Mutex<Vec<String>>);

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }
    fn flush(&self) {}
}

#[test]
fn a_model_that_no_file_can_have_is_reported_once_and_keeps_its_memory() {
    const NAME: &str = "local::a_model_that_no_file_can_have_is_reported_once_and_keeps_its_memory";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    static LINES: Lines = Lines(std::sync::Mutex::new(Vec::new()));
    log::set_logger(&LINES).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    // In private memory as in a file.
    assert!(Twice::builder().anonymous().create().is_err());
    assert!(TooLong::builder().anonymous().create().is_err());
    for thread in 0..2 {
        thread::spawn(move || {
            for _ in 0..1000 {
                Twice::local(|s| {
                    s.own.inc();
                    s.inner.n.inc();
                    s.parts.group("a").n.inc();
                });
                TooLong::local(|s| {
                    s.inner.n.inc();
                    s.parts.group("a").n.inc();
                });
            }
            let counted = Twice::local(|s| [s.own.get(), s.inner.n.get(), s.parts["a"].n.get()]);
            assert_eq!(counted, [1000; 3], "thread {thread}");
            let counted = TooLong::local(|s| [s.inner.n.get(), s.parts["a"].n.get()]);
            assert_eq!(counted, [1000; 2], "thread {thread}");
        })
        .join()
        .unwrap();
    }
    let lines = LINES.0.lock().unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("inner.n"), "{lines:?}");
    assert!(lines[1].contains("longer than 1024"), "{lines:?}");
}
