//! What the library promises on every platform: metrics count, and `status()` says where they are, or why they are
//! nowhere. Without a file, nothing is printed to stderr, and a logger is called once.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mmstats::reader::Reader;
use mmstats::{
    Average, Compound, Constant, Counter, Errors, Flag, Gauge, Groups, History, MmLabelValue,
    MmLabels, MmStats, MmValue, MovingAverage, OrRecord, Percentile, SamplingCounter,
    SharedCounter, SharedGauge, SharedPercentile, SharedTimer, Stopwatch, Summary, Text, Timer,
    UpDown, Writer,
};

#[derive(MmStats)]
#[mmstats(name = "platform")]
struct Platform {
    requests: Counter,
    #[mmstats(window = "10s")]
    recent: Counter,
    in_flight: UpDown,
    temperature: Gauge<f64>,
    size: Percentile,
    ratio: Percentile<f64>,
    time: Timer,
    pool: Compound<Pool>,
    release: Text<32>,
    ready: Flag,
    last: History,
    errors: Errors,
    #[mmstats(value = 4096)]
    limit: Constant<u32>,
    #[mmstats(value = "5f3c0de")]
    commit: Constant<&'static str>,
    #[mmstats(window = "10s")]
    tasks: Summary,
    mean: Average,
    recent_mean: MovingAverage,
    sampled: SamplingCounter,
    db: Db,
    handlers: Groups<Handler>,
    routes: Groups<Handler, Route>,
}

#[derive(MmStats)]
struct Db {
    queries: Counter,
}

#[derive(MmStats)]
struct Handler {
    ok: Counter,
    time: Timer,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Route {
    handler: &'static str,
    status: u16,
    outcome: Outcome,
}

#[derive(MmLabelValue, Clone, PartialEq, Eq, Hash)]
enum Outcome {
    CacheHit,
}

#[derive(Clone, Copy, Default, Debug, PartialEq, MmValue)]
#[repr(C)]
struct Pool {
    open: u32,
    idle: u32,
    #[mmstats(counter)]
    waits: u64,
}

static HITS: SharedCounter = SharedCounter::new("statics", "hits");
static LEVEL: SharedGauge<i64> = SharedGauge::new("statics", "level");
static LOOKUP: SharedTimer = SharedTimer::new("statics", "lookup");
static SIZES: SharedPercentile<u64> = SharedPercentile::new("statics", "sizes");
static RATIO: SharedPercentile<f64> = SharedPercentile::new("statics", "ratio");

/// Counts what is logged for the library.
struct Log;
static LOGGED: AtomicUsize = AtomicUsize::new(0);

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        println!("log: {}: {}", record.level(), record.args());
        // A logger may count, too.
        Platform::local(|platform| platform.requests.inc());
        LOGGED.fetch_add(1, Ordering::Relaxed);
    }
    fn flush(&self) {}
}

/// Whether files are promised on this target.
const FILES: bool = cfg!(all(unix, target_endian = "little"));

fn main() {
    // Empty, and removed by whoever has set it.
    let root = std::env::var_os("MMSTATS_PATH").map_or_else(|| "files".into(), PathBuf::from);
    log::set_logger(&Log).unwrap();
    log::set_max_level(log::LevelFilter::Info);

    let created = Platform::builder().path(&root).create().unwrap();
    every_kind(&created);
    let logged = LOGGED.load(Ordering::Relaxed);
    assert_eq!(logged, usize::from(!FILES), "once, without files");
    // The logger has counted here.
    let before = Platform::local(|platform| platform.requests.get());
    Platform::local(|platform| {
        platform.requests.add(3);
        assert_eq!(platform.requests.get(), before + 3);
    });
    let private = Platform::builder().anonymous().create().unwrap();
    every_kind(&private);
    statics();
    procedural(&root);

    println!("{}", mmstats::status());
    let status = mmstats::status();
    let model = status
        .models()
        .iter()
        .find(|model| model.name() == "platform");
    let model = model.expect("the status lists the model");
    if FILES {
        assert!(!model.files().is_empty());
        let snapshot = Reader::open(&root).unwrap().snapshot().unwrap();
        assert!(snapshot.is_whole() && snapshot.errors().is_empty());
        let get = |label| snapshot.get("platform", label).unwrap();
        assert_eq!(get("requests").as_u64(), Some(2 + 3 + 1));
        assert_eq!(get("in_flight").as_f64(), Some(-1.0));
        let pool: Pool = snapshot.compound("platform", "pool").unwrap();
        assert_eq!(pool.idle, 0x0102_0304);
        assert_eq!(get("limit").as_u64(), Some(4096));
        assert_eq!(get("commit").as_str(), Some("5f3c0de"));
        assert_eq!(get("mean").as_f64(), Some(1.0));
        assert_eq!(get("recent_mean").as_f64(), Some(1.0));
        assert_eq!(get("sampled").count(), Some(100));
        assert_eq!(get("tasks.Mean").as_f64(), Some(1.0));
        assert_eq!(get("db.queries").as_u64(), Some(3));
        let times = get("time").as_distribution().unwrap();
        assert_eq!(times.exemplars().count(), 1);
    } else {
        assert!(model.files().is_empty());
        assert_eq!(model.problems().len(), 1, "{:?}", model.problems());
        assert!(model.problems()[0].starts_with("not recorded: files are not supported on"));
        let error = Reader::open(&root).unwrap_err().to_string();
        assert!(error.contains("not supported"), "{error}");
        let error = Reader::from_env().unwrap().snapshot().unwrap_err();
        assert!(error.to_string().contains("not supported"), "{error}");
        assert_eq!(LOGGED.load(Ordering::Relaxed), logged, "and no more");
    }
    drop(created);
    println!("all as promised: files {FILES}");
}

fn every_kind(stats: &Platform) {
    stats.requests.inc();
    stats.requests.add(1);
    assert_eq!(stats.requests.get(), 2);
    stats.recent.inc();
    assert_eq!(stats.recent.get(), 1);
    stats.in_flight.inc();
    stats.in_flight.dec();
    stats.in_flight.dec();
    assert_eq!(stats.in_flight.get(), -1);
    stats.temperature.set(36.6);
    assert_eq!(stats.temperature.get(), 36.6);
    for value in 1..=1000 {
        stats.size.record(value);
        stats.ratio.record(-(value as f64));
    }
    stats.time.record(Duration::from_millis(5));
    let stopwatch = Stopwatch::start();
    stats.time.record(stopwatch.elapsed());
    drop(stats.time.start());
    let pool = Pool {
        open: 7,
        idle: 0x0102_0304,
        waits: 1 << 40,
    };
    stats.pool.update(|value| *value = pool);
    assert_eq!(stats.pool.get(), pool);
    stats.release.set("1.4.2-β");
    assert_eq!(stats.release.get(), "1.4.2-β");
    stats.ready.set(true);
    assert!(stats.ready.get());
    stats.last.push(1.5);
    stats.last.push_with(2.5, "large.csv");
    assert_eq!(stats.last.len(), 2);
    stats.errors.record(&std::fmt::Error);
    stats.errors.note("timeout", "after 3 s");
    assert!("x".parse::<u32>().or_record(&stats.errors).is_err());
    assert_eq!(stats.errors.count(), 3);
    assert_eq!((*stats.limit.get(), *stats.commit.get()), (4096, "5f3c0de"));
    for value in [0.5, 1.5] {
        stats.tasks.record(value);
        stats.mean.record(value);
        stats.recent_mean.record(value);
    }
    assert_eq!(stats.tasks.value().mean(), Some(1.0));
    assert_eq!(stats.mean.value().average(), Some(1.0));
    assert_eq!(stats.recent_mean.value().average(), Some(1.0));
    stats.sampled.inc();
    stats.sampled.add(99); // as many as a sample has
    assert_eq!(stats.sampled.get(), 100);
    stats.db.queries.add(3);
    assert_eq!(stats.db.queries.get(), 3);
    stats.time.record_with(Duration::from_micros(7), "trace-1");
    stats.handlers.group("index").ok.inc();
    stats.handlers.group("login").ok.add(2);
    assert_eq!(stats.handlers.group("index").ok.get(), 1);
    assert_eq!(stats.handlers["login"].ok.get(), 2);
    let route = Route {
        handler: "index",
        status: 200,
        outcome: Outcome::CacheHit,
    };
    stats.routes.group(&route).ok.inc();
    stats
        .routes
        .group(&route)
        .time
        .record(Duration::from_micros(3));
    assert_eq!(stats.routes.group(&route).ok.get(), 1);
    assert!(stats.routes.remove(&route));
    assert_eq!(stats.routes.group(&route).ok.get(), 0);
}

fn statics() {
    HITS.inc();
    HITS.add(2);
    LEVEL.set(5);
    LEVEL.add(-7);
    assert_eq!(LEVEL.get(), -2);
    assert_eq!(LOOKUP.time(|| 4), 4);
    SIZES.record(512);
    RATIO.record(-0.25);
    mmstats::push_stat("file:large.csv", 1.42);
    let mut laps = mmstats::laps();
    let failed = mmstats::stats(|stat| {
        stat.record("lap", laps.lap()).context("nightly");
        stat.with(&[("host", "a")]).record("total", laps.total());
        Ok("x".parse::<u32>()?)
    });
    assert!(failed.is_err(), "it passes what it records");
    // Threads, on platforms that have them.
    let other = std::thread::Builder::new().spawn(|| {
        HITS.inc();
        Platform::local(|platform| platform.requests.inc());
    });
    if let Ok(other) = other {
        other.join().unwrap();
    }
}

fn procedural(root: &std::path::Path) {
    let writer = Writer::builder("procedural").path(root).create().unwrap();
    let selects: &Counter = writer
        .counter("selects")
        .help("Selects sent.")
        .add()
        .unwrap();
    selects.inc();
    assert_eq!(selects.get(), 1);
    assert!(
        writer.counter("selects").add().is_err(),
        "with and without files"
    );
    let shard = writer.group_with(&[("shard", "1")]).unwrap();
    shard.summary("rows").add().unwrap().record(9.0);
    writer.constant("release", 3u32).add().unwrap();
    writer
        .group("users")
        .unwrap()
        .counter("rows")
        .unit("rows")
        .add()
        .unwrap()
        .add(9);
}
