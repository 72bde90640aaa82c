//! A lock that the child of a fork finds open, whoever held it in the parent.
//!
//! It needs no handler: it says in which process it is held. So more may be done under it than under the locks of
//! [`fork`](super::fork), which every fork waits for; but what it guards must be whole at any time, or be of one process
//! only, for the child finds it as it was.

use super::{fork, lock};
use crate::sync::{AtomicU64, Ordering};

/// 0: open; else one more than the generation of the process in which it is held.
#[derive(Debug)]
pub struct OwnLock(AtomicU64);

impl OwnLock {
    /// An open lock.
    #[cfg(not(loom))]
    pub const fn new() -> OwnLock {
        OwnLock(AtomicU64::new(0))
    }

    /// An open lock. (Not const: loom enters its atomics into the model that runs.)
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> OwnLock {
        OwnLock(AtomicU64::new(0))
    }

    /// Runs `work` under the lock, which is opened also if `work` panics. `work` must not come back to the lock.
    pub fn with<R>(&self, work: impl FnOnce() -> R) -> R {
        // Acquire: sees what the holder before wrote. Release: the next holder sees what this one wrote.
        self.with_ordered(Ordering::Acquire, Ordering::Release, work)
    }

    /// [`with`](Self::with) with orderings of the caller's choice: for the model checker.
    pub fn with_ordered<R>(&self, take: Ordering, open: Ordering, work: impl FnOnce() -> R) -> R {
        struct Open<'a>(&'a OwnLock, Ordering);
        impl Drop for Open<'_> {
            fn drop(&mut self) {
                self.0.0.store(0, self.1);
            }
        }
        let held = fork::generation() + 1;
        let mut tries = 0;
        loop {
            // Relaxed: only the exchange below takes it.
            let now = self.0.load(Ordering::Relaxed);
            // Held in this process? A holder of another one is in the parent: that thread is not here.
            if now != held {
                let taken = self.0.compare_exchange(now, held, take, Ordering::Relaxed);
                if taken.is_ok() {
                    break;
                }
            }
            lock::wait(&mut tries);
        }
        let _open = Open(self, open);
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
