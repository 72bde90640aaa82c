//! What becomes of the files of processes that have ended: they are removed, or folded into one retired
//! file for each model, which keeps their totals.
//!
//! A retired file is an ordinary stats file that never changes; folding replaces it in one step that
//! adds the totals of some files and names them
//! ([`format::retired`](crate::format::retired) has the proof that each count is seen exactly once,
//! whoever looks and whoever is killed).
//!
//! Above the reader, whose decoding it uses, and below the writer, which calls it at a clean end
//! (`MMSTATS_FOLD`) and before its first file (`MMSTATS_CLEAN`).

mod at_end;
mod clean;
mod dead;
mod fold;
mod judge;
#[cfg(test)]
mod tests;
mod totals;

use std::ffi::OsString;

pub(crate) use at_end::{at_end, before_the_first_file};
pub use clean::{Cleaned, Cleaner, Outcome};

use crate::sys::lifecycle::directory::Directory;

/// A file that is to go: its name in its directory, and which file that has to be.
#[derive(Clone, Debug)]
struct Doomed {
    name: OsString,
    /// Device and inode.
    identity: (u64, u64),
}

impl Doomed {
    /// Removes the file, if it still is the same.
    fn remove(&self, directory: &Directory) -> std::io::Result<()> {
        match directory.identity(&self.name) {
            Ok(now) if now == self.identity => match directory.remove(&self.name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            // Somebody else's by now, or nobody's.
            _ => Ok(()),
        }
    }
}
