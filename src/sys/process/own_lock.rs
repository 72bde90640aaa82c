//! A lock that the child of a fork finds free, whoever held it in the parent.
//!
//! It needs no fork handler, because it records in which process it is held. So more may be done under it than
//! under the locks of [`fork`](super::fork), for which every fork waits. But the child finds what it guards in any
//! state, so that must be consistent at any time or belong to one process only.

use super::{fork, lock};
use crate::sync::{AtomicU64, Ordering};

/// 0: free; else one more than the generation of the process in which it is held.
#[derive(Debug)]
pub struct OwnLock(AtomicU64);

impl OwnLock {
    /// Makes a free lock.
    #[cfg(not(loom))]
    pub const fn new() -> OwnLock {
        OwnLock(AtomicU64::new(0))
    }

    /// Makes a free lock. (Not const: loom registers its atomics with the running model.)
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> OwnLock {
        OwnLock(AtomicU64::new(0))
    }

    /// Runs `work` under the lock, which is also released if `work` panics. `work` must not take the lock again.
    pub fn with<R>(&self, work: impl FnOnce() -> R) -> R {
        // Acquire: sees what the previous holder wrote. Release: the next holder sees what this one wrote.
        self.with_ordered(Ordering::Acquire, Ordering::Release, work)
    }

    /// [`with`](Self::with) with orderings of the caller's choice: for the model checker.
    pub fn with_ordered<R>(&self, take: Ordering, open: Ordering, work: impl FnOnce() -> R) -> R {
        struct UnlockGuard<'a>(&'a OwnLock, Ordering);
        impl Drop for UnlockGuard<'_> {
            fn drop(&mut self) {
                self.0.0.store(0, self.1);
            }
        }
        let held = fork::generation() + 1;
        let mut tries = 0;
        loop {
            // Relaxed: only the exchange below takes the lock.
            let now = self.0.load(Ordering::Relaxed);
            // Held in this process? If it is held in another one, the holder is a thread of the parent, which does
            // not exist here.
            if now != held {
                let taken = self.0.compare_exchange(now, held, take, Ordering::Relaxed);
                if taken.is_ok() {
                    break;
                }
            }
            lock::wait(&mut tries);
        }
        let _open = UnlockGuard(self, open);
        work()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time_is_under_it() {
        static LOCK: OwnLock = OwnLock::new();
        static INSIDE: AtomicU64 = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        LOCK.with(|| {
                            assert_eq!(INSIDE.fetch_add(1, Ordering::Relaxed), 0);
                            INSIDE.fetch_sub(1, Ordering::Relaxed);
                        });
                    }
                });
            }
        });
    }

    #[test]
    fn what_a_parent_holds_is_open() {
        let lock = OwnLock(AtomicU64::new(fork::generation() + 2));
        assert_eq!(lock.with(|| 1), 1);
        assert_eq!(lock.with(|| 2), 2);
    }
}
