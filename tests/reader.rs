//! The reader against the library's own writers, in this process and in processes that have died.

use std::path::Path;
use std::process::{Command, Stdio};

use mmstats::reader::{Per, Reader, State};
use mmstats::{
    Average, Compound, Counter, Errors, Flag, Gauge, Groups, MmStats, MmValue, Percentile,
    SamplingCounter, Summary, Text, Timer, UpDown, Value,
};
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, Default, PartialEq, MmValue)]
#[repr(C)]
struct Pool {
    open: u32,
    idle: u32,
    waits: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, MmValue)]
#[repr(C)]
struct OtherPool {
    open: u32,
    closed: u32,
    waits: u64,
}

#[derive(MmStats)]
struct Handler {
    response_ok: Counter,
    response_time: Timer,
}

/// Statistics of the web tier.
#[derive(MmStats)]
#[mmstats(name = "my-app")]
struct Web {
    /// Requests received.
    requests: Counter,
    in_flight: UpDown,
    temperature: Gauge<f64>,
    #[mmstats(unit = "bytes")]
    body_size: Percentile,
    pool: Compound<Pool>,
    release: Text<32>,
    ready: Flag,
    handlers: Groups<Handler>,
}

fn web(root: &Path) -> mmstats::Stats<Web> {
    Web::builder().path(root).create().unwrap()
}

fn u64_of(reader: &mut Reader, label: &str) -> Option<u64> {
    let snapshot = reader.snapshot().unwrap();
    assert_eq!(snapshot.errors(), []);
    assert!(snapshot.is_whole());
    snapshot
        .get("my-app", label)
        .and_then(|value| value.as_u64())
}

#[test]
fn every_kind_is_read_back_and_merged_over_two_files() {
    let root = tempfile::tempdir().unwrap();
    let (one, two) = (web(root.path()), web(root.path()));
    for (web, n) in [(&one, 1u32), (&two, 2)] {
        web.requests.add(n.into());
        web.in_flight.add(-i64::from(n));
        web.temperature.set(f64::from(n) + 0.5);
        web.body_size.record(100 * u64::from(n));
        web.pool.set(Pool {
            open: n,
            idle: 10 * n,
            waits: 100,
        });
        web.release.set(if n == 1 { "1.0" } else { "2.0" });
        web.ready.set(n == 1);
        web.handlers
            .group("index")
            .response_time
            .record(std::time::Duration::from_millis(10));
    }
    let mut reader = Reader::open(root.path()).unwrap();
    let snapshot = reader.per(Per::File).snapshot().unwrap();
    assert_eq!(snapshot.errors(), []);
    let get = |label| snapshot.get("my-app", label).unwrap();
    assert_eq!(get("requests").as_u64(), Some(3));
    assert_eq!(get("in_flight").as_i64(), Some(-3));
    assert_eq!(get("temperature").as_f64(), Some(4.0));
    assert_eq!(get("body_size.Max").as_u64(), Some(200));
    assert_eq!(get("body_size.Percentile50th").as_u64(), Some(100));
    assert_eq!(get("release").as_str(), Some("2.0"));
    assert_eq!(get("ready").as_bool(), Some(true));
    assert_eq!(get("pool.idle").as_u64(), Some(30));
    assert_eq!(
        get("index.response_time")
            .as_distribution()
            .unwrap()
            .count(),
        2
    );
    assert_eq!(get("index.response_time:Count").as_u64(), Some(2));
    let median = get("index.response_time.Median").as_f64().unwrap();
    assert!((median - 0.01).abs() < 0.0002, "{median} seconds");
    assert_eq!(
        snapshot.compound::<Pool>("my-app", "pool").unwrap(),
        Pool {
            open: 3,
            idle: 30,
            waits: 200
        }
    );
    assert!(snapshot.compound::<OtherPool>("my-app", "pool").is_err());
    assert!(snapshot.compound::<Pool>("my-app", "requests").is_err());
    assert!(snapshot.compound::<Pool>("my-app", "nothing").is_err());

    let model = snapshot.model("my-app").unwrap();
    assert_eq!((model.processes(), model.files().len()), (1, 2));
    let requests = model
        .series()
        .iter()
        .find(|stat| stat.label() == "requests")
        .unwrap();
    assert_eq!(
        (requests.help(), requests.unit()),
        ("Requests received.", "")
    );
    let file = &snapshot.files()[0];
    assert_eq!(file.state(), State::Live);
    assert_eq!(file.pid(), std::process::id());
    let own = snapshot.of_file(file).unwrap();
    assert_eq!(own.get("requests").unwrap().as_u64(), Some(1));
    assert_eq!(
        own.get("sys.tid").unwrap().as_u64(),
        Some(file.tid().into())
    );
    assert_eq!(
        file.get("sys.pid").unwrap().as_u64(),
        Some(std::process::id().into())
    );
    assert!(file.created() > 1.6e9);
    assert_eq!(snapshot.labels("index.*").count(), 2);
}

#[test]
fn later_snapshots_follow_the_writers() {
    let root = tempfile::tempdir().unwrap();
    let mut reader = Reader::open(root.path()).unwrap();
    assert_eq!(u64_of(&mut reader, "requests"), None);
    let one = web(root.path());
    assert_eq!(u64_of(&mut reader, "requests"), Some(0));
    one.requests.inc();
    assert_eq!(u64_of(&mut reader, "requests"), Some(1));
    let two = web(root.path());
    two.requests.add(10);
    assert_eq!(u64_of(&mut reader, "requests"), Some(11));
    // So many groups that the file grows beyond the part that was mapped.
    for i in 0..200 {
        let group = two.handlers.group(&format!("group{i}"));
        group.response_ok.add(i);
        group
            .response_time
            .record(std::time::Duration::from_nanos(1 << (i % 40)));
        assert_eq!(
            u64_of(&mut reader, &format!("group{i}.response_ok")),
            Some(i)
        );
        assert_eq!(
            u64_of(&mut reader, &format!("group{i}.response_time.Count")),
            Some(1)
        );
    }
    drop(two);
    assert_eq!(u64_of(&mut reader, "requests"), Some(1));
    assert_eq!(u64_of(&mut reader, "group7.response_ok"), None);
}

/// Not a test of its own: the process that the next test kills.
#[test]
fn child_that_is_killed() {
    let Some(root) = std::env::var_os("READER_TEST_ROOT") else {
        return;
    };
    let web = web(Path::new(&root));
    web.requests.add(5);
    web.in_flight.add(5);
    web.temperature.set(5.0);
    web.release.set("old");
    println!("ready");
    std::thread::sleep(std::time::Duration::from_secs(600));
}

#[test]
fn the_counts_of_a_killed_process_stay_and_its_levels_go() {
    use std::io::{BufRead, BufReader};

    let root = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--nocapture"])
        .env("READER_TEST_ROOT", root.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("ready")));
    let mut reader = Reader::open(root.path()).unwrap();
    let snapshot = reader.snapshot().unwrap();
    assert_eq!(snapshot.files()[0].state(), State::Live);
    assert_eq!(
        snapshot.get("my-app", "temperature").unwrap().as_f64(),
        Some(5.0)
    );
    assert_eq!(
        snapshot.get("my-app", "in_flight").unwrap().as_i64(),
        Some(5)
    );
    child.kill().unwrap();
    child.wait().unwrap();
    let snapshot = reader.snapshot().unwrap();
    assert_eq!(snapshot.files()[0].state(), State::Dead);
    assert_eq!(
        snapshot.get("my-app", "requests").unwrap().as_u64(),
        Some(5)
    );
    assert_eq!(
        snapshot.get("my-app", "temperature").unwrap().as_f64(),
        Some(0.0)
    );
    assert_eq!(
        snapshot.get("my-app", "in_flight").unwrap().as_i64(),
        Some(0)
    );
    assert_eq!(
        snapshot.get("my-app", "release").unwrap().as_str(),
        Some("old")
    );
}

/// Not a test of its own: the process that the next test expects to crash.
#[test]
fn child_with_a_fault_of_its_own() {
    let Some(path) = std::env::var_os("READER_TEST_FAULT") else {
        return;
    };
    mmstats::reader::guard_sigbus().unwrap();
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    // SAFETY: not safe: the file is cut short below, and the load from it must end this process.
    let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
    assert_eq!(map[8192], 1);
    file.set_len(0).unwrap();
    println!("{}", std::hint::black_box(&map)[8192]);
}

#[test]
fn the_sigbus_guard_passes_on_faults_that_are_not_the_readers() {
    use std::os::unix::process::ExitStatusExt;

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![1; 3 * 4096]).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_with_a_fault_of_its_own"])
        .env("READER_TEST_FAULT", file.path())
        .output()
        .unwrap();
    const SIGBUS: i32 = if cfg!(target_os = "linux") { 7 } else { 10 };
    assert_eq!(output.status.signal(), Some(SIGBUS), "{output:?}");
}

/// Kinds other than counters: the delta of each is what was recorded in the interval.
#[test]
fn each_kind_that_rises_says_what_it_had_of_the_interval() {
    #[derive(MmStats)]
    #[mmstats(name = "m")]
    struct Rising {
        average: Average,
        errors: Errors,
        sampled: SamplingCounter<1>,
        summary: Summary,
    }
    let root = TempDir::new().unwrap();
    let stats = Rising::builder().path(root.path()).create().unwrap();
    let record = |value: f64, many: u64| {
        for _ in 0..many {
            stats.average.record(value);
            stats.sampled.inc();
            stats.summary.record(value);
            stats.errors.note("often", "");
        }
    };
    record(100.0, 3);
    stats.errors.note("once", "");
    let mut reader = Reader::open(root.path()).unwrap();
    reader.deltas(true).per(Per::File).snapshot().unwrap();
    record(2.0, 5);
    let snapshot = reader.snapshot().unwrap();
    assert!(snapshot.is_whole() && snapshot.errors().is_empty());
    let model = snapshot.model("m").unwrap();
    for deltas in [model.deltas(), snapshot.models()[0].deltas()] {
        let [average, errors, sampled, summary] = deltas else {
            panic!("{deltas:?}");
        };
        let average = average.value().as_average().unwrap();
        assert_eq!((average.count(), average.average()), (5, Some(2.0)));
        let errors = errors.value().as_errors().unwrap();
        let distinct: Vec<_> = (errors.distinct().iter())
            .map(|error| (error.name(), error.count()))
            .collect();
        assert_eq!((errors.all(), distinct), (5, vec![("often", 5)]));
        let Value::SamplingCounter(sampled) = sampled.value() else {
            panic!("{sampled:?}");
        };
        assert_eq!(sampled.count, 5);
        let summary = summary.value().as_summary().unwrap();
        assert_eq!((summary.count(), summary.total()), (5, 10.0));
        assert_eq!((summary.mean(), summary.max()), (Some(2.0), None));
    }
    // Nothing new.
    let snapshot = reader.snapshot().unwrap();
    let model = snapshot.model("m").unwrap();
    assert_eq!(model.deltas()[0].value().as_average().unwrap().count(), 0);
    assert_eq!(model.deltas().len(), 4);
}
