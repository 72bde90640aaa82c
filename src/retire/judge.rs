//! Which files are to go: those of processes that are proved to have ended. If a person asks for it, also
//! old ones of which nothing can be proved.
//!
//! Only the start of a file is read, which says whose it is. What its records say matters to who folds
//! it.

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

/// What lies in a directory, sorted by name.
#[derive(Debug, Default)]
pub struct Entries {
    /// Regular files that are named like stats files.
    pub files: Vec<OsString>,
    /// Regular files that are named like stats files in the making.
    pub making: Vec<OsString>,
    /// Directories.
    pub directories: Vec<OsString>,
}

impl Entries {
    /// Those of a directory.
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

    /// A single file, of whatever name.
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

/// Whether a file is named like a stats file that is not retired.
pub fn is_of_stats(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"mmstats-") && name != RETIRED_FILE
}

fn is_in_the_making(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMP_PREFIX.as_bytes())
}

/// Which files may go, of those whose processes have ended.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Those that were created, or grew, this long ago.
    pub older_than: Duration,
    /// Also those of processes of which it cannot be said whether they live.
    pub unknown: bool,
    /// Those of this user only.
    pub only_of: Option<u32>,
}

/// Who says of files whether they are to go.
#[derive(Debug)]
pub struct Judge {
    rules: Rules,
    witness: Witness,
    now: SystemTime,
}

impl Judge {
    /// One that goes by `rules`.
    pub fn new(rules: Rules) -> Judge {
        Judge {
            rules,
            witness: Witness::new(),
            now: SystemTime::now(),
        }
    }

    /// Whether a file of a directory is to go, which one it is, and when it was created.
    pub fn file(
        &mut self,
        directory: &Directory,
        name: &OsStr,
        root: &Path,
    ) -> Result<Option<(Doomed, u64)>, Trouble> {
        let opened = (directory.file(name)).map_err(|error| Trouble::io("open it", error))?;
        let start = Preamble::read(&directory.path().join(name), &opened)?;
        if start.committed.is_none() {
            // Of format 1, which does not say enough of its process.
            return Ok(None);
        }
        let header = start.header;
        let doomed = self.is_to_go(name, root, &opened, &header)?;
        Ok(doomed.map(|doomed| (doomed, header.created)))
    }

    /// Whether a file in the making is to go. What cannot be read is not told of: that is what files
    /// in the making are like. One without a whole header stays, for its name alone proves nothing: a
    /// pid without its namespace, boot and machine may be anybody's.
    pub fn making(&mut self, directory: &Directory, name: &OsStr, root: &Path) -> Option<Doomed> {
        let path = directory.path().join(name);
        let opened = directory.file(name).ok()?;
        Preamble::read(&path, &opened).ok()?;
        // Acquire: its writer has written the first word after the rest of the header, with Release. It
        // was there just now, so what is read after this is the whole header, even of who is at it.
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
                .map_err(|error| Trouble::io("look at it", error))?;
            let created = SystemTime::UNIX_EPOCH + Duration::from_nanos(header.created);
            let age = self.now.duration_since(changed.max(created));
            if age.unwrap_or_default() < rules.older_than {
                return Ok(None);
            }
        }
        let goes = self.witness.proved_dead(root, header)
            || rules.unknown
                // A retired file is of no process, and has the totals of many.
                && header.pid != 0
                && self.witness.life(root, header) == Life::Unknown
                && !is_in_use(&opened.file);
        Ok(goes.then(|| Doomed {
            name: name.to_owned(),
            identity: opened.stat.identity,
        }))
    }
}

/// Whether somebody has a lock on a file, as writers have while it is mapped. Not proved dead and locked
/// is reason enough to leave it.
fn is_in_use(file: &fs::File) -> bool {
    let locked = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    // Closing would do, but for a fork that came in between. If it was not locked, this does nothing.
    let _ = file.unlock();
    locked
}
