//! Keeps docs/FORMAT.md true: compares its tables with the source and its example with the golden file, and has a
//! reader that takes its offsets from the tables. (`tests/readers.rs` has the readers in other languages.)
//!
//! The golden files in `tests/golden` are made by `docs/examples/golden.rs`, by hand only: see there. Nothing here
//! overwrites them.

#[path = "format/by_tables.rs"]
mod by_tables;
#[path = "format/golden.rs"]
mod golden;
#[path = "format/tables.rs"]
mod tables;

use std::path::{Path, PathBuf};

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn golden(name: &str) -> PathBuf {
    manifest("tests/golden").join(name)
}
