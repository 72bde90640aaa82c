//! Files of a process that has ended.

use std::path::{Path, PathBuf};
use std::process::Command;

use mmstats::MmStats;
use mmstats::retire::Cleaner;

use super::rows::Rows;
use super::{Model, timed};

/// The argument that asks this program for [`write`].
pub const RUN: &str = "--dead";

/// Cleaning a file away may take this many times its bare removal.
const MOST: f64 = 3.0;

/// The process that ends: it leaves so many files.
pub fn write(number: usize, root: &Path) {
    // Threads of some files each: a thread looks for a free name from the first one on.
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

/// Leaves so many files of a dead process under a new root.
fn leave(root: &Path, number: usize) {
    let status = Command::new(std::env::current_exe().expect("this program"))
        .args([RUN, &number.to_string()])
        .arg(root)
        .status();
    assert!(status.expect("this program again").success());
}

/// Measures each once: so many files take longer to make than to remove.
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
    // Such files, and not some of the same length: what a file system takes to remove one depends on how
    // it was made. On ext4 one whose blocks were reserved takes six times as long as one whose bytes were
    // written just now, and have no blocks yet.
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

/// The files under a root, in the order of their names.
fn files(root: &Path) -> Vec<PathBuf> {
    let directory = std::fs::read_dir(root.join("bench-lifecycle")).expect("the model's directory");
    let mut paths: Vec<PathBuf> = directory
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.sort();
    paths
}
