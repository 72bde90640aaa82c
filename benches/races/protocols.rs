//! Protocols over the bare words of a file, each as its authors wrote it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use mmstats::format::slot;

use super::tally::Try;
use super::value::{Line, WORDS};
use super::writer;

/// A way of publishing 64 bytes and of reading them.
pub trait Protocol {
    fn open(memory: Memory) -> Self;
    fn publish(&mut self, n: u64);
    fn attempt(&mut self) -> Try;
}

/// A file of zeros that both processes map and hold open.
pub struct Memory {
    words: &'static [AtomicU64],
    file: File,
}

impl Memory {
    /// In bytes: more than a slot of 16 buffers.
    const SIZE: usize = 8192;
    const FILE: &'static str = "slot";

    pub fn make(root: &Path) {
        std::fs::write(root.join(Memory::FILE), [0; Memory::SIZE]).expect("a file of ours");
    }

    pub fn open(root: &Path) -> Memory {
        let path = root.join(Memory::FILE);
        Memory {
            words: writer::map(&path),
            file: File::open(path).expect("the file"),
        }
    }
}

fn judge(line: Line) -> Try {
    line.whole().map_or(Try::Torn, Try::Whole)
}

fn store(to: &[AtomicU64], line: Line) {
    for (to, word) in to.iter().zip(line.words) {
        to.store(word, Ordering::Relaxed);
    }
}

fn load(from: &[AtomicU64]) -> Line {
    Line {
        words: std::array::from_fn(|i| from[i].load(Ordering::Relaxed)),
    }
}

/// python-mmstats: a byte names the buffer that is written next, and readers read the other one. Nothing tells a
/// reader that its buffer was written meanwhile. The byte is at `BYTE`; the buffers follow at `FIRST`, `LEN` bytes
/// each. In real files, their places depend on the lengths of labels.
pub struct V1<const BYTE: usize, const FIRST: usize, const LEN: usize>(*mut u8);

/// 64 bytes, each buffer on a cache line of its own.
pub type Aligned = V1<63, 64, 64>;
/// 64 bytes, right after the byte, as in the files of python-mmstats.
pub type Packed = V1<77, 78, 64>;
/// An integer of 8 bytes on aligned words.
pub type Integer = V1<63, 64, 8>;
/// Integers of 8 bytes, the first of which straddles two cache lines.
pub type Straddling = V1<123, 124, 8>;

impl<const BYTE: usize, const FIRST: usize, const LEN: usize> V1<BYTE, FIRST, LEN> {
    /// Copies a buffer as Python does: from `line` if `publish` is set, else into `line`.
    #[inline(always)]
    fn copy(&self, buffer: u8, line: &mut [u64; WORDS], publish: bool) {
        let shared = FIRST + usize::from(buffer & 1) * LEN;
        // SAFETY: the memory has at least FIRST + 2 × LEN bytes (see `open`), LEN is at most 64, the size of
        // `line`, and no reference to those bytes is left in this process. Another process may write them
        // meanwhile: that is what is measured, and every bit pattern is a valid byte. The compiler cannot see
        // through `black_box`, so it makes each copy.
        unsafe {
            let shared = std::hint::black_box(self.0.add(shared));
            let own = line.as_mut_ptr().cast::<u8>();
            if publish {
                std::ptr::copy_nonoverlapping(own, shared, LEN);
            } else {
                std::ptr::copy_nonoverlapping(shared, own, LEN);
            }
        }
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }
}

impl<const BYTE: usize, const FIRST: usize, const LEN: usize> Protocol for V1<BYTE, FIRST, LEN> {
    fn open(memory: Memory) -> Self {
        assert!(FIRST + 2 * LEN <= Memory::SIZE && BYTE < FIRST);
        V1(memory.words.as_ptr() as *mut u8)
    }

    #[inline(always)]
    fn publish(&mut self, n: u64) {
        let mut words = if LEN == 8 {
            [(n << 32) | (n & 0xffff_ffff); WORDS]
        } else {
            Line::of(n).words
        };
        // SAFETY: the byte is within the memory, see `open`.
        let byte = unsafe { self.0.add(BYTE) };
        // SAFETY: as above.
        let buffer = unsafe { byte.read_volatile() };
        self.copy(buffer, &mut words, true);
        // SAFETY: as above.
        unsafe { byte.write_volatile(buffer ^ 1) };
    }

    #[inline(always)]
    fn attempt(&mut self) -> Try {
        let mut words = [0; WORDS];
        // SAFETY: the byte is within the memory, see `open`.
        let buffer = unsafe { self.0.add(BYTE).read_volatile() };
        self.copy(buffer ^ 1, &mut words, false);
        if LEN != 8 {
            return judge(Line { words });
        }
        let (high, low) = (words[0] >> 32, words[0] & 0xffff_ffff);
        if high == low {
            Try::Whole(low)
        } else {
            Try::Torn
        }
    }
}

/// Two buffers and a sequence that says which is current; readers do not load the sequence again.
pub struct Unvalidated(&'static [AtomicU64]);

impl Protocol for Unvalidated {
    fn open(memory: Memory) -> Self {
        Unvalidated(memory.words)
    }

    #[inline(always)]
    fn publish(&mut self, n: u64) {
        store(buffer::<2>(self.0, n), Line::of(n));
        self.0[0].store(n, Ordering::Release);
    }

    #[inline(always)]
    fn attempt(&mut self) -> Try {
        let sequence = self.0[0].load(Ordering::Acquire);
        judge(load(buffer::<2>(self.0, sequence)))
    }
}

/// A seqlock: one buffer, and a sequence that is odd while the buffer is written.
pub struct SeqLock(&'static [AtomicU64]);

impl Protocol for SeqLock {
    fn open(memory: Memory) -> Self {
        SeqLock(memory.words)
    }

    #[inline(always)]
    fn publish(&mut self, n: u64) {
        self.0[0].store(2 * n - 1, Ordering::Relaxed);
        fence(Ordering::Release);
        store(buffer::<1>(self.0, n), Line::of(n));
        self.0[0].store(2 * n, Ordering::Release);
    }

    #[inline(always)]
    fn attempt(&mut self) -> Try {
        let first = self.0[0].load(Ordering::Acquire);
        let line = load(buffer::<1>(self.0, 0));
        fence(Ordering::Acquire);
        if first % 2 == 1 || self.0[0].load(Ordering::Relaxed) != first {
            return Try::Rejected;
        }
        judge(line)
    }
}

/// Returns the word at which the buffer of publication `p` begins.
const fn at<const N: usize>(p: u64) -> usize {
    1 + p as usize % N * WORDS
}

fn buffer<const N: usize>(words: &[AtomicU64], p: u64) -> &[AtomicU64] {
    &words[at::<N>(p)..][..WORDS]
}

fn publish<const N: usize>(words: &[AtomicU64], n: u64) {
    slot::publish(&words[0], |p| buffer::<N>(words, p), Line::of(n).words);
}

/// Our slot of N buffers, read through a mapping.
pub struct Mapped<const N: usize>(&'static [AtomicU64]);

impl<const N: usize> Protocol for Mapped<N> {
    fn open(memory: Memory) -> Self {
        Mapped(memory.words)
    }

    #[inline(always)]
    fn publish(&mut self, n: u64) {
        publish::<N>(self.0, n);
    }

    #[inline(always)]
    fn attempt(&mut self) -> Try {
        let mut line = Line::default();
        let buffer = |p| buffer::<N>(self.0, p);
        if slot::try_read(&self.0[0], N, buffer, &mut line.words) {
            judge(line)
        } else {
            Try::Rejected
        }
    }
}

/// Reads words of the file with one system call.
fn pread(file: &File, at: usize, words: &mut [u64]) {
    let mut bytes = [0; 8 * (1 + 16 * WORDS)];
    let bytes = &mut bytes[..8 * words.len()];
    file.read_exact_at(bytes, 8 * at as u64).expect("bytes");
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_ne_bytes(bytes.try_into().expect("eight"));
    }
}

/// Our slot of N buffers, read in three phases: sequence, buffer, sequence.
pub struct ThreePhases<const N: usize>(Memory);

impl<const N: usize> Protocol for ThreePhases<N> {
    fn open(memory: Memory) -> Self {
        ThreePhases(memory)
    }

    #[inline(always)]
    fn publish(&mut self, n: u64) {
        publish::<N>(self.0.words, n);
    }

    #[inline(always)]
    fn attempt(&mut self) -> Try {
        let (mut first, mut line, mut second) = ([0], Line::default(), [0]);
        pread(&self.0.file, 0, &mut first);
        fence(Ordering::Acquire);
        let at = at::<N>(slot::published(first[0]));
        pread(&self.0.file, at, &mut line.words);
        fence(Ordering::Acquire);
        pread(&self.0.file, 0, &mut second);
        if slot::whole(first[0], second[0], N) {
            judge(line)
        } else {
            Try::Rejected
        }
    }
}

/// The same in two phases, which is wrong: the first load of the sequence is part of the copy of the buffers, and
/// the loads of that copy have no order.
pub struct TwoPhases<const N: usize>(Memory);

impl<const N: usize> Protocol for TwoPhases<N> {
    fn open(memory: Memory) -> Self {
        TwoPhases(memory)
    }

    #[inline(always)]
    fn publish(&mut self, n: u64) {
        publish::<N>(self.0.words, n);
    }

    #[inline(always)]
    fn attempt(&mut self) -> Try {
        let (mut all, mut second) = ([0; 1 + 16 * WORDS], [0]);
        let all = &mut all[..1 + N * WORDS];
        pread(&self.0.file, 0, all);
        fence(Ordering::Acquire);
        pread(&self.0.file, 0, &mut second);
        if !slot::whole(all[0], second[0], N) {
            return Try::Rejected;
        }
        let words = &all[at::<N>(slot::published(all[0]))..][..WORDS];
        judge(Line {
            words: words.try_into().expect("eight"),
        })
    }
}
