//! Lines on stderr that can end nothing and wait for nobody.

use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;

/// One write, past the lock of `std::io::stderr`: a fork could have caught that. It must not end the program:
/// where stderr is a file at its largest size (RLIMIT_FSIZE) or a pipe without a reader, a write raises a signal.
pub fn write(text: &str) {
    // SAFETY: the sets are ours, all zeros are one, and the calls only change this thread's mask, which is put
    // back. A signal that a write raises is this thread's: it is taken, unless one was pending before.
    unsafe {
        let [mut ends, mut before, mut pending] = std::mem::zeroed::<[libc::sigset_t; 3]>();
        for signal in [libc::SIGXFSZ, libc::SIGPIPE] {
            libc::sigaddset(&mut ends, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &ends, &mut before);
        libc::sigpending(&mut pending);
        let old = [libc::SIGXFSZ, libc::SIGPIPE].map(|signal| libc::sigismember(&pending, signal));
        // The descriptor is only written to, and not closed. If it is not open, or is another file by now,
        // that is as it would be for any line on stderr.
        let mut stderr = ManuallyDrop::new(std::fs::File::from_raw_fd(2));
        let _ = stderr.write_all(format!("{text}\n").as_bytes());
        libc::sigpending(&mut pending);
        for (signal, old) in [libc::SIGXFSZ, libc::SIGPIPE].into_iter().zip(old) {
            if old == 0 && libc::sigismember(&pending, signal) == 1 {
                let mut one = std::mem::zeroed::<libc::sigset_t>();
                let mut taken = 0;
                libc::sigaddset(&mut one, signal);
                libc::sigwait(&one, &mut taken);
            }
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
    }
}
