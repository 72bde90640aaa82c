//! Space for files, which this platform does not have.

use std::fs::File;
use std::io;

use crate::sys::unsupported;

/// Reserves the bytes from `start` to `end` of a file.
pub fn reserve(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(unsupported())
}
