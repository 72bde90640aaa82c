//! Makes the golden files of `tests/golden`: stats files whose every value is known.
//!
//! They are made by hand only, and reviewed before they are committed:
//!
//! ```sh
//! cargo run --example golden -- tests/golden
//! for file in tests/golden/*.mmstats; do
//!     python3 docs/readers/mmstats.py --per-file $file |
//!         sed "s#$PWD/tests/golden/##" > ${file%.mmstats}.json
//! done
//! git diff tests/golden docs/FORMAT.md   # every change here is a change of the format, or a mistake
//! ```
//!
//! The identity and the time stamps of a file are overwritten with fixed values, so that the same writer makes the
//! same bytes. A golden file that the current reader cannot read is a broken promise: files outlive the programs that
//! wrote them.

#[path = "golden/made.rs"]
mod made;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{env, fs, io, process};

use mmstats::retire::Cleaner;
use mmstats::{
    Average, Compound, Constant, Counter, Errors, Flag, Gauge, Groups, History, MmLabelValue,
    MmLabels, MmStats, MmValue, MovingAverage, Percentile, SamplingCounter, SharedGauge, Stats,
    Summary, Text, Timer, UpDown, Writer,
};

#[derive(MmStats)]
#[mmstats(name = "traced")]
struct Traced {
    time: Timer,
    size: Percentile,
    ratio: Percentile<f64>,
}

/// Every kind of metric.
#[derive(MmStats)]
#[mmstats(name = "every-kind")]
struct EveryKind {
    /// Requests received.
    #[mmstats(unit = "requests")]
    requests: Counter,
    in_flight: UpDown,
    least_i8: Gauge<i8>,
    least_i16: Gauge<i16>,
    least_i32: Gauge<i32>,
    least_i64: Gauge<i64>,
    most_u8: Gauge<u8>,
    most_u16: Gauge<u16>,
    most_u32: Gauge<u32>,
    most_u64: Gauge<u64>,
    #[mmstats(merge = "mean")]
    half_f32: Gauge<f32>,
    #[mmstats(merge = "max", unit = "celsius")]
    temperature: Gauge<f64>,
    #[mmstats(merge = "latest")]
    not_a_number: Gauge<f64>,
    ready: Flag,
    release: Text<32>,
    #[mmstats(buffers = 4)]
    cut: Text<5>,
    #[mmstats(value = 4096)]
    limit: Constant<u32>,
    #[mmstats(value = -0.5)]
    ratio: Constant<f64>,
    #[mmstats(value = true)]
    debug: Constant<bool>,
    #[mmstats(value = "5f3c0de")]
    commit: Constant<&'static str>,
    /// Time to the answer.
    #[mmstats(label = "timers.response")]
    response_time: Timer,
    #[mmstats(unit = "bytes")]
    body_size: Percentile,
    #[mmstats(digits = 3, buffers = 8)]
    fine: Percentile,
    empty: Percentile,
    pool: Compound<Pool>,
    db: Db,
    #[mmstats(prefix = "handler.")]
    handlers: Groups<Handler>,
}

#[derive(MmStats)]
struct Db {
    queries: Counter,
}

#[derive(MmStats)]
struct Handler {
    response_ok: Counter,
    response_time: Timer,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Pool {
    waits: u64,
    #[mmstats(merge = "max")]
    open: u32,
    idle: i16,
    by_shard: [u8; 5],
    level: i8,
    load: [f32; 2],
    #[mmstats(merge = "latest")]
    busiest: u32,
}

/// One counter.
#[derive(MmStats)]
#[mmstats(name = "minimal")]
struct Minimal {
    /// Requests received.
    requests: Counter,
}

#[derive(MmStats)]
#[mmstats(name = "odd-sequence")]
struct OddSequence {
    pair: Compound<Pair>,
    note: Text<16>,
    sizes: Percentile,
}

/// Kinds of f64 values.
#[derive(MmStats)]
#[mmstats(name = "summaries")]
struct Summaries {
    /// How long tasks take.
    #[mmstats(unit = "seconds")]
    tasks: Summary,
    #[mmstats(buffers = 4)]
    large: Summary,
    nothing: Summary,
    mean: Average,
    no_mean: Average,
    recent: MovingAverage<4>,
    begun: MovingAverage,
    hits: SamplingCounter<10>,
    /// Of any sign and magnitude.
    floats: Percentile<f64>,
    #[mmstats(digits = 1, buffers = 4)]
    no_floats: Percentile<f64>,
}

/// Groups of which some were removed.
#[derive(MmStats)]
#[mmstats(name = "removed")]
struct Removed {
    groups: Groups<Removable>,
}

#[derive(MmStats)]
struct Removable {
    count: Counter,
    size: Percentile,
}

/// A compound with fields that count.
#[derive(MmStats)]
#[mmstats(name = "counting-fields")]
struct CountingFields {
    traffic: Compound<Traffic>,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Traffic {
    #[mmstats(counter)]
    bytes: [u64; 2],
    open: u32,
    #[mmstats(counter)]
    failed: u32,
    #[mmstats(counter)]
    seconds: f64,
}

/// Histories, contexts and errors.
#[derive(MmStats)]
#[mmstats(name = "histories")]
struct Histories {
    #[mmstats(unit = "seconds")]
    times: History<20>,
    nothing: History,
    errors: Errors,
    no_errors: Errors,
    by_name: Groups<Named>,
}

#[derive(MmStats)]
struct Named {
    #[mmstats(label = "x")]
    count: Counter,
}

/// Groups with labels.
#[derive(MmStats)]
#[mmstats(name = "labels")]
struct Labelled {
    #[mmstats(prefix = "http.")]
    routes: Groups<Requests, Route>,
    #[mmstats(group_label = "handler")]
    handlers: Groups<Requests>,
}

#[derive(MmStats)]
struct Requests {
    ok: Counter,
    size: Percentile,
    parts: Groups<Named>,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Route {
    path: &'static str,
    status: u16,
    method: Method,
}

#[derive(MmLabelValue, Clone, PartialEq, Eq, Hash)]
enum Method {
    Get,
    #[mmstats(name = "PUT")]
    Put,
}

/// What short-lived workers do.
#[derive(MmStats)]
#[mmstats(name = "worker")]
struct Worker {
    /// Tasks done.
    done: Counter,
    level: Gauge<u64>,
    size: Percentile,
    seconds: Summary,
    pair: Compound<Pair>,
    note: Text<16>,
}

#[derive(Clone, Copy, Default, MmValue)]
#[repr(C)]
struct Pair {
    a: u64,
    b: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(directory) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: golden DIRECTORY   (tests/golden, to write the golden files anew)");
        process::exit(2);
    };
    if !directory.is_dir() {
        return Err(format!("{} is not a directory", directory.display()).into());
    }
    if let Some(worker) = env::var(WORKER).ok().and_then(|n| n.parse().ok()) {
        return work(worker);
    }
    from_a_fixed_path()?;
    let root = env::temp_dir().join("mmstats-golden").join("root");
    let golden = |name: &str, bytes: Vec<u8>| -> io::Result<()> {
        let path = directory.join(name);
        assert!(bytes.len() <= 64 << 10, "{name} has {} bytes", bytes.len());
        println!("{} {} bytes", path.display(), bytes.len());
        fs::write(path, bytes)
    };
    // First, because the values of a thread's first file begin on line 0 of 32, which is a round offset.
    golden("minimal.mmstats", minimal(&root)?)?;
    golden("every-kind.mmstats", every_kind(&root)?)?;
    golden("odd-sequence.mmstats", odd_sequence(&root)?)?;
    golden(
        "unknown-record-and-kind.mmstats",
        unknown_record_and_kind(&root)?,
    )?;
    golden("summaries.mmstats", summaries(&root)?)?;
    golden("histories.mmstats", histories(&root)?)?;
    golden("retired.mmstats", retired(&root)?)?;
    golden("labels.mmstats", labels(&root)?)?;
    golden("removed.mmstats", removed(&root)?)?;
    golden("counting-fields.mmstats", counting_fields(&root)?)?;
    golden("process.mmstats", of_a_process(&root)?)?;
    golden("exemplars.mmstats", exemplars(&root)?)?;
    golden("described.mmstats", described(&root)?)?;
    for (name, bytes) in made::all() {
        golden(&format!("{name}.mmstats"), bytes)?;
    }
    Ok(())
}

/// The header contains the path of the program and is as long as that path requires. So the program runs a copy of
/// itself at a path that is the same everywhere.
fn from_a_fixed_path() -> Result<(), Box<dyn std::error::Error>> {
    let fixed = env::temp_dir().join("mmstats-golden").join("golden");
    let me = env::current_exe()?;
    if me != fixed {
        fs::create_dir_all(fixed.parent().expect("it has one"))?;
        fs::copy(&me, &fixed)?;
        let status = process::Command::new(&fixed)
            .args(env::args_os().skip(1))
            .env("RUST_BACKTRACE", "0")
            .status()?;
        process::exit(status.code().unwrap_or(1));
    }
    Ok(())
}

fn every_kind(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let web: Stats<EveryKind> = EveryKind::builder()
        .path(root)
        .max_size(64 << 10)
        .create()?;
    web.requests.add(7);
    web.in_flight.add(-3);
    web.least_i8.set(i8::MIN);
    web.least_i16.set(i16::MIN);
    web.least_i32.set(i32::MIN);
    web.least_i64.set(i64::MIN);
    web.most_u8.set(u8::MAX);
    web.most_u16.set(u16::MAX);
    web.most_u32.set(u32::MAX);
    web.most_u64.set(u64::MAX);
    web.half_f32.set(0.5);
    web.temperature.set(36.6);
    web.not_a_number.set(f64::NAN);
    web.ready.set(true);
    // The shorter text follows the longer one: the bytes beyond its end in the buffer must not be read.
    web.release.set("a text that is 30 bytes long …");
    web.release.set("version 1");
    web.release.set("Grüße aus Köln");
    // Seven bytes; the sixth and seventh are the ß. Cut to five.
    web.cut.set("Straße");
    for millis in 1..=100 {
        web.response_time.record(Duration::from_millis(millis));
    }
    for value in [0, 1, 127, 128, 255, 256, 257, 1_000, 1_000_000, u64::MAX] {
        web.body_size.record(value);
    }
    // Octaves 0, 1 and 2 of 1024 buckets.
    for value in (10..=4_000).step_by(10) {
        web.fine.record(value);
    }
    web.pool.set(Pool {
        waits: 1,
        ..Pool::default()
    });
    web.pool.set(Pool {
        waits: u64::MAX,
        open: 3,
        idle: -2,
        by_shard: [1, 2, 0, 4, 255],
        level: -128,
        load: [0.25, f32::INFINITY],
        busiest: 2,
    });
    web.db.queries.inc();
    for (name, ok) in [("index", 11), ("größe.v2", 2)] {
        let handler = web.handlers.try_group(name)?;
        handler.response_ok.add(ok);
        handler
            .response_time
            .record(Duration::from_micros(1_500 * ok));
    }
    Ok(taken(&web, Identity::Unknown)?)
}

fn minimal(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let minimal = Minimal::builder().path(root).create()?;
    minimal.requests.add(7);
    Ok(taken(&minimal, Identity::OfAnotherMachine)?)
}

/// A file of a writer that died while it published, and that its thread had already marked as an orphan.
fn odd_sequence(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let odd = OddSequence::builder().path(root).create()?;
    let pair = Pair {
        a: 0x1111_2222_3333_4444,
        b: 0x5555_6666_7777_8888,
    };
    odd.pair.set(pair);
    odd.note.set("first");
    odd.note.set("zweitens");
    odd.sizes.record(5);
    odd.sizes.record(7);
    let mut bytes = taken(&odd, Identity::Unknown)?;
    // Publication 1 is in buffer 1, two words after buffer 0, which follows the sequence.
    let sequence = find(&bytes, &pair.a.to_le_bytes()) - 8 - 16;
    patch(
        &mut bytes,
        sequence,
        &2u64.to_le_bytes(),
        &3u64.to_le_bytes(),
    );
    patch(&mut bytes, sequence + 8, &[0; 16], &[0xee; 16]);
    // Publication 2 is in buffer 0; the writer has begun number 3 and written a part of buffer 1.
    let note = find(&bytes, b"zweitens") - 16;
    patch(&mut bytes, note, &4u64.to_le_bytes(), &5u64.to_le_bytes());
    patch(
        &mut bytes,
        note + 8 + 24,
        &5u64.to_le_bytes(),
        &u64::MAX.to_le_bytes(),
    );
    // And one bucket count of a third value whose moments were never published: value 5 is in octave 0.
    let counts = find(&bytes, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    patch(&mut bytes, counts, &1u64.to_le_bytes(), &2u64.to_le_bytes());
    // The owner word: state 1, orphan.
    patch(&mut bytes, 40 + 4, &[0], &[1]);
    Ok(bytes)
}

fn summaries(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let begin = now();
    let summaries = Summaries::builder().path(root).create()?;
    for value in [0.5, f64::NAN, 1.25, f64::INFINITY, 1.0] {
        summaries.tasks.record(value);
        summaries.mean.record(value);
    }
    for value in [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0, 1e9 + 2.0, 1e9 + 2.5] {
        summaries.large.record(value);
    }
    for value in [-1.0, -2.0, -3.0, 0.1, 0.2, 0.3] {
        summaries.recent.record(value);
        summaries.begun.record(value);
    }
    for value in [
        -1e100,
        -2.5,
        -0.0,
        0.0,
        5e-324,
        0.1,
        0.1,
        f64::NAN,
        7.25,
        1e12,
    ] {
        summaries.floats.record(value);
    }
    let mut samples = Vec::new();
    for _ in 0..25 {
        summaries.hits.inc();
        samples.push(summaries.hits.value());
    }
    let mut bytes = taken(&summaries, Identity::Unknown)?;
    // Overwritten in all buffers because they differ from one run to the next: the times of last values, and rates.
    fix_times(&mut bytes, begin);
    samples.dedup();
    for sample in samples.iter().filter(|sample| sample.count > 0) {
        let words = [sample.count.to_le_bytes(), sample.rate.to_le_bytes()].concat();
        let at = find(&bytes, &words) + 8;
        bytes[at..at + 8].copy_from_slice(&2.5f64.to_le_bytes());
    }
    Ok(bytes)
}

fn histories(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let begin = now();
    let histories = Histories::builder().path(root).max_contexts(5).create()?;
    // The ring of 20 wraps around; contexts come and go, and one is cut.
    for value in 0..45 {
        let context = format!("context {}", value / 8);
        match value {
            _ if value % 4 == 0 => histories.times.push(f64::from(value)),
            33 => histories.times.push_with(f64::NAN, "x".repeat(20_000)),
            // There is no space for this context.
            43 => histories.times.push_with(-0.5, "one more"),
            _ if value > 40 => histories.times.push_with(value.into(), "größe\x1b"),
            _ => histories.times.push_with(value.into(), context),
        }
    }
    for text in ["x", "300", "x", ""] {
        let parsed: Result<u8, _> = text.parse();
        if let Err(error) = parsed {
            histories.errors.record(&error);
        }
    }
    let caused: io::Error = io::Error::other("x".parse::<u8>().expect_err("no number"));
    histories.errors.record(&caused);
    histories.errors.note("timeout", "context 9");
    histories.errors.note("timeout", "größe\x1b");
    histories.by_name.group("task.one").count.add(5);
    let mut bytes = taken(&histories, Identity::Unknown)?;
    fix_times(&mut bytes, begin);
    // A metric without a label of its own, like those recorded by name: it has the name of its group.
    let entry = find(&bytes, &[1, 0, 0, 0, 0, 0, 0, 0, b'x', 0]);
    patch(&mut bytes, entry, &[1], &[0]);
    Ok(bytes)
}

/// Now, in nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// Overwrites every word that is a time since `begin`.
fn fix_times(bytes: &mut [u8], begin: u64) {
    // The coarse clock lags behind.
    let times = begin - 1_000_000_000..=now();
    for word in bytes.chunks_exact_mut(8) {
        let time = u64::from_le_bytes(word.try_into().expect("8 bytes"));
        if times.contains(&time) {
            word.copy_from_slice(&1_795_214_569_920_000_000u64.to_le_bytes());
        }
    }
}

/// The variable that holds the number of a worker: a process that only writes one file.
const WORKER: &str = "MMSTATS_GOLDEN_WORKER";

/// The number of the process whose gauges are written by all of its threads.
const LEVELS: u64 = 9;

static SIZE: SharedGauge<i64> = SharedGauge::new("levels", "size")
    .help("Entries of all caches.")
    .unit("entries")
    .labels(&[("cache", "users")]);
static LOAD: SharedGauge<f64> = SharedGauge::new("levels", "load");

fn work(worker: u64) -> Result<(), Box<dyn std::error::Error>> {
    if worker == LEVELS {
        SIZE.set(i64::MAX);
        LOAD.set(0.25);
        SIZE.add(-1);
        return Ok(());
    }
    let stats = Worker::builder().keep(true).create()?;
    stats.done.add(worker);
    stats.level.set(worker);
    stats.size.record(100 * worker);
    stats.seconds.record(worker as f64 / 2.0);
    stats.pair.set(Pair { a: worker, b: 1 });
    stats.note.set(&format!("worker {worker}"));
    Ok(())
}

/// Groups by struct, by pairs and by names; values that the label text escapes; and a group beyond `max_groups`.
fn labels(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let labelled = Labelled::builder().path(root).max_groups(3).create()?;
    let route = |path, status, method| Route {
        path,
        status,
        method,
    };
    for (n, key) in (1..).zip([
        route("/", 200, Method::Get),
        route("/größe", 404, Method::Put),
        route("\\ \"quoted\",\n{}=", 0, Method::Get),
        route("beyond", 200, Method::Get),
    ]) {
        let group = labelled.routes.group(&key);
        group.ok.add(n);
        group.size.record(100 * n);
        group.parts.group("part").count.add(10 * n);
    }
    let pairs = [("method", "GET"), ("a-key", ""), ("größe", "1")];
    labelled.handlers.try_group_with(&pairs)?.ok.add(5);
    labelled.handlers.try_group("index")?.ok.add(6);
    let within = labelled.handlers.try_group("login")?.parts.try_group("b")?;
    within.count.add(7);
    Ok(taken(&labelled, Identity::Unknown)?)
}

/// One group is removed, one uses the space of another that was removed, and a third stays.
fn removed(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut removed = Removed::builder().path(root).create()?;
    for (n, name) in (1..).zip(["removed", "reused", "stays"]) {
        let group = removed.groups.try_group(name)?;
        group.count.add(n);
        group.size.record(1_000 * n);
    }
    assert!(removed.groups.remove("reused"));
    removed.reuse_removed();
    let group = removed.groups.try_group("new")?;
    group.count.add(4);
    group.size.record(1);
    assert!(removed.groups.remove("removed"));
    Ok(taken(&removed, Identity::Unknown)?)
}

fn counting_fields(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let counting = CountingFields::builder().path(root).create()?;
    counting.traffic.set(Traffic {
        bytes: [1, 2],
        open: 3,
        failed: 4,
        seconds: 0.5,
    });
    Ok(taken(&counting, Identity::Unknown)?)
}

/// A file in which one metric is described twice after its schema; a third description is of a kind of which the file
/// has no metric.
fn described(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let writer = Writer::builder("described").path(root).create()?;
    writer.counter("size").unit("blocks").add()?.add(1);
    writer.group("group")?.counter("size").add()?.add(2);
    writer.counter("other").unit("blocks").add()?.add(3);
    let mut bytes = fs::read(writer.path().ok_or("it has a path")?)?;
    finish(&mut bytes, Identity::Unknown);
    for (time, kind, unit) in [(2u64, 1u16, "bytes"), (1, 1, "lines"), (3, 2, "letters")] {
        let (label, help) = ("size", "Größe.");
        let mut record = vec![0; 8];
        record.extend(time.to_le_bytes());
        record.extend(kind.to_le_bytes());
        for text in [label, unit, help] {
            record.extend((text.len() as u16).to_le_bytes());
        }
        for text in [label, unit, help] {
            record.extend(text.as_bytes());
        }
        record.resize(record.len().next_multiple_of(8), 0);
        let length = record.len() as u32;
        record[..4].copy_from_slice(&length.to_le_bytes());
        record[4..6].copy_from_slice(&8u16.to_le_bytes());
        bytes.extend(record);
    }
    let committed = bytes.len() as u64;
    bytes[32..40].copy_from_slice(&committed.to_le_bytes());
    Ok(bytes)
}

/// Values with contexts: of several magnitudes, two of the same magnitude, and one value without a context.
fn exemplars(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let begin = now();
    let traced = Traced::builder().path(root).create()?;
    for (millis, trace) in [
        (1, "first"),
        (900, "slow"),
        (1, "4bf92f3577b34da6a3ce929d0e0e4736"),
    ] {
        traced
            .time
            .record_with(Duration::from_millis(millis), trace);
    }
    traced.time.record(Duration::from_secs(3600));
    for (ratio, trace) in [(-0.25, "below"), (0.0, "zero"), (1e100, "\u{ff}")] {
        traced.ratio.record_with(ratio, trace);
    }
    traced.size.record_with(0, "nothing");
    traced.size.record_with(u64::MAX, [0xff, 0x00]);
    let mut bytes = taken(&traced, Identity::Unknown)?;
    fix_times(&mut bytes, begin);
    Ok(bytes)
}

/// The file of a process, which is not written by any single thread.
fn of_a_process(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let directory = root.join("levels");
    let _ = fs::remove_dir_all(&directory);
    let status = process::Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(WORKER, LEVELS.to_string())
        .env("MMSTATS_PATH", root)
        .env("MMSTATS_KEEP", "1")
        .status()?;
    assert!(status.success());
    let entry = fs::read_dir(&directory)?
        .next()
        .ok_or("the file of the process")??;
    let mut bytes = fs::read(entry.path())?;
    let owner: [u8; 8] = bytes[40..48].try_into()?;
    finish(&mut bytes, Identity::Unknown);
    // The owner word names no thread.
    bytes[40..48].copy_from_slice(&owner);
    Ok(bytes)
}

/// Three processes that have ended, folded.
fn retired(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let directory = root.join(Worker::NAME);
    let _ = fs::remove_dir_all(&directory);
    for worker in 1..=3 {
        let status = process::Command::new(env::current_exe()?)
            .args(env::args_os().skip(1))
            .env(WORKER, worker.to_string())
            .env("MMSTATS_PATH", root)
            .status()?;
        assert!(status.success());
        // A name that has the same length in every run.
        let made = fs::read_dir(&directory)?.map(|entry| entry.map(|entry| entry.path()));
        let made: Vec<PathBuf> = made.collect::<Result<_, _>>()?;
        let is_new = |path: &&PathBuf| !path.to_string_lossy().contains("mmstats-812-");
        let new = made.iter().find(is_new).ok_or("the worker's file")?;
        fs::rename(new, directory.join(format!("mmstats-812-81{worker}")))?;
    }
    // Two are folded in one step, and one after it.
    let third = directory.join("mmstats-812-813");
    fs::rename(&third, root.join("aside"))?;
    Cleaner::new().fold(true).clean(&directory)?;
    fs::rename(root.join("aside"), &third)?;
    Cleaner::new().fold(true).clean(&directory)?;
    let mut bytes = fs::read(directory.join("mmstats-retired"))?;
    let created = 1_795_214_569_920_000_000u64.to_le_bytes();
    // The names of the folded files (56 bytes each) follow the header and 24 bytes of their record.
    let header = u32::from_le_bytes(bytes[8..12].try_into().expect("4 bytes")) as usize;
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(48, &created);
    put(64, &1000u32.to_le_bytes()); // uid
    put(68, &100u32.to_le_bytes()); // gid
    for (name, tid) in (811u32..814).enumerate() {
        let at = header + 24 + 56 * name;
        put(at, &created);
        put(at + 8, &0x0123_4567_89ab_cdefu64.to_le_bytes());
        put(at + 16, &4711u64.to_le_bytes());
        put(at + 24, &812u32.to_le_bytes());
        put(at + 28, &tid.to_le_bytes());
    }
    // The time of the last value, which follows the maximum and the last value.
    let most = 1.5f64.to_le_bytes();
    let at = find(&bytes, &[most, most].concat()) + 16;
    bytes[at..at + 8].copy_from_slice(&created);
    Ok(bytes)
}

/// What a later version might write, between records that this version knows.
fn unknown_record_and_kind(root: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let writer = Writer::builder("unknown").path(root).create()?;
    writer.counter("before").add()?.add(1);
    writer.group("skipped")?.counter("count").add()?.add(2);
    writer.counter("of_future_kind").add()?.add(3);
    writer.gauge::<u16>("of_future_merge").add()?.set(4);
    writer.gauge::<u32>("of_future_type").add()?.set(5);
    writer
        .compound::<Pair>("of_future_fields")
        .add()?
        .set(Pair { a: 6, b: 7 });
    writer
        .compound::<Pair>("of_future_field_type")
        .add()?
        .set(Pair { a: 6, b: 7 });
    writer
        .compound::<Pair>("of_future_field_merge")
        .add()?
        .set(Pair { a: 6, b: 7 });
    writer.counter("after").add()?.add(8);
    let group = writer.group("must_be_understood")?;
    group.counter("count").add()?.add(9);
    writer.counter("beyond").add()?.add(10);
    let mut bytes = std::fs::read(writer.path().ok_or("it has a path")?)?;
    finish(&mut bytes, Identity::Unknown);
    // An instance record becomes a record of an unknown type.
    let record = find(&bytes, b"skipped") - 24;
    patch(
        &mut bytes,
        record + 4,
        &2u16.to_le_bytes(),
        &999u16.to_le_bytes(),
    );
    let entry = |label: &[u8], bytes: &[u8]| find(bytes, label) - 32;
    let kind = entry(b"of_future_kind", &bytes) + 4;
    patch(
        &mut bytes,
        kind,
        &1u16.to_le_bytes(),
        &60_000u16.to_le_bytes(),
    );
    let merge = entry(b"of_future_merge", &bytes) + 7;
    patch(&mut bytes, merge, &[0], &[200]);
    let scalar = entry(b"of_future_type", &bytes) + 6;
    patch(&mut bytes, scalar, &[3], &[200]);
    // A future kind may give fields a meaning of its own, but not another shape.
    let fields = entry(b"of_future_fields", &bytes) + 4;
    patch(
        &mut bytes,
        fields,
        &9u16.to_le_bytes(),
        &60_001u16.to_le_bytes(),
    );
    let field = find(&bytes, b"of_future_field_type") + b"of_future_field_type".len();
    patch(&mut bytes, field, &[4], &[200]);
    let field = find(&bytes, b"of_future_field_merge") + b"of_future_field_merge".len();
    patch(&mut bytes, field + 1, &[0], &[200]);
    // What follows cannot be read without knowing what this record means.
    let record = find(&bytes, b"must_be_understood") - 24;
    patch(&mut bytes, record + 4, &[2, 0, 0, 0], &[0xe7, 3, 1, 0]);
    // A compatible feature, and a state of the owner word.
    patch(&mut bytes, 24, &[0; 8], &(1u64 << 63).to_le_bytes());
    patch(&mut bytes, 40 + 4, &[0], &[77]);
    Ok(bytes)
}

/// Returns the bytes of a file up to its committed length, with the given identity.
fn taken<T>(stats: &Stats<T>, identity: Identity) -> io::Result<Vec<u8>> {
    let mut bytes = fs::read(stats.path().expect("it is a file"))?;
    finish(&mut bytes, identity);
    Ok(bytes)
}

/// The process that a golden file names as its writer.
#[derive(Clone, Copy, PartialEq)]
enum Identity {
    /// Nothing is known of the process. Its state is "unknown", so all of its values count.
    Unknown,
    /// A process on another machine. Its state is "unknown" here as well.
    OfAnotherMachine,
}

/// Cuts a file at its committed length and overwrites what differs from one run to the next.
fn finish(bytes: &mut Vec<u8>, identity: Identity) {
    let committed = u64::from_le_bytes(bytes[32..40].try_into().expect("8 bytes"));
    bytes.truncate(committed as usize);
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(
        12,
        &u32::from(identity == Identity::OfAnotherMachine).to_le_bytes(),
    ); // flags: lock pinned
    put(40, &815u32.to_le_bytes()); // tid in the owner word
    put(48, &1_795_214_569_920_000_000u64.to_le_bytes()); // creation time
    put(56, &812u32.to_le_bytes()); // pid
    put(60, &815u32.to_le_bytes()); // tid
    put(64, &1000u32.to_le_bytes()); // uid
    put(68, &100u32.to_le_bytes()); // gid
    put(72, &4711u64.to_le_bytes()); // start time
    match identity {
        Identity::Unknown => {
            put(80, &[0; 16 + 4 * 8 + 16]);
            put(152, &[0; 8]);
        }
        Identity::OfAnotherMachine => {
            put(
                80,
                b"\x60\x1d\xb0\x07\x00\x00\x40\x00\x80\x00\xc0\xff\xee\xc0\xff\xee",
            ); // boot id
            put(96, &4_026_531_836u64.to_le_bytes()); // pid namespace
            put(104, &0x0123_4567_89ab_cdefu64.to_le_bytes()); // lock token
            put(112, &26u64.to_le_bytes()); // device
            put(120, &3u64.to_le_bytes()); // inode
            put(
                128,
                b"\xac\xce\x55\xed\xfa\xce\xd0\x0d\xde\xfa\xce\xd1\x5e\xa5\xed\x01",
            ); // machine id
            put(152, &4_026_531_834u64.to_le_bytes()); // time namespace
        }
    }
}

/// Returns the offset of these bytes, which must occur exactly once.
fn find(bytes: &[u8], what: &[u8]) -> usize {
    let mut places = bytes
        .windows(what.len())
        .enumerate()
        .filter(|(_, window)| *window == what);
    let (at, _) = places.next().expect("they are there");
    assert!(places.next().is_none(), "{what:?} occurs twice");
    at
}

/// Replaces bytes, and asserts what was there before.
fn patch(bytes: &mut [u8], at: usize, from: &[u8], to: &[u8]) {
    assert_eq!(&bytes[at..at + from.len()], from, "at {at}");
    bytes[at..at + to.len()].copy_from_slice(to);
}
