//! The files that this process writes: none on this platform.

use std::convert::Infallible;
use std::ffi::CString;
use std::path::{Path, PathBuf};

use crate::format::removal::EndedGroup;

/// A published file.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct FileName {
    pub path: CString,
    pub device: u64,
    pub inode: u64,
    pub end: End,
}

impl FileName {
    /// Returns the path.
    pub fn path(&self) -> &Path {
        Path::new(self.path.to_str().unwrap_or_default())
    }
}

/// What happens to a file when it is dropped or the process exits.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum End {
    Remove,
    Keep,
    Fold(fn(&[FileName])),
}

/// A file that this process writes, or inherited.
#[derive(Debug)]
pub struct WrittenFile {
    /// The path.
    pub path: PathBuf,
    /// Whether it is a parent's file.
    pub inherited: bool,
    _never: Infallible,
}

/// Returns all files.
pub fn all() -> Vec<WrittenFile> {
    Vec::new()
}

/// Ends a group in the files that this process writes in a directory.
pub fn end_group(_: usize, _: &[u8], _: &EndedGroup) -> bool {
    false
}
