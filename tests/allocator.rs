//! A program whose allocator counts its allocations through `local`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use mmstats::reader::Reader;
use mmstats::{Counter, Groups, MmStats, Stopwatch, Timer};

#[path = "writer/child.rs"]
#[allow(dead_code, reason = "shared with other targets")]
mod child;

#[derive(MmStats)]
struct Heap {
    allocations: Counter,
    frees: Counter,
}

/// A second model that the allocator uses: it is made while the first one is.
#[derive(MmStats)]
struct Times {
    allocating: Timer,
}

/// What the program itself counts.
#[derive(MmStats)]
struct Work {
    done: Counter,
    parts: Groups<Part>,
}

#[derive(MmStats)]
struct Part {
    time: Timer,
}

/// A third one, of groups that the allocator makes.
#[derive(MmStats)]
struct Sizes {
    classes: Groups<Size>,
}

#[derive(MmStats)]
struct Size {
    allocations: Counter,
    frees: Counter,
}

/// Whether the allocator also counts sizes.
static SIZES: AtomicBool = AtomicBool::new(false);

/// Calls `count` with the group of a size: there are thousands of names, and none of them takes an allocation.
fn with_class(layout: Layout, count: impl FnOnce(&Size)) {
    if SIZES.load(Ordering::Relaxed) {
        let mut digits = [b'0'; 6];
        let mut size = layout.size();
        for digit in digits.iter_mut().rev() {
            *digit += (size % 10) as u8;
            size /= 10;
        }
        let name = std::str::from_utf8(&digits).unwrap();
        Sizes::local(|s| count(s.classes.group(name)));
    }
}

struct Instrumented;

/// Off in the process that only runs the others.
static ON: AtomicBool = AtomicBool::new(false);

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Instrumented {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ON.load(Ordering::Relaxed) {
            Heap::local(|s| s.allocations.inc());
            with_class(layout, |size| size.allocations.inc());
            let watch = Stopwatch::start();
            // SAFETY: as for this function.
            let found = unsafe { System.alloc(layout) };
            Times::local(|s| s.allocating.record(watch.elapsed()));
            return found;
        }
        // SAFETY: as for this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if ON.load(Ordering::Relaxed) {
            Heap::local(|s| s.frees.inc());
            with_class(layout, |size| size.frees.inc());
        }
        // SAFETY: as for this function.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Instrumented = Instrumented;

fn root() -> PathBuf {
    std::env::var_os("MMSTATS_PATH").unwrap().into()
}

fn files(root: &Path, model: &str) -> usize {
    std::fs::read_dir(root.join(model)).map_or(0, |entries| entries.count())
}

/// Returns whether this is the child, which instruments its allocator; the parent runs the child.
fn is_child(name: &str) -> bool {
    if child::is_child(name) {
        ON.store(true, Ordering::Relaxed);
        return true;
    }
    let root = tempfile::tempdir().unwrap();
    child::run(&mut child::command(name, root.path()));
    for model in ["Heap", "Times", "Work"] {
        assert_eq!(files(root.path(), model), 0, "{model}");
    }
    false
}

#[test]
fn every_allocation_is_counted() {
    if !is_child("every_allocation_is_counted") {
        return;
    }
    let counts = || Heap::local(|s| (s.allocations.get(), s.frees.get()));
    let work = move || {
        Heap::local(|s| s.allocations.get());
        let before = counts();
        for _ in 0..1000 {
            drop(std::hint::black_box(Box::new(7u64)));
        }
        let after = counts();
        // The first value of an octave in `Times` allocates, too.
        let counted = (after.0 - before.0, after.1 - before.1);
        assert_eq!(counted.0, counted.1);
        assert!((1000..1050).contains(&counted.0), "{counted:?}");
        Work::local(|s| {
            s.done.inc();
            for i in 0..200 {
                let part = s.parts.group(&format!("part-{i}"));
                part.time.time(|| drop(vec![0u8; 100]));
            }
        });
    };
    for _ in 0..5 {
        let threads = [(); 4].map(|()| thread::spawn(work));
        for thread in threads {
            thread.join().unwrap();
        }
    }
    ON.store(false, Ordering::Relaxed);
    let snapshot = Reader::open(root()).unwrap().snapshot().unwrap();
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    assert_eq!(snapshot.get("Work", "done").unwrap().as_u64(), Some(20));
    let counted = snapshot
        .get("Heap", "allocations")
        .unwrap()
        .as_u64()
        .unwrap();
    assert!(counted > 20_000, "{counted}");
    let parts = (0..200).map(|i| snapshot.get("Work", &format!("part-{i}.time")));
    for part in parts {
        assert_eq!(part.unwrap().as_distribution().unwrap().count(), 20);
    }
    for model in ["Heap", "Times", "Work"] {
        // Four threads at once, the thread of the test and the main thread.
        let count = files(&root(), model);
        assert!(count <= 6, "{model}: {count}");
    }
    ON.store(true, Ordering::Relaxed);
}

#[test]
fn an_allocator_may_make_groups_while_groups_are_made() {
    if !is_child("an_allocator_may_make_groups_while_groups_are_made") {
        return;
    }
    SIZES.store(true, Ordering::Relaxed);
    let work = || {
        for size in 1..3000usize {
            drop(std::hint::black_box(vec![0u8; size]));
            Work::local(|s| {
                let part = s.parts.group(&format!("part-{size}"));
                part.time.time(|| drop(vec![0u8; size]));
            });
        }
        // The group exists by now, so everything is counted exactly.
        let counted = || {
            Sizes::local(|s| {
                let class = s.classes.group("002999");
                (class.allocations.get(), class.frees.get())
            })
        };
        let before = counted();
        for _ in 0..100 {
            drop(std::hint::black_box(vec![0u8; 2999]));
        }
        let after = counted();
        assert_eq!((after.0 - before.0, after.1 - before.1), (100, 100));
        assert!(Sizes::local(|s| s.classes.len()) > 2000);
    };
    let threads = [(); 2].map(|()| thread::spawn(work));
    for thread in threads {
        thread.join().unwrap();
    }
    ON.store(false, Ordering::Relaxed);
    let snapshot = Reader::open(root()).unwrap().snapshot().unwrap();
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    let parts = snapshot.get("Work", "part-2999.time").unwrap();
    assert_eq!(parts.as_distribution().unwrap().count(), 2);
    ON.store(true, Ordering::Relaxed);
}

#[test]
fn a_child_of_a_fork_counts_its_own() {
    if !is_child("a_child_of_a_fork_counts_its_own") {
        return;
    }
    let allocate = |n: u64| {
        let many: Vec<Box<u64>> = (0..n).map(Box::new).collect();
        drop(std::hint::black_box(many));
        Heap::local(|s| s.allocations.get())
    };
    // The first use, in which only some allocations are counted.
    allocate(1);
    // So many more than in the child that inherited counts would be noticed there.
    assert!(allocate(10_000) >= 10_000);
    // SAFETY: the child only counts, and exits.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // Allocations before the child has its own file go to private memory.
        let good = (90..1000).contains(&allocate(100)) && files(&root(), "Heap") >= 2;
        // SAFETY: runs the exit handlers.
        unsafe { libc::exit(i32::from(!good)) };
    }
    let mut status = 0;
    // SAFETY: our child, and a pointer to our integer.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0);
}

#[test]
fn during_the_end_of_a_thread() {
    if !is_child("during_the_end_of_a_thread") {
        return;
    }
    /// Allocates when its thread ends.
    struct Late(&'static AtomicU32);
    impl Drop for Late {
        fn drop(&mut self) {
            drop(std::hint::black_box(vec![1u8; 100]));
            Work::local(|s| s.done.inc());
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    thread_local! {
        static EARLY: Cell<Option<Late>> = const { Cell::new(None) };
        static LATE: Cell<Option<Late>> = const { Cell::new(None) };
    }
    static RAN: AtomicU32 = AtomicU32::new(0);
    for _ in 0..20 {
        thread::spawn(|| {
            EARLY.set(Some(Late(&RAN)));
            Work::local(|s| s.done.inc());
            LATE.set(Some(Late(&RAN)));
        })
        .join()
        .unwrap();
    }
    assert_eq!(RAN.load(Ordering::Relaxed), 40);
    assert_eq!(files(&root(), "Work"), 1);
}

static AFTER: AtomicBool = AtomicBool::new(false);

/// Runs after every function that was registered with atexit.
#[used]
// SAFETY: a pointer to a function that is called once, at the end.
#[unsafe(link_section = ".fini_array")]
static AT_END: extern "C" fn() = {
    extern "C" fn at_end() {
        if AFTER.load(Ordering::Relaxed) {
            use_late();
            // The library has removed its own files before.
            assert_eq!(files(&root(), "Work") + files(&root(), "Heap"), 0);
        }
    }
    at_end
};

fn use_late() {
    drop(std::hint::black_box(vec![1u8; 100]));
    Work::local(|s| {
        s.done.inc();
        s.parts.group("late").time.time(|| ());
    });
    drop(Work::create().unwrap());
}

#[test]
fn after_the_exit_handler() {
    if !is_child("after_the_exit_handler") {
        return;
    }
    extern "C" fn at_exit() {
        use_late();
    }
    Work::local(|s| s.done.inc());
    AFTER.store(true, Ordering::Relaxed);
    // SAFETY: the function is never unloaded.
    unsafe { libc::atexit(at_exit) };
    let (tell, told) = std::sync::mpsc::channel();
    // Detached: it keeps running while the process exits.
    thread::spawn(move || {
        loop {
            use_late();
            let _ = tell.send(());
        }
    });
    told.recv().unwrap();
    std::process::exit(0);
}
