//! Views of 64-bit words in a mapping: the word-cast.
//!
//! A handle such as [`Counter`](crate::Counter) is a pointer into a mapping. These types wrap the
//! pointer so that everything above is safe code. They are neither `Send` nor `Sync` (a raw pointer
//! is neither): that only one thread writes a file is proved by the compiler.
//!
//! Contract of the whole module: a view is only made from a live [`Region`](super::region::Region), by
//! [`Words::new`], whose caller promises that the view is gone before the mapping is.

use core::cell::{Cell, OnceCell};
use core::ops::Deref;
use core::ptr::NonNull;

use crate::format::slot;
use crate::sync::AtomicU64;

/// Some consecutive words.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    first: NonNull<AtomicU64>,
    len: usize,
}

/// One word.
#[derive(Clone, Copy, Debug)]
pub struct Word(NonNull<AtomicU64>);

impl Words {
    /// A view of `len` words at `first`.
    ///
    /// # Safety
    /// `first` is aligned to 8 and valid for reading and writing `8 * len` bytes until the last copy
    /// of the view, and of what is taken from it, is gone; everyone accesses the bytes atomically.
    pub unsafe fn new(first: NonNull<AtomicU64>, len: usize) -> Words {
        Words { first, len }
    }

    /// A view of memory that is never freed, all zeros.
    #[cfg(all(test, not(loom)))]
    pub fn leaked(len: usize) -> Words {
        // Kept in sight of leak detectors.
        static ALL: std::sync::Mutex<Vec<&[AtomicU64]>> = std::sync::Mutex::new(Vec::new());
        let words: &'static [AtomicU64] = Vec::leak((0..len).map(|_| AtomicU64::new(0)).collect());
        ALL.lock().expect("no panic under it").push(words);
        // SAFETY: they are there for ever, aligned, and accessed atomically since they are atomics.
        unsafe { Words::new(NonNull::from(words).cast(), len) }
    }

    /// The word number `index`.
    ///
    /// # Panics
    /// If there is none.
    pub fn word(self, index: usize) -> Word {
        assert!(index < self.len, "word {index} of {}", self.len);
        // SAFETY: in bounds by the assertion; valid by the contract of `new`.
        Word(unsafe { self.first.add(index) })
    }

    /// `len` words from `start`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn part(self, start: usize, len: usize) -> Words {
        assert!(
            start <= self.len && len <= self.len - start,
            "words {start}+{len} of {}",
            self.len
        );
        // SAFETY: in bounds by the assertion; valid by the contract of `new`.
        let first = unsafe { self.first.add(start) };
        Words { first, len }
    }
}

impl Deref for Words {
    type Target = [AtomicU64];
    #[inline(always)]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the contract of `new`; AtomicU64 allows shared writes by anyone.
        unsafe { core::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl Deref for Word {
    type Target = AtomicU64;
    #[inline(always)]
    fn deref(&self) -> &AtomicU64 {
        // SAFETY: the contract of `Words::new`.
        unsafe { self.0.as_ref() }
    }
}

/// How many words a buffer of a slot has, known at compile time so that no publication loops over a
/// count or checks a bound.
pub trait Width {
    /// The words.
    const WORDS: usize;
}

/// The buffers of a slot: N × `W::WORDS` words after the sequence.
#[derive(Debug)]
pub struct Slot<W: Width> {
    sequence: Word,
    /// N - 1, N a power of two.
    mask: usize,
    width: core::marker::PhantomData<W>,
}

// Not derived: that would ask for `W: Copy`.
impl<W: Width> Clone for Slot<W> {
    fn clone(&self) -> Slot<W> {
        *self
    }
}
impl<W: Width> Copy for Slot<W> {}

impl<W: Width> Slot<W> {
    /// A slot of `buffers` buffers over `words`, the sequence first, whose writer is this thread.
    ///
    /// # Panics
    /// If `words` has another length or `buffers` is no power of two.
    pub fn new(words: Words, buffers: usize) -> Slot<W> {
        assert!(buffers.is_power_of_two());
        assert_eq!(words.len, 1 + buffers * W::WORDS);
        slot::take_over(&words.word(0));
        Slot {
            sequence: words.word(0),
            mask: buffers - 1,
            width: core::marker::PhantomData,
        }
    }

    /// The sequence word.
    #[inline(always)]
    pub fn sequence(&self) -> &AtomicU64 {
        &self.sequence
    }

    /// How many buffers it has.
    pub fn buffers(&self) -> usize {
        self.mask + 1
    }

    /// The buffer of publication `p`.
    #[inline(always)]
    pub fn buffer(&self, p: u64) -> &[AtomicU64] {
        // (p mod N) × W; for a power of two W it is one operation less this way round.
        let start = if W::WORDS.is_power_of_two() {
            (p as usize).wrapping_mul(W::WORDS) & self.mask.wrapping_mul(W::WORDS)
        } else {
            (p as usize & self.mask) * W::WORDS
        };
        // SAFETY: `start` ≤ (N - 1) × W by the mask, and `new` checked that 1 + N × W words are there,
        // so the buffer lies inside the view that `new` was given.
        let first = unsafe { self.sequence.0.add(1 + start) };
        // SAFETY: as above; by the contract of `Words::new` they are valid, aligned and accessed atomically.
        unsafe { core::slice::from_raw_parts(first.as_ptr(), W::WORDS) }
    }
}

/// The octaves of a histogram whose space is reserved: for the top bit of a value, an array of counts
/// of power-of-two length.
#[derive(Debug)]
pub struct Octaves {
    first: [Cell<Option<NonNull<AtomicU64>>>; 64],
    /// Words of each array - 1.
    mask: usize,
}

impl Octaves {
    /// A table without arrays, each of which will have `words` words.
    ///
    /// # Panics
    /// If `words` is no power of two.
    pub fn new(words: usize) -> Octaves {
        assert!(words.is_power_of_two());
        Octaves {
            first: [const { Cell::new(None) }; 64],
            mask: words - 1,
        }
    }

    /// Enters the array of a top bit.
    ///
    /// # Panics
    /// If it has another length, or the bit is not below 64.
    pub fn insert(&self, top: u32, words: Words) {
        assert_eq!(words.len, self.mask + 1);
        self.first[top as usize].set(Some(words.first));
    }

    /// The word `position` (modulo the length) for a top bit, if it is there.
    #[inline(always)]
    pub fn word(&self, top: u32, position: usize) -> Option<Word> {
        // `get` asks what the compiler knows of a top bit: nothing is left of it.
        let first = self.first.get(top as usize)?.get()?;
        // SAFETY: `insert` checked that mask + 1 words are there.
        Some(Word(unsafe { first.add(position & self.mask) }))
    }
}

/// The octaves of a histogram of floats whose space is reserved: for sign and exponent of a value (12
/// bits), an array of counts of power-of-two length.
///
/// A table of 64 entries in which an octave has a home, so that 64 neighbours of one sign have each their
/// own; one whose home is taken lies in the next free entry. When a table is full, another one follows.
#[derive(Debug)]
pub struct FloatOctaves {
    entries: [FloatOctave; 64],
    /// Words of each array - 1.
    mask: usize,
    /// The next table.
    next: OnceCell<Box<FloatOctaves>>,
}

#[derive(Debug)]
struct FloatOctave {
    /// [`VACANT`], or the octave.
    octave: Cell<u32>,
    /// Its first count; dangling while the entry is vacant.
    first: Cell<NonNull<AtomicU64>>,
}

/// No octave: those have 12 bits.
const VACANT: u32 = u32::MAX;

impl FloatOctaves {
    /// A table without arrays, each of which will have `words` words.
    ///
    /// # Panics
    /// If `words` is no power of two.
    pub fn new(words: usize) -> FloatOctaves {
        assert!(words.is_power_of_two());
        FloatOctaves {
            entries: [const {
                FloatOctave {
                    octave: Cell::new(VACANT),
                    first: Cell::new(NonNull::dangling()),
                }
            }; 64],
            mask: words - 1,
            next: OnceCell::new(),
        }
    }

    /// Where an octave is looked for first. The sign changes the upper half of the place.
    #[inline(always)]
    fn home(octave: u32) -> usize {
        (octave ^ (octave >> 6)) as usize % 64
    }

    /// The word `position` (modulo the length) of an octave, if it is there and in its home.
    #[inline(always)]
    pub fn word(&self, octave: u32, position: usize) -> Option<Word> {
        self.word_at(&self.entries[Self::home(octave)], octave, position)
    }

    #[inline(always)]
    fn word_at(&self, entry: &FloatOctave, octave: u32, position: usize) -> Option<Word> {
        if entry.octave.get() != octave {
            return None;
        }
        // SAFETY: the entry has an octave, so `insert` has set `first` and checked that mask + 1 words are
        // there.
        Some(Word(unsafe { entry.first.get().add(position & self.mask) }))
    }

    /// The word `position` (modulo the length) of an octave, wherever it is.
    pub fn find(&self, octave: u32, position: usize) -> Option<Word> {
        for entry in self.entries_for(octave) {
            match entry.octave.get() {
                VACANT => return None,
                _ => {
                    if let Some(word) = self.word_at(entry, octave, position) {
                        return Some(word);
                    }
                }
            }
        }
        self.next.get()?.find(octave, position)
    }

    /// The entries of this table in the order in which an octave takes them.
    fn entries_for(&self, octave: u32) -> impl Iterator<Item = &FloatOctave> {
        let (before, from) = self.entries.split_at(Self::home(octave));
        from.iter().chain(before)
    }

    /// Enters the array of an octave that has none.
    ///
    /// # Panics
    /// If it has another length.
    pub fn insert(&self, octave: u32, words: Words) {
        assert_eq!(words.len, self.mask + 1);
        assert!(octave < VACANT);
        let mut entries = self.entries_for(octave);
        match entries.find(|entry| entry.octave.get() == VACANT) {
            Some(entry) => {
                entry.first.set(words.first);
                entry.octave.set(octave);
            }
            None => {
                // Made before it is entered: an allocator may come here meanwhile, and then its table is
                // the next one.
                let table = Box::new(FloatOctaves::new(self.mask + 1));
                let _ = self.next.set(table);
                self.next.get().expect("just set").insert(octave, words);
            }
        }
    }

    /// All octaves that are there, and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Words)> {
        let tables =
            std::iter::successors(Some(self), |table| table.next.get().map(|next| &**next));
        tables.flat_map(|table| {
            let taken = |entry: &&FloatOctave| entry.octave.get() != VACANT;
            table.entries.iter().filter(taken).map(|entry| {
                let len = table.mask + 1;
                let first = entry.first.get();
                (entry.octave.get(), Words { first, len })
            })
        })
    }
}

/// A `Copy` type as bytes. Its only use is `bytemuck`'s functions, inside the library.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Plain<T>(pub T);

/// A type that can lie in a [`Plain`].
///
/// # Safety
/// What `bytemuck::Pod` asks for: no padding, every bit pattern valid, no pointers and no interior mutability.
pub unsafe trait PlainData: Copy + 'static {}

// SAFETY: `PlainData` promises that zeros are a value. `Plain` is transparent.
unsafe impl<T: PlainData> bytemuck::Zeroable for Plain<T> {}
// SAFETY: `PlainData` promises what Pod asks for. `Plain` is transparent.
unsafe impl<T: PlainData> bytemuck::Pod for Plain<T> {}
