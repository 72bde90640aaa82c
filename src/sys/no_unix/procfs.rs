//! Finds the files that other processes have mapped: never known on this platform.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::unsupported;

/// A file that a process has mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct MappedFile {
    pub path: PathBuf,
    pub inode: u64,
}

/// The files that a process has mapped.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Mappings {
    pub named: Vec<MappedFile>,
    pub removed: Vec<RemovedMappings>,
    pub skipped: Vec<(PathBuf, String)>,
}

/// Which files of a process are examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reach {
    All,
    Local,
}

/// Files that were removed while a process still writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RemovedMappings {
    pub directory: PathBuf,
    pub pid: u32,
    pub files: Vec<PathBuf>,
}

/// Returns the pids of all processes.
pub fn processes() -> Vec<u32> {
    Vec::new()
}

/// Returns the files that a process has mapped.
pub fn mapped(_: u32, _: Reach, _: impl Fn(&Path) -> bool) -> io::Result<Mappings> {
    Err(unsupported())
}

/// Returns the files below a root that were removed while a process still writes them.
pub fn removed(_: &Path, _: impl Fn(&Path) -> bool) -> Vec<RemovedMappings> {
    Vec::new()
}

/// Returns whether a path is a link of /proc to a mapped file.
pub fn is_map_file(_: &Path) -> bool {
    false
}
