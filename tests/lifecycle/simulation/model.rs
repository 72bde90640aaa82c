//! The expected files: who has one, and what is in it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mmstats::reader::{Snapshot, State};
use mmstats::{
    Average, Compound, Counter, Flag, Gauge, Groups, MmStats, Percentile, Summary, Text, Timer,
    UpDown,
};

use crate::Line;

/// Statistics of every kind.
#[derive(MmStats)]
pub struct Sim {
    counted: Counter,
    moving: UpDown,
    level: Gauge<u64>,
    ready: Flag,
    line: Compound<Line>,
    time: Timer,
    size: Percentile,
    spread: Summary,
    mean: Average,
    text: Text<64>,
    parts: Groups<Part>,
}

#[derive(MmStats)]
struct Part {
    counted: Counter,
    time: Timer,
}

/// Returns the part of the sum that goes up and down.
fn moves(n: u64) -> i64 {
    if n.is_multiple_of(2) {
        n as i64
    } else {
        -(n as i64)
    }
}

/// Not every count sets the levels: the next owner of a file must find them at zero.
fn has_level(n: u64) -> bool {
    n.is_multiple_of(3)
}

/// Returns values of every magnitude, so that new octaves are needed all the time.
fn size(n: u64) -> u64 {
    n << (n % 50)
}

/// Counts `n` in every way.
pub fn count(s: &Sim, n: u64) {
    s.counted.add(n);
    s.moving.add(moves(n));
    if has_level(n) {
        s.level.set(n);
        s.ready.set(true);
    }
    s.line.update(|line| *line = Line::of(line.words[0] + n));
    s.time.record(Duration::from_nanos(n));
    s.size.record(size(n));
    s.spread.record(n as f64);
    s.mean.record(n as f64);
    s.text.set(&format!("{n}-{n:030}"));
    let part = s.parts.group(&format!("g{}", n % 20));
    part.counted.add(n);
    part.time.record(Duration::from_nanos(n));
}

/// What a reader sees, or is expected to see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    pub counted: u64,
    moving: i64,
    level: u64,
    ready: bool,
    line: u64,
    /// How many values were recorded, and the sum of the sizes.
    records: u64,
    sizes: u128,
    /// How many files of each process are in each state.
    pub files: BTreeMap<(u32, &'static str), usize>,
    /// How many files were folded, if any.
    pub folded: Option<u64>,
}

impl Observed {
    pub fn of(snapshot: &Snapshot) -> Observed {
        assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
        assert!(snapshot.is_whole(), "nobody writes now");
        if snapshot.files().is_empty() {
            return Observed::default();
        }
        let (mut files, mut folded) = (BTreeMap::new(), None);
        for file in snapshot.files() {
            match file.retired() {
                Some(n) => assert_eq!(folded.replace(n), None, "one retired file"),
                None => *files.entry((file.pid(), file.state().name())).or_default() += 1,
            }
        }
        let get = |label: &str| snapshot.get("Sim", label).unwrap();
        let counted = get("counted").as_u64().unwrap();
        let size = get("size").as_distribution().unwrap();
        let seen = Observed {
            counted,
            moving: get("moving").as_i64().unwrap(),
            level: get("level").as_u64().unwrap(),
            ready: get("ready").as_bool().unwrap(),
            line: snapshot
                .compound::<Line>("Sim", "line")
                .unwrap()
                .whole()
                .expect("torn"),
            records: size.count(),
            sizes: size.total(),
            files,
            folded,
        };
        // All other metrics that count the same must agree.
        let time = get("time").as_distribution().unwrap();
        assert_eq!(time.total(), u128::from(counted));
        assert_eq!([time.count(), time.bucket_count()], [seen.records; 2]);
        assert_eq!(size.bucket_count(), seen.records);
        let spread = get("spread").as_summary().unwrap();
        assert_eq!(
            (spread.count(), spread.total()),
            (seen.records, counted as f64)
        );
        let mean = get("mean").as_average().unwrap();
        assert_eq!(mean.count(), seen.records);
        assert_eq!(mean.average(), spread.mean());
        let text = get("text").as_str().unwrap();
        let (short, long) = text.split_once('-').unwrap();
        assert_eq!(short.parse::<u64>(), long.parse(), "torn");
        let parts: u64 = (snapshot.labels("*.counted"))
            .map(|label| get(label).as_u64().unwrap())
            .sum();
        assert_eq!(
            parts, counted,
            "in groups, those without space under _other"
        );
        let timed: u64 = (snapshot.labels("*.time"))
            .filter_map(|label| get(label).as_distribution().map(|time| time.count()))
            .sum();
        assert_eq!(timed, seen.records);
        seen
    }

    /// Adds the values that outlive a process.
    fn add_totals(&mut self, other: &Observed) {
        self.counted += other.counted;
        self.line += other.line;
        self.records += other.records;
        self.sizes += other.sizes;
    }
}

/// A thread: its process, and its number there.
pub type Thread = (u32, u32);

/// Where the statistics of a thread are.
#[derive(Clone, Copy)]
enum Place {
    /// In this file.
    File(usize),
    /// In memory: there was no space when the thread needed a file.
    Private,
}

/// An existing file.
struct File {
    pid: u32,
    state: State,
    sum: Observed,
}

/// All processes, threads and files.
#[derive(Default)]
pub struct World {
    files: HashMap<usize, File>,
    next: usize,
    places: HashMap<Thread, Place>,
    most: HashMap<u32, usize>,
    /// Totals of files that have been folded.
    retired: Observed,
}

/// What happens to files at the end.
#[derive(Clone, Copy, PartialEq)]
pub enum Gone {
    /// They stay, and are dead.
    Left,
    Removed,
    /// Their totals are kept.
    Folded,
}

impl World {
    /// Returns where a thread's statistics are; assigned at first use.
    fn place(&mut self, thread: Thread, full: bool) -> Place {
        if let Some(&place) = self.places.get(&thread) {
            return place;
        }
        let orphan = (self.files.iter())
            .find(|(_, file)| file.pid == thread.0 && file.state == State::Orphan);
        let place = match orphan {
            Some((&number, _)) => Place::File(number),
            None if full => Place::Private,
            None => {
                self.next += 1;
                let sum = Observed::default();
                let (pid, state) = (thread.0, State::Live);
                self.files.insert(self.next, File { pid, state, sum });
                Place::File(self.next)
            }
        };
        self.places.insert(thread, place);
        let threads = self.places.keys().filter(|of| of.0 == thread.0).count();
        let most = self.most.entry(thread.0).or_default();
        *most = threads.max(*most);
        place
    }

    pub fn count(&mut self, thread: Thread, n: u64, full: bool) {
        let Place::File(number) = self.place(thread, full) else {
            return;
        };
        let file = self.files.get_mut(&number).unwrap();
        file.state = State::Live;
        let sum = &mut file.sum;
        sum.counted += n;
        sum.moving += moves(n);
        if has_level(n) {
            sum.level = n;
            sum.ready = true;
        }
        sum.line += n;
        sum.records += 1;
        sum.sizes += u128::from(size(n));
    }

    /// A thread ends: its file becomes an orphan, without levels.
    pub fn end_thread(&mut self, thread: Thread) {
        if let Some(Place::File(number)) = self.places.remove(&thread) {
            let file = self.files.get_mut(&number).unwrap();
            file.state = State::Orphan;
            file.sum.level = 0;
            file.sum.ready = false;
        }
    }

    /// A process ends.
    pub fn end_process(&mut self, pid: u32, gone: Gone) {
        self.places.retain(|thread, _| thread.0 != pid);
        for file in self.files.values_mut().filter(|file| file.pid == pid) {
            file.state = State::Dead;
        }
        self.go(gone, |file| file.pid == pid);
    }

    /// The files of all dead processes are removed or folded.
    pub fn clean(&mut self, gone: Gone) {
        self.go(gone, |file| file.state == State::Dead);
    }

    fn go(&mut self, gone: Gone, which: impl Fn(&File) -> bool) {
        if gone == Gone::Left {
            return;
        }
        let retired = &mut self.retired;
        self.files.retain(|_, file| {
            let goes = which(file);
            if goes && gone == Gone::Folded {
                retired.add_totals(&file.sum);
                *retired.folded.get_or_insert_default() += 1;
            }
            !goes
        });
    }

    /// Returns the maximum number of threads that used statistics at once, for each process.
    pub fn most_threads(&self) -> impl Iterator<Item = (u32, usize)> {
        self.most.iter().map(|(&pid, &most)| (pid, most))
    }

    /// Returns the merged values: docs/FORMAT.md says which files count.
    pub fn expected(&self) -> Observed {
        let mut all = self.retired.clone();
        for file in self.files.values() {
            let sum = &file.sum;
            all.add_totals(sum);
            if file.state != State::Dead {
                all.moving += sum.moving;
            }
            if file.state == State::Live {
                all.level += sum.level;
                all.ready |= sum.ready;
            }
            let state = (file.pid, file.state.name());
            *all.files.entry(state).or_default() += 1;
        }
        all
    }
}
