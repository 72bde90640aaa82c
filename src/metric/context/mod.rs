//! Contexts: texts (or bytes) that entries of histories and errors refer to, each stored once.
//!
//! A context is in a *place*, an extent of the file (`format::extent`) with one cell of one buffer: its length,
//! then its bytes. An entry refers to it by a *reference*: the number of the place, and the number of the
//! publication of that place. When nothing refers to a context any more, its place is reused for another
//! publication. So a reference never finds any context but its own.
//!
//! # Proof
//!
//! A reader that found a reference finds its context, or knows that it is gone:
//!
//! 1. *Not too early.* The writer publishes the context before it publishes (Release) what refers to it. A
//!    reader first copies what refers, then executes `fence(Acquire)` (the one of the slot protocol,
//!    `format::slot`). What it copies of the context after that is that publication or a later one. If it copied
//!    contexts first, they could be older than the reference; `tests/loom.rs` shows it.
//! 2. *No other.* A later publication has another number, and the slot protocol returns the number with the
//!    words. The reader compares it with the reference's.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use crate::format::bytes::words;
use crate::format::extent::{Extent, Shape};
use crate::format::slot;
use crate::sync::Ordering;
use crate::sys::memory::hashing::{self, RandomState};
use crate::sys::memory::words::Words;

/// What is stored beside a value: which context it has, that it has none, or that the context was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference(pub u64);

impl Reference {
    /// No context.
    pub const NONE: Reference = Reference(0);
    /// A context for which there was no space.
    pub const LOST: Reference = Reference(u64::MAX);

    /// Makes a reference to publication `p` of the place `index`.
    fn new(index: usize, p: u64) -> Reference {
        // The number wraps after 2³² publications of one place; a reference is gone long before.
        Reference(p << 32 | (index as u64 + 1))
    }

    /// Returns the number of the place, unless the context is none or lost.
    pub fn place(self) -> Option<u32> {
        (self != Reference::NONE && self != Reference::LOST)
            .then(|| (self.0 as u32).wrapping_sub(1))
    }

    /// Returns whether this refers to publication `p` of its place.
    pub(crate) fn means(self, p: u64) -> bool {
        self.0 >> 32 == p & 0xffff_ffff
    }
}

/// Number of size classes of places: class `c` takes `64 << c` bytes, 16 of them for the sequence and the
/// length. So the longest context has 16,368 bytes; a longer one is cut, and marked.
const CLASSES: usize = 9;

/// Returns the words of a buffer of a class: the length and the bytes.
const fn class_words(class: usize) -> usize {
    (8 << class) - 1
}

/// Flag in the word of the length: the context was longer.
const CUT: u64 = 1 << 32;

/// The writer's side: the contexts of a file.
pub struct Contexts {
    table: RefCell<ContextTable>,
    hasher: RandomState,
    /// The maximum number of places.
    most: usize,
    /// The maximum number of bytes of all places.
    most_bytes: usize,
}

/// The places, and the means to find them.
#[derive(Default)]
struct ContextTable {
    places: Vec<ContextPlace>,
    /// The place of the context with this hash. Its content is compared as well.
    by_hash: HashMap<u64, usize, RandomState>,
    /// Places, by class, to which nothing referred when they were entered here.
    free: [VecDeque<usize>; CLASSES],
    bytes: usize,
}

/// A place: the sequence and the buffer.
struct ContextPlace {
    words: Words,
    class: usize,
    hash: u64,
    /// How many entries refer to it.
    users: u64,
    /// Whether it is in `free`.
    queued: bool,
}

impl Contexts {
    /// Makes an empty set of at most `most` contexts that take at most `most_bytes`.
    pub fn new(most: usize, most_bytes: usize) -> Contexts {
        let table = ContextTable {
            by_hash: HashMap::with_hasher(hashing::random_state()),
            ..ContextTable::default()
        };
        Contexts {
            table: RefCell::new(table),
            hasher: hashing::random_state(),
            // References have 32 bits for the number, which starts at 1; all ones mean lost.
            most: most.min(u32::MAX as usize - 1),
            most_bytes,
        }
    }

    /// Returns a reference to a context with this content. The context counts as used until
    /// [`release`](Self::release).
    ///
    /// A known context costs a hash and a comparison. A new one takes a free place of its size, or is appended
    /// to the file. If the bounds are reached, it takes any free place, cut to what fits there. `append`
    /// appends an extent of zeros to the file, if there is space.
    pub fn keep(&self, append: impl FnOnce(Extent) -> Option<Words>, content: &[u8]) -> Reference {
        // Fails in a reentrant call, for example of an allocator that records something while a context is
        // being stored.
        let Ok(mut table) = self.table.try_borrow_mut() else {
            return Reference::LOST;
        };
        let hash = self.hasher.hash_one(content);
        if let Some(&index) = table.by_hash.get(&hash) {
            let place = &mut table.places[index];
            if place.holds(content) {
                place.users += 1;
                return place.reference(index);
            }
        }
        let wanted = (0..CLASSES - 1)
            .find(|&class| 8 * (class_words(class) - 1) >= content.len())
            .unwrap_or(CLASSES - 1);
        let index = (table.take_free(wanted))
            .or_else(|| self.place(&mut table, append, wanted))
            .or_else(|| (wanted + 1..CLASSES).find_map(|class| table.take_free(class)))
            .or_else(|| (0..wanted).rev().find_map(|class| table.take_free(class)));
        let Some(index) = index else {
            return Reference::LOST;
        };
        let ContextTable {
            places, by_hash, ..
        } = &mut *table;
        let place = &mut places[index];
        if by_hash.get(&place.hash) == Some(&index) {
            by_hash.remove(&place.hash);
        }
        by_hash.insert(hash, index);
        (place.hash, place.users) = (hash, 1);
        place.publish(content);
        place.reference(index)
    }

    /// Appends a place, if the bounds and the file allow it, and returns its index.
    fn place(
        &self,
        table: &mut ContextTable,
        append: impl FnOnce(Extent) -> Option<Words>,
        class: usize,
    ) -> Option<usize> {
        let bytes = 8 * (1 + class_words(class));
        let index = table.places.len();
        if index >= self.most || bytes > self.most_bytes.saturating_sub(table.bytes) {
            return None;
        }
        let extent = Extent {
            owner: 0,
            number: index as u32,
            values: 0,
            shape: Shape {
                cells: 1,
                buffers: 1,
                words: class_words(class) as u16,
                plain: 0,
            },
        };
        let words = append(extent)?;
        table.places.push(ContextPlace {
            words,
            class,
            hash: 0,
            users: 0,
            queued: false,
        });
        table.bytes += bytes;
        // Reserved here so that `release` never allocates.
        let places = table.places.len();
        let free = &mut table.free[class];
        free.reserve(places - free.len());
        Some(index)
    }

    /// Releases a reference: the entry that had it is gone.
    pub fn release(&self, reference: Reference) {
        let (Some(index), Ok(mut table)) = (reference.place(), self.table.try_borrow_mut()) else {
            return;
        };
        let index = index as usize;
        let ContextTable { places, free, .. } = &mut *table;
        // (In the child of a fork the words are not what they were.)
        let Some(place) = places.get_mut(index) else {
            return;
        };
        place.users = place.users.saturating_sub(1);
        if place.users == 0 && !place.queued {
            place.queued = true;
            free[place.class].push_back(index);
        }
    }
}

impl ContextTable {
    /// Returns the place of a class that has been free for the longest time.
    fn take_free(&mut self, class: usize) -> Option<usize> {
        loop {
            let index = self.free[class].pop_front()?;
            let place = &mut self.places[index];
            place.queued = false;
            // It may be in use again.
            if place.users == 0 {
                return Some(index);
            }
        }
    }
}

impl ContextPlace {
    /// Returns how many bytes of a content fit.
    fn room(&self) -> usize {
        8 * (class_words(self.class) - 1)
    }

    /// Returns the words of a content in this place.
    fn words_of<'a>(&self, content: &'a [u8]) -> impl Iterator<Item = u64> + use<'a> {
        let kept = &content[..content.len().min(self.room())];
        let cut = if kept.len() < content.len() { CUT } else { 0 };
        std::iter::once(kept.len() as u64 | cut).chain(words(kept))
    }

    /// Returns whether this is its content. (A content that was cut is compared by what is left of it, and by
    /// the hash of all of it.)
    fn holds(&self, content: &[u8]) -> bool {
        // Relaxed: this thread is the only writer.
        let mut own = self.words[1..]
            .iter()
            .map(|word| word.load(Ordering::Relaxed));
        self.words_of(content).all(|word| own.next() == Some(word))
    }

    fn publish(&mut self, content: &[u8]) {
        let (sequence, buffer) = self.words.split_at(1);
        let p = slot::published(sequence[0].load(Ordering::Relaxed)) + 1;
        slot::publish_numbered(&sequence[0], p, buffer, self.words_of(content));
    }

    fn reference(&self, index: usize) -> Reference {
        Reference::new(
            index,
            slot::published(self.words[0].load(Ordering::Relaxed)),
        )
    }
}

impl fmt::Debug for Contexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contexts")
            .field("most", &self.most)
            .field("most_bytes", &self.most_bytes)
            .finish_non_exhaustive()
    }
}

/// A context as readers see it: a text, or any bytes.
#[derive(Debug)]
pub struct Context {
    bytes: Box<[u8]>,
    cut: bool,
    id: OnceLock<String>,
}

impl Context {
    /// Decodes the words of its buffer. Nothing in them is trusted.
    fn from_words(buffer: &[u64]) -> Context {
        let (length, content) = buffer.split_first().unwrap_or((&0, &[]));
        let mut bytes: Vec<u8> = content.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(*length as u32 as usize);
        Context {
            bytes: bytes.into(),
            cut: length & CUT != 0,
            id: OnceLock::new(),
        }
    }

    /// Returns its id: the MD5 of its bytes, in hexadecimal. It is computed at the first call.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// if let Some(context) = times.entries().iter().find_map(|entry| entry.context()) {
    ///     assert_eq!(context.id().len(), 32);
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn id(&self) -> &str {
        self.id
            .get_or_init(|| format!("{:x}", md5::compute(&self.bytes)))
    }

    /// Returns its bytes, as far as they were kept.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// if let Some(context) = times.entries().iter().find_map(|entry| entry.context()) {
    ///     println!("{} bytes", context.bytes().len());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns its bytes as text. Invalid UTF-8 is replaced by U+FFFD. The text may contain control characters:
    /// pass it to [`printable`](crate::reader::printable) before it goes to a terminal.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// if let Some(context) = times.entries().iter().find_map(|entry| entry.context()) {
    ///     println!("{}", mmstats::reader::printable(&context.text()));
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// Returns whether it was longer than what was kept.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
    /// let times = snapshot.history("histories", "times").unwrap();
    /// if let Some(context) = times.entries().iter().find_map(|entry| entry.context()) {
    ///     assert!(!context.is_cut());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

impl PartialEq for Context {
    fn eq(&self, other: &Context) -> bool {
        (&self.bytes, self.cut) == (&other.bytes, other.cut)
    }
}

/// The result of resolving a value's reference to a context.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ResolvedContext {
    /// There was none.
    #[default]
    Nothing,
    /// There was one, but it is gone, or there was no space for it.
    Lost,
    /// The context.
    Here(Arc<Context>),
}

impl ResolvedContext {
    /// Returns the context, if it is there.
    pub fn context(&self) -> Option<&Arc<Context>> {
        match self {
            ResolvedContext::Here(context) => Some(context),
            _ => None,
        }
    }
}

/// The contexts of one file as they were copied: the number of each place, and the words of its cell.
#[derive(Debug, Default)]
pub struct CopiedContexts<'a> {
    /// Sorted by number.
    places: Vec<(u32, &'a [u64])>,
    /// By reference: contexts that have been replaced in their places.
    replaced: HashMap<u64, &'a [u64], RandomState>,
    /// Contexts that were asked for.
    found: RefCell<HashMap<u64, Arc<Context>>>,
}

impl<'a> CopiedContexts<'a> {
    /// Makes a set of these places, which are sorted by number.
    pub fn new(places: Vec<(u32, &'a [u64])>) -> CopiedContexts<'a> {
        CopiedContexts {
            places,
            replaced: HashMap::default(),
            found: RefCell::default(),
        }
    }

    /// Adds contexts that are no longer in their places.
    pub fn with(mut self, replaced: impl Iterator<Item = (u64, &'a [u64])>) -> CopiedContexts<'a> {
        self.replaced.extend(replaced);
        self
    }

    /// Returns the context of a reference.
    pub fn find(&self, reference: Reference) -> ResolvedContext {
        if reference == Reference::NONE {
            return ResolvedContext::Nothing;
        }
        if let Some(known) = self.found.borrow().get(&reference.0) {
            return ResolvedContext::Here(Arc::clone(known));
        }
        let replaced = self.replaced.get(&reference.0).copied();
        let words = || reference.place().and_then(|place| self.words(place));
        let Some(words) = replaced.or_else(words) else {
            return ResolvedContext::Lost;
        };
        match words.split_first() {
            // 0: nothing has been published there yet.
            Some((&sequence, buffer))
                if sequence != 0 && reference.means(slot::published(sequence)) =>
            {
                let context = Arc::new(Context::from_words(buffer));
                self.found
                    .borrow_mut()
                    .insert(reference.0, Arc::clone(&context));
                ResolvedContext::Here(context)
            }
            _ => ResolvedContext::Lost,
        }
    }

    fn words(&self, place: u32) -> Option<&'a [u64]> {
        let first = self.places.partition_point(|(number, _)| *number < place);
        let (number, words) = self.places.get(first)?;
        (*number == place).then_some(words)
    }
}
