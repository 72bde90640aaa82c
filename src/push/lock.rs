//! Locks that allow one pusher for each root and destination. Two would be two writers of one series, which the
//! receiver cannot distinguish from one broken writer.
//!
//! The lock is flock(2) on a file in the root, so that all pushers of the root find it: services, cron jobs, other
//! containers. If this user may not write there, the file is in the user's own root.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::reader::{File, Snapshot};
use crate::sys::lifecycle::directory::Directory;
use crate::sys::lifecycle::directory_lock::{DirectoryLock, Patience};
use crate::sys::lifecycle::paths::default_root;

/// How long to wait for a pusher that is ending.
const PATIENCE: Duration = Duration::from_secs(1);

/// The locks of one destination, by root. They are held until this is dropped.
#[derive(Debug)]
pub struct Locks {
    /// Identifies the destination.
    destination: String,
    /// `None` if the root cannot be locked, which has been reported.
    roots: HashMap<PathBuf, Option<DirectoryLock<Directory>>>,
}

/// Another process pushes this root to the destination.
#[derive(Debug)]
pub struct LockedElsewhere {
    pub root: PathBuf,
    pub lock: PathBuf,
}

impl Locks {
    /// Makes a set without any lock.
    pub fn new(destination: &impl Display) -> Locks {
        Locks {
            destination: destination.to_string(),
            roots: HashMap::new(),
        }
    }

    /// Locks the roots of the files that were read, unless they are locked already.
    ///
    /// # Errors
    /// [`LockedElsewhere`] if another process has locked one of them.
    pub fn take(&mut self, snapshots: &[Snapshot]) -> Result<(), LockedElsewhere> {
        let files = snapshots.iter().flat_map(Snapshot::files);
        for root in files.filter_map(root) {
            if !self.roots.contains_key(root) {
                let lock = self.lock(root)?;
                self.roots.insert(root.to_owned(), lock);
            }
        }
        Ok(())
    }

    fn lock(&self, root: &Path) -> Result<Option<DirectoryLock<Directory>>, LockedElsewhere> {
        let in_root = name(&self.destination);
        let in_own = name(&format!("{}\n{}", self.destination, root.display()));
        let own = default_root();
        let mut problems = Vec::new();
        for (place, name) in [(root, in_root), (&own, in_own)] {
            let lock = Directory::open_named(place).and_then(|directory| {
                DirectoryLock::take(directory, &name, &Patience::of(PATIENCE))
            });
            match lock {
                Ok(lock) => return Ok(Some(lock)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(LockedElsewhere {
                        root: root.to_owned(),
                        lock: place.join(name),
                    });
                }
                Err(error) => problems.push(format!("{}: {error}", place.display())),
            }
        }
        log::warn!(
            "mmstats: cannot lock {}, so nothing keeps a second process from pushing it: {}",
            root.display(),
            problems.join("; ")
        );
        Ok(None)
    }
}

/// Returns the root that contains a file; `None` for a removed file, which is read through /proc.
fn root(file: &File) -> Option<&Path> {
    if file.is_removed() {
        return None;
    }
    let directory = file.path().parent()?;
    // Files of python-mmstats may lie in the root itself.
    let is_of_model = directory.file_name() == Some(file.model().as_ref());
    if is_of_model {
        directory.parent()
    } else {
        Some(directory)
    }
}

/// Returns the name of the lock file, which is the same for all pushers to this destination. It begins with a dot, so
/// readers ignore it.
fn name(what: &str) -> String {
    format!(".push-{:x}", md5::compute(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Reader;

    #[test]
    fn a_root_is_locked_once_for_each_destination() {
        let temp = tempfile::tempdir().unwrap();
        let writer = crate::Writer::builder("model").path(temp.path());
        let writer = writer.create().unwrap();
        writer.counter("requests").add().unwrap();
        let snapshots = [Reader::open(temp.path()).unwrap().snapshot().unwrap()];
        let mut first = Locks::new(&"http://a");
        first.take(&snapshots).unwrap();
        first.take(&snapshots).unwrap();
        let locked = Locks::new(&"http://a").take(&snapshots).unwrap_err();
        assert_eq!(locked.root, temp.path());
        assert!(locked.lock.exists(), "{locked:?}");
        Locks::new(&"http://b").take(&snapshots).unwrap();
        drop(first);
        assert!(!locked.lock.exists());
        Locks::new(&"http://a").take(&snapshots).unwrap();
    }
}
