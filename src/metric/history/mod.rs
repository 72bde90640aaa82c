//! History: the last values, each with its time and a context.
//!
//! The entries are a ring in extents of the file (`format::extent`), each entry a numbered slot of one
//! buffer: `| sequence | time | value | context |`. Push number `p` is publication `p` of its entry. So a
//! reader has each entry whole under its number, whatever the writer does meanwhile, and the numbers
//! show what it missed. Where the ring begins nobody needs to say.

pub mod value;

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::fmt;
use std::rc::Rc;

use super::context::Reference;
use super::extents::Extents;
use super::field::{Binder, Describe, Field, Options, TakesUnit};
use super::kind::{Counts, ENDS, Kind, Raw, check_word, code};
use super::storage::Storage;
use super::value::Value;
use crate::format::extent::{Extent, FIXED, Shape};
use crate::format::scalar::Scalar;
use crate::format::schema::{Geometry, MetricSchema};
use crate::format::{LINE, slot};
use crate::metric::one_thread::of_one_thread;
use crate::sync::Ordering;
use crate::sys::lifecycle::paths::Settings;
use crate::sys::memory::words::{Word, Words};
use crate::sys::process::clock;
use value::{HistoryEntry, HistoryValue};

/// The last `N` values (1000 if not said), each with its time and, where one was given, a context: a
/// text that says where it comes from. Readers have them newest first.
///
/// ```
/// # use mmstats::{History, MmStats};
/// # #[derive(MmStats)] struct Web { sizes: History<100> }
/// # let web = Web::builder().anonymous().create()?;
/// web.sizes.push(512.0);
/// web.sizes.push_with(1e6, "file:large.csv");
/// # Ok::<(), mmstats::Error>(())
/// ```
///
/// `MMSTATS_HISTORY_SIZE` counts instead of every `N`. The ring takes 32 bytes for an entry and
/// begins with 8 entries: it grows only as values come, and as long as the bytes that all histories of
/// its file may take ([`Builder::max_history_bytes`](crate::Builder::max_history_bytes)) are not used
/// up. Then it keeps as many as it has.
///
/// A push costs a store of four words and a look at the kernel's coarse clock: times are exact to some
/// milliseconds, and the order of one thread's values is theirs, whatever the clock says. A context that
/// is known costs a hash and a comparison more.
pub struct History<const N: usize = 1000>(HistoryRing);

impl<const N: usize> History<N> {
    const LEGAL: () = assert!(
        N >= 1 && N <= MOST,
        "History<N> keeps 1 to 16,777,216 values: choose N in this range"
    );

    /// Adds a value, with the time of now.
    ///
    /// ```
    /// # use mmstats::{History, MmStats};
    /// # #[derive(MmStats)] struct Web { sizes: History<100> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.sizes.push(512.0);
    /// assert_eq!(web.sizes.len(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline]
    pub fn push(&self, value: f64) {
        self.0
            .push(clock::coarse_unix_nanos(), value, Reference::NONE);
    }

    /// Adds a value with a context: a text, or any bytes. It is stored once, however many values refer
    /// to it, for as long as one does; of one of more than 16,368 bytes the rest is cut, and marked.
    ///
    /// ```
    /// # use mmstats::{History, MmStats};
    /// # #[derive(MmStats)] struct Web { sizes: History<100> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.sizes.push_with(512.0, "file:large.csv");
    /// assert_eq!(web.sizes.len(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn push_with(&self, value: f64, context: impl AsRef<[u8]>) {
        let context = self.0.keep(context.as_ref());
        self.0.push(clock::coarse_unix_nanos(), value, context);
    }

    /// How many values there are.
    ///
    /// ```
    /// # use mmstats::{History, MmStats};
    /// # #[derive(MmStats)] struct Web { sizes: History<2> }
    /// # let web = Web::builder().anonymous().create()?;
    /// for size in [1.0, 2.0, 3.0] {
    ///     web.sizes.push(size);
    /// }
    /// assert_eq!(web.sizes.len(), 2); // the oldest is gone
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none yet.
    ///
    /// ```
    /// # use mmstats::{History, MmStats};
    /// # #[derive(MmStats)] struct Web { sizes: History }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert!(web.sizes.is_empty());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<const N: usize> fmt::Debug for History<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({} values)", self.len())
    }
}

/// The most entries of a ring: what they take fits into the largest file.
const MOST: usize = 1 << 24;
/// Entries of the first extent of a ring. Each later one doubles it.
const FIRST: usize = 8;
/// Words of an entry: sequence, time, value, context.
const ENTRY: usize = 4;

pub(super) static EXTENTS: Extents = Extents {
    is_extent: |shape| {
        let cells = shape.cells;
        shape == Shape { cells, ..SHAPE }
    },
    changing: 0,
    fold: None,
};

/// What its extents look like; as many cells as there are entries.
pub const SHAPE: Shape = Shape {
    cells: 0,
    buffers: 1,
    words: ENTRY as u16 - 1,
    plain: 0,
};

/// A word: the values for which there was no space at all.
const GEOMETRY: Geometry = Geometry::WORD;

/// The writer's side of a ring.
struct HistoryRing {
    /// The extent that is being filled, and which one of `extents` it is.
    extent: Cell<Option<Words>>,
    current: Cell<usize>,
    /// The next entry in it.
    next: Cell<usize>,
    /// How many entries it has.
    end: Cell<usize>,
    /// The number of the last push.
    number: Cell<u64>,
    extents: RefCell<Vec<Words>>,
    /// Values without space.
    lost: Word,
    size: usize,
    /// The file; `None`: private memory, which cannot grow.
    storage: Option<Rc<dyn Storage>>,
    /// Offset of the metric's place: what its extents refer to.
    owner: u32,
}

impl HistoryRing {
    #[inline(always)]
    fn push(&self, time: u64, value: f64, context: Reference) {
        if self.next.get() == self.end.get() && !self.go_on() {
            self.lose(context);
            return;
        }
        let Some(extent) = self.extent.get() else {
            return;
        };
        let next = self.next.get();
        let (sequence, buffer) = extent[ENTRY * next..][..ENTRY].split_at(1);
        // Relaxed: this thread is the only writer.
        let old = Reference(buffer[2].load(Ordering::Relaxed));
        let number = self.number.get() + 1;
        let words = [time, value.to_bits(), context.0];
        slot::publish_numbered(&sequence[0], number, buffer, words);
        self.number.set(number);
        self.next.set(next + 1);
        if old != Reference::NONE {
            self.release(old);
        }
    }

    /// A reference to this context.
    fn keep(&self, context: &[u8]) -> Reference {
        match &self.storage {
            Some(storage) => storage
                .contexts()
                .keep(|extent| storage.extent(extent, &[]), context),
            None => Reference::LOST,
        }
    }

    #[cold]
    fn release(&self, context: Reference) {
        if let Some(storage) = &self.storage {
            storage.contexts().release(context);
        }
    }

    /// Counts a value for which there is no space.
    #[cold]
    fn lose(&self, context: Reference) {
        // Relaxed: as for a Counter.
        let lost = self.lost.load(Ordering::Relaxed);
        self.lost.store(lost.wrapping_add(1), Ordering::Relaxed);
        self.release(context);
    }

    /// Goes to the next extent: one that is there, a new one, or the first again.
    #[cold]
    fn go_on(&self) -> bool {
        // Borrowed: an allocator that pushes while an extent is being entered.
        let Ok(mut extents) = self.extents.try_borrow_mut() else {
            return false;
        };
        let mut current = match self.extent.get() {
            Some(_) => self.current.get() + 1,
            None => 0,
        };
        if current >= extents.len() {
            match self.new_extent(&extents) {
                Some(extent) => extents.push(extent),
                None => current = 0,
            }
        }
        let extent = extents.get(current).copied();
        self.extent.set(extent);
        self.current.set(current);
        self.next.set(0);
        self.end
            .set(extent.map_or(0, |extent| extent.len() / ENTRY));
        extent.is_some()
    }

    /// An extent more, if the ring is not complete and there is space. A full file is asked again at every
    /// power of two of the rounds of the ring (without any extent: of the values that were lost).
    fn new_extent(&self, extents: &[Words]) -> Option<Words> {
        let have: usize = extents.iter().map(|extent| extent.len() / ENTRY).sum();
        let rounds = match have {
            0 => self.lost.load(Ordering::Relaxed),
            have => self.number.get() / have as u64,
        };
        if have >= self.size || !(rounds == 0 || rounds.is_power_of_two()) {
            return None;
        }
        let storage = self.storage.as_ref()?;
        let entries = have.max(FIRST).min(self.size - have);
        let left = storage
            .history_bytes()
            .get()
            .checked_sub(bytes_of(entries))?;
        let extent = Extent {
            owner: self.owner,
            number: extents.len() as u32,
            values: 0,
            shape: Shape {
                cells: entries as u32,
                ..SHAPE
            },
        };
        let words = storage.extent(extent, &[])?;
        storage.history_bytes().set(left);
        Some(words)
    }

    fn len(&self) -> usize {
        // Borrowed: an allocator that comes back while the list of extents grows.
        let Ok(extents) = self.extents.try_borrow() else {
            return 0;
        };
        let have: usize = extents.iter().map(|extent| extent.len() / ENTRY).sum();
        have.min(self.number.get().try_into().unwrap_or(usize::MAX))
    }
}

impl Drop for HistoryRing {
    /// Of a group that was removed: other histories may have what it took. (The space of its extents goes to the
    /// next group in its place, whose history takes it again.)
    fn drop(&mut self) {
        let Some(storage) = &self.storage else { return };
        for extent in self.extents.get_mut() {
            let bytes = bytes_of(extent.len() / ENTRY);
            storage.history_bytes().update(|left| left + bytes);
            for entry in extent.chunks(ENTRY) {
                let context = Reference(entry[3].load(Ordering::Relaxed));
                if context != Reference::NONE {
                    storage.contexts().release(context);
                }
            }
        }
    }
}

/// Bytes that an extent of so many entries takes of what histories may take.
fn bytes_of(entries: usize) -> usize {
    FIXED.next_multiple_of(LINE) + 8 * ENTRY * entries
}

of_one_thread!(History<N>, const N: usize);

// SAFETY: all that is kept of the binder is in the private fields of the handle, which cannot be cloned.
unsafe impl<const N: usize> Field for History<N> {
    fn describe(schema: &mut Describe, label: &str, options: Options<'_>) {
        let () = Self::LEGAL;
        let metric = schema.metric(code::HISTORY, label, options, GEOMETRY);
        metric.scalar = Some(Scalar::F64);
        metric.parameter = size(N) as u32;
    }

    fn bind(binder: &mut Binder<'_>, _: &str, _: Options<'_>) -> History<N> {
        let (words, owner) = binder.place(GEOMETRY);
        History(HistoryRing {
            extent: Cell::new(None),
            current: Cell::new(0),
            next: Cell::new(0),
            end: Cell::new(0),
            number: Cell::new(0),
            extents: RefCell::default(),
            lost: words.word(0),
            // Without a file there are no settings to ask for: to read them takes allocations.
            size: binder.storage().map_or(N, |_| size(N)),
            storage: binder.storage().cloned(),
            owner,
        })
    }
}

impl<const N: usize> TakesUnit for History<N> {}

/// The size of a ring whose type says `n`.
fn size(n: usize) -> usize {
    Settings::get().history_size.unwrap_or(n).clamp(1, MOST)
}

pub(super) static KIND: Kind = Kind {
    code: code::HISTORY,
    name: "history",
    count: |_| None,
    counts: Counts::All,
    check,
    decode: |schema, raw| Value::History(decode(schema, raw)),
    merge: |into, next, _, _| {
        if let (Value::History(merged), Value::History(next)) = (into, next) {
            merged.merge(next);
        }
    },
    since: None,
    none: |schema| Value::History(HistoryValue::new(schema.parameter as usize)),
    // Values of a time that is over, some of many files: nothing is left of them.
    fold: ENDS,
    extents: Some(&EXTENTS),
    unit: None,
    // Values of their own times, and no state of now.
    samples: |_, _, _| {},
};

fn check(schema: &MetricSchema) -> Result<(), String> {
    check_word(schema)?;
    if schema.scalar != Some(Scalar::F64) {
        return Err(format!("a history of {:?}, not of f64", schema.scalar));
    }
    Ok(())
}

fn decode(schema: &MetricSchema, raw: Raw<'_>) -> HistoryValue {
    let mut numbered: Vec<(u64, &[u64])> = (raw.extents.iter())
        .flat_map(|(_, words)| words.chunks_exact(ENTRY))
        .map(|entry| (slot::published(entry[0]), &entry[1..]))
        .filter(|(number, _)| *number > 0)
        .collect();
    numbered.sort_unstable_by_key(|(number, _)| Reverse(*number));
    // A writer uses a number once, but a file may say anything.
    numbered.dedup_by_key(|(number, _)| *number);
    let mut value = HistoryValue::new(schema.parameter as usize);
    value.lost = raw.words[0];
    if let (Some((newest, _)), Some((oldest, _))) = (numbered.first(), numbered.last()) {
        value.pushed = *newest;
        value.missed = (newest - oldest) - (numbered.len() as u64 - 1);
    }
    value.entries = (numbered.iter())
        .map(|(number, words)| HistoryEntry {
            number: *number,
            time: words[0],
            value: f64::from_bits(words[1]),
            context: raw.contexts.find(Reference(words[2])),
        })
        .collect();
    value
}
