//! A level: a word that all threads of a process write.
//!
//! The last value that was set wins; what is added is added exactly. Nothing else is read by it, so no write of it has
//! to be ordered with any other: `Relaxed` is enough for all of them.
//!
//! # Proof
//!
//! All writes of one word are in one order, whatever their own ordering (its modification order). A `set` puts its value
//! there; an `add` is an exchange, which takes the value right before its own in that order, and so is lost only to a
//! `set` that comes after it.

use crate::sync::{AtomicU64, Ordering};

/// Sets the level.
#[inline(always)]
pub fn set(level: &AtomicU64, word: u64) {
    level.store(word, Ordering::Relaxed);
}

/// Replaces the level by what `change` makes of it. No change of another thread is lost.
#[inline]
pub fn update(level: &AtomicU64, change: impl Fn(u64) -> u64) {
    let mut before = level.load(Ordering::Relaxed);
    while let Err(now) =
        level.compare_exchange_weak(before, change(before), Ordering::Relaxed, Ordering::Relaxed)
    {
        before = now;
    }
}
