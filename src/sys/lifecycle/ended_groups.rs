//! Groups that a thread has ended in the files of other threads, which look for them when this number has changed.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of times that a thread has ended groups in another thread's file.
static ENDED: AtomicU64 = AtomicU64::new(0);

/// Returns a number that changes after a thread has ended groups in other threads' files.
#[inline]
pub fn number() -> u64 {
    // Relaxed: the generations show what was removed; this only tells whether it is worth looking.
    ENDED.load(Ordering::Relaxed)
}

/// Records that a thread has ended groups in other threads' files.
pub fn count() {
    ENDED.fetch_add(1, Ordering::Relaxed);
}
