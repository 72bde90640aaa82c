//! Reopens a writer's file, to grow it. Where that may not be possible later, a descriptor of it is retained: in a
//! process that may still give up its rights or its root, as services do that start as root.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sys::memory::read_map::{FileStat, most_kept};

/// A retained descriptor. The program may have closed it along with all others, and its number may be another
/// file's by now, so it is always compared before it is used.
#[derive(Debug)]
pub struct Retained {
    descriptor: RawFd,
    identity: (u64, u64),
}

/// The number of descriptors that this process retains.
static RETAINED: AtomicUsize = AtomicUsize::new(0);

impl Retained {
    /// Retains a file if this process may lose its access to it and retains less than a fourth of the descriptors
    /// that it may have.
    pub fn of(file: &File) -> Option<Retained> {
        if !may_lose_access() {
            return None;
        }
        let identity = FileStat::of_file(file).ok()?.identity;
        // Relaxed, here and below: only a count; it publishes nothing.
        if RETAINED.fetch_add(1, Ordering::Relaxed) < most_kept() / 2
            && let Some(descriptor) = duplicate(file.as_raw_fd())
        {
            return Some(Retained {
                descriptor,
                identity,
            });
        }
        RETAINED.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// Returns the descriptor, for [`close_in_child`].
    pub fn descriptor(&self) -> RawFd {
        self.descriptor
    }

    /// Returns the file, if the descriptor still belongs to it.
    pub fn file(&self) -> Option<File> {
        // A copy is compared, because nobody else can close it meanwhile.
        let copy = duplicate(self.descriptor)?;
        // SAFETY: the descriptor is new, hence only ours.
        let file = unsafe { File::from_raw_fd(copy) };
        let same = FileStat::of_file(&file).is_ok_and(|found| found.identity == self.identity);
        same.then_some(file)
    }
}

/// Opens the file at `path` for writing, without following a link.
pub fn reopen(path: &Path) -> io::Result<File> {
    let flags = libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)
}

impl Drop for Retained {
    fn drop(&mut self) {
        RETAINED.fetch_sub(1, Ordering::Relaxed);
        if self.file().is_some() {
            // SAFETY: the descriptor leads to our file. Nothing else in this process keeps a descriptor of it
            // beyond a call, so this is the one that was duplicated in `of`.
            unsafe { libc::close(self.descriptor) };
        }
    }
}

/// Closes, in the child of a fork, its copy of a retained descriptor, if that still leads to the file with this
/// device and inode. Allocates nothing.
pub fn close_in_child(descriptor: RawFd, identity: (u64, u64)) {
    // SAFETY: a stat is plain integers, for which zeros are a value.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the struct is ours. The number need not be that of an open descriptor (so it cannot be borrowed).
    let is_open = unsafe { libc::fstat(descriptor, &mut found) } == 0;
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    let is_it = is_open && (found.st_dev as u64, found.st_ino as u64) == identity;
    if is_it {
        // SAFETY: this is the child's copy of the retained descriptor. Its owner compares before it uses it, and
        // there is no other thread that could have closed it since.
        unsafe { libc::close(descriptor) };
    }
}

/// Returns another descriptor of the same open file; not one of the standard ones.
fn duplicate(descriptor: RawFd) -> Option<RawFd> {
    // SAFETY: the call takes numbers, and fails if the descriptor is not open.
    match unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) } {
        -1 => None,
        copy => Some(copy),
    }
}

/// Returns whether this process has rights that it can give up.
fn may_lose_access() -> bool {
    use rustix::process::{geteuid, getuid};
    geteuid().is_root() || getuid() != geteuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_is_another_file_s_by_now_is_not_used() {
        let [one, other] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        let new = |descriptor: RawFd, file: &File| {
            RETAINED.fetch_add(1, Ordering::Relaxed);
            Retained {
                descriptor,
                identity: FileStat::of_file(file).unwrap().identity,
            }
        };
        let good = new(duplicate(one.as_raw_fd()).unwrap(), &one);
        let found = good.file().unwrap();
        assert_eq!(FileStat::of_file(&found).unwrap().identity, good.identity);
        let stale = new(duplicate(other.as_raw_fd()).unwrap(), &one);
        assert!(stale.file().is_none());
        let descriptor = stale.descriptor;
        drop(stale);
        // It was not closed, because it is not ours.
        // SAFETY: made above, and closed only here.
        let still = unsafe { File::from_raw_fd(descriptor) };
        assert!(FileStat::of_file(&still).is_ok());
    }
}
