//! A thread ends, and another one continues with its file: what a reader sees meanwhile.
//!
//! The list, its lock and the owner word are the real ones.

use std::any::TypeId;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;
use mmstats::format::header::{Owner, OwnerState};
use mmstats::format::owner;
use mmstats::sys::lifecycle::orphans::{Orphan, Orphans};
use mmstats::sys::process::lock::{self, RawLock};

/// The ordering of the proof that is omitted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Relaxed {
    Nothing,
    Lock,
    Unlock,
    Abandon,
    Reader,
}

/// Data without an ordering of its own: loom rejects two accesses by different threads if neither happens before the
/// other.
struct Unshared(UnsafeCell<u64>);
// SAFETY: this is what the model shows: loom fails if it does not hold.
unsafe impl Sync for Unshared {}

impl Unshared {
    fn new() -> Unshared {
        Unshared(UnsafeCell::new(0))
    }

    fn touch(&self) {
        // SAFETY: loom has rejected it if another thread is here.
        self.0.with_mut(|n| unsafe { *n += 1 });
    }
}

/// A file with a count and a level.
struct File {
    owner: AtomicU64,
    count: AtomicU64,
    level: AtomicU64,
    /// Everything that a writer has besides the words: its tail, its tables.
    tables: Unshared,
}

impl File {
    /// The file of thread 1, which has counted nothing yet.
    fn new() -> File {
        let first = Owner {
            tid: 1,
            state: OwnerState::Live,
            adoptions: 0,
        };
        File {
            owner: AtomicU64::new(first.pack()),
            count: AtomicU64::new(0),
            level: AtomicU64::new(0),
            tables: Unshared::new(),
        }
    }

    /// What the thread `tid` does with its file: counts one, and sets a level of its own.
    fn write(&self, tid: u64) {
        self.tables.touch();
        // Like a counter.
        let count = self.count.load(Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Relaxed);
        self.level.store(tid, Ordering::Relaxed);
    }
}

struct Process {
    file: Arc<File>,
    lock: RawLock,
    orphans: Orphans,
    relaxed: Relaxed,
}

impl Process {
    fn new(relaxed: Relaxed) -> Arc<Process> {
        Arc::new(Process {
            file: Arc::new(File::new()),
            lock: RawLock::new(),
            orphans: Orphans::new(),
            relaxed,
        })
    }

    fn locked<R>(&self, work: impl FnOnce(&Orphans) -> R) -> R {
        match self.relaxed {
            Relaxed::Lock => self.lock.lock_ordered(Ordering::Relaxed),
            _ => self.lock.lock(),
        }
        let result = work(&self.orphans);
        match self.relaxed {
            Relaxed::Unlock => self.lock.unlock_ordered(Ordering::Relaxed),
            _ => self.lock.unlock(),
        }
        result
    }

    /// The end of the thread that owns the file.
    fn leave(&self) {
        let file = self.file.clone();
        match self.relaxed {
            Relaxed::Abandon => {
                owner::abandon_ordered(Ordering::Relaxed, &file.owner, [&file.level]);
            }
            _ => owner::abandon(&file.owner, [&file.level]),
        }
        let orphan = Orphan::new(TypeId::of::<File>(), Box::new(file));
        // SAFETY: called under the lock.
        self.locked(|orphans| unsafe { orphans.push(orphan) });
    }

    /// A thread that needs the model; returns whether it got the file.
    fn take_over(&self, tid: u64) -> bool {
        // SAFETY: called under the lock.
        let found = self.locked(|orphans| unsafe { orphans.take(TypeId::of::<File>()) });
        let Some(orphan) = found else {
            return false;
        };
        let file = orphan.value.downcast::<Arc<File>>().unwrap();
        owner::adopt(&file.owner, tid as u32);
        file.write(tid);
        true
    }

    /// A reader's pass: the owner word, followed by the count and the level.
    fn read(&self) -> (Owner, u64, u64) {
        let owner = Owner::unpack(self.file.owner.load(Ordering::Relaxed));
        if self.relaxed != Relaxed::Reader {
            fence(Ordering::Acquire);
        }
        let count = self.file.count.load(Ordering::Relaxed);
        (owner, count, self.file.level.load(Ordering::Relaxed))
    }
}

/// Thread 1 counts and ends, thread 2 adopts its file and continues to count, while a reader reads twice.
fn check(relaxed: Relaxed) {
    super::bounded(move || {
        let process = Process::new(relaxed);
        let first = thread::spawn({
            let process = process.clone();
            move || {
                process.file.write(1);
                process.leave();
            }
        });
        let second = thread::spawn({
            let process = process.clone();
            move || process.take_over(2)
        });
        let mut last = 0;
        for _ in 0..2 {
            let (owner, count, level) = process.read();
            assert!(count >= last, "backwards: {count} after {last}");
            last = count;
            if owner.state == OwnerState::Orphan || owner.adoptions > 0 {
                assert!(count >= 1, "the last count is not seen: {owner:?}");
                assert_ne!(level, 1, "a level of a thread that has ended: {owner:?}");
            }
        }
        first.join().unwrap();
        let adopted = second.join().unwrap();
        let (owner, count, level) = process.read();
        let expected = if adopted {
            (2, OwnerState::Live, 1, 2, 2)
        } else {
            (1, OwnerState::Orphan, 0, 1, 0)
        };
        assert_eq!(
            (owner.tid, owner.state, owner.adoptions, count, level),
            expected,
            "nothing is lost"
        );
    });
}

#[test]
fn a_file_changes_hands_and_nothing_is_lost() {
    check(Relaxed::Nothing);
}

/// Two threads need the model at once: one has the file first, and the other one after it.
#[test]
fn an_orphan_never_has_two_owners() {
    loom::model(|| {
        let process = Process::new(Relaxed::Nothing);
        process.file.write(1);
        process.leave();
        let threads = [2, 3].map(|tid| {
            let process = process.clone();
            thread::spawn(move || {
                let got = process.take_over(tid);
                if got {
                    process.leave();
                }
                u64::from(got)
            })
        });
        let adopted: u64 = threads.map(|thread| thread.join().unwrap()).iter().sum();
        let (owner, count, level) = process.read();
        assert!(adopted >= 1, "it was there for the first that came");
        assert_eq!(
            (owner.state, u64::from(owner.adoptions), count, level),
            (OwnerState::Orphan, adopted, 1 + adopted, 0)
        );
    });
}

/// Only one thread at a time is under the lock.
#[test]
fn the_lock_lets_one_thread_in() {
    loom::model(|| {
        let shared = Arc::new((RawLock::new(), Unshared::new()));
        let other = thread::spawn({
            let shared = shared.clone();
            move || lock::with(&shared.0, || shared.1.touch())
        });
        lock::with(&shared.0, || shared.1.touch());
        other.join().unwrap();
    });
}

fn finds_a_hole(relaxed: Relaxed) {
    let result = catch_unwind(AssertUnwindSafe(|| check(relaxed)));
    assert!(
        result.is_err(),
        "no failure with {relaxed:?}: the check cannot see this ordering"
    );
}

#[test]
fn a_relaxed_lock_is_found() {
    finds_a_hole(Relaxed::Lock);
}

#[test]
fn a_relaxed_unlock_is_found() {
    finds_a_hole(Relaxed::Unlock);
}

#[test]
fn a_relaxed_abandon_is_found() {
    finds_a_hole(Relaxed::Abandon);
}

/// The process ends while a thread gives up its file.
#[test]
fn the_end_of_a_process_is_the_last_state_of_a_file() {
    loom::model(|| {
        let file = Arc::new(File::new());
        let thread = thread::spawn({
            let file = file.clone();
            move || owner::abandon(&file.owner, [&file.level])
        });
        owner::end(&file.owner, OwnerState::Ended);
        thread.join().unwrap();
        let owner = Owner::unpack(file.owner.load(Ordering::Relaxed));
        assert_eq!(owner.state, OwnerState::Ended);
    });
}

#[test]
fn a_reader_without_its_fence_is_found() {
    finds_a_hole(Relaxed::Reader);
}
