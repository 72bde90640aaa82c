//! What a child of a fork has in the place of its parent's files: there are no forks.

use std::path::Path;

/// The parent of a process, and how many of its files the child has as private memory.
pub fn files(_: u32, _: impl Fn(&Path) -> bool) -> Option<(u32, usize)> {
    None
}
