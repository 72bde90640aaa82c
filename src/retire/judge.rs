//! Decides which files to remove: those of processes that are proved to have ended, and, on request, old ones of
//! which nothing can be proved.
//!
//! Only the start of a file is read, which identifies its process. Its records matter only when it is folded.

use std::ffi::{OsStr, OsString};
use std::fs::{self, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Doomed;
use crate::format::header::Header;
use crate::format::retired::RETIRED_FILE;
use crate::format::temp_name::{self, TEMP_PREFIX};
use crate::reader::preamble::Preamble;
use crate::reader::source::Trouble;
use crate::sync::{Ordering, fence};
use crate::sys::lifecycle::directory::{Directory, DirectoryEntry, FileType};
use crate::sys::memory::read_map::Opened;
use crate::sys::process::liveness::{Life, Witness};

/// The entries of a directory, sorted by name.
#[derive(Debug, Default)]
pub struct Entries {
    /// Regular files with names of stats files.
    pub files: Vec<OsString>,
    /// Regular files with names of stats files that are still being created.
    pub making: Vec<OsString>,
    /// Directories.
    pub directories: Vec<OsString>,
}

impl Entries {
    /// Lists a directory.
    pub fn of(directory: &Directory) -> io::Result<Entries> {
        let mut entries = Entries::default();
        for DirectoryEntry { name, kind, .. } in directory.entries()? {
            if kind == FileType::Directory {
                entries.directories.push(name);
            } else if kind != FileType::RegularFile {
                continue;
            } else if is_of_stats(&name) {
                entries.files.push(name);
            } else if is_in_the_making(&name) {
                entries.making.push(name);
            }
        }
        for names in [
            &mut entries.files,
            &mut entries.making,
            &mut entries.directories,
        ] {
            names.sort_unstable();
        }
        Ok(entries)
    }

    /// Returns a single file, whatever its name.
    pub fn one(name: OsString) -> Entries {
        let mut entries = Entries::default();
        if is_in_the_making(&name) {
            entries.making.push(name);
        } else {
            entries.files.push(name);
        }
        entries
    }
}

/// Returns whether a file has the name of a stats file other than the retired file.
pub fn is_of_stats(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"mmstats-") && name != RETIRED_FILE
}

fn is_in_the_making(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMP_PREFIX.as_bytes())
}

/// The rules for which files of ended processes may be removed.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Files that were created, or grew, at least this long ago.
    pub older_than: Duration,
    /// Also files of processes whose liveness is unknown.
    pub unknown: bool,
    /// Only files of this user.
    pub only_of: Option<u32>,
}

/// Decides whether files are to be removed.
#[derive(Debug)]
pub struct Judge {
    rules: Rules,
    witness: Witness,
    now: SystemTime,
}

impl Judge {
    /// Makes a judge that applies `rules`.
    pub fn new(rules: Rules) -> Judge {
        Judge {
            rules,
            witness: Witness::new(),
            now: SystemTime::now(),
        }
    }

    /// Returns the file and its time of creation if it is to be removed.
    pub fn file(
        &mut self,
        directory: &Directory,
        name: &OsStr,
        root: &Path,
    ) -> Result<Option<(Doomed, u64)>, Trouble> {
        let opened = (directory.file(name)).map_err(|error| Trouble::io("open it", error))?;
        let start = Preamble::read(&directory.path().join(name), &opened)?;
        if start.committed.is_none() {
            // Format 1, which does not identify its process well enough.
            return Ok(None);
        }
        let header = start.header;
        let doomed = self.is_to_go(name, root, &opened, &header)?;
        Ok(doomed.map(|doomed| (doomed, header.created)))
    }

    /// Returns a file in the making if it is to be removed. If it cannot be read, nothing is reported: files in the
    /// making are like that. A file without a complete header stays, because its name alone proves nothing: a pid
    /// without its namespace, boot and machine may be anybody's.
    pub fn making(&mut self, directory: &Directory, name: &OsStr, root: &Path) -> Option<Doomed> {
        let path = directory.path().join(name);
        let opened = directory.file(name).ok()?;
        Preamble::read(&path, &opened).ok()?;
        // Acquire: its writer stores the first word after the rest of the header, with Release. The read above has
        // seen that word, so the next read gets the whole header, even while the writer is at work.
        fence(Ordering::Acquire);
        let header = Preamble::read(&path, &opened).ok()?.header;
        if !temp_name::is_of(name.to_str()?, &header) {
            return None;
        }
        self.is_to_go(name, root, &opened, &header).ok()?
    }

    fn is_to_go(
        &mut self,
        name: &OsStr,
        root: &Path,
        opened: &Opened,
        header: &Header,
    ) -> Result<Option<Doomed>, Trouble> {
        let rules = &self.rules;
        if rules.only_of.is_some_and(|uid| uid != opened.stat.uid) {
            return Ok(None);
        }
        if !rules.older_than.is_zero() {
            let changed = (opened.file.metadata())
                .and_then(|found| found.modified())
                .map_err(|error| Trouble::io("read its metadata", error))?;
            let created = SystemTime::UNIX_EPOCH + Duration::from_nanos(header.created);
            let age = self.now.duration_since(changed.max(created));
            if age.unwrap_or_default() < rules.older_than {
                return Ok(None);
            }
        }
        let goes = self.witness.proved_dead(root, header)
            || rules.unknown
                // A retired file belongs to no process, and has the totals of many.
                && header.pid != 0
                && self.witness.life(root, header) == Life::Unknown
                && !is_in_use(&opened.file);
        Ok(goes.then(|| Doomed {
            name: name.to_owned(),
            identity: opened.stat.identity,
        }))
    }
}

/// Returns whether another process has a lock on a file, as writers have while it is mapped. A file that is locked
/// and not proved dead is left alone.
fn is_in_use(file: &fs::File) -> bool {
    let locked = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    // Closing would be enough, if there were no fork in between. If the file was not locked by us, this does
    // nothing.
    let _ = file.unlock();
    locked
}
