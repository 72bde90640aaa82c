//! What reading a file costs in memory: in proportion to the blocks that the file occupies (FORMAT.md, "Untrusted
//! bytes"), whatever it contains. The heap is counted, so this is a separate program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use mmstats::reader::{Per, Reader};
use mmstats::{Compound, Groups, MmStats, MmValue, Percentile, Stats, Summary, Text, Timer};

struct Heap;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed unchanged to the system's allocator; only counts are kept. (Reallocation is the default
// implementation: an allocation, a copy, and a release.)
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static HEAP: Heap = Heap;

const GROUPS: usize = 2_000;
const TIMES: usize = 200;

#[derive(MmStats)]
struct Bytes {
    groups: Groups<OfBytes>,
}

#[derive(MmStats)]
struct OfBytes {
    value: Compound<Array>,
}

#[derive(Clone, Copy, MmValue)]
#[repr(C)]
struct Array {
    bytes: [u8; 512],
}

#[derive(MmStats)]
struct Texts {
    groups: Groups<OfTexts>,
}

#[derive(MmStats)]
struct OfTexts {
    value: Text<1000>,
}

#[derive(MmStats)]
struct Summaries {
    groups: Groups<OfSummaries>,
}

#[derive(MmStats)]
struct OfSummaries {
    one: Summary,
    two: Summary,
    three: Summary,
    four: Summary,
    five: Summary,
    six: Summary,
}

#[derive(MmStats)]
struct Times {
    groups: Groups<OfTimes>,
}

#[derive(MmStats)]
struct OfTimes {
    time: Timer,
    #[mmstats(window = "1m")]
    windowed: Percentile,
}

/// Returns the blocks of all files below a root.
fn blocks(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap();
    let sizes = entries.map(|entry| match entry.unwrap() {
        entry if entry.file_type().unwrap().is_dir() => blocks(&entry.path()),
        entry => 512 * entry.metadata().unwrap().blocks() as usize,
    });
    sizes.sum()
}

/// Reads all values twice, merged and by file, and reads everything that they expose.
fn assert_in_proportion<T>(root: &Path, stats: Stats<T>, labels: usize) {
    let blocks = blocks(root);
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut reader = Reader::open(root).unwrap();
    for _ in 0..2 {
        let snapshot = reader.per(Per::File).snapshot().unwrap();
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        assert_eq!(snapshot.iter().count(), labels);
        for stat in snapshot.merged()[0].series() {
            stat.expose(|name, value| drop(std::hint::black_box((name, value))));
        }
    }
    let peak = PEAK.load(Relaxed) - before;
    assert!(
        peak <= 16 * blocks + (1 << 20),
        "{peak} bytes for {blocks}, {} times",
        peak / blocks
    );
    drop(stats);
}

#[test]
fn reading_takes_memory_in_proportion_to_the_file() {
    let names: Vec<String> = (0..GROUPS).map(|i| format!("group-{i}")).collect();

    let root = tempfile::tempdir().unwrap();
    let bytes = Bytes::builder().path(root.path()).create().unwrap();
    for name in &names {
        let group = bytes.groups.try_group(name).unwrap();
        group.value.set(Array { bytes: [7; 512] });
    }
    assert_in_proportion(root.path(), bytes, GROUPS);

    let root = tempfile::tempdir().unwrap();
    let texts = Texts::builder().path(root.path()).create().unwrap();
    for name in &names {
        let group = texts.groups.try_group(name).unwrap();
        group.value.set(&"\u{1b}".repeat(1000));
    }
    assert_in_proportion(root.path(), texts, GROUPS);

    // As many as a file can have: none of this is out of proportion.
    let root = tempfile::tempdir().unwrap();
    let summaries = Summaries::builder().path(root.path()).create().unwrap();
    for name in &names {
        summaries.groups.try_group(name).unwrap().one.record(1.0);
    }
    assert_in_proportion(root.path(), summaries, 6 * GROUPS);

    let root = tempfile::tempdir().unwrap();
    let times = Times::builder()
        .path(root.path())
        .max_size(64 << 20)
        .create()
        .unwrap();
    for name in &names[..TIMES] {
        let group = times.groups.try_group(name).unwrap();
        for n in 0..50 {
            group.time.record(std::time::Duration::from_nanos(1 << n));
            group.windowed.record(1 << n);
        }
    }
    assert_in_proportion(root.path(), times, 2 * TIMES);
}
