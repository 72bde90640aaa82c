//! Signals, which go to the program's own threads.

use std::mem::zeroed;
use std::ptr;

/// Runs `work` with all signals blocked in this thread: a thread that it starts has them blocked for good.
pub fn blocked<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: zeros are a valid set; both sets outlive the calls.
    let before = unsafe {
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = (zeroed(), zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        before
    };
    let result = work();
    // SAFETY: the set is the one that the call above gave.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut()) };
    result
}
