//! A lock that a fork handler can hold from one function to another.
//!
//! Nothing is allocated under it: an instrumented allocator could come back to it. A waiter yields, and
//! then sleeps: a waiter of a real-time class that only yields keeps the processor from a holder of a
//! lower one.

use std::time::Duration;

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

/// How often a waiter yields before it sleeps.
const YIELDS: u32 = 64;

/// Waits a little for another thread, for the `tries`th time.
pub fn wait(tries: &mut u32) {
    if cfg!(loom) || *tries < YIELDS {
        *tries += 1;
        yield_now();
    } else {
        std::thread::sleep(Duration::from_micros(100));
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
        // The state stands behind the name, which is in brackets.
        let sleeps = || {
            let stat = std::fs::read_to_string(&stat).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('S')
        };
        // Once is enough: who only yields is always running.
        while !sleeps() {
            std::thread::yield_now();
        }
        LOCK.unlock();
        waiter.join().unwrap();
    }
}
