//! Views of 64-bit words in a mapping: the word-cast.
//!
//! A handle such as [`Counter`](crate::Counter) is a pointer into a mapping. These types wrap the pointer so that
//! everything above is safe code. They are neither `Send` nor `Sync` (a raw pointer is neither), so the compiler
//! proves that only one thread writes a file.
//!
//! Contract of the whole module: a view is made only from a live [`Region`](super::region::Region), by
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
    /// Makes a view of `len` words at `first`.
    ///
    /// # Safety
    /// `first` must be aligned to 8 and valid for reading and writing `8 * len` bytes until the last copy of the
    /// view, and of everything taken from it, is gone. All accesses to the bytes must be atomic.
    pub unsafe fn new(first: NonNull<AtomicU64>, len: usize) -> Words {
        Words { first, len }
    }

    /// Returns a view of zeroed memory that is never freed.
    #[cfg(all(test, not(loom)))]
    pub fn leaked(len: usize) -> Words {
        // Keeps them reachable for leak detectors.
        static ALL: std::sync::Mutex<Vec<&[AtomicU64]>> = std::sync::Mutex::new(Vec::new());
        let words: &'static [AtomicU64] = Vec::leak((0..len).map(|_| AtomicU64::new(0)).collect());
        ALL.lock().expect("no panic under it").push(words);
        // SAFETY: the words are never freed, aligned, and accessed atomically since they are atomics.
        unsafe { Words::new(NonNull::from(words).cast(), len) }
    }

    /// Returns the word `index`.
    ///
    /// # Panics
    /// If `index` is out of bounds.
    pub fn word(self, index: usize) -> Word {
        assert!(index < self.len, "word {index} of {}", self.len);
        // SAFETY: in bounds by the assertion; valid by the contract of `new`.
        Word(unsafe { self.first.add(index) })
    }

    /// Returns `len` words from `start`.
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

/// The number of words in a buffer of a slot, known at compile time so that no publication loops over a count or
/// checks a bound.
pub trait Width {
    /// The number of words.
    const WORDS: usize;
}

/// A slot: the sequence word, then N buffers of `W::WORDS` words.
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
    /// Makes a slot of `buffers` buffers over `words`, whose first word is the sequence. This thread is its writer.
    ///
    /// # Panics
    /// If `words` has another length or `buffers` is not a power of two.
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

    /// Returns the sequence word.
    #[inline(always)]
    pub fn sequence(&self) -> &AtomicU64 {
        &self.sequence
    }

    /// Returns the number of buffers.
    pub fn buffers(&self) -> usize {
        self.mask + 1
    }

    /// Returns the buffer of publication `p`.
    #[inline(always)]
    pub fn buffer(&self, p: u64) -> &[AtomicU64] {
        // (p mod N) × W; if W is a power of two, this order saves an operation.
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

/// The octaves of a histogram that have space: for each top bit of a value, an array of counts whose length is a
/// power of two.
#[derive(Debug)]
pub struct Octaves {
    first: [Cell<Option<NonNull<AtomicU64>>>; 64],
    /// Words of each array - 1.
    mask: usize,
}

impl Octaves {
    /// Makes a table without arrays. Each array will have `words` words.
    ///
    /// # Panics
    /// If `words` is not a power of two.
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
    /// If the array has another length, or the bit is not below 64.
    pub fn insert(&self, top: u32, words: Words) {
        assert_eq!(words.len, self.mask + 1);
        self.first[top as usize].set(Some(words.first));
    }

    /// Returns the word `position` (modulo the length) for a top bit, if that has an array.
    #[inline(always)]
    pub fn word(&self, top: u32, position: usize) -> Option<Word> {
        // The compiler knows that a top bit is below 64, so the check in `get` is optimized away.
        let first = self.first.get(top as usize)?.get()?;
        // SAFETY: `insert` checked that mask + 1 words are there.
        Some(Word(unsafe { first.add(position & self.mask) }))
    }
}

/// The octaves of a histogram of floats that have space: for each sign and exponent of a value (12 bits), an array
/// of counts whose length is a power of two.
///
/// A table of 64 entries, in which each octave has a home, so that 64 neighbours of one sign have one each. An
/// octave whose home is taken uses the next free entry. When a table is full, another one follows.
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

/// Not an octave: those have 12 bits.
const VACANT: u32 = u32::MAX;

impl FloatOctaves {
    /// Makes a table without arrays. Each array will have `words` words.
    ///
    /// # Panics
    /// If `words` is not a power of two.
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

    /// Returns the entry at which an octave is looked up first. The sign changes the upper half of the place.
    #[inline(always)]
    fn home(octave: u32) -> usize {
        (octave ^ (octave >> 6)) as usize % 64
    }

    /// Returns the word `position` (modulo the length) of an octave, if the octave is in its home.
    #[inline(always)]
    pub fn word(&self, octave: u32, position: usize) -> Option<Word> {
        self.word_at(&self.entries[Self::home(octave)], octave, position)
    }

    #[inline(always)]
    fn word_at(&self, entry: &FloatOctave, octave: u32, position: usize) -> Option<Word> {
        if entry.octave.get() != octave {
            return None;
        }
        // SAFETY: the entry has an octave, so `insert` has set `first` and checked that mask + 1 words are there.
        Some(Word(unsafe { entry.first.get().add(position & self.mask) }))
    }

    /// Returns the word `position` (modulo the length) of an octave, wherever the octave is.
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

    /// Returns the entries of this table in the order in which an octave tries them.
    fn entries_for(&self, octave: u32) -> impl Iterator<Item = &FloatOctave> {
        let (before, from) = self.entries.split_at(Self::home(octave));
        from.iter().chain(before)
    }

    /// Enters the array of an octave that does not have one.
    ///
    /// # Panics
    /// If the array has another length.
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
                // Made before it is entered: an allocator may call back here meanwhile and enter its own table
                // first.
                let table = Box::new(FloatOctaves::new(self.mask + 1));
                let _ = self.next.set(table);
                self.next.get().expect("just set").insert(octave, words);
            }
        }
    }

    /// Returns all octaves that have space, with their counts.
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

/// A `Copy` type as bytes. Used only by `bytemuck`'s functions inside the library.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Plain<T>(pub T);

/// A type that a [`Plain`] can hold.
///
/// # Safety
/// The requirements of `bytemuck::Pod`: no padding, every bit pattern valid, no pointers and no interior
/// mutability.
pub unsafe trait PlainData: Copy + 'static {}

// SAFETY: `PlainData` promises that zeros are a value. `Plain` is transparent.
unsafe impl<T: PlainData> bytemuck::Zeroable for Plain<T> {}
// SAFETY: `PlainData` promises what Pod requires. `Plain` is transparent.
unsafe impl<T: PlainData> bytemuck::Pod for Plain<T> {}
