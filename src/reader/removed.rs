//! Files that were removed while a process still writes them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::name::is_stats;
use crate::sys::process::procfs;

/// Stats files of one directory that were removed while a process writes them.
///
/// They are no longer in the directory. As long as the process lives, a reader of this process
/// ([`Reader::for_process`](super::Reader::for_process)) reads them through `/proc/<pid>/map_files`, if it
/// runs as root. The `Display` text says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    directory: PathBuf,
    pid: u32,
    files: usize,
    is_readable: bool,
}

impl Removed {
    /// Returns the directory that contained them, as the process sees it.
    ///
    /// ```
    /// for removed in mmstats::reader::unlinked("/run/app") {
    ///     println!("{}", removed.directory().display());
    /// }
    /// ```
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the process that writes them.
    ///
    /// ```
    /// for removed in mmstats::reader::unlinked("/run/app") {
    ///     println!("restart process {}", removed.pid());
    /// }
    /// ```
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns how many there are.
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

/// Returns files below a root that were removed while a process still writes them. Covers the processes that
/// this user may inspect. Reads /proc; on systems without it the result is empty.
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
