//! docs/FORMAT.md, kept true: its tables against the source, its example against the golden file, and
//! a reader in Python that was written from it alone against the library's own.
//!
//! The golden files in `tests/golden` are made by `docs/examples/golden.rs`, by hand only: see there.
//! Nothing here writes them anew.

#[path = "format/by_tables.rs"]
mod by_tables;
#[path = "format/damaged.rs"]
mod damaged;
#[path = "format/golden.rs"]
mod golden;
#[path = "format/json.rs"]
mod json;
#[path = "format/live.rs"]
mod live;
#[path = "format/tables.rs"]
mod tables;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mmstats::{
    Average, Compound, Constant, Counter, Errors, Flag, Gauge, Groups, History, MmStats, MmValue,
    MovingAverage, Percentile, SamplingCounter, Summary, Text, Timer, UpDown,
};

/// The golden files.
const GOLDEN: [&str; 20] = [
    "counting-fields",
    "described",
    "every-kind",
    "exemplars",
    "fault-costs-metric",
    "fault-ends-list",
    "fault-refuses-file",
    "fault-skipped",
    "histories",
    "labels",
    "lost-contexts",
    "minimal",
    "odd-sequence",
    "process",
    "removed",
    "retired",
    "summaries",
    "two-kinds",
    "unknown-record-and-kind",
    "windows",
];

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn golden(name: &str) -> PathBuf {
    manifest("tests/golden").join(name)
}

/// Statistics of the web tier.
#[derive(MmStats)]
#[mmstats(name = "web")]
struct Web {
    #[mmstats(unit = "requests", window = "24h")]
    requests: Counter,
    in_flight: UpDown,
    #[mmstats(merge = "mean")]
    load: Gauge<f64>,
    #[mmstats(merge = "max")]
    peak: Gauge<i32>,
    queue: Gauge<u64>,
    ready: Flag,
    release: Text<40>,
    #[mmstats(value = 17)]
    limit: Constant<u64>,
    response_time: Timer,
    #[mmstats(digits = 3)]
    size: Percentile,
    pool: Compound<Pool>,
    #[mmstats(window = "23h")]
    tasks: Summary,
    #[mmstats(window = "24h")]
    windowed_size: Percentile,
    #[mmstats(window = "24h", digits = 1)]
    windowed_time: Timer,
    no_tasks: Summary,
    mean: Average,
    recent: MovingAverage<7>,
    hits: SamplingCounter<5>,
    times: History<30>,
    no_times: History,
    errors: Errors,
    #[mmstats(prefix = "h.")]
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Handler {
    ok: Counter,
    time: Timer,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Pool {
    open: u32,
    #[mmstats(merge = "max")]
    most: u32,
    waits: [u64; 2],
    #[mmstats(merge = "mean")]
    share: f64,
}

/// The next release of the same model: other digits, another kind, another struct.
#[derive(MmStats)]
#[mmstats(name = "web")]
struct NextWeb {
    requests: Counter,
    peak: Counter,
    size: Percentile,
    pool: Compound<NextPool>,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct NextPool {
    waits: [u64; 3],
    open: u64,
    #[mmstats(merge = "min")]
    most: u64,
}

/// Values that follow from a seed.
fn write(web: &Web, seed: u64) {
    let mut random = Random(seed);
    web.requests.add(random.next() % 1_000);
    web.in_flight.add(random.next() as i64 % 1_000);
    web.load.set(random.next() as f64 / 7.0);
    web.peak.set(random.next() as i32);
    web.queue.set(random.next());
    web.ready.set(seed % 2 == 1);
    web.release.set(&format!(
        "Ausgabe {seed} \u{202e} für\n{}",
        "ß".repeat(seed as usize)
    ));
    for _ in 0..500 + seed {
        // Values of all lengths.
        let value = random.next() >> (random.next() % 64);
        web.size.record(value);
        web.response_time.record(Duration::from_nanos(value >> 8));
        let value = 1e9 + (value >> 20) as f64 / 3.0;
        web.tasks.record(value);
        web.windowed_size.record(value as u64);
        web.windowed_time.record(Duration::from_nanos(value as u64));
        web.mean.record(value);
        web.recent.record(-value);
        web.hits.inc();
        // One in four has a context that comes again.
        match random.next() % 4 {
            0 => web
                .times
                .push_with(value, format!("context {}", random.next() % 5)),
            _ => web.times.push(value),
        }
    }
    for error in ["x", "", "300"].map(|text| text.parse::<u8>().unwrap_err()) {
        (0..=seed % 3).for_each(|_| web.errors.record(&error));
    }
    web.errors.record(&std::io::Error::other("line\n\u{202e}"));
    web.errors
        .note(&format!("note {}", seed % 2), format!("of {seed}"));
    for _ in 0..3 {
        web.pool.update(|pool| {
            pool.open += 3;
            pool.most = pool.most.max(random.next() as u32);
            // Sums of a few fit.
            pool.waits[1] = random.next() >> 8;
            pool.share = 1.0 / seed as f64;
        });
    }
    for name in ["index", "login", "größe.v2"] {
        let handler = web.handlers.group(name);
        handler.ok.add(seed);
        handler.time.record(Duration::from_micros(seed));
    }
}

/// splitmix64 (Steele, Lea, Flood).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
