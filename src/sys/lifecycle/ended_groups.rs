//! Groups that a thread has ended in the files of others: they look for them when this number has changed.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often a thread has ended a group in another thread's file.
static ENDED: AtomicU64 = AtomicU64::new(0);

/// A number that is another one after a thread has ended groups in the files of others.
#[inline]
pub fn number() -> u64 {
    // Relaxed: what was removed shows in the generations; this only says that looking pays.
    ENDED.load(Ordering::Relaxed)
}

/// A thread has ended groups in the files of others.
pub fn count() {
    ENDED.fetch_add(1, Ordering::Relaxed);
}
