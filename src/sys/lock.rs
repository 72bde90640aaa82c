//! A lock that a fork handler can hold from one function to another.
//!
//! Nothing is allocated under it: an instrumented allocator could come back to it. A waiter yields.

use crate::sync::{AtomicBool, Ordering, yield_now};

/// The lock, without its data.
#[derive(Debug)]
pub struct RawLock(AtomicBool);

impl RawLock {
    /// An open lock.
    #[cfg(not(loom))]
    pub const fn new() -> RawLock {
        RawLock(AtomicBool::new(false))
    }

    /// An open lock. (Not const: loom enters its atomics into the model that runs.)
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> RawLock {
        RawLock(AtomicBool::new(false))
    }

    /// Waits until it is open and closes it.
    pub fn lock(&self) {
        // Acquire: sees what the holder before wrote.
        self.lock_ordered(Ordering::Acquire);
    }

    /// [`lock`](Self::lock) with an ordering of the caller's choice: for the model checker.
    pub fn lock_ordered(&self, order: Ordering) {
        // Relaxed on failure: nothing is read then.
        while self
            .0
            .compare_exchange_weak(false, true, order, Ordering::Relaxed)
            .is_err()
        {
            yield_now();
        }
    }

    /// Opens it. Only who closed it may do so (and a fork's child, for its parent's thread).
    pub fn unlock(&self) {
        // Release: the next holder sees what this one wrote.
        self.unlock_ordered(Ordering::Release);
    }

    /// [`unlock`](Self::unlock) with an ordering of the caller's choice: for the model checker.
    pub fn unlock_ordered(&self, order: Ordering) {
        self.0.store(false, order);
    }
}

/// Runs `work` under the lock; opens it also if `work` panics.
pub fn with<R>(lock: &RawLock, work: impl FnOnce() -> R) -> R {
    struct Open<'a>(&'a RawLock);
    impl Drop for Open<'_> {
        fn drop(&mut self) {
            self.0.unlock();
        }
    }
    lock.lock();
    let _open = Open(lock);
    work()
}
