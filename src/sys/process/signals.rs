//! Signals of this thread.

use std::mem::zeroed;
use std::ptr;

/// Some signals.
#[derive(Clone, Copy)]
pub struct Set(libc::sigset_t);

impl Set {
    /// No signal.
    fn empty() -> Set {
        // SAFETY: a set is plain integers, for which zeros are a value.
        let mut set = Set(unsafe { zeroed() });
        // SAFETY: a set that is ours.
        unsafe { libc::sigemptyset(&mut set.0) };
        set
    }

    /// All signals.
    fn all() -> Set {
        let mut set = Set::empty();
        // SAFETY: a set that is ours.
        unsafe { libc::sigfillset(&mut set.0) };
        set
    }

    /// These.
    pub fn of(signals: &[libc::c_int]) -> Set {
        let mut set = Set::empty();
        for &signal in signals {
            // SAFETY: a set that is ours. A number that is no signal is an error, and changes nothing.
            unsafe { libc::sigaddset(&mut set.0, signal) };
        }
        set
    }

    /// Those that wait for this thread, or for its process.
    pub fn pending() -> Set {
        let mut set = Set::empty();
        // SAFETY: a set that is ours.
        unsafe { libc::sigpending(&mut set.0) };
        set
    }

    /// Whether a signal is one of them.
    pub fn has(&self, signal: libc::c_int) -> bool {
        // SAFETY: a set that was made by the functions above.
        (unsafe { libc::sigismember(&self.0, signal) }) == 1
    }

    /// Takes one of them that is pending and blocked; waits for one where none is.
    pub fn take(&self) {
        let mut taken = 0;
        // SAFETY: a set that was made by the functions above, and a number that is ours.
        unsafe { libc::sigwait(&self.0, &mut taken) };
    }

    /// Has them blocked in this thread, besides those that are, while `work` runs.
    pub fn blocked<R>(&self, work: impl FnOnce() -> R) -> R {
        let mut before = Set::empty();
        // SAFETY: two sets that outlive the call, which only changes this thread's mask.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &self.0, &mut before.0) };
        let result = work();
        // SAFETY: the set is the one that the call above gave; a null pointer asks for nothing.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before.0, ptr::null_mut()) };
        result
    }
}

/// Runs `work` with all signals blocked in this thread: a thread that it starts has them blocked for good.
pub fn blocked<R>(work: impl FnOnce() -> R) -> R {
    Set::all().blocked(work)
}
