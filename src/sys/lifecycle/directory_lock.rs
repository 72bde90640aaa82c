//! Locks on a directory: one for folding files of a model, one for pushing a root.
//!
//! A lock is flock(2) on a file that only those can open who can write to the directory, so a user who may only
//! read there cannot hold anybody up. The holder removes the file before it unlocks it, so nothing is left behind;
//! a process that locked a file that no longer has the name tries again.

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Gid, OFlags, Uid};

use super::directory::Directory;
use crate::sys::memory::read_map::FileStat;

/// The name of the lock file for folding. (It begins with a dot, so readers ignore it.)
pub const FOLD: &str = ".fold";
/// How long a waiter sleeps between two attempts.
const NAP: Duration = Duration::from_millis(1);
/// Shorter waits are not reported.
const QUIET: Duration = Duration::from_millis(200);

/// A lock that is held until dropped.
#[derive(Debug)]
pub struct DirectoryLock<D: Borrow<Directory>> {
    directory: D,
    name: String,
    file: File,
}

/// How long to wait, for several locks in total, and whom to tell.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    until: Instant,
    tell: Option<fn(&Path)>,
}

impl Patience {
    /// Waits for `time` from now on.
    pub fn of(time: Duration) -> Patience {
        Patience {
            until: Instant::now() + time,
            tell: None,
        }
    }

    /// Sets a function to call with each directory whose lock is waited for.
    pub fn telling(self, tell: Option<fn(&Path)>) -> Patience {
        Patience { tell, ..self }
    }
}

impl<D: Borrow<Directory>> DirectoryLock<D> {
    /// Takes the lock with this name, which begins with a dot. Tries at least once, however little patience there
    /// is.
    ///
    /// # Errors
    /// `WouldBlock` if another process had it the whole time.
    pub fn take(directory: D, name: &str, patience: &Patience) -> io::Result<DirectoryLock<D>> {
        let start = Instant::now();
        let mut told = false;
        loop {
            // Not a blocking lock: a holder may be stopped, and the waiter may be about to exit.
            match try_once(directory.borrow(), OsStr::new(name))? {
                LockAttempt::Taken(file) => {
                    return Ok(DirectoryLock {
                        directory,
                        name: name.to_owned(),
                        file,
                    });
                }
                // The file was removed meanwhile, so its holder is done.
                LockAttempt::Again => continue,
                LockAttempt::Busy => {}
            }
            if Instant::now() >= patience.until {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            if let Some(tell) = patience.tell
                && !told
                && start.elapsed() >= QUIET
            {
                told = true;
                tell(directory.borrow().path());
            }
            std::thread::sleep(NAP);
        }
    }
}

fn try_once(directory: &Directory, name: &OsStr) -> io::Result<LockAttempt> {
    let file = match open(directory, name) {
        Ok(file) => file,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                    if directory_is_there(directory) =>
                {
                    Ok(LockAttempt::Again)
                }
                // Belongs to a user who locks here, too, and created it a moment ago.
                io::ErrorKind::PermissionDenied if directory.identity(name).is_ok() => {
                    Ok(LockAttempt::Busy)
                }
                _ => Err(error),
            };
        }
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(LockAttempt::Busy),
        Err(rustix::io::Errno::INTR) => return Ok(LockAttempt::Again),
        Err(error) => return Err(error.into()),
    }
    let ours = FileStat::of_file(&file)?.identity;
    Ok(match directory.identity(name) {
        Ok(named) if named == ours => LockAttempt::Taken(file),
        _ => LockAttempt::Again,
    })
}

enum LockAttempt {
    Taken(File),
    Busy,
    Again,
}

/// Returns whether the directory still has a name: no file can be created in a directory that was removed.
fn directory_is_there(directory: &Directory) -> bool {
    rustix::fs::fstat(directory.descriptor()).is_ok_and(|found| found.st_nlink > 0)
}

/// Opens the lock file, or creates it with access for those who may write to the directory.
fn open(directory: &Directory, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY;
    match directory.open_file(name, flags, 0) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    // A user who may write to the directory may read and write the lock; a user who may only read, neither.
    let writers = directory.stat().mode & 0o222 | 0o200;
    let mode = writers | writers << 1;
    let file = directory.open_file(name, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
    let of = rustix::fs::fstat(directory.descriptor())?;
    let (uid, gid) = (Uid::from_raw(of.st_uid), Gid::from_raw(of.st_gid));
    // The superuser creates it for the owner of the directory. Other users can give it to a group that they are in;
    // if this one is none of those, it stays as it is.
    let _ = rustix::fs::fchown(&file, Some(uid), Some(gid))
        .or_else(|_| rustix::fs::fchown(&file, None, Some(gid)));
    Ok(file)
}

impl<D: Borrow<Directory>> Drop for DirectoryLock<D> {
    fn drop(&mut self) {
        // Before it is unlocked: afterwards, it may be another process's. If it cannot be removed (another user's,
        // in a sticky directory), it stays and can be locked again.
        let _ = self.directory.borrow().remove(OsStr::new(&self.name));
        // Closing is not enough: the child of a fork in between has the descriptor, too.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn try_once(directory: &Directory) -> io::Result<DirectoryLock<&Directory>> {
        DirectoryLock::take(directory, FOLD, &Patience::of(Duration::ZERO))
    }

    #[test]
    fn the_fold_lock_excludes_others_and_leaves_nothing_behind() {
        let temp = tempfile::tempdir().unwrap();
        let directory = Directory::open(temp.path()).unwrap();
        let lock = try_once(&directory).unwrap();
        let error = try_once(&directory).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        assert!(directory.entries().unwrap().is_empty());
        // Left by a process that was killed.
        std::fs::write(temp.path().join(FOLD), "").unwrap();
        drop(try_once(&directory).unwrap());
        std::fs::remove_dir(temp.path()).unwrap();
        assert!(try_once(&directory).is_err());
    }

    #[test]
    fn only_who_may_write_to_the_directory_can_open_its_fold_lock() {
        for (of_directory, of_lock) in [(0o755, 0o600), (0o775, 0o660), (0o777, 0o666)] {
            let temp = tempfile::tempdir().unwrap();
            let permissions = std::fs::Permissions::from_mode(of_directory);
            std::fs::set_permissions(temp.path(), permissions).unwrap();
            let directory = Directory::open(temp.path()).unwrap();
            let _lock = try_once(&directory).unwrap();
            let found = temp.path().join(FOLD).metadata().unwrap();
            assert_eq!(found.permissions().mode() & 0o777, of_lock);
        }
    }
}
