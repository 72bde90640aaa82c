//! Statics through the public interface: what threads count, what becomes of it when threads end, in forks and at the
//! exit, and in an allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mmstats::reader::{Reader, Snapshot};
use mmstats::{SharedCounter, SharedGauge};

#[path = "writer/child.rs"]
#[allow(dead_code, reason = "shared with other targets")]
mod child;
#[path = "statics/ends.rs"]
mod ends;
#[path = "statics/full.rs"]
mod full;
#[path = "statics/gauges.rs"]
mod gauges;
#[path = "lifecycle/process.rs"]
#[allow(dead_code, reason = "shared with other targets")]
mod process;
#[path = "statics/values.rs"]
mod values;

/// Counts allocations in a static if a test asks for it.
struct Instrumented;

static ON: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: SharedCounter = SharedCounter::new("heap", "allocations");
static BYTES: SharedGauge<i64> = SharedGauge::new("heap", "bytes");
/// The number of all allocations, for comparison.
static EXPECTED: AtomicU64 = AtomicU64::new(0);

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Instrumented {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        EXPECTED.fetch_add(1, Ordering::Relaxed);
        if ON.load(Ordering::Relaxed) {
            ALLOCATIONS.inc();
            BYTES.add(layout.size() as i64);
        }
        // SAFETY: as for this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as for this function.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Instrumented = Instrumented;

/// Returns whether this is the child that runs the test; the parent runs the child.
fn is_child(name: &str) -> bool {
    if child::is_child(name) {
        return true;
    }
    let root = tempfile::tempdir().unwrap();
    child::run(&mut child::command(name, root.path()));
    // A clean exit leaves nothing.
    for model in std::fs::read_dir(root.path()).unwrap() {
        let model = model.unwrap().path();
        if model.is_dir() {
            assert_eq!(files(&model).len(), 0, "{model:?}");
        }
    }
    false
}

fn root() -> PathBuf {
    std::env::var_os("MMSTATS_PATH").unwrap().into()
}

fn files(model: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(model).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn snapshot() -> Snapshot {
    let snapshot = Reader::open(root()).unwrap().snapshot().unwrap();
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    snapshot
}

fn count(model: &str, label: &str) -> Option<u64> {
    snapshot().get(model, label)?.as_u64()
}
