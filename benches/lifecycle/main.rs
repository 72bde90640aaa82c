//! What files cost: making and dropping one, a thread's first, taking over another thread's, adding
//! groups, and clearing away what dead processes left.
//!
//! `cargo bench --bench lifecycle` prints the table.

mod dead;
#[path = "../report.rs"]
mod report;

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use mmstats::{Counter, Groups, MmStats, Percentile, Timer};

use report::Report;

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

/// A directory for all files, removed at the end.
struct Root(PathBuf);

impl Root {
    fn new() -> Root {
        let name = format!("mmstats-bench-lifecycle-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir(&root).expect("a directory of our own");
        // SAFETY: no other thread was started yet.
        unsafe { std::env::set_var("MMSTATS_PATH", &root) };
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
    if let [one, number, root] = &arguments[..]
        && one == dead::RUN
    {
        return dead::write(number.parse().expect("a number"), Path::new(root));
    }
    let root = Root::new();
    let mut report = Report::new("lifecycle", "The life of files");
    report.table(&["", "median", "least"]);
    row(
        &mut report,
        "bare: open, map and unlink 8 KiB",
        bare(&root.0),
    );
    row(&mut report, "create, map and drop a file", create(&root.0));
    let (made, adopted) = locals();
    row(&mut report, "first `local` of a thread: a new file", made);
    row(
        &mut report,
        "first `local` of a thread: one adopted",
        adopted,
    );
    let (first, thousandth) = groups(&root.0);
    row(&mut report, "the first group of a file", first);
    row(&mut report, "the 1,000th group", thousandth);
    dead::measure(&mut report, &root.0);
    report.finish(true);
}

fn row(report: &mut Report, name: &str, mut times: Vec<Duration>) {
    times.sort();
    report.row(&[
        name.to_owned(),
        format!("{:.1?}", times[times.len() / 2]),
        format!("{:.1?}", times[0]),
    ]);
}

fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = run();
    (start.elapsed(), done)
}

/// What no one can do without.
fn bare(root: &Path) -> Vec<Duration> {
    let path = root.join("bare");
    let once = || {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .expect("a file");
        file.set_len(8192).expect("space");
        let map = memmap2::MmapRaw::map_raw(&file).expect("a mapping");
        std::hint::black_box(map.as_ptr());
        drop(map);
        std::fs::remove_file(&path).expect("the file");
    };
    (0..1_000).map(|_| timed(once).0).collect()
}

fn create(root: &Path) -> Vec<Duration> {
    let once = || {
        let stats = Model::builder().path(root).create().expect("a file");
        stats.requests.inc();
    };
    (0..1_000).map(|_| timed(once).0).collect()
}

/// Threads that live at one time each make a file; those that come after them adopt these.
fn locals() -> (Vec<Duration>, Vec<Duration>) {
    const THREADS: usize = 200;
    let all = Barrier::new(THREADS);
    let once = || {
        let (time, ()) = timed(|| Model::local(|stats| stats.requests.inc()));
        all.wait();
        time
    };
    let generation = || -> Vec<Duration> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(once)).collect();
            let times = threads.into_iter().map(|thread| thread.join());
            times.map(|time| time.expect("no panic")).collect()
        })
    };
    (generation(), generation())
}

fn groups(root: &Path) -> (Vec<Duration>, Vec<Duration>) {
    let names: Vec<String> = (1..=1_000).map(|n| format!("handler-{n}")).collect();
    let files = (0..20).map(|_| {
        let stats = Model::builder().path(root).create().expect("a file");
        let times = names.iter().map(|name| {
            let (time, group) = timed(|| stats.handlers.try_group(name).expect("a group"));
            group.requests.inc();
            time
        });
        let times: Vec<Duration> = times.collect();
        (times[0], times[999])
    });
    files.unzip()
}
