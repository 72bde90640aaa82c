//! Files of a process that has ended.

use std::path::Path;
use std::process::Command;

use mmstats::MmStats;
use mmstats::retire::Cleaner;

use super::report::Report;
use super::{Model, row, timed};

/// The argument that asks this program for [`write`].
pub const RUN: &str = "--dead";

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

pub fn measure(report: &mut Report, root: &Path) {
    for (number, fold, name) in [
        (10_000, false, "clean 10,000 dead files"),
        (1_000, true, "fold 1,000 dead files"),
    ] {
        let root = root.join(format!("dead-{number}"));
        leave(&root, number);
        let cleaner = Cleaner::new().fold(fold);
        let (time, cleaned) = timed(|| cleaner.clean(&root).expect("the root"));
        assert_eq!(cleaned.files().len(), number, "{:?}", cleaned.problems());
        row(report, name, vec![time]);
        row(report, &format!("{name}: each"), vec![time / number as u32]);
    }
    let root = root.join("bare-dead");
    std::fs::create_dir(&root).expect("a directory of ours");
    let paths: Vec<_> = (0..10_000).map(|n| root.join(n.to_string())).collect();
    for path in &paths {
        std::fs::write(path, [0; 8192]).expect("a file");
    }
    let remove = || {
        paths
            .iter()
            .for_each(|path| std::fs::remove_file(path).expect("a file"))
    };
    row(
        report,
        "bare: unlink 10,000 files of 8 KiB",
        vec![timed(remove).0],
    );
}
