//! What happens to the files of processes that have ended: they are removed, or folded into one retired file per
//! model, which keeps their totals.
//!
//! A retired file is an ordinary stats file that never changes. Folding replaces it in one step with a file that
//! adds the totals of some files and names them ([`format::retired`](crate::format::retired) has the proof that
//! each count is seen exactly once, whoever reads and whoever is killed).
//!
//! This module is above the reader, whose decoding it uses, and below the writer, which calls it at a clean end
//! (`MMSTATS_FOLD`) and before its first file (`MMSTATS_CLEAN`).

mod automatic;
mod clean;
mod dead;
mod fold;
mod judge;
#[cfg(test)]
mod tests;
mod totals;

use std::ffi::OsString;

pub(crate) use automatic::{before_the_first_file, fold_ended};
pub use clean::{Cleaned, Cleaner, Outcome};

use crate::sys::lifecycle::directory::Directory;

/// A file to be removed: its name in its directory, and its identity, which must still match.
#[derive(Clone, Debug)]
struct FileToRemove {
    name: OsString,
    /// Device and inode.
    identity: (u64, u64),
}

impl FileToRemove {
    /// Removes the file, if it still is the same one.
    fn remove(&self, directory: &Directory) -> std::io::Result<()> {
        match directory.identity(&self.name) {
            Ok(now) if now == self.identity => match directory.remove(&self.name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            // The name is another file's by now, or gone.
            _ => Ok(()),
        }
    }
}
