//! Everything of ours that the rows write to, and plain memory.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use mmstats::{
    Average, Compound, Counter, Errors, Flag, Gauge, Groups, History, LabelsRef, MmLabels, MmStats,
    MmValue, MovingAverage, Percentile, SamplingCounter, Stats, Summary, Text, Timer, UpDown,
};

use mmstats::recorder::Recorder;

use super::fields::Fields;
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
    pub up: UpDown,
    pub level: Gauge<f64>,
    pub flag: Flag,
    pub text: Text<32>,
    pub size: Percentile,
    pub ratio: Percentile<f64>,
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
    pub routes: Groups<Handler, Route>,
    pub paths: Groups<Handler, PathLabels>,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    pub handler: &'static str,
    pub status: u16,
}

/// Labels of a known group.
pub const ROUTE: Route = Route {
    handler: "index",
    status: 200,
};

/// Labels with an owned text.
#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
pub struct PathLabels {
    pub path: String,
    pub status: u16,
}

/// The borrowed form of [`PathLabels`].
#[derive(Clone, Copy, Hash)]
pub struct PathRef<'a> {
    pub path: &'a str,
    pub status: u16,
}

impl LabelsRef<PathLabels> for PathRef<'_> {
    fn is(&self, labels: &PathLabels) -> bool {
        self.status == labels.status && self.path == labels.path
    }

    fn to_labels(&self) -> PathLabels {
        PathLabels {
            path: self.path.to_owned(),
            status: self.status,
        }
    }
}

/// Borrowed labels of a known group.
pub const PATH: PathRef<'static> = PathRef {
    path: "/index",
    status: 200,
};

/// Pairs of another known group, not in the order of their keys.
pub const PAIRS: [(&str, &str); 2] = [("method", "GET"), ("handler", "index")];

#[derive(MmStats)]
pub struct Handler {
    pub requests: Counter,
}

/// 64 bytes.
#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
pub struct Line {
    pub words: [u64; 8],
}

/// What the rows write to.
pub struct Setup {
    pub plain: [Cell<u64>; MANY],
    pub plain_levels: [Cell<f64>; MANY],
    pub plain_flags: [Cell<bool>; MANY],
    pub cells: [AtomicU64; FIELDS],
    pub sevens: [[AtomicU64; 7]; MANY],
    pub tens: [[AtomicU64; 10]; MANY],
    pub atomic: AtomicU64,
    pub stats: Stats<Model>,
    pub fields: Fields,
    pub line: Line,
    pub clock: quanta::Clock,
    pub peers: Peers,
    pub recorder: Facade,
}

/// Our recorder for `metrics`, and handles from it.
pub struct Facade {
    pub recorder: Recorder,
    pub counter: metrics::Counter,
    pub gauge: metrics::Gauge,
    pub histogram: metrics::Histogram,
}

impl Facade {
    fn new(root: &Path) -> Facade {
        let recorder = Recorder::builder().path(root).build().expect("a name");
        let make = || {
            (
                metrics::counter!("counter"),
                metrics::gauge!("gauge"),
                metrics::histogram!("histogram"),
            )
        };
        let (counter, gauge, histogram) = metrics::with_local_recorder(&recorder, make);
        Facade {
            recorder,
            counter,
            gauge,
            histogram,
        }
    }
}

impl Setup {
    pub fn new(root: &Path) -> Setup {
        let stats = Model::builder().path(root).create();
        let stats = stats.expect("a file in the temporary directory");
        stats.handlers.group("index");
        stats.routes.group(&ROUTE);
        stats.paths.group_ref(&PATH);
        stats.handlers.group_with(&PAIRS);
        for i in 0..10_000 {
            stats.size.record(spread(i));
            stats.ratio.record(spread(i) as f64);
            stats.time.record(Duration::from_nanos(i));
        }
        Setup {
            plain: [const { Cell::new(0) }; MANY],
            plain_levels: [const { Cell::new(0.0) }; MANY],
            plain_flags: [const { Cell::new(false) }; MANY],
            cells: [const { AtomicU64::new(0) }; FIELDS],
            sevens: [const { [const { AtomicU64::new(0) }; 7] }; MANY],
            tens: [const { [const { AtomicU64::new(0) }; 10] }; MANY],
            atomic: AtomicU64::new(0),
            stats,
            fields: Fields::new(root),
            line: Line { words: [7; 8] },
            clock: quanta::Clock::new(),
            peers: Peers::new(root),
            recorder: Facade::new(root),
        }
    }
}
