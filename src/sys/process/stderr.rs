//! Lines on stderr that can end nothing and wait for nobody.

use rustix::io::{Errno, write as write_some};

use super::signals::Set;

/// The signals that a write may raise, and that end a program.
const ENDS: [libc::c_int; 2] = [libc::SIGXFSZ, libc::SIGPIPE];

/// One write, past the lock of `std::io::stderr`: a fork could have caught that. It must not end the program:
/// where stderr is a file at its largest size (RLIMIT_FSIZE) or a pipe without a reader, a write raises a signal.
/// It is this thread's, and taken, unless one was pending before.
pub fn write(text: &str) {
    Set::of(&ENDS).blocked(|| {
        let before = Set::pending();
        write_all(format!("{text}\n").as_bytes());
        let after = Set::pending();
        for signal in ENDS {
            if after.has(signal) && !before.has(signal) {
                Set::of(&[signal]).take();
            }
        }
    });
}

/// If the descriptor is not open, or is another file by now, that is as it would be for any line on stderr.
fn write_all(mut bytes: &[u8]) {
    // Only its descriptor: nothing is locked.
    let stderr = std::io::stderr();
    while !bytes.is_empty() {
        match write_some(&stderr, bytes) {
            Ok(0) => return,
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
