//! Forks: whatever a child does, its parent's files stay unchanged; and no child ever hangs.
//!
//! Children leave through `libc::_exit` or `libc::exit`: std's own exit takes locks that a fork may have copied
//! locked.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mmstats::reader::State;
use mmstats::{Counter, Groups, MmStats, Stats, Stopwatch};

use super::process::{fork, wait, wait_well};
use super::{All, Line, child, files, many, root, snapshot};

/// Writes in every way, and more than its file has space for.
fn write(s: &All, n: u64) {
    s.n.add(n);
    s.level.set(n);
    s.line.set(Line::of(n));
    for bits in 0..40 {
        s.size.record(n << bits);
    }
    for group in 0..100 {
        let part = s.parts.group(&format!("of-{n}-{group}"));
        part.n.add(n);
        part.time.record(Duration::from_millis(n));
    }
    s.text.set("written");
    s.time.time(|| ());
}

/// Returns the bytes of every file of this process.
fn bytes(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    files(root, "All").into_iter().map(read).collect()
}

/// Returns the files that a process has made.
fn made_by(root: &Path, pid: libc::pid_t) -> Vec<PathBuf> {
    let start = format!("mmstats-{pid}-");
    let mut found = files(root, "All");
    found.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(&start)
    });
    found
}

/// Asserts what a dead child must have left: `count` files with a sum of `n`, all dead. Removes them.
fn left(root: &Path, pid: libc::pid_t, count: usize, n: u64) {
    let found = made_by(root, pid);
    assert_eq!(found.len(), count, "{found:?}");
    let mut sum = 0;
    for path in found {
        let snapshot = snapshot(&path);
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        assert_eq!(snapshot.files()[0].state(), State::Dead);
        assert_eq!(snapshot.files()[0].pid(), pid as u32);
        sum += snapshot.get("All", "n").unwrap().as_u64().unwrap();
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(sum, n);
}

/// The parent's state, as a child inherits it.
struct Inherited {
    /// A child may take it out: its parent still has it.
    own: Option<Stats<All>>,
    root: PathBuf,
}

impl Inherited {
    fn own(&self) -> &Stats<All> {
        self.own.as_ref().unwrap()
    }
}

type Sort = (&'static str, fn(&mut Inherited));

/// The kinds of children: what each does, and what it checks.
const SORTS: [Sort; 11] = [
    ("uses what it inherits", |parent| {
        let pid = fork(|| {
            write(parent.own(), 1000);
            assert_eq!(parent.own().n.get(), 1000, "private memory");
            let size = parent.own().size.distribution();
            assert_eq!((size.count(), size.min()), (40, Some(1000)));
            assert_eq!(size.max(), Some(1000 << 39));
            0
        });
        wait_well(pid);
        left(&parent.root, pid, 0, 0);
    }),
    ("drops what it inherits", |parent| {
        let pid = fork(|| {
            write(parent.own(), 1000);
            parent.own = None;
            0
        });
        wait_well(pid);
        left(&parent.root, pid, 0, 0);
    }),
    ("exits with what it inherits", |parent| {
        let pid = fork(|| {
            write(parent.own(), 1000);
            // SAFETY: this test checks the handlers that this exit runs.
            unsafe { libc::exit(0) }
        });
        wait_well(pid);
        left(&parent.root, pid, 0, 0);
    }),
    ("uses local", |parent| {
        let pid = fork(|| {
            All::local(|s| write(s, 10));
            All::local(|s| s.n.get() as i32 - 10)
        });
        wait_well(pid);
        left(&parent.root, pid, 1, 10);
    }),
    ("uses local and exits", |parent| {
        let pid = fork(|| {
            All::local(|s| write(s, 10));
            drop(All::create().unwrap());
            // SAFETY: as above.
            unsafe { libc::exit(0) }
        });
        wait_well(pid);
        left(&parent.root, pid, 0, 0);
    }),
    ("starts threads", |parent| {
        let pid = fork(|| {
            All::local(|s| s.n.add(1));
            let threads = [1, 2, 3].map(|n| {
                thread::spawn(move || {
                    All::local(|s| s.n.add(n));
                    n
                })
            });
            // An inherited handle may also move to a thread of the child.
            let own = parent.own.take().unwrap();
            let other = thread::spawn(move || write(&own, 1000));
            let sum: u64 = threads.map(|thread| thread.join().unwrap()).iter().sum();
            other.join().unwrap();
            sum as i32 - 6
        });
        wait_well(pid);
        let count = made_by(&parent.root, pid).len();
        assert!((2..=4).contains(&count), "one each, or handed on: {count}");
        left(&parent.root, pid, count, 7);
    }),
    ("execs at once", |parent| {
        let pid = fork(|| exec(&["/bin/true"]));
        wait_well(pid);
        left(&parent.root, pid, 0, 0);
    }),
    ("execs after local", |parent| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let pid = fork(|| {
            All::local(|s| s.n.add(10));
            // SAFETY: descriptors of this process; the exec closes all others.
            unsafe {
                libc::dup2(theirs.as_raw_fd(), 0);
                libc::dup2(theirs.as_raw_fd(), 1);
            }
            exec(&["/bin/cat"])
        });
        drop(theirs);
        // The program that replaced the child is alive: it answers.
        ours.write_all(b"x").unwrap();
        ours.read_exact(&mut [0]).unwrap();
        left(&parent.root, pid, 1, 10);
        // It ends at the end of its input.
        drop(ours);
        wait_well(pid);
    }),
    ("is killed", |parent| {
        let pid = fork(|| {
            All::local(|s| write(s, 10));
            write(parent.own(), 1000);
            // SAFETY: this process itself.
            unsafe { libc::raise(libc::SIGKILL) }
        });
        assert_eq!(wait(pid), libc::SIGKILL);
        left(&parent.root, pid, 1, 10);
    }),
    ("forks again", |parent| {
        let pid = fork(|| {
            let mut own = Some(All::create().unwrap());
            own.as_ref().unwrap().n.add(5);
            let before = bytes(&parent.root);
            let grandchild = fork(|| {
                // A handle of its parent and one of its grandparent; and a handle of its parent's thread.
                write(own.as_ref().unwrap(), 1000);
                write(parent.own(), 1000);
                parent.own = None;
                All::local(|s| write(s, 20));
                own = None;
                0
            });
            wait_well(grandchild);
            left(&parent.root, grandchild, 1, 20);
            assert_eq!(before, bytes(&parent.root));
            own.as_ref().unwrap().n.add(5);
            std::mem::forget(own);
            0
        });
        wait_well(pid);
        left(&parent.root, pid, 1, 10);
    }),
    ("is a command of std", |parent| {
        let mut plain = Command::new("/bin/true").spawn().unwrap();
        assert!(plain.wait().unwrap().success());
        let mut forked = Command::new("/bin/true");
        // SAFETY: it only reads its own pid. With it, std has to fork.
        let spawned = unsafe {
            forked
                .pre_exec(|| {
                    libc::getpid();
                    Ok(())
                })
                .spawn()
        };
        let mut forked = spawned.unwrap();
        assert!(forked.wait().unwrap().success());
        for pid in [plain.id(), forked.id()] {
            left(&parent.root, pid as libc::pid_t, 0, 0);
        }
    }),
];

fn exec(program: &[&str]) -> i32 {
    let words: Vec<CString> = program.iter().map(|w| CString::new(*w).unwrap()).collect();
    let mut words: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    words.push(std::ptr::null());
    // SAFETY: C strings, followed by a null pointer.
    unsafe { libc::execv(words[0], words.as_ptr()) };
    1
}

#[test]
fn children_of_every_sort() {
    const NAME: &str = "fork::children_of_every_sort";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        assert!(files(root.path(), "All").is_empty());
        return;
    }
    let root = root();
    // Other threads of the parent have files, too: one thread has ended, and one lives.
    All::local(|s| s.n.add(3));
    thread::spawn(|| All::local(|s| s.n.add(1))).join().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let own = All::create().unwrap();
    let live = thread::spawn(move || {
        write(&own, 2);
        tell.send(()).unwrap();
        let _ = ended.recv();
        drop(own);
    });
    told.recv().unwrap();
    for round in 0..many(300, 33) {
        let (name, sort) = SORTS[round as usize % SORTS.len()];
        let owned = All::create().unwrap();
        owned.n.add(4);
        // Its next values are published with only a few words, and the other words are not in a child's memory.
        (0..4).for_each(|_| owned.size.record(2000));
        let path = owned.path().unwrap();
        let before = bytes(&root);
        assert_eq!(before.len(), 4);
        let mut parent = Inherited {
            own: Some(owned),
            root: root.clone(),
        };
        All::local(|s| {
            // A handle of `local` is in use during the fork.
            let seen = s.n.get();
            sort(&mut parent);
            assert_eq!(s.n.get(), seen);
        });
        assert!(
            before == bytes(&root),
            "{name}: the parent's files have changed"
        );
        assert_eq!(parent.own().n.get(), 4);
        drop(parent);
        assert!(!path.exists());
        let snapshot = snapshot(&root);
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        assert_eq!(snapshot.get("All", "n").unwrap().as_u64(), Some(1 + 2 + 3));
    }
    drop(end);
    live.join().unwrap();
}

/// Does everything that must not hang in a child.
fn use_everything(root: &Path) -> i32 {
    let watch = Stopwatch::start();
    All::local(|s| {
        s.n.add(1);
        s.parts.group("new").n.inc();
        s.time.record(watch.elapsed());
    });
    let own = All::create().unwrap();
    own.n.add(1);
    let pid = std::process::id() as libc::pid_t;
    let found = made_by(root, pid);
    assert_eq!(found.len(), 2, "{found:?}");
    std::mem::forget(own);
    0
}

#[test]
fn forks_while_threads_start_and_end() {
    const NAME: &str = "fork::forks_while_threads_start_and_end";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    let root = root();
    let stop = AtomicBool::new(false);
    let go_on = || !stop.load(Ordering::Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| {
            while go_on() {
                thread::spawn(|| All::local(|s| s.parts.group("thread").n.inc()))
                    .join()
                    .unwrap();
            }
        });
        scope.spawn(|| {
            while go_on() {
                let own = All::create().unwrap();
                own.parts.group("own").n.inc();
            }
        });
        scope.spawn(|| {
            let own = All::create().unwrap();
            let mut n = 0;
            while go_on() {
                own.n.inc();
                n += 1;
                assert_eq!(own.n.get(), n);
            }
        });
        let _stop = StopAtEnd(&stop);
        for i in 0..many(4000, 150) {
            let pid = fork(|| {
                let code = use_everything(&root);
                if i % 2 == 0 {
                    // SAFETY: it runs the handlers of this library and of the C library.
                    unsafe { libc::exit(code) }
                }
                code
            });
            wait_well(pid);
            let found = made_by(&root, pid);
            assert_eq!(found.len(), if i % 2 == 0 { 0 } else { 2 }, "{found:?}");
            for path in found {
                std::fs::remove_file(path).unwrap();
            }
        }
    });
}

/// Ends the other threads even if a test fails, because the scope waits for them.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn forks_while_everything_happens_for_the_first_time() {
    const NAME: &str = "fork::forks_while_everything_happens_for_the_first_time";
    if child::is_child(NAME) {
        let root = root();
        let ready = Barrier::new(5);
        let first: [&(dyn Fn() + Sync); 4] = [
            &|| _ = Stopwatch::start().elapsed(),
            &|| All::local(|s| s.n.add(1)),
            &|| drop(All::create().unwrap()),
            &|| All::local(|s| s.parts.group("first").n.inc()),
        ];
        thread::scope(|scope| {
            for work in first {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    work();
                });
            }
            ready.wait();
            let pids = [(); 12].map(|()| fork(|| use_everything(&root)));
            pids.into_iter().for_each(wait_well);
        });
        return;
    }
    for _ in 0..many(150, 10) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
    }
}

#[test]
fn a_lock_does_not_outlive_its_process_in_a_child() {
    const NAME: &str = "fork::a_lock_does_not_outlive_its_process_in_a_child";
    if child::is_child(NAME) {
        let ready = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                ready.wait();
                All::local(|s| s.n.add(1));
            });
            ready.wait();
            // Children that wait for the end of the pipe at their input, forked at every moment of the first use.
            for _ in 0..20 {
                // SAFETY: the child only reads, and exits.
                unsafe {
                    if libc::fork() == 0 {
                        libc::close(1);
                        libc::close(2);
                        libc::read(0, [0u8].as_mut_ptr().cast(), 1);
                        libc::_exit(0);
                    }
                }
            }
        });
        // SAFETY: it exits at once.
        unsafe { libc::_exit(0) };
    }
    for _ in 0..many(150, 10) {
        let root = tempfile::tempdir().unwrap();
        let mut command = child::command(NAME, root.path());
        let mut parent = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let input = parent.stdin.take();
        assert!(parent.wait().unwrap().success());
        let snapshot = snapshot(root.path());
        for file in snapshot.files() {
            assert_eq!(file.state(), State::Dead, "its children hold its lock");
        }
        drop(input);
    }
}

#[test]
fn a_child_of_a_process_that_has_only_read_is_itself() {
    const NAME: &str = "fork::a_child_of_a_process_that_has_only_read_is_itself";
    if child::is_child(NAME) {
        // Without a lock file it has to find out its own identity.
        let snapshot = snapshot(super::root());
        assert_eq!(snapshot.files()[0].state(), State::Live);
        let pid = fork(|| {
            let own = All::create().unwrap();
            let header = super::snapshot(own.path().unwrap()).files()[0].pid();
            i32::from(header != std::process::id())
        });
        wait_well(pid);
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let _live = All::builder().path(root.path()).create().unwrap();
    std::fs::remove_file(root.path().join(".lock")).unwrap();
    child::run(&mut child::command(NAME, root.path()));
}

/// A model whose windows are looked at every twelfth of a second.
#[derive(MmStats)]
struct Looked {
    #[mmstats(window = "1s")]
    n: Counter,
}

/// Counts until the window has dropped a part of its count, which takes a ticker. Returns false if that does not
/// happen.
fn is_looked_at(root: &Path) -> bool {
    let own = Looked::builder().path(root).create().unwrap();
    let path = own.path().unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        own.n.inc();
        let snapshot = snapshot(&path);
        let get = |label| snapshot.get("Looked", label).unwrap().as_u64().unwrap();
        // With a margin of two: by now the window may begin at another step.
        if (1..get("n") / 2).contains(&get("n.WindowCount")) {
            return true;
        }
    }
    false
}

/// The ticker belongs to the parent; a child starts its own when it needs one.
#[test]
fn a_child_looks_at_its_own_counters() {
    const NAME: &str = "fork::a_child_looks_at_its_own_counters";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    let root = root();
    // Forks while the thread starts, takes steps and ends.
    for _ in 0..many(300, 30) {
        let inherited = Looked::builder().path(&root).create().unwrap();
        inherited.n.add(3);
        wait_well(fork(|| {
            inherited.n.add(4);
            let own = Looked::builder().path(&root).create().unwrap();
            own.n.inc();
            0
        }));
        assert_eq!(inherited.n.get(), 3);
    }
    let inherited = Looked::builder().path(&root).create().unwrap();
    wait_well(fork(|| {
        inherited.n.add(4);
        i32::from(!is_looked_at(&root))
    }));
    assert!(is_looked_at(&root));
}

#[derive(MmStats)]
struct Watched {
    #[mmstats(idle = "1s")]
    sessions: Groups<Session>,
}

#[derive(MmStats)]
struct Session {
    n: Counter,
}

/// The groups that the parent watches are its own: a child may drop its copy, and its own group with the same name is
/// watched.
#[test]
fn a_child_watches_its_own_groups_only() {
    const NAME: &str = "fork::a_child_watches_its_own_groups_only";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    let root = root();
    let watched = || {
        let stats = Watched::builder().path(&root).create().unwrap();
        stats.sessions.group("one").n.inc();
        stats
    };
    let mut inherited = Some(watched());
    wait_well(fork(|| {
        drop(inherited.take());
        let own = watched();
        let path = own.path().unwrap();
        let start = Instant::now();
        while snapshot(&path).get("Watched", "one.n").is_some() {
            if start.elapsed() > Duration::from_secs(20) {
                return 1;
            }
            thread::sleep(Duration::from_millis(20));
        }
        0
    }));
}
