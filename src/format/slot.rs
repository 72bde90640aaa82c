//! The slot protocol: how a value wider than a word is published and read without a lock.
//!
//! A slot is a sequence word followed by N buffers of W words, N a power of two:
//!
//! ```text
//! | sequence | buffer 0: W words | buffer 1: W words | … | buffer N-1 |
//! ```
//!
//! `sequence = 2·published (+ 1 while the next value is being written)`. Publication number `p` lives in
//! buffer `p % N`; a slot of zero bytes is publication 0 of the value zero. One thread writes, and any number
//! of threads and processes read. A writer never waits. A writer that dies in the middle leaves the last
//! published value intact.
//!
//! # Proof
//!
//! Let a reader load `s1`, and let `p = s1 / 2`. It must return the words of publication `p` and of no other.
//!
//! 1. *It sees all of `p`.* `s1` is `2p` (the end mark of `p`) or `2p + 1` (the begin mark of `p + 1`). Both
//!    are Release stores after the words of `p` in the writer's program order, and the reader executes
//!    `fence(Acquire)` between the load of `s1` and the copy. So the stores of the words of `p` happen before
//!    the copy. If the begin mark were Relaxed, a reader that saw only `2p + 1` would synchronise with
//!    nothing (loom finds this in a few steps). The load itself is Relaxed with a fence after it, which is as
//!    strong as an Acquire load. A reader's pages are read-only, and for these Rust allows only Relaxed
//!    loads.
//! 2. *It sees nothing newer without noticing.* The words of publication `q > p` go into the same buffer only
//!    if `q ≥ p + N`. Suppose the copy read a word of such a `q`. The writer executed `fence(Release)` after
//!    the begin mark `2q - 1` and before that word; the reader executes `fence(Acquire)` after the copy and
//!    before loading `s2`. The fences synchronise through that word, so the begin mark happens before the
//!    load of `s2`. Hence `s2 ≥ 2q - 1 ≥ 2p + 2N - 1`, and the test `s2 ≤ 2p + 2(N - 1)` rejects it.
//! 3. *It accepts whenever it can.* Until the writer begins `p + N`, `s2 ≤ 2p + 2N - 2`, and the buffer of
//!    `p` is untouched.
//!
//! All comparisons wrap, so a sequence may pass 2⁶⁴ (N divides 2⁶³).
//!
//! # Some words only
//!
//! A publication need not store words that its buffer already has. The buffer of `p` was last used for `p -
//! N`. So a word that was the same in all of `p - N` to `p - 1`, and is the same in `p`, is already there.
//! (The present writer must have made all of these: a writer that died in the middle of `p` has left some of
//! its words there.) Step 1 requires that all words of `p` were stored before its end mark; that word was, at
//! `p - N` or before. Step 2 concerns only words that are stored for a later `q`.
//!
//! # One buffer, numbered
//!
//! A *numbered* slot has N = 1 buffer. Its writer chooses the number of each publication, which must be
//! larger than the one before. The proof requires no more: step 1 holds for `s1 = 2p` (an odd `s1` is never
//! accepted, since `s2 ≥ s1 > s1 - 1`), and in step 2 every later publication is a `q ≥ p + 1`. The value
//! cannot be read while it is being overwritten. That suits an entry of a ring, because the entry that is
//! overwritten is the oldest one, which is dropped anyway. The number tells which value was read.

use crate::sync::{AtomicU64, Ordering, fence};

/// The orderings that the proof needs. They are a value only so that `tests/loom.rs` can weaken one
/// and see the check fail; everything else uses [`Orders::PROVED`], a constant that folds away.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    /// The begin mark. Release, by step 1.
    pub begin: Ordering,
    /// The writer's fence between the begin mark and the words. Release, by step 2.
    pub writer_fence: Option<Ordering>,
    /// The end mark. Release, by step 1.
    pub end: Ordering,
    /// The reader's fence between `s1` and the copy. Acquire, by step 1.
    pub first_fence: Option<Ordering>,
    /// The reader's fence between the copy and `s2`. Acquire, by step 2.
    pub reader_fence: Option<Ordering>,
}

impl Orders {
    /// The orderings of the proof above.
    pub const PROVED: Orders = Orders {
        begin: Ordering::Release,
        writer_fence: Some(Ordering::Release),
        end: Ordering::Release,
        first_fence: Some(Ordering::Acquire),
        reader_fence: Some(Ordering::Acquire),
    };
}

/// The fewest and the most buffers that a slot may have; their number is a power of two.
pub const BUFFERS: core::ops::RangeInclusive<usize> = 2..=64;

/// The number of the publication that a reader must copy after it has loaded `sequence`.
#[inline(always)]
pub const fn published(sequence: u64) -> u64 {
    sequence / 2
}

/// Whether the words copied between the loads of `first` and `second` are those of publication
/// `published(first)`.
#[inline(always)]
pub const fn whole(first: u64, second: u64, buffers: usize) -> bool {
    second.wrapping_sub(first & !1) <= 2 * (buffers as u64 - 1)
}

/// Makes the calling thread the writer of a slot. An odd sequence (of a writer that died in the middle)
/// becomes the even one below it, so that [`publish`] need not check.
pub fn take_over(sequence: &AtomicU64) {
    // Relaxed: no reader can distinguish the two values, and the previous writer no longer writes.
    let left = sequence.load(Ordering::Relaxed);
    sequence.store(left & !1, Ordering::Relaxed);
}

/// Publishes `words` as the next value of a slot. `buffer(p)` is the buffer of publication `p`.
///
/// Must be called by the only writer of the slot, after [`take_over`].
#[inline(always)]
pub fn publish<'a>(
    sequence: &AtomicU64,
    buffer: impl FnOnce(u64) -> &'a [AtomicU64],
    words: impl IntoIterator<Item = u64>,
) {
    publish_ordered(Orders::PROVED, sequence, buffer, words);
}

/// [`publish`]es the words that `store` writes to the buffer that it is given.
#[inline(always)]
pub fn publish_stored<'a>(
    sequence: &AtomicU64,
    buffer: impl FnOnce(u64) -> &'a [AtomicU64],
    store: impl FnOnce(&[AtomicU64]),
) {
    // Relaxed: this thread is the only writer, so it reads its own store.
    let even = sequence.load(Ordering::Relaxed);
    publish_into(Orders::PROVED, even, sequence, |p| store(buffer(p)));
}

/// [`publish`]es the words that `next` computes from those that were published last.
#[inline(always)]
pub fn update<'a, I: IntoIterator<Item = u64>>(
    sequence: &AtomicU64,
    buffer: impl Fn(u64) -> &'a [AtomicU64],
    next: impl FnOnce(&[AtomicU64]) -> I,
) {
    // Relaxed: this thread is the only writer, so it reads its own store.
    let even = sequence.load(Ordering::Relaxed);
    let words = next(buffer(published(even)));
    publish_after(Orders::PROVED, even, sequence, buffer, words);
}

/// Like [`update`], for a value that differs from the last N in some words only. `next` returns the indices
/// of these words and their new values. If it returns `None`, nothing is published and the result is false.
///
/// The other words must have been the same in each of the last N publications, and this writer must have made
/// all of these since [`take_over`]: see "Some words only" above.
#[inline(always)]
pub fn update_some<'a, const K: usize>(
    sequence: &AtomicU64,
    buffer: impl Fn(u64) -> &'a [AtomicU64],
    next: impl FnOnce(&[AtomicU64]) -> Option<[(usize, u64); K]>,
) -> bool {
    // Relaxed: this thread is the only writer, so it reads its own store.
    let even = sequence.load(Ordering::Relaxed);
    let Some(words) = next(buffer(published(even))) else {
        return false;
    };
    publish_into(Orders::PROVED, even, sequence, |p| {
        let buffer = buffer(p);
        for (index, word) in words {
            buffer[index].store(word, Ordering::Relaxed);
        }
    });
    true
}

/// [`publish`] with orderings of the caller's choice, for the model checker.
#[inline(always)]
pub fn publish_ordered<'a>(
    orders: Orders,
    sequence: &AtomicU64,
    buffer: impl FnOnce(u64) -> &'a [AtomicU64],
    words: impl IntoIterator<Item = u64>,
) {
    // Relaxed: this thread is the only writer, so it reads its own store.
    let even = sequence.load(Ordering::Relaxed);
    publish_after(orders, even, sequence, buffer, words);
}

/// Publishes `words` as publication number `p` of a slot of one buffer. `p` must be greater than 0 and
/// greater than the number of every earlier publication.
#[inline(always)]
pub fn publish_numbered(
    sequence: &AtomicU64,
    p: u64,
    buffer: &[AtomicU64],
    words: impl IntoIterator<Item = u64>,
) {
    publish_numbered_ordered(Orders::PROVED, sequence, p, buffer, words);
}

/// [`publish_numbered`] with orderings of the caller's choice, for the model checker.
#[inline(always)]
pub fn publish_numbered_ordered(
    orders: Orders,
    sequence: &AtomicU64,
    p: u64,
    buffer: &[AtomicU64],
    words: impl IntoIterator<Item = u64>,
) {
    let before = p.wrapping_sub(1).wrapping_mul(2);
    publish_after(orders, before, sequence, |_| buffer, words);
}

#[inline(always)]
fn publish_after<'a>(
    orders: Orders,
    even: u64,
    sequence: &AtomicU64,
    buffer: impl FnOnce(u64) -> &'a [AtomicU64],
    words: impl IntoIterator<Item = u64>,
) {
    publish_into(orders, even, sequence, |p| {
        let mut cells = buffer(p).iter();
        // Not a loop over both: the compiler knows less about an iterator that is asked for one word at a
        // time.
        words.into_iter().for_each(|word| {
            if let Some(cell) = cells.next() {
                cell.store(word, Ordering::Relaxed);
            }
        });
    });
}

/// Publishes the words that `store` writes to the buffer of the publication that it is given.
#[inline(always)]
fn publish_into(orders: Orders, even: u64, sequence: &AtomicU64, store: impl FnOnce(u64)) {
    // Release: a reader that sees only this mark takes the publication before it (step 1).
    sequence.store(even.wrapping_add(1), orders.begin);
    // Orders the mark before every word that follows (step 2).
    if let Some(order) = orders.writer_fence {
        fence(order);
    }
    let next = even.wrapping_add(2);
    store(published(next));
    // Release: the words are stored before the mark that announces them (step 1).
    sequence.store(next, orders.end);
}

/// Tries once to copy the published value of a slot into `out`. Returns false if the writer was too fast; the
/// words in `out` then mean nothing.
#[inline(always)]
pub fn try_read<'a>(
    sequence: &AtomicU64,
    buffers: usize,
    buffer: impl FnOnce(u64) -> &'a [AtomicU64],
    out: &mut [u64],
) -> bool {
    try_read_ordered(Orders::PROVED, sequence, buffers, buffer, out).is_some()
}

/// Like [`try_read`], with orderings of the caller's choice, for the model checker. Returns the number of the
/// publication that was read.
#[inline(always)]
pub fn try_read_ordered<'a>(
    orders: Orders,
    sequence: &AtomicU64,
    buffers: usize,
    buffer: impl FnOnce(u64) -> &'a [AtomicU64],
    out: &mut [u64],
) -> Option<u64> {
    let first = sequence.load(Ordering::Relaxed);
    // Pairs with both marks (step 1).
    if let Some(order) = orders.first_fence {
        fence(order);
    }
    for (word, cell) in out.iter_mut().zip(buffer(published(first))) {
        *word = cell.load(Ordering::Relaxed);
    }
    // Orders every word that was copied before the second look (step 2).
    if let Some(order) = orders.reader_fence {
        fence(order);
    }
    whole(first, sequence.load(Ordering::Relaxed), buffers).then_some(published(first))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn sequences_near_the_end_of_u64_wrap() {
        for buffers in [2usize, 4, 16] {
            let room = 2 * (buffers as u64 - 1);
            for first in [0, 1, 7, u64::MAX - 3, u64::MAX - 1, u64::MAX] {
                let even = first & !1;
                assert!(whole(first, even.wrapping_add(room), buffers));
                assert!(!whole(first, even.wrapping_add(room + 1), buffers));
                assert!(!whole(first, even.wrapping_sub(1), buffers));
            }
        }
    }

    #[test]
    fn publications_rotate_over_all_buffers_through_the_wrap() {
        let sequence = AtomicU64::new(u64::MAX - 5); // even
        let cells: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();
        let at = |p: u64| core::slice::from_ref(&cells[(p % 4) as usize]);
        for value in 1..=10 {
            publish(&sequence, at, [value]);
            let mut out = [0];
            assert!(try_read(&sequence, 4, at, &mut out));
            assert_eq!(out, [value]);
        }
    }

    #[test]
    fn a_writer_that_died_in_the_middle_leaves_the_last_value() {
        let sequence = AtomicU64::new(0);
        let cells = [AtomicU64::new(0), AtomicU64::new(0)];
        let at = |p: u64| core::slice::from_ref(&cells[(p % 2) as usize]);
        publish(&sequence, at, [7]);
        sequence.store(3, Ordering::Relaxed); // begins publication 2 …
        cells[0].store(99, Ordering::Relaxed); // … and dies here
        let mut out = [0];
        assert!(try_read(&sequence, 2, at, &mut out));
        assert_eq!(out, [7]);
        take_over(&sequence); // the next owner rounds 3 down to 2
        publish(&sequence, at, [8]);
        assert_eq!(sequence.load(Ordering::Relaxed), 4);
        assert!(try_read(&sequence, 2, at, &mut out));
        assert_eq!(out, [8]);
    }
}
