//! Everything of ours that the rows write to, and plain memory.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hdrhistogram::Histogram;
use mmstats::{
    Average, Compound, Counter, Errors, Groups, History, MmStats, MmValue, MovingAverage,
    Percentile, SamplingCounter, Stats, Summary, Timer,
};

use super::peers::Peers;
use super::row::spread;

/// Values of a row that rotates.
pub const FIELDS: usize = 8;
/// Values of a row that rotates over more.
pub const MANY: usize = 16;

#[derive(MmStats)]
#[mmstats(name = "bench-write")]
pub struct Model {
    pub a: Counter,
    pub b: Counter,
    pub c: Counter,
    pub d: Counter,
    pub e: Counter,
    pub f: Counter,
    pub g: Counter,
    pub h: Counter,
    pub size: Percentile,
    pub time: Timer,
    pub compound: Compound<Line>,
    pub summary: Summary,
    #[mmstats(window = "60s")]
    pub recent_summary: Summary,
    #[mmstats(window = "60s")]
    pub recent_size: Percentile,
    pub average: Average,
    pub moving: MovingAverage,
    pub sampled: SamplingCounter,
    pub history: History,
    pub errors: Errors,
    pub handlers: Groups<Handler>,
}

#[derive(MmStats)]
pub struct Handler {
    pub requests: Counter,
}

#[derive(MmStats)]
#[mmstats(name = "bench-write-two")]
pub struct Two {
    pub first: Eight,
    pub second: Eight,
}

#[derive(MmStats)]
pub struct Eight {
    pub a: Counter,
    pub b: Counter,
    pub c: Counter,
    pub d: Counter,
    pub e: Counter,
    pub f: Counter,
    pub g: Counter,
    pub h: Counter,
}

impl Eight {
    fn all(&self) -> [&Counter; FIELDS] {
        [
            &self.a, &self.b, &self.c, &self.d, &self.e, &self.f, &self.g, &self.h,
        ]
    }
}

/// 64 bytes.
#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
pub struct Line {
    pub words: [u64; 8],
}

/// What the rows write to.
pub struct Setup {
    pub plain: Cell<u64>,
    pub cells: [AtomicU64; FIELDS],
    pub many: [AtomicU64; MANY],
    pub ten: [AtomicU64; 10],
    pub atomic: AtomicU64,
    pub hdr: Histogram<u64>,
    pub stats: Stats<Model>,
    /// As many counters as a row with many wants.
    pub counters: [&'static Counter; MANY],
    pub line: Line,
    pub clock: quanta::Clock,
    pub peers: Peers,
}

impl Setup {
    pub fn new(root: &Path) -> Setup {
        let stats = Model::builder().path(root).create();
        let stats = stats.expect("a file in the temporary directory");
        stats.handlers.group("index");
        for i in 0..10_000 {
            stats.size.record(spread(i));
            stats.time.record(Duration::from_nanos(i));
        }
        // Lives as long as the process: so the array below can refer to it.
        let two = Two::builder().path(root).create().expect("a second file");
        let two: &'static Stats<Two> = Box::leak(Box::new(two));
        let (first, second) = (two.first.all(), two.second.all());
        Setup {
            plain: Cell::new(0),
            cells: [const { AtomicU64::new(0) }; FIELDS],
            many: [const { AtomicU64::new(0) }; MANY],
            ten: [const { AtomicU64::new(0) }; 10],
            atomic: AtomicU64::new(0),
            hdr: Histogram::new_with_bounds(1, u64::MAX / 2, 2).expect("two digits"),
            stats,
            counters: std::array::from_fn(|i| {
                if i < FIELDS {
                    first[i]
                } else {
                    second[i - FIELDS]
                }
            }),
            line: Line { words: [7; 8] },
            clock: quanta::Clock::new(),
            peers: Peers::new(root),
        }
    }
}
