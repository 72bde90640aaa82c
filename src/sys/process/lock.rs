//! A lock that a fork handler can take in one function and release in another.
//!
//! Nothing is allocated under it, because an instrumented allocator could call back into it. A waiter first yields
//! and then sleeps: a waiter of a real-time class that only yields keeps the processor from a holder of a lower
//! class.

use std::time::Duration;

use crate::sync::{AtomicBool, Ordering, yield_now};

/// A lock without data.
#[derive(Debug)]
pub struct RawLock(AtomicBool);

impl RawLock {
    /// Makes an unlocked lock.
    #[cfg(not(loom))]
    pub const fn new() -> RawLock {
        RawLock(AtomicBool::new(false))
    }

    /// Makes an unlocked lock. (Not const: loom registers its atomics with the running model.)
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> RawLock {
        RawLock(AtomicBool::new(false))
    }

    /// Waits until the lock is free, and takes it.
    pub fn lock(&self) {
        // Acquire: sees what the previous holder wrote.
        self.lock_ordered(Ordering::Acquire);
    }

    /// [`lock`](Self::lock) with an ordering of the caller's choice: for the model checker.
    pub fn lock_ordered(&self, order: Ordering) {
        let mut tries = 0;
        // Relaxed on failure: nothing is read then.
        while self
            .0
            .compare_exchange_weak(false, true, order, Ordering::Relaxed)
            .is_err()
        {
            wait(&mut tries);
        }
    }

    /// Releases the lock. Only the thread that took it may do so (and a fork's child, on behalf of the parent's
    /// thread).
    pub fn unlock(&self) {
        // Release: the next holder sees what this one wrote.
        self.unlock_ordered(Ordering::Release);
    }

    /// [`unlock`](Self::unlock) with an ordering of the caller's choice: for the model checker.
    pub fn unlock_ordered(&self, order: Ordering) {
        self.0.store(false, order);
    }
}

/// The number of times a waiter yields before it sleeps.
const YIELDS: u32 = 64;

/// Waits briefly for another thread. `tries` counts the calls.
pub fn wait(tries: &mut u32) {
    if cfg!(loom) || *tries < YIELDS {
        *tries += 1;
        yield_now();
    } else {
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Runs `work` under the lock; also releases it if `work` panics.
pub fn with<R>(lock: &RawLock, work: impl FnOnce() -> R) -> R {
    struct UnlockGuard<'a>(&'a RawLock);
    impl Drop for UnlockGuard<'_> {
        fn drop(&mut self) {
            self.0.unlock();
        }
    }
    lock.lock();
    let _open = UnlockGuard(lock);
    work()
}

#[cfg(all(test, not(loom), target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_sleeps_so_that_a_holder_of_any_class_can_go_on() {
        static LOCK: RawLock = RawLock::new();
        LOCK.lock();
        let (tell, told) = std::sync::mpsc::channel();
        let waiter = std::thread::spawn(move || {
            tell.send(crate::sys::process::identity::thread_id())
                .unwrap();
            LOCK.lock();
            LOCK.unlock();
        });
        let stat = format!("/proc/self/task/{}/stat", told.recv().unwrap());
        // The state follows the name, which is in parentheses.
        let sleeps = || {
            let stat = std::fs::read_to_string(&stat).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('S')
        };
        // Once is enough: a thread that only yields is always running.
        while !sleeps() {
            std::thread::yield_now();
        }
        LOCK.unlock();
        waiter.join().unwrap();
    }
}
