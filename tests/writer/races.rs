//! Two processes on one file: whole values that never go backwards.
//!
//! The numbers of reads are for a debug build; `.ci/run` sets `MMSTATS_RACE=full` in a release build for 10⁸ reads of
//! a slot and 10⁶ snapshots. Only that run is conclusive: without the begin mark of the protocol it finds a torn value
//! in a tenth of a second, while the writer of a debug build is too slow to produce one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use memmap2::MmapRaw;
use mmstats::format::slot;
use mmstats::reader::Reader;
use mmstats::sync::AtomicU64;
use mmstats::{Compound, Counter, Groups, MmStats, Percentile, Timer};

use super::child;
use super::line::Line;

/// Returns `full` in a full run, otherwise `short`.
fn many(full: u64, short: u64) -> u64 {
    if std::env::var_os("MMSTATS_RACE").is_some_and(|value| value == "full") {
        full
    } else {
        short
    }
}

#[derive(MmStats)]
struct Race {
    n: Counter,
    line: Compound<Line>,
    size: Percentile,
    time: Timer,
}

#[derive(MmStats)]
struct Many {
    lines: Groups<One>,
}

#[derive(MmStats)]
struct One {
    line: Compound<Line>,
}

/// Tells the parent that the file exists.
fn say_ready() {
    println!("\nready");
}

/// Starts the test `name` as a writer and waits until its file exists.
fn start_writer(name: &str, root: &Path) -> child::Running {
    let mut writer = child::start(&mut child::command(name, root));
    let lines = BufReader::new(writer.0.stdout.take().unwrap()).lines();
    assert!(
        lines.map_while(Result::ok).any(|line| line == "ready"),
        "the writer did not start"
    );
    writer
}

const SLOT_WORDS: usize = 1 + 2 * 8;

/// Returns the words of a slot in a file that stays mapped for the lifetime of the process.
fn map_slot(path: &Path) -> &'static [AtomicU64] {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let map = std::mem::ManuallyDrop::new(MmapRaw::map_raw(&file).unwrap());
    assert!(map.len() >= 8 * SLOT_WORDS);
    // SAFETY: page-aligned, long enough, mapped until the process ends, and accessed only atomically.
    unsafe { std::slice::from_raw_parts(map.as_mut_ptr().cast(), SLOT_WORDS) }
}

fn buffer(words: &[AtomicU64], p: u64) -> &[AtomicU64] {
    &words[1 + 8 * (p as usize % 2)..][..8]
}

#[test]
fn a_slot_at_full_write_speed() {
    const NAME: &str = "races::a_slot_at_full_write_speed";
    let path = |root: &Path| root.join("slot");
    if child::is_child(NAME) {
        let root = std::env::var_os("MMSTATS_PATH").unwrap();
        let words = map_slot(&path(Path::new(&root)));
        say_ready();
        for n in 1.. {
            slot::publish(&words[0], |p| buffer(words, p), Line::of(n).words);
        }
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::write(path(root.path()), [0; 4096]).unwrap();
    let words = map_slot(&path(root.path()));
    let _writer = start_writer(NAME, root.path());
    let (mut accepted, mut rejected, mut last) = (0, 0u64, 0);
    let wanted = many(100_000_000, 2_000_000);
    while accepted < wanted {
        let mut line = Line::default();
        if slot::try_read(&words[0], 2, |p| buffer(words, p), &mut line.words) {
            let n = line.whole().unwrap_or_else(|| panic!("torn: {line:?}"));
            assert!(n >= last, "backwards: {n} after {last}");
            last = n;
            accepted += 1;
        } else {
            rejected += 1;
        }
    }
    assert!(last > 0);
    println!("{accepted} reads accepted, {rejected} rejected, {last} values written");
}

/// Returns the n-th value of a distribution: every eighth is a new maximum. So publications of a few words and of all
/// words alternate.
fn nth(n: u64) -> u64 {
    if n.is_multiple_of(8) { n } else { 7 }
}

/// Returns the sum of the first `count` values.
fn total(count: u64) -> u128 {
    let maxima = u128::from(count / 8);
    7 * (u128::from(count) - maxima) + 8 * maxima * (maxima + 1) / 2
}

#[test]
fn snapshots_at_full_write_speed() {
    const NAME: &str = "races::snapshots_at_full_write_speed";
    if child::is_child(NAME) {
        let race = Race::create().unwrap();
        say_ready();
        for n in 1.. {
            race.n.inc();
            race.line.set(Line::of(n));
            race.size.record(5);
            race.time.record(Duration::from_nanos(nth(n)));
        }
    }
    let root = tempfile::tempdir().unwrap();
    let _writer = start_writer(NAME, root.path());
    let mut reader = Reader::open(root.path()).unwrap();
    let (mut last, mut busy) = ([0; 4], 0);
    for _ in 0..many(1_000_000, 5_000) {
        let snapshot = reader.snapshot().unwrap();
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        if !snapshot.is_whole() {
            // It is reported, and the value is an earlier whole one.
            busy += 1;
        }
        let distribution = |label| {
            snapshot
                .get("Race", label)
                .unwrap()
                .as_distribution()
                .unwrap()
        };
        let (size, time) = (distribution("size"), distribution("time"));
        // All from one publication: the total belongs to the count.
        assert_eq!(size.total(), 5 * u128::from(size.count()));
        assert_eq!(time.total(), total(time.count()));
        if time.count() > 8 {
            let last = time.count();
            assert_eq!(time.max(), Some(last / 8 * 8));
            assert_eq!((time.min(), time.last()), (Some(7), Some(nth(last))));
        }
        assert_eq!(size.stddev().unwrap_or(0.0), 0.0);
        let mut now = [
            snapshot.get("Race", "n").unwrap().as_u64().unwrap(),
            last[1],
            size.count(),
            time.count(),
        ];
        if let Ok(line) = snapshot.compound::<Line>("Race", "line") {
            now[1] = line.whole().unwrap_or_else(|| panic!("torn: {line:?}"));
        }
        for (now, last) in now.iter().zip(last) {
            assert!(*now >= last, "backwards: {now} after {last}");
        }
        last = now;
    }
    assert!(last.iter().all(|n| *n > 0));
    println!("{last:?} values; {busy} snapshots with a value that was too busy");
}

#[test]
fn a_growing_file_of_two_hundred_compounds_read_by_pread() {
    const NAME: &str = "races::a_growing_file_of_two_hundred_compounds_read_by_pread";
    const LINES: u64 = 200;
    if child::is_child(NAME) {
        let stats = Many::create().unwrap();
        let lines: Vec<&One> = (0..LINES)
            .map(|i| stats.lines.group(&format!("line-{i}")))
            .collect();
        say_ready();
        let start = Instant::now();
        for n in 1u64.. {
            lines[(n % LINES) as usize].line.set(Line::of(n));
            if n % 500_000 == 0 {
                // Grows by one group every half second.
                stats
                    .lines
                    .group(&format!("later-{n}"))
                    .line
                    .set(Line::of(n));
            }
            // One write per microsecond.
            while start.elapsed() < Duration::from_micros(n) {
                std::hint::spin_loop();
            }
        }
    }
    let root = tempfile::tempdir().unwrap();
    // A reader does not map files in a directory that others may write.
    let directory = root.path().join("Many");
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o777)).unwrap();
    let _writer = start_writer(NAME, root.path());
    let mut reader = Reader::open(root.path()).unwrap();
    let mut last = vec![0; LINES as usize];
    let (mut busy, mut values, mut grown) = (0u64, 0u64, 0);
    for _ in 0..many(1_000_000, 2_000) {
        let snapshot = reader.snapshot().unwrap();
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        busy += snapshot.busy().count() as u64;
        let model = snapshot.model("Many").unwrap();
        for stat in model.series() {
            let Some(number) = stat
                .label()
                .strip_prefix("line-")
                .and_then(|rest| rest.strip_suffix(".line"))
            else {
                continue;
            };
            let (_, _, words) = stat.value().as_compound().unwrap().fields().next().unwrap();
            let line = Line {
                words: std::array::from_fn(|i| words[i].as_u64().unwrap()),
            };
            let n = line.whole().unwrap_or_else(|| panic!("torn: {line:?}"));
            let last = &mut last[number.parse::<usize>().unwrap()];
            assert!(n >= *last, "backwards: {n} after {last}");
            *last = n;
            values += 1;
        }
        grown = model.series().len() as u64 - LINES;
    }
    println!("{values} values, {busy} too busy, {grown} groups added meanwhile");
    if many(1, 0) == 1 {
        assert!(grown > 0, "the file grew while it was read");
    }
}
