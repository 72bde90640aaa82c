//! Writes lines to stderr without ending the program or waiting for a lock.

use rustix::io::{Errno, write as write_some};

use super::signals::Set;

/// The signals that a write may raise and that end a program.
const ENDS: [libc::c_int; 2] = [libc::SIGXFSZ, libc::SIGPIPE];

/// Writes one line, without the lock of `std::io::stderr`, which a fork could have caught. It must not end the
/// program: where stderr is a file at its largest size (RLIMIT_FSIZE) or a pipe without a reader, a write raises a
/// signal. The signal goes to this thread and is taken, unless one was already pending.
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

/// If the descriptor is closed or is another file by now, this behaves as any write to stderr does.
fn write_all(mut bytes: &[u8]) {
    // Used only for its descriptor: nothing is locked.
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
