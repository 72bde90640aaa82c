//! The recorder for the facade `metrics` and the layer for `tracing`, through their public interfaces.

use std::path::Path;

use mmstats::reader::{Reader, Snapshot};
use mmstats::recorder::Recorder;
use tempfile::TempDir;

#[path = "recorder/bounds.rs"]
mod bounds;
#[path = "writer/child.rs"]
#[allow(dead_code, reason = "shared with other targets")]
mod child;
#[path = "recorder/compared.rs"]
mod compared;
#[path = "writer/disk.rs"]
mod disk;
#[path = "recorder/ends.rs"]
mod ends;
#[path = "recorder/full.rs"]
mod full;
#[path = "recorder/names.rs"]
mod names;
#[path = "lifecycle/process.rs"]
#[allow(dead_code, reason = "shared with other targets")]
mod process;
#[cfg(feature = "tracing")]
#[path = "recorder/spans.rs"]
mod spans;
#[path = "recorder/threads.rs"]
mod threads;

/// Returns a recorder with a root of its own.
fn recorder() -> (Recorder, TempDir) {
    let root = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder().path(root.path()).build().unwrap();
    (recorder, root)
}

fn snapshot(root: &Path) -> Snapshot {
    let snapshot = Reader::open(root).unwrap().snapshot().unwrap();
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    snapshot
}

/// Returns the count of a counter, as readers see it.
fn count(root: &Path, label: &str) -> Option<u64> {
    snapshot(root).get("metrics", label)?.as_u64()
}

/// Returns the value that readers display.
fn shown(root: &Path, label: &str) -> Option<String> {
    Some(snapshot(root).get("metrics", label)?.to_string())
}
