//! The files that this process writes: none.

use std::convert::Infallible;
use std::ffi::CString;
use std::path::{Path, PathBuf};

use crate::format::removal::Ended;

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
    /// Its path.
    pub fn path(&self) -> &Path {
        Path::new(self.path.to_str().unwrap_or_default())
    }
}

/// What becomes of a file when it is dropped or the process exits.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum End {
    Remove,
    Keep,
    Fold(fn(&[FileName])),
}

/// A file that this process writes, or inherited.
#[derive(Debug)]
pub struct Written {
    /// Its path.
    pub path: PathBuf,
    /// Whether it is a parent's.
    pub inherited: bool,
    _never: Infallible,
}

/// All of them.
pub fn all() -> Vec<Written> {
    Vec::new()
}

/// Ends a group in the files that this process writes in a directory.
pub fn end_group(_: usize, _: &[u8], _: &Ended) -> bool {
    false
}
