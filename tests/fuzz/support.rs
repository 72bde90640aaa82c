//! Shared by the targets: a heap that is measured, a root in memory, and a mutator that knows where lengths are
//! stored.

pub mod versions;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use mmstats::format::header::{COMMITTED, FIXED, MAGIC};
use mmstats::reader::{Per, Reader, Snapshot};

/// The most that may be allocated at any time to read a file: so many times the blocks that it occupies …
pub const FACTOR: usize = 16;
/// … plus this: what the reader grants every file (1 MiB), its fixed buffers, and a header of the greatest length.
pub const CONSTANT: usize = 4 << 20;

/// The system's heap, with counts.
struct Heap;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static HEAP: Heap = Heap;

fn grow(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: every call is passed unchanged to the system's allocator; only counts are kept.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks exist while it is moved.
        grow(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Runs `run`; returns the peak of allocated bytes beyond those allocated before.
pub fn measured(run: impl FnOnce()) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    run();
    PEAK.load(Relaxed) - before
}

/// Panics if more was allocated than a file with these blocks may cost.
pub fn assert_in_proportion(peak: usize, blocks: usize) {
    assert!(
        peak <= FACTOR * blocks + CONSTANT,
        "{peak} bytes allocated for a file that takes {blocks}"
    );
}

/// Two roots in memory, one for each way of reading.
pub struct Roots(PathBuf);

/// Whether a file is mapped or read with pread.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Mapped,
    Read,
}

pub const WAYS: [Way; 2] = [Way::Mapped, Way::Read];

impl Roots {
    /// Returns the roots of this process.
    pub fn get() -> &'static Roots {
        static ROOTS: OnceLock<Roots> = OnceLock::new();
        ROOTS.get_or_init(|| {
            let memory = PathBuf::from("/dev/shm");
            let base = if memory.is_dir() {
                memory
            } else {
                std::env::temp_dir()
            };
            let base = base.join("mmstats-fuzz");
            // A run that ends leaves its root behind, because the fuzzer exits without running destructors.
            for left in base.read_dir().into_iter().flatten().flatten() {
                if !PathBuf::from("/proc").join(left.file_name()).exists() {
                    let _ = std::fs::remove_dir_all(left.path());
                }
            }
            let base = base.join(std::process::id().to_string());
            for (way, mode) in WAYS.into_iter().zip([0o700, 0o777]) {
                let model = base.join(format!("{way:?}")).join("m");
                std::fs::create_dir_all(&model).expect("make a root");
                let mode = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(&model, mode).expect("set its mode");
            }
            Roots(base)
        })
    }

    fn root(&self, way: Way) -> PathBuf {
        self.0.join(format!("{way:?}"))
    }

    /// Creates a stats file with this content, the only file of its root.
    pub fn file(&self, way: Way, bytes: &[u8]) -> Stats {
        let path = self.root(way).join("m/mmstats-1-1");
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)
            .expect("make a file");
        let stats = Stats(file);
        stats.write(bytes);
        stats
    }

    /// Returns a reader that also has each file's own values.
    pub fn reader(&self, way: Way) -> Reader {
        let mut reader = Reader::open(self.root(way)).expect("open the root");
        reader.per(Per::File);
        reader
    }
}

/// A stats file.
pub struct Stats(File);

impl Stats {
    /// Overwrites the file with the bytes, followed by as many zeros that occupy no space as the reserved bytes of the
    /// header say (which no reader looks at): see [`sparse`].
    pub fn write(&self, bytes: &[u8]) {
        self.0.write_all_at(bytes, 0).expect("write");
        let len = bytes.len() as u64 + sparse(bytes);
        self.0.set_len(len).expect("set the length");
    }

    pub fn set_len(&self, len: u64) {
        self.0.set_len(len).expect("set the length");
    }

    /// Returns the bytes that it occupies.
    pub fn blocks(&self) -> usize {
        512 * self.0.metadata().expect("stat").blocks() as usize
    }
}

/// Returns the number of zeros after the bytes of a file: at most 256 MiB, a multiple of 64.
fn sparse(bytes: &[u8]) -> u64 {
    match bytes.get(12..16) {
        Some(n) => 64 * u64::from(u32::from_le_bytes(n.try_into().expect("4 bytes")) & 0x3f_ffff),
        None => 0,
    }
}

/// Reads everything that a snapshot has.
pub fn examine(snapshot: &Snapshot) {
    for model in snapshot.models().iter().chain(snapshot.merged()) {
        assert!(!model.name().is_empty());
        for pair in model.series().windows(2) {
            assert!(pair[0].label() < pair[1].label());
        }
        for stat in model.series() {
            std::hint::black_box((stat.unit(), stat.help(), stat.value(), stat.since()));
            std::hint::black_box((
                stat.metric(),
                stat.group(),
                stat.group_label(),
                stat.labels(),
            ));
            stat.expose(|name, value| {
                std::hint::black_box((name, value.as_f64()));
            });
            assert!(model.get(stat.label()).is_some());
        }
    }
    for file in snapshot.files() {
        assert!(snapshot.of_file(file).is_some());
        std::hint::black_box((file.get("sys.exe"), file.state(), file.created()));
    }
    for problem in snapshot.errors() {
        assert!(!problem.error().contains(char::is_control));
    }
    assert!(snapshot.busy().count() > 0 || snapshot.is_whole());
    assert!(snapshot.files().len() <= 1);
    assert!(snapshot.files().len() + snapshot.errors().len() > 0);
}

/// A small generator of pseudo-random numbers. (xorshift64, Marsaglia)
pub struct Random(u64);

impl Random {
    pub fn new(seed: u32) -> Random {
        Random(u64::from(seed) << 1 | 1)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % n.max(1)
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

fn u32_at(data: &[u8], at: usize) -> Option<usize> {
    let bytes = data.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

fn set_u32(data: &mut [u8], at: usize, n: usize) {
    if let Some(to) = data.get_mut(at..at + 4) {
        to.copy_from_slice(&(n as u32).to_le_bytes());
    }
}

/// Returns the records of a file as far as they can be followed: begin and end.
pub fn records(data: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = u32_at(data, 8).unwrap_or(data.len());
    while let Some(len) = u32_at(data, at) {
        if len < 8 || len % 8 != 0 || len > data.len() - at || found.len() == 4096 {
            break;
        }
        found.push((at, at + len));
        at += len;
    }
    found
}

/// Returns how many bytes of a record describe other records or its own shape: most of a file is values.
fn telling(data: &[u8], (from, to): (usize, usize)) -> usize {
    match data[from + 4] {
        1 => to - from,
        _ => (to - from).min(64),
    }
}

/// Changes the bytes of a file: in half of the cases anywhere and in any way (as `plain` does), otherwise a number in
/// its metadata, or whole records. In half of the cases it then repairs the lengths, so that what lies behind them is
/// reached.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    max: usize,
    random: &mut Random,
    plain: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mut size = match random.below(4) {
        0 | 1 => plain(data, size, max),
        2 => number(data, size, random),
        _ => record(data, size, max, random),
    };
    if random.one_in(2) {
        size = mend(data, size, random);
    }
    size
}

/// Changes a number somewhere in the metadata.
fn number(data: &mut [u8], size: usize, random: &mut Random) -> usize {
    let records = records(&data[..size]);
    for _ in 0..1 + random.below(3) {
        let (from, len) = match records.get(random.below(records.len() + 1)) {
            Some(&record) => (record.0, telling(data, record)),
            None => (0, size.min(FIXED)),
        };
        let width = [1, 2, 4, 8][random.below(4)];
        let at = (from + random.below(len)) / width * width;
        let Some(place) = data[..size].get_mut(at..at + width) else {
            continue;
        };
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(place);
        let old = u64::from_le_bytes(bytes);
        let new = match random.below(8) {
            0 => 0,
            1 => u64::MAX >> random.below(64),
            2 => old ^ 1 << random.below(8 * width),
            3 => old.wrapping_add(8),
            4 => old.wrapping_sub(8),
            5 => 1 << random.below(8 * width),
            6 => records
                .get(random.below(records.len()))
                .map_or(64, |r| r.0 as u64),
            _ => 8 * random.below(size) as u64,
        };
        place.copy_from_slice(&new.to_le_bytes()[..width]);
    }
    size
}

/// Duplicates, drops or stretches a record, or changes its count of entries.
fn record(data: &mut [u8], size: usize, max: usize, random: &mut Random) -> usize {
    let records = records(&data[..size]);
    if records.is_empty() {
        return number(data, size, random);
    }
    let (from, to) = records[random.below(records.len())];
    let (at, _) = records[random.below(records.len())];
    let len = to - from;
    match random.below(4) {
        // A copy at another place, together with its values: its offset is adjusted below.
        0 if size + len <= max => {
            let copy = data[from..to].to_vec();
            data.copy_within(at..size, at + len);
            data[at..at + len].copy_from_slice(&copy);
            rebase(data, at, from, random);
            size + len
        }
        1 if records.len() > 1 => {
            data.copy_within(to..size, from);
            size - len
        }
        // Zeros at its end.
        2 if size + 64 <= max => {
            data.copy_within(to..size, to + 64);
            data[to..to + 64].fill(0);
            set_u32(data, from, len + 64);
            size + 64
        }
        // Another number of metric entries, if the record is a schema.
        _ => {
            set_u32(data, from + 12, 1 + random.below(300));
            size
        }
    }
}

/// Adjusts the offset in an instance or octave record that has moved.
fn rebase(data: &mut [u8], at: usize, from: usize, random: &mut Random) {
    let field = match data[at + 4] {
        2 => at + 12,
        3 => at + 16,
        _ => return,
    };
    if random.one_in(8) {
        return;
    }
    if let Some(offset) = u32_at(data, field) {
        set_u32(data, field, (offset + at).wrapping_sub(from));
    }
}

/// Repairs what keeps a reader from continuing.
fn mend(data: &mut [u8], size: usize, random: &mut Random) -> usize {
    if size < FIXED {
        return size;
    }
    let size = size & !7;
    data[..8].copy_from_slice(&MAGIC);
    data[16..24].fill(0);
    if random.one_in(4) {
        // Zeros beyond the end; none in half of the cases.
        let zeros = if random.one_in(2) {
            0
        } else {
            1 << random.below(22)
        };
        set_u32(data, 12, zeros);
    }
    let records = records(&data[..size]);
    let mut len = size as u64;
    if random.one_in(4) {
        len += sparse(&data[..size]);
    }
    // Extends the last record to the end, so that all of it is read.
    if let Some(&(from, _)) = records.last()
        && random.one_in(4)
    {
        set_u32(data, from, len as usize - from);
    }
    data[COMMITTED..COMMITTED + 8].copy_from_slice(&len.to_le_bytes());
    for (from, to) in records {
        match data[from + 4] {
            2 if random.one_in(8) => {
                let texts = data.get(from + 16..from + 20).map_or(0, |n| {
                    usize::from(n[0]) + usize::from(n[1]) * 256 + usize::from(n[2])
                });
                set_u32(data, from + 12, (from + 24 + texts + 63) & !63);
            }
            3 if random.one_in(8) => set_u32(data, from + 16, (from + 24 + 63) & !63),
            1 if random.one_in(8) => set_u32(data, from + 8, 8 * random.below((to - from) * 2)),
            _ => {}
        }
    }
    size
}
