//! Generations: how a group ends, and how its space is used again for another one.
//!
//! The record of a group that can be removed has a word of its own just before its block, the *generation*.
//! Even: the group is there. Odd: it is not; it was removed, and its space may be being written for another
//! group. Each group that has had the space has a generation of its own, so the words of two groups are never
//! taken together if the word is the same, and even, before and after everything of the group is read.
//!
//! The protocol, of the words of *the instance*: its texts, its block, its octaves and extents.
//!
//! ```text
//! remove (any thread of the process)   compare and exchange g, even, with g + 1                 Relaxed
//! reuse (the file's writer)            g + 1 = load Relaxed; fence(Release);              W1
//!                                      store the words of the new group, each Relaxed;
//!                                      store g + 2                                        Release   W2
//! read                                 g = load Relaxed; fence(Acquire)                   R1
//!                                      copy the words
//!                                      fence(Acquire); g' = load Relaxed                  R2
//!                                      they are of one group if g' = g, and that is even
//! ```
//!
//! Proof. Let a reader have had g, even, twice.
//!
//! 1. *No word is of a group before.* The store of g is the W2 of a reuse (or the word was zero when the record
//!    was committed). Its Release, with the fence R1 after the load that took the value, orders all that the
//!    reuse has written, zeros included, before the copy: coherence forbids older words.
//! 2. *No word is of a group after.* Suppose the copy took a word that a later reuse or its group wrote. That store
//!    comes after the fence W1 of that reuse, and the fence of R2 after the copy: so the writer's load of the odd
//!    generation before W1 happens before the second load of the reader, and by coherence that load takes this odd
//!    value or a later one. Generations only rise, so it is not g.
//!
//! A reader that had g so knows texts and values of one group. A writer that dies in the middle of a reuse leaves
//! an odd generation: nobody reads what it has half written. The compare and exchange of a removal needs no
//! ordering: it publishes nothing. Who removes by name has compared the texts under an even generation before, by
//! the same R1, and the exchange itself is the second look.

use crate::sync::{AtomicU64, Ordering, fence};

/// The orderings of the protocol, so that the model checker can weaken each.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    /// W1.
    pub before_words: Ordering,
    /// W2.
    pub end: Ordering,
    /// R1.
    pub after_first: Ordering,
    /// R2.
    pub before_second: Ordering,
}

impl Orders {
    /// Those of the proof.
    pub const PROVED: Orders = Orders {
        before_words: Ordering::Release,
        end: Ordering::Release,
        after_first: Ordering::Acquire,
        before_second: Ordering::Acquire,
    };
}

/// A fence, or none where a check has taken it away.
#[inline(always)]
pub(crate) fn fence_unless_relaxed(order: Ordering) {
    if !matches!(order, Ordering::Relaxed) {
        fence(order);
    }
}

/// Whether a group of this generation is there.
#[inline(always)]
pub fn is_there(generation: u64) -> bool {
    generation & 1 == 0
}

/// Ends the group of generation `known`; false: somebody else has.
pub fn remove(word: &AtomicU64, known: u64) -> bool {
    // Relaxed: see the proof.
    is_there(known)
        && word
            .compare_exchange(known, known + 1, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
}

/// Begins to use the space of a removed group again: from here on its words may be written. Only its writer
/// may do so.
pub fn begin_reuse(word: &AtomicU64) {
    begin_reuse_ordered(Orders::PROVED, word);
}

/// [`begin_reuse`] with orderings of the caller's choice: for the model checker.
pub fn begin_reuse_ordered(orders: Orders, word: &AtomicU64) {
    let generation = word.load(Ordering::Relaxed);
    if is_there(generation) {
        // Where a fork has put zeros in the place of the file: nobody reads them.
        word.store(generation.wrapping_add(1), Ordering::Relaxed);
    }
    fence_unless_relaxed(orders.before_words);
}

/// Ends what [`begin_reuse`] began: the new group is there.
pub fn end_reuse(word: &AtomicU64) {
    end_reuse_ordered(Orders::PROVED, word);
}

/// [`end_reuse`] with orderings of the caller's choice: for the model checker.
pub fn end_reuse_ordered(orders: Orders, word: &AtomicU64) {
    // Relaxed: nobody else changes an odd generation.
    let generation = word.load(Ordering::Relaxed);
    word.store(generation.wrapping_add(1), orders.end);
}

/// To be called after the first look at generations, before what they stand for is read.
pub fn after_first_look() {
    after_first_look_ordered(Orders::PROVED);
}

/// [`after_first_look`] with orderings of the caller's choice: for the model checker.
pub fn after_first_look_ordered(orders: Orders) {
    fence_unless_relaxed(orders.after_first);
}

/// To be called before the second look at generations, after what they stand for was read.
pub fn before_second_look() {
    before_second_look_ordered(Orders::PROVED);
}

/// [`before_second_look`] with orderings of the caller's choice: for the model checker.
pub fn before_second_look_ordered(orders: Orders) {
    fence_unless_relaxed(orders.before_second);
}
