//! A lock that the child of a fork finds open, whoever held it in the parent.
//!
//! It needs no handler: it says in which process it is held. So more may be done under it than under the locks of
//! [`fork`](super::fork), which every fork waits for; but what it guards must be whole at any time, or be of one process
//! only, for the child finds it as it was.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{fork, lock};

/// 0: open; else one more than the generation of the process in which it is held.
#[derive(Debug)]
pub struct OwnLock(AtomicU64);

impl OwnLock {
    /// An open lock.
    pub const fn new() -> OwnLock {
        OwnLock(AtomicU64::new(0))
    }

    /// Runs `work` under the lock, which is opened also if `work` panics. `work` must not come back to the lock.
    pub fn with<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Open<'a>(&'a OwnLock);
        impl Drop for Open<'_> {
            fn drop(&mut self) {
                // Release: the next holder sees what this one wrote.
                self.0.0.store(0, Ordering::Release);
            }
        }
        let held = fork::generation() + 1;
        let mut tries = 0;
        loop {
            // Relaxed: only the exchange below takes it.
            let now = self.0.load(Ordering::Relaxed);
            // Held in this process? A holder of another one is in the parent: that thread is not here.
            if now != held {
                // Acquire: sees what the holder before wrote.
                let taken =
                    (self.0).compare_exchange(now, held, Ordering::Acquire, Ordering::Relaxed);
                if taken.is_ok() {
                    break;
                }
            }
            lock::wait(&mut tries);
        }
        let _open = Open(self);
        work()
    }
}

#[cfg(test)]
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
