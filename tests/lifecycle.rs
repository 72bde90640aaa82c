//! The life of stats files: kills, threads that come and go, forks, who is alive, and no space. All of this is
//! provoked for real, in separate processes.
//!
//! The numbers are for a debug build; `MMSTATS_LIFECYCLE=full` uses those that the promises name.

#[path = "writer/child.rs"]
mod child;
#[path = "lifecycle/churn.rs"]
mod churn;
#[path = "lifecycle/cleaning.rs"]
mod cleaning;
#[path = "lifecycle/dead.rs"]
mod dead;
#[path = "lifecycle/directories.rs"]
mod directories;
#[path = "writer/disk.rs"]
mod disk;
#[path = "lifecycle/folding.rs"]
mod folding;
#[path = "lifecycle/fork.rs"]
mod fork;
#[path = "lifecycle/identity.rs"]
mod identity;
#[path = "lifecycle/kill.rs"]
mod kill;
#[path = "writer/line.rs"]
mod line;
#[path = "lifecycle/mapped.rs"]
mod mapped;
#[path = "lifecycle/process.rs"]
mod process;
#[path = "lifecycle/proofs.rs"]
mod proofs;
#[path = "lifecycle/rights.rs"]
mod rights;
#[path = "lifecycle/silence.rs"]
mod silence;
#[path = "lifecycle/simulation.rs"]
mod simulation;
#[path = "lifecycle/space.rs"]
mod space;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[path = "lifecycle/unloaded.rs"]
mod unloaded;

use std::path::{Path, PathBuf};

use mmstats::reader::{Reader, Snapshot};
use mmstats::{
    Average, Compound, Counter, Errors, Gauge, Groups, History, MmStats, MovingAverage, Percentile,
    SamplingCounter, Summary, Text, Timer,
};

use line::Line;

/// Returns `full` in a full run, otherwise `short`.
fn many(full: u64, short: u64) -> u64 {
    if std::env::var_os("MMSTATS_LIFECYCLE").is_some_and(|value| value == "full") {
        full
    } else {
        short
    }
}

/// Returns the root of a test's child.
fn root() -> PathBuf {
    std::env::var_os("MMSTATS_PATH").unwrap().into()
}

/// Reports that a test that needs root, or a tool, is skipped. With MMSTATS_REQUIRE_REAL it fails instead.
fn skip(what: &str) {
    assert!(
        std::env::var_os("MMSTATS_REQUIRE_REAL").is_none(),
        "cannot {what}"
    );
    eprintln!("SKIPPED: cannot {what}");
}

fn is_root() -> bool {
    // SAFETY: geteuid cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn snapshot(path: impl AsRef<Path>) -> Snapshot {
    Reader::open(path).unwrap().snapshot().unwrap()
}

/// Returns the stats files of a model, sorted; none if there is no directory.
fn files(root: &Path, model: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root.join(model)) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// One of each way to be written.
#[derive(MmStats)]
struct All {
    // A step is so long that no file changes by itself.
    #[mmstats(window = "24h")]
    n: Counter,
    level: Gauge<u64>,
    line: Compound<Line>,
    time: Timer,
    size: Percentile,
    text: Text<64>,
    parts: Groups<Part>,
    load: Summary,
    mean: Average,
    recent: MovingAverage<4>,
    hits: SamplingCounter<2>,
    errors: Errors,
    last: History<4>,
}

#[derive(MmStats)]
struct Part {
    n: Counter,
    line: Compound<Line>,
    time: Timer,
}
