//! Generations: how a group ends, and how its space is used again for another group.
//!
//! The record of a group that can be removed has a word of its own just before its block, the *generation*.
//! If it is even, the group is there. If it is odd, the group was removed, and its space may be in use by a
//! writer that makes another group. Each group that has had the space has a generation of its own. So a
//! reader never mixes the words of two groups if the generation is even and the same before and after it
//! reads everything of the group.
//!
//! The protocol for the words of *the instance*, which are its texts, its block, its octaves and its extents:
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
//! Proof. Let a reader have loaded the same even g twice.
//!
//! 1. *No word belongs to an earlier group.* The store of g is the W2 of a reuse (or the word was zero when
//!    the record was committed). This Release store, with the fence R1 after the load that returned g, orders
//!    everything that the reuse wrote, zeros included, before the copy. So coherence forbids older words.
//! 2. *No word belongs to a later group.* Suppose the copy read a word that a later reuse or its group wrote.
//!    That store comes after the fence W1 of that reuse, and the fence of R2 comes after the copy. So the
//!    writer's load of the odd generation before W1 happens before the reader's second load, and by coherence
//!    that load returns this odd value or a later one. Generations only rise, so it is not g.
//!
//! So a reader that loaded g twice has the texts and values of one group. A writer that dies in the middle of
//! a reuse leaves an odd generation, so nobody reads the half-written words. The compare and exchange of a
//! removal needs no ordering, because it publishes nothing. A thread that removes by name has compared the
//! texts under an even generation before, after the same R1; the exchange itself is its second look.

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
    /// The orderings of the proof.
    pub const PROVED: Orders = Orders {
        before_words: Ordering::Release,
        end: Ordering::Release,
        after_first: Ordering::Acquire,
        before_second: Ordering::Acquire,
    };
}

/// A fence, or none where the model checker has removed it.
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

/// Ends the group of generation `known`. Returns false if the group has already ended.
pub fn remove(word: &AtomicU64, known: u64) -> bool {
    // Relaxed: see the proof.
    is_there(known)
        && word
            .compare_exchange(known, known + 1, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
}

/// Begins to reuse the space of a removed group: from now on its words may be written. Only the writer of the
/// file may call it.
pub fn begin_reuse(word: &AtomicU64) {
    begin_reuse_ordered(Orders::PROVED, word);
}

/// [`begin_reuse`] with orderings of the caller's choice, for the model checker.
pub fn begin_reuse_ordered(orders: Orders, word: &AtomicU64) {
    let generation = word.load(Ordering::Relaxed);
    if is_there(generation) {
        // Only after a fork, which has replaced the file by zeros. Nobody reads them.
        word.store(generation.wrapping_add(1), Ordering::Relaxed);
    }
    fence_unless_relaxed(orders.before_words);
}

/// Ends the reuse that [`begin_reuse`] began: the new group is there.
pub fn end_reuse(word: &AtomicU64) {
    end_reuse_ordered(Orders::PROVED, word);
}

/// [`end_reuse`] with orderings of the caller's choice, for the model checker.
pub fn end_reuse_ordered(orders: Orders, word: &AtomicU64) {
    // Relaxed: nobody else changes an odd generation.
    let generation = word.load(Ordering::Relaxed);
    word.store(generation.wrapping_add(1), orders.end);
}

/// Must be called after the first look at generations, before the words that they guard are read.
pub fn after_first_look() {
    after_first_look_ordered(Orders::PROVED);
}

/// [`after_first_look`] with orderings of the caller's choice, for the model checker.
pub fn after_first_look_ordered(orders: Orders) {
    fence_unless_relaxed(orders.after_first);
}

/// Must be called before the second look at generations, after the words that they guard were read.
pub fn before_second_look() {
    before_second_look_ordered(Orders::PROVED);
}

/// [`before_second_look`] with orderings of the caller's choice, for the model checker.
pub fn before_second_look_ordered(orders: Orders) {
    fence_unless_relaxed(orders.before_second);
}
