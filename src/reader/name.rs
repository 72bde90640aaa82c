//! Names of stats files.

use std::path::Path;

use super::text::matches;
use crate::sys::lifecycle::paths;

/// Returns whether a file that a process has mapped is named like a stats file.
pub fn is_stats(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b"mmstats-")
        || matches(paths::flat_names(), &name.to_string_lossy())
}
