//! The public API: one program writes values, and another one reads them with [`Reader`].

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use mmstats::reader::{Reader, Snapshot};
use mmstats::{Compound, Counter, Groups, MmStats, Timer};

use super::tally::Tally;
use super::value::Line;
use super::writer::{self, Pace};

#[derive(MmStats)]
#[mmstats(name = "race")]
struct Alone {
    n: Counter,
    line: Compound<Line>,
    time: Timer,
}

#[derive(MmStats)]
#[mmstats(name = "race")]
struct Many {
    lines: Groups<One>,
}

#[derive(MmStats)]
struct One {
    line: Compound<Line>,
}

pub fn write_counter(root: &Path, pace: Pace) {
    let stats = Alone::create().expect("a file");
    writer::write(root, pace, |_| stats.n.inc());
}

pub fn write_compound(root: &Path, pace: Pace) {
    let stats = Alone::create().expect("a file");
    writer::write(root, pace, |n| stats.line.set(Line::of(n)));
}

pub fn write_timer(root: &Path, pace: Pace) {
    let stats = Alone::create().expect("a file");
    writer::write(root, pace, |n| {
        stats.time.record(Duration::from_nanos(nth(n)))
    });
}

/// Returns the n-th duration. Every eighth is a new maximum, so publications of a few words and of all words
/// follow each other.
fn nth(n: u64) -> u64 {
    if n.is_multiple_of(8) { n } else { 7 }
}

/// Returns the sum of the first `count` durations.
fn total(count: u64) -> u128 {
    let maxima = u128::from(count / 8);
    7 * (u128::from(count) - maxima) + 8 * maxima * (maxima + 1) / 2
}

/// The number of compounds in the file.
const LINES: u64 = 200;

/// Writes the compounds in turn, and adds one every `grow` writes.
pub fn write_many(root: &Path, pace: Pace) {
    let stats = Many::create().expect("a file");
    let lines: Vec<&One> = (0..LINES)
        .map(|i| stats.lines.group(&format!("line-{i}")))
        .collect();
    let grow = match pace {
        Pace::FullSpeed => 10_000_000,
        Pace::Every(time) => Duration::from_millis(200).as_nanos() / time.as_nanos(),
    } as u64;
    writer::write(root, pace, |n| {
        lines[(n % LINES) as usize].line.set(Line::of(n));
        if n % grow == 0 {
            let added = stats.lines.group(&format!("later-{n}"));
            added.line.set(Line::of(n));
        }
    });
}

/// Creates the directory. Readers map its files only where no other user may write; so `mapped` sets its mode.
pub fn prepare(root: &Path, mapped: bool) {
    let directory = root.join(Alone::NAME);
    std::fs::create_dir_all(&directory).expect("a directory of ours");
    let mode = if mapped { 0o700 } else { 0o777 };
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode)).expect("ours");
}

/// Takes snapshots for `time`; `look` counts what is in each.
fn snapshots(root: &Path, time: Duration, mut look: impl FnMut(&Snapshot, &mut Tally)) -> Tally {
    let mut reader = Reader::open(root.join(Alone::NAME)).expect("the writer's file");
    let mut tally = Tally::default();
    let start = Instant::now();
    while start.elapsed() < time {
        let snapshot = reader.snapshot().expect("a snapshot");
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        tally.rejected += snapshot.rejected();
        tally.missed += snapshot.busy().count() as u64;
        look(&snapshot, &mut tally);
    }
    tally.elapsed = start.elapsed();
    tally
}

pub fn read_counter(root: &Path, time: Duration) -> Tally {
    let mut last = 0;
    snapshots(root, time, |snapshot, tally| {
        let n = snapshot.get(Alone::NAME, "n").and_then(|n| n.as_u64());
        tally.whole(n.expect("a counter"), &mut last);
    })
}

pub fn read_compound(root: &Path, time: Duration) -> Tally {
    let mut last = 0;
    snapshots(root, time, |snapshot, tally| {
        if !snapshot.is_whole() {
            return;
        }
        let line = snapshot.compound::<Line>(Alone::NAME, "line");
        match line.expect("a compound").whole() {
            Some(n) => tally.whole(n, &mut last),
            None => tally.torn(),
        }
    })
}

pub fn read_timer(root: &Path, time: Duration) -> Tally {
    let mut last = 0;
    snapshots(root, time, |snapshot, tally| {
        if !snapshot.is_whole() {
            return;
        }
        let time = snapshot.get(Alone::NAME, "time");
        let time = time
            .and_then(|time| time.as_distribution())
            .expect("a timer");
        // All are of one publication if the total and the last value match the count.
        let n = time.count();
        if time.total() == total(n) && (n == 0 || time.last() == Some(nth(n))) {
            tally.whole(n, &mut last);
        } else {
            tally.torn();
        }
    })
}

pub fn read_many(root: &Path, time: Duration) -> Tally {
    let mut last = vec![0; LINES as usize];
    snapshots(root, time, |snapshot, tally| {
        for stat in snapshot
            .model(Many::NAME)
            .expect("the writer's model")
            .series()
        {
            let Some(number) = stat.label().strip_prefix("line-") else {
                continue;
            };
            let number = number.strip_suffix(".line").expect("a group of lines");
            let compound = stat.value().as_compound().expect("a compound");
            let (_, _, words) = compound.fields().next().expect("its words");
            let line = Line {
                words: std::array::from_fn(|i| words[i].as_u64().expect("a number")),
            };
            match line.whole() {
                // A value that could not be read is repeated from an earlier snapshot.
                Some(n) => tally.whole(n, &mut last[number.parse::<usize>().expect("a number")]),
                None => tally.torn(),
            }
        }
    })
}
