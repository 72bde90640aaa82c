//! The locks that this process holds: none on this platform.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::format::header::LockToken;
use crate::sys::unsupported;

/// The permissions that the lock file has besides those of files.
pub const STICKY: u32 = 0;

/// Takes the lock of this process in a root.
pub fn hold_lock(_: &Path, _: u32) -> io::Result<LockToken> {
    Err(unsupported())
}

/// Keeps a directory from cleaners.
pub fn hold_directory(_: &Path) {}

/// Keeps a file from cleaners.
pub fn keep_from_cleaners(_: &File) {}
