//! What files cost: making and dropping one, a thread's first, taking over another thread's, adding
//! groups, and clearing away what dead processes left.
//!
//! `cargo bench --bench lifecycle` prints the table. What can be repeated is run by criterion, with its
//! statistics and its comparison with the last run; `-- NAME…` runs the rows whose names contain one.
//! The files are in memory; TMPDIR says where else.

mod dead;
mod locals;
mod repeated;
#[path = "../report.rs"]
mod report;
mod rows;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mmstats::{Counter, Groups, MmStats, Percentile, Timer};

use rows::Rows;

#[derive(MmStats)]
#[mmstats(name = "bench-lifecycle")]
struct Model {
    requests: Counter,
    failures: Counter,
    size: Percentile,
    time: Timer,
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    requests: Counter,
    time: Timer,
}

/// A directory for files, removed at the end.
struct Root(PathBuf);

impl Root {
    fn new(directory: &Path) -> Root {
        let name = format!("mmstats-bench-lifecycle-{}", std::process::id());
        let root = directory.join(name);
        std::fs::create_dir(&root).expect("a directory of our own");
        Root(root)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &String| text.parse().expect("a number");
    match &arguments[..] {
        [one, files, root] if one == dead::RUN => return dead::write(number(files), root.as_ref()),
        [one, threads] if one == locals::RUN => return locals::make(number(threads)),
        _ => {}
    }
    // Options are those of other benches: `cargo bench` gives each of them all.
    let named = arguments.iter().filter(|word| !word.starts_with("--"));
    let mut rows = Rows::new(named.cloned().collect());
    let root = Root::new(&place());
    // SAFETY: no other thread was started yet.
    unsafe { std::env::set_var("MMSTATS_PATH", &root.0) };
    repeated::measure(&mut rows, &root.0);
    locals::measure(&mut rows);
    dead::measure(&mut rows, &root.0);
    rows.finish();
}

/// In memory, as the files of most users, unless TMPDIR says where. A disk cannot be asked thousands of
/// times: ext4 looks the longer for a free inode the more were freed within the last seconds, and removing
/// a file may wait for its journal.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && memory.is_dir() {
        return memory.to_owned();
    }
    std::env::temp_dir()
}

fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = run();
    (start.elapsed(), done)
}
