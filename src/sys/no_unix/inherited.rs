//! What the child of a fork has in place of its parent's files: there are no forks.

use std::path::Path;

/// Returns the parent of a process, and how many of its files are private memory in the child.
pub fn files(_: u32, _: impl Fn(&Path) -> bool) -> Option<(u32, usize)> {
    None
}
