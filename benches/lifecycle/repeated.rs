//! Operations that can be repeated in one process.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use mmstats::MmStats;

use super::rows::Rows;
use super::{Model, timed};

pub fn measure(rows: &mut Rows, root: &Path) {
    let path = root.join("bare");
    rows.repeated("bare: open, map and unlink 8 KiB", |number| {
        let times = (0..number).map(|_| timed(|| bare(&path)).0);
        times.collect()
    });
    rows.repeated("create, map and drop a file", |number| {
        let times = (0..number).map(|_| timed(|| create(root)).0);
        times.collect()
    });
    let names: Vec<String> = (1..=1_000).map(|n| format!("handler-{n}")).collect();
    rows.repeated("the first group of a file", |number| {
        let times = (0..number).map(|_| last_group(root, &names[..1]));
        times.collect()
    });
    rows.repeated("the 1,000th group", |number| {
        let times = (0..number).map(|_| last_group(root, &names));
        times.collect()
    });
}

/// The least that every implementation has to do.
fn bare(path: &Path) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .expect("a file");
    file.set_len(8192).expect("space");
    let map = memmap2::MmapRaw::map_raw(&file).expect("a mapping");
    std::hint::black_box(map.as_ptr());
    drop(map);
    std::fs::remove_file(path).expect("the file");
}

fn create(root: &Path) {
    let stats = Model::builder().path(root).create().expect("a file");
    stats.requests.inc();
}

/// Adds groups to a new file and returns the time that the last one took.
fn last_group(root: &Path, names: &[String]) -> Duration {
    let stats = Model::builder().path(root).create().expect("a file");
    let mut last = Duration::ZERO;
    for name in names {
        let (time, group) = timed(|| stats.handlers.try_group(name).expect("a group"));
        group.requests.inc();
        last = time;
    }
    last
}
