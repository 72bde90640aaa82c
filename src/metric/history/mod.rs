//! History: the last values, each with its time and a context.
//!
//! The entries are a ring in extents of the file (`format::extent`). Each entry is a numbered slot of one
//! buffer: `| sequence | time | value | context |`. Push number `p` is publication `p` of its entry. So a
//! reader gets each entry whole and with its number, whatever the writer does meanwhile, and the numbers show
//! what it missed. The beginning of the ring does not have to be stored.

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

/// The last `N` values (1000 by default), each with its time and, if one was given, a context: a text that says
/// where the value comes from.
///
/// Readers return them newest first.
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
/// `MMSTATS_HISTORY_SIZE` overrides every `N`. The ring takes 32 bytes per entry and begins with 8 entries. It
/// grows only as values come, and until the bytes that all histories of its file may take
/// ([`Builder::max_history_bytes`](crate::Builder::max_history_bytes)) are used up. Then it keeps the size that
/// it has.
///
/// A push stores four words and reads the kernel's coarse clock, so times are exact to a few milliseconds. The
/// values of one thread stay in the order in which they were pushed, whatever the clock says. A known context
/// costs one hash and one comparison more.
pub struct History<const N: usize = 1000>(HistoryRing);

impl<const N: usize> History<N> {
    const LEGAL: () = assert!(
        N >= 1 && N <= MOST,
        "History<N> keeps 1 to 16,777,216 values: choose N in this range"
    );

    /// Adds a value with the current time.
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

    /// Adds a value with a context: a text, or any bytes. A context is stored once, however many values refer
    /// to it, and as long as one does. If it is longer than 16,368 bytes, it is cut, and marked as cut.
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

    /// Returns the number of values.
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

    /// Returns whether there is no value yet.
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

/// The most entries of a ring: they fit into the largest file.
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

/// The shape of its extents; they have as many cells as entries.
pub const SHAPE: Shape = Shape {
    cells: 0,
    buffers: 1,
    words: ENTRY as u16 - 1,
    plain: 0,
};

/// One word: the number of values for which there was no space at all.
const GEOMETRY: Geometry = Geometry::WORD;

/// The writer's side of a ring.
struct HistoryRing {
    /// The extent that is being filled, and its index in `extents`.
    extent: Cell<Option<Words>>,
    current: Cell<usize>,
    /// Index of the next entry in that extent.
    next: Cell<usize>,
    /// Number of entries of that extent.
    end: Cell<usize>,
    /// The number of the last push.
    number: Cell<u64>,
    extents: RefCell<Vec<Words>>,
    /// Number of values for which there was no space.
    lost: Word,
    size: usize,
    /// The file; `None` for private memory, which cannot grow.
    storage: Option<Rc<dyn Storage>>,
    /// Offset of the metric's place, to which its extents refer.
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

    /// Returns a reference to this context.
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

    /// Goes to the next extent: an existing one, a new one, or the first again. Returns whether there is one.
    #[cold]
    fn go_on(&self) -> bool {
        // Fails in a reentrant call, for example of an allocator that pushes while an extent is being entered.
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

    /// Appends an extent, if the ring is not complete and there is space. A full file is asked again whenever
    /// the number of rounds of the ring is a power of two (or, without any extent, the number of lost values).
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
        // Fails in a reentrant call, for example of an allocator while the list of extents grows.
        let Ok(extents) = self.extents.try_borrow() else {
            return 0;
        };
        let have: usize = extents.iter().map(|extent| extent.len() / ENTRY).sum();
        have.min(self.number.get().try_into().unwrap_or(usize::MAX))
    }
}

impl Drop for HistoryRing {
    /// Gives back what a history of a removed group took, for other histories. (The space of its extents goes
    /// to the next group in its place, whose history takes it again.)
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

/// Returns the bytes that an extent of this many entries takes of what histories may take.
fn bytes_of(entries: usize) -> usize {
    FIXED.next_multiple_of(LINE) + 8 * ENTRY * entries
}

of_one_thread!(History<N>, const N: usize);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned.
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
            // Without a file the settings are not read, because reading them allocates.
            size: binder.storage().map_or(N, |_| size(N)),
            storage: binder.storage().cloned(),
            owner,
        })
    }
}

impl<const N: usize> TakesUnit for History<N> {}

/// Returns the size of a ring whose type says `n`.
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
    // Values of a time that is over, and only some of those of many files: nothing is kept of them.
    fold: ENDS,
    extents: Some(&EXTENTS),
    unit: None,
    // The values belong to their own times; none is the current state.
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
    // A writer uses a number once, but a file may contain anything.
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
