//! Signal masks and pending signals of this thread.

use std::mem::zeroed;
use std::ptr;

/// A set of signals.
#[derive(Clone, Copy)]
pub struct Set(libc::sigset_t);

impl Set {
    /// Returns the empty set.
    fn empty() -> Set {
        // SAFETY: a set is plain integers, for which zeros are a value.
        let mut set = Set(unsafe { zeroed() });
        // SAFETY: the set is ours.
        unsafe { libc::sigemptyset(&mut set.0) };
        set
    }

    /// Returns the set of all signals.
    fn all() -> Set {
        let mut set = Set::empty();
        // SAFETY: the set is ours.
        unsafe { libc::sigfillset(&mut set.0) };
        set
    }

    /// Returns the set of these signals.
    pub fn of(signals: &[libc::c_int]) -> Set {
        let mut set = Set::empty();
        for &signal in signals {
            // SAFETY: the set is ours. An invalid number is an error that changes nothing.
            unsafe { libc::sigaddset(&mut set.0, signal) };
        }
        set
    }

    /// Returns the signals that are pending for this thread or its process.
    pub fn pending() -> Set {
        let mut set = Set::empty();
        // SAFETY: the set is ours.
        unsafe { libc::sigpending(&mut set.0) };
        set
    }

    /// Returns whether the set contains a signal.
    pub fn has(&self, signal: libc::c_int) -> bool {
        // SAFETY: the set was made by the functions above.
        (unsafe { libc::sigismember(&self.0, signal) }) == 1
    }

    /// Takes one of these signals that is pending and blocked; waits if none is.
    pub fn take(&self) {
        let mut taken = 0;
        // SAFETY: the set was made by the functions above, and the number is ours.
        unsafe { libc::sigwait(&self.0, &mut taken) };
    }

    /// Blocks these signals in this thread while `work` runs, besides those already blocked.
    pub fn blocked<R>(&self, work: impl FnOnce() -> R) -> R {
        let mut before = Set::empty();
        // SAFETY: two sets that outlive the call, which only changes this thread's mask.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &self.0, &mut before.0) };
        let result = work();
        // SAFETY: the set is the one that the call above returned; with a null pointer, nothing is written.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before.0, ptr::null_mut()) };
        result
    }
}

/// Runs `work` with all signals blocked in this thread. A thread that it starts keeps them blocked for good.
pub fn blocked<R>(work: impl FnOnce() -> R) -> R {
    Set::all().blocked(work)
}
