//! A lock on a directory, for those who replace a file in it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The lock, until it is dropped: flock(2) on the directory itself, which leaves nothing behind.
#[derive(Debug)]
pub struct DirectoryLock(File);

/// How long a waiter sleeps between two tries.
const NAP: Duration = Duration::from_millis(1);

impl DirectoryLock {
    /// Takes the lock; gives up after `patience`.
    ///
    /// # Errors
    /// `WouldBlock`: somebody else had it all the time.
    pub fn take(directory: &Path, patience: Duration) -> io::Result<DirectoryLock> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC | libc::O_NOFOLLOW)
            .open(directory)?;
        let start = Instant::now();
        // Not the waiting kind of lock: a holder may be stopped, and who waits may be about to exit.
        while !flock(&file, libc::LOCK_EX | libc::LOCK_NB)? {
            if start.elapsed() >= patience {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            std::thread::sleep(NAP);
        }
        Ok(DirectoryLock(file))
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing would not do: the child of a fork that came in between has the descriptor, too.
        let _ = flock(&self.0, libc::LOCK_UN);
    }
}

/// Whether it was done now.
fn flock(file: &File, operation: libc::c_int) -> io::Result<bool> {
    loop {
        // SAFETY: the descriptor is open.
        if unsafe { libc::flock(file.as_raw_fd(), operation) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock => return Ok(false),
            _ => return Err(error),
        }
    }
}
