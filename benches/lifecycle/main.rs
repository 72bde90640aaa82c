//! The cost of files: creating and dropping one, a thread's first one, adopting another thread's, adding
//! groups, starting beside many live files, and cleaning up what dead processes left.
//!
//! `cargo bench --bench lifecycle` prints the table. criterion runs the rows that can be repeated, with its
//! statistics and its comparison with the last run; `-- NAME…` runs the rows whose names contain one of the
//! names. The files are in memory unless TMPDIR names another directory.

mod dead;
#[path = "../directory.rs"]
mod directory;
mod live;
mod locals;
mod repeated;
#[path = "../report.rs"]
mod report;
mod rows;

use std::time::{Duration, Instant};

use mmstats::{Counter, Groups, MmStats, Percentile, Timer};

use directory::Directory;
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

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &String| text.parse().expect("a number");
    match &arguments[..] {
        [one, files, root] if one == dead::RUN => return dead::write(number(files), root.as_ref()),
        [one, root] if one == live::RUN => return live::start(root.as_ref()),
        [one, threads] if one == locals::RUN => return locals::make(number(threads)),
        _ => {}
    }
    // Options belong to other benches: `cargo bench` passes all of them to every bench.
    let named = arguments.iter().filter(|word| !word.starts_with("--"));
    let mut rows = Rows::new(named.cloned().collect());
    let root = Directory::new("lifecycle");
    // SAFETY: no other thread has been started yet.
    unsafe { std::env::set_var("MMSTATS_PATH", root.path()) };
    repeated::measure(&mut rows, root.path());
    locals::measure(&mut rows);
    live::measure(&mut rows, root.path());
    dead::measure(&mut rows, root.path());
    rows.finish();
}

fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = run();
    (start.elapsed(), done)
}
