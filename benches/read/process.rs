//! The reading process: each measurement has one of its own, so that its memory and its system calls are those of
//! the reader.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mmstats::reader::{Per, Reader};

use super::files::{Content, Files};

/// The argument that asks this program for [`run`].
pub const RUN: &str = "--read";

/// What a reader used.
pub struct Taken {
    pub open: Duration,
    pub first: Duration,
    /// The next snapshot, merged: the median of several.
    pub next: Duration,
    /// The same with each file's own values beside the merged ones.
    pub per_file: Duration,
    /// Resident memory beyond what the process had before, in bytes: its own, and that of mapped pages.
    pub own: u64,
    pub mapped: u64,
    /// Bytes that a snapshot read by system calls.
    pub bytes: u64,
}

/// Reads in a process of its own, through a mapping if `mapped` is set, else by pread.
pub fn read(files: &Files, mapped: bool) -> Taken {
    allow(files, mapped);
    let output = command(files, 11).output().expect("this program again");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("figures");
    let figures: Vec<u64> = text
        .split_whitespace()
        .map(|word| word.parse().expect("a figure"))
        .collect();
    let [open, first, next, per_file, own, mapped, bytes] = figures[..] else {
        panic!("unexpected output: {text:?}");
    };
    Taken {
        open: Duration::from_nanos(open),
        first: Duration::from_nanos(first),
        next: Duration::from_nanos(next),
        per_file: Duration::from_nanos(per_file),
        own,
        mapped,
        bytes,
    }
}

/// Returns the number of system calls of a snapshot; `None` if strace is not installed.
pub fn system_calls(files: &Files, mapped: bool) -> Option<f64> {
    allow(files, mapped);
    let count = |snapshots: usize| -> Option<f64> {
        let reader = command(files, snapshots);
        let output = Command::new("strace")
            // Without those of the allocator, most of which are from snapshots with each file's values.
            .args(["-f", "-c", "-U", "calls,name", "-e", "trace=!%memory"])
            .arg(reader.get_program())
            .args(reader.get_args())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let total = text
            .lines()
            .find(|line| line.trim_end().ends_with(" total"))?;
        total.split_whitespace().next()?.parse().ok()
    };
    // Each snapshot is taken twice, merged and with each file's values.
    Some((count(11)? - count(1)?) / 20.0)
}

/// Sets the mode of the directory: a reader does not map files where others may write.
fn allow(files: &Files, mapped: bool) {
    let mode = if mapped { 0o700 } else { 0o777 };
    std::fs::set_permissions(files.directory(), PermissionsExt::from_mode(mode)).expect("ours");
}

fn command(files: &Files, snapshots: usize) -> Command {
    let content = match files.content {
        Content::Counters => "counters",
        Content::WithTimers => "timers",
    };
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([RUN, content]);
    command.args([files.number.to_string(), snapshots.to_string()]);
    command.arg(files.root());
    command
}

/// The reading process.
pub fn run(content: &str, number: u64, snapshots: usize, root: &Path) {
    let (model, label) = match content {
        "counters" => (Content::Counters.model(), "a.a"),
        _ => (Content::WithTimers.model(), "counters.a.a"),
    };
    let before = resident();
    let start = Instant::now();
    let mut reader = Reader::open(root).expect("a root");
    let open = start.elapsed();
    let start = Instant::now();
    let snapshot = reader.snapshot().expect("a snapshot");
    let first = start.elapsed();
    let counted = snapshot.get(model, label).and_then(|value| value.as_u64());
    assert_eq!(
        counted,
        Some(number * (number - 1) / 2),
        "{:?}",
        snapshot.errors()
    );
    drop(snapshot);
    let after = resident();
    let read = bytes_read();
    let next = median(snapshots, || drop(reader.snapshot().expect("a snapshot")));
    let bytes = (bytes_read() - read) / snapshots as u64;
    reader.per(Per::File);
    let per_file = median(snapshots, || drop(reader.snapshot().expect("a snapshot")));
    println!(
        "{} {} {} {} {} {} {bytes}",
        open.as_nanos(),
        first.as_nanos(),
        next.as_nanos(),
        per_file.as_nanos(),
        after.0.saturating_sub(before.0),
        after.1.saturating_sub(before.1),
    );
}

/// Returns the median time of `runs` runs.
pub fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// Returns a figure from one of the kernel's files about this process; 0 if it is missing.
fn figure(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Returns the resident memory in bytes: the process's own, and that of pages of files.
fn resident() -> (u64, u64) {
    let kilobytes = |name| 1024 * figure("/proc/self/status", name);
    let files = kilobytes("RssFile:") + kilobytes("RssShmem:");
    (kilobytes("RssAnon:"), files)
}

fn bytes_read() -> u64 {
    figure("/proc/self/io", "rchar:")
}
