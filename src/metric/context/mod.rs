//! Contexts: texts (or bytes) that entries of histories and errors refer to, each stored once.
//!
//! A context lies in a *place*, an extent of the file (`format::extent`) of one cell of one buffer: its length,
//! then its bytes. What refers to it has a *reference*: the number of the place, and which publication
//! of the place it means. A place whose context nothing refers to any more is used again, for the next
//! publication; so a reference never finds another context than its own.
//!
//! # Proof
//!
//! That a reader who found a reference finds its context or knows that it is gone:
//!
//! 1. *Not too early.* The writer publishes the context before it publishes (Release) what refers to
//!    it. A reader copies what refers first, and executes `fence(Acquire)` after it (the one of the slot
//!    protocol, `format::slot`): what it copies of the context after that is that publication or a later
//!    one. Contexts copied first could be older than the reference; `tests/loom.rs` shows it.
//! 2. *No other.* A later publication has another number, and the slot protocol gives the number with the
//!    words. It is compared with the reference's.

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

/// What is stored beside a value: which context, none, or that it was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference(pub u64);

impl Reference {
    /// No context.
    pub const NONE: Reference = Reference(0);
    /// A context for which there was no space.
    pub const LOST: Reference = Reference(u64::MAX);

    /// To publication `p` of the place `index`.
    fn new(index: usize, p: u64) -> Reference {
        // 2³² publications of one place wrap; a reference is gone long before.
        Reference(p << 32 | (index as u64 + 1))
    }

    /// The number of the place, unless it is none or lost.
    pub fn place(self) -> Option<u32> {
        (self != Reference::NONE && self != Reference::LOST)
            .then(|| (self.0 as u32).wrapping_sub(1))
    }

    /// Whether it means publication `p` of its place.
    pub(crate) fn means(self, p: u64) -> bool {
        self.0 >> 32 == p & 0xffff_ffff
    }
}

/// Sizes of places: class `c` takes `64 << c` bytes, 16 of them for the sequence and the length. So the
/// longest context has 16,368 bytes; a longer one is cut, and marked.
const CLASSES: usize = 9;

/// Words of a buffer of a class: the length, and the bytes.
const fn class_words(class: usize) -> usize {
    (8 << class) - 1
}

/// In the word of the length: the context was longer.
const CUT: u64 = 1 << 32;

/// The writer's side: the contexts of a file.
pub struct Contexts {
    table: RefCell<ContextTable>,
    hasher: RandomState,
    /// The most places.
    most: usize,
    /// The most bytes of all places.
    most_bytes: usize,
}

/// The places, and how they are found.
#[derive(Default)]
struct ContextTable {
    places: Vec<ContextPlace>,
    /// The place of the context with this hash. Its content is compared.
    by_hash: HashMap<u64, usize, RandomState>,
    /// Places, by class, that nothing referred to when they were entered.
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
    /// None yet; at most `most`, of at most `most_bytes`.
    pub fn new(most: usize, most_bytes: usize) -> Contexts {
        let table = ContextTable {
            by_hash: HashMap::with_hasher(hashing::random_state()),
            ..ContextTable::default()
        };
        Contexts {
            table: RefCell::new(table),
            hasher: hashing::random_state(),
            // References have 32 bits for the number, from 1 on, and all ones means lost.
            most: most.min(u32::MAX as usize - 1),
            most_bytes,
        }
    }

    /// A reference to a context with this content, which counts as used until [`release`](Self::release).
    ///
    /// One that is known costs a hash and a comparison. A new one is appended to the file; where the
    /// bounds are reached, it takes a place that nothing refers to, cut to what fits there. `append` appends
    /// an extent of zeros to the file, if there is space.
    pub fn keep(&self, append: impl FnOnce(Extent) -> Option<Words>, content: &[u8]) -> Reference {
        // Borrowed: an allocator that records what it does while a context is being stored.
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

    /// A place more, if the bounds and the file allow it.
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
        // So that `release` never allocates.
        let places = table.places.len();
        let free = &mut table.free[class];
        free.reserve(places - free.len());
        Some(index)
    }

    /// An entry that had the reference is gone.
    pub fn release(&self, reference: Reference) {
        let (Some(index), Ok(mut table)) = (reference.place(), self.table.try_borrow_mut()) else {
            return;
        };
        let index = index as usize;
        let ContextTable { places, free, .. } = &mut *table;
        // (In the child of a fork words are not what they were.)
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
    /// The place of a class that has been free for the longest time.
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
    /// How many bytes of a content are kept.
    fn room(&self) -> usize {
        8 * (class_words(self.class) - 1)
    }

    /// The words of a content in this place.
    fn words_of<'a>(&self, content: &'a [u8]) -> impl Iterator<Item = u64> + use<'a> {
        let kept = &content[..content.len().min(self.room())];
        let cut = if kept.len() < content.len() { CUT } else { 0 };
        std::iter::once(kept.len() as u64 | cut).chain(words(kept))
    }

    /// Whether this is its content. (One that was cut is compared by what is left of it, and by the hash
    /// of all of it.)
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
    /// From the words of its buffer. Nothing in them is trusted.
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

    /// Its id: the MD5 of its bytes, in hexadecimal. Computed at the first call.
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

    /// Its bytes, as far as they were kept.
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

    /// Its bytes as text: invalid UTF-8 is replaced by U+FFFD. It may have control characters:
    /// [`printable`](crate::reader::printable) it.
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

    /// Whether it was longer than what is here.
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

/// What a value's reference to a context came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ResolvedContext {
    /// There was none.
    #[default]
    Nothing,
    /// There was one, which is no longer there, or for which there was no space.
    Lost,
    /// This one.
    Here(Arc<Context>),
}

impl ResolvedContext {
    /// The context, if it is there.
    pub fn context(&self) -> Option<&Arc<Context>> {
        match self {
            ResolvedContext::Here(context) => Some(context),
            _ => None,
        }
    }
}

/// The contexts of one file as they were copied: number of the place, and the words of its cell.
#[derive(Debug, Default)]
pub struct Copied<'a> {
    /// Sorted by number.
    places: Vec<(u32, &'a [u64])>,
    /// By reference: those that have been replaced in their places.
    replaced: HashMap<u64, &'a [u64], RandomState>,
    /// Those that were asked for.
    found: RefCell<HashMap<u64, Arc<Context>>>,
}

impl<'a> Copied<'a> {
    /// Of these places, which are sorted by number.
    pub fn new(places: Vec<(u32, &'a [u64])>) -> Copied<'a> {
        Copied {
            places,
            replaced: HashMap::default(),
            found: RefCell::default(),
        }
    }

    /// And of these, which their places no longer have.
    pub fn with(mut self, replaced: impl Iterator<Item = (u64, &'a [u64])>) -> Copied<'a> {
        self.replaced.extend(replaced);
        self
    }

    /// The context of a reference.
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
            // 0: nothing was published there yet.
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
