//! A level: a word that all threads of a process write.
//!
//! The last value that was set wins; additions are exact. No other memory is read on the strength of a level,
//! so its writes need no ordering with others: `Relaxed` is enough for all of them.
//!
//! # Proof
//!
//! All writes of one word have a total order, its modification order, whatever their memory ordering. A `set`
//! puts its value into that order. An `update` is a compare and exchange, which reads the value right before
//! its own in that order, and so is lost only to a `set` that comes after it.

use crate::sync::{AtomicU64, Ordering};

/// Sets the level.
#[inline(always)]
pub fn set(level: &AtomicU64, word: u64) {
    level.store(word, Ordering::Relaxed);
}

/// Replaces the level by the result of `change`. No change of another thread is lost.
#[inline]
pub fn update(level: &AtomicU64, change: impl Fn(u64) -> u64) {
    let mut before = level.load(Ordering::Relaxed);
    while let Err(now) =
        level.compare_exchange_weak(before, change(before), Ordering::Relaxed, Ordering::Relaxed)
    {
        before = now;
    }
}
