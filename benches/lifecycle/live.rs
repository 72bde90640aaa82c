//! The first file of a process beside the files of live processes: what looking for dead ones costs at the start.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mmstats::MmStats;

use super::rows::Rows;
use super::{Model, timed};

/// The argument that asks this program for [`start`].
pub const RUN: &str = "--start";

/// Files that this process holds.
const FILES: usize = 10_000;
/// Processes started for each row.
const STARTS: usize = 20;

pub fn measure(rows: &mut Rows, root: &Path) {
    let names = ["8", "all"]
        .map(|dead| format!("first file beside 10,000 live files, MMSTATS_DEAD={dead}"));
    if !names.iter().any(|name| rows.wants(name)) {
        return;
    }
    let root = root.join("live");
    let make = || Model::builder().path(&root).max_size(1 << 16).create();
    let _live: Vec<_> = (0..FILES).map(|_| make().expect("a file")).collect();
    for (name, dead) in names.iter().zip(["8", "all"]) {
        if rows.wants(name) {
            let times = (0..STARTS).map(|_| started(&root, dead)).collect();
            rows.measured(name, times);
        }
    }
}

/// Returns the time that the first file of a new process takes.
fn started(root: &Path, dead: &str) -> Duration {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .arg(RUN)
        .arg(root)
        .env("MMSTATS_DEAD", dead)
        .output()
        .expect("this program again");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("a number");
    Duration::from_nanos(text.trim().parse().expect("a number"))
}

/// The process that starts: prints how long its first file took, in nanoseconds.
pub fn start(root: &Path) {
    let (time, stats) = timed(|| Model::builder().path(root).create());
    println!("{}", time.as_nanos());
    drop(stats.expect("a file"));
}
