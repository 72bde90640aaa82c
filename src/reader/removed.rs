//! Files that were removed under a process that goes on writing them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::name::is_stats;
use crate::sys::process::procfs;

/// Stats files of one directory that were removed while a process writes them.
///
/// Nobody finds them in the directory. As long as the process lives, a reader of this process
/// ([`Reader::for_process`](super::Reader::for_process)) reads them through `/proc/<pid>/map_files`, if it is
/// root's. Displayed, it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    directory: PathBuf,
    pid: u32,
    files: usize,
    is_readable: bool,
}

impl Removed {
    /// The directory in which they were, as the process sees it.
    ///
    /// ```
    /// for removed in mmstats::reader::unlinked("/run/app") {
    ///     println!("{}", removed.directory().display());
    /// }
    /// ```
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The process that writes them.
    ///
    /// ```
    /// for removed in mmstats::reader::unlinked("/run/app") {
    ///     println!("restart process {}", removed.pid());
    /// }
    /// ```
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How many there are.
    ///
    /// ```
    /// for removed in mmstats::reader::unlinked("/run/app") {
    ///     println!("{} files", removed.files());
    /// }
    /// ```
    pub fn files(&self) -> usize {
        self.files
    }
}

impl From<&procfs::RemovedMappings> for Removed {
    fn from(removed: &procfs::RemovedMappings) -> Removed {
        Removed {
            directory: removed.directory.clone(),
            pid: removed.pid,
            files: removed.files.len(),
            is_readable: removed.files.iter().all(|file| file.metadata().is_ok()),
        }
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Removed { pid, files, .. } = self;
        let (files, them) = match files {
            1 => ("1 file".to_owned(), "it"),
            n => (format!("{n} files"), "them"),
        };
        write!(f, "{files} removed while process {pid} writes {them}: ")?;
        match self.is_readable {
            true => write!(
                f,
                "`mmstats show {pid}` reads {them} from /proc/{pid}/map_files; "
            )?,
            false => write!(f, "only root can read {them}, with `mmstats show {pid}`; ")?,
        }
        f.write_str("restart the process, and find out what removes its files")
    }
}

/// Files below a root that were removed while a process still writes them, of the processes that this
/// user may look at. From /proc: elsewhere there are none.
///
/// ```
/// for removed in mmstats::reader::unlinked("/run/app") {
///     eprintln!("{removed}");
/// }
/// ```
pub fn unlinked(root: impl AsRef<Path>) -> Vec<Removed> {
    let removed = procfs::removed(root.as_ref(), is_stats);
    removed.iter().map(Removed::from).collect()
}
