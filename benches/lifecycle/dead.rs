//! Files of a process that has ended.

use std::path::{Path, PathBuf};
use std::process::Command;

use mmstats::MmStats;
use mmstats::retire::Cleaner;

use super::rows::Rows;
use super::{Model, timed};

/// The argument that asks this program for [`write`].
pub const RUN: &str = "--dead";

/// Cleaning up a file may take at most this many times as long as its bare removal.
const MOST: f64 = 3.0;

/// The process that ends: leaves `number` files behind.
pub fn write(number: usize, root: &Path) {
    // Each thread makes only a few files, because it searches for a free name from the first one on.
    for first in (0..number).step_by(50) {
        let some = || {
            for _ in first..number.min(first + 50) {
                let stats = Model::builder().path(root).keep(true).create();
                let stats = stats.expect("a file");
                stats.requests.add(3);
                stats.size.record(512);
            }
        };
        std::thread::scope(|scope| drop(scope.spawn(some)));
    }
}

/// Leaves `number` files of a dead process under a new root.
fn leave(root: &Path, number: usize) {
    let status = Command::new(std::env::current_exe().expect("this program"))
        .args([RUN, &number.to_string()])
        .arg(root)
        .status();
    assert!(status.expect("this program again").success());
}

/// Measures each row once, because so many files take longer to make than to remove.
pub fn measure(rows: &mut Rows, root: &Path) {
    let fold = "fold 1,000 dead files";
    if rows.wants(fold) {
        let root = root.join("folded");
        leave(&root, 1_000);
        let cleaner = Cleaner::new().fold(true);
        let (time, cleaned) = timed(|| cleaner.clean(&root).expect("the root"));
        assert_eq!(cleaned.files().len(), 1_000, "{:?}", cleaned.problems());
        rows.once(fold, time, 1_000);
    }
    let (clean, bare) = ("clean 10,000 dead files", "bare: unlink 10,000 such files");
    if !rows.wants(clean) && !rows.wants(bare) {
        return;
    }
    // The baseline removes files made in the same way, not just files of the same length: how long a file system
    // takes to remove a file depends on how it was made. On ext4, a file whose blocks were reserved takes six times
    // as long as one whose bytes were just written and have no blocks yet.
    let [cleaned, unlinked] = ["cleaned", "unlinked"].map(|name| root.join(name));
    leave(&cleaned, 10_000);
    leave(&unlinked, 10_000);
    let paths = files(&unlinked);
    let (by_us, result) = timed(|| Cleaner::new().clean(&cleaned).expect("the root"));
    assert_eq!(result.files().len(), 10_000, "{:?}", result.problems());
    let (by_hand, ()) = timed(|| {
        for path in &paths {
            std::fs::remove_file(path).expect("a file");
        }
    });
    rows.once(clean, by_us, 10_000);
    rows.once(bare, by_hand, 10_000);
    let ratio = by_us.as_secs_f64() / by_hand.as_secs_f64();
    rows.bound(
        format!("{clean} ≤ {MOST} × bare"),
        format!("× {ratio:.2}"),
        ratio <= MOST,
    );
}

/// Returns the model's files under a root, sorted by name.
fn files(root: &Path) -> Vec<PathBuf> {
    let directory = std::fs::read_dir(root.join("bench-lifecycle")).expect("the model's directory");
    let mut paths: Vec<PathBuf> = directory
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.sort();
    paths
}
