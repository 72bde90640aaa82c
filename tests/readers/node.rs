//! `docs/readers/mmstats.mjs` in Node and, where it is installed, in Deno: it prints what
//! `mmstats show --json` prints.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use mmstats::retire::Cleaner;
use mmstats::{
    Average, Compound, Constant, Counter, Errors, Flag, Gauge, Groups, History, MmStats, MmValue,
    MovingAverage, Percentile, SamplingCounter, Stats, Summary, Text, Timer, UpDown,
};
use serde_json::Value as Json;

/// Tells a process that it is the child of a test, and where to write.
const ROLE: &str = "MMSTATS_TEST_ROLE";

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What runs the reader: Node, and Deno if it is there.
fn runtimes() -> Vec<Vec<PathBuf>> {
    let runs = |program: &Path| Command::new(program).arg("--version").output().is_ok();
    let required = std::env::var_os("MMSTATS_REQUIRE_REAL").is_some_and(|value| value == "1");
    let node = PathBuf::from("node");
    if !runs(&node) {
        assert!(!required, "node cannot be run");
        eprintln!("SKIPPED: node cannot be run, so docs/readers/mmstats.mjs was not tested");
        return Vec::new();
    }
    let mut runtimes = vec![vec![node]];
    let deno = [
        manifest("target/judges/node_modules/.bin/deno"),
        "deno".into(),
    ];
    match deno.into_iter().find(|deno| runs(deno)) {
        Some(deno) => runtimes.push(vec![deno, "run".into(), "-A".into()]),
        None => eprintln!("SKIPPED: deno cannot be run, so mmstats.mjs was not tested in it"),
    }
    runtimes
}

/// The reader, or another script that imports it.
fn script(runtime: &[PathBuf], script: &Path) -> Command {
    let mut command = Command::new(&runtime[0]);
    command.args(&runtime[1..]).arg(script);
    command.env_remove("MMSTATS_PATH");
    command
}

fn reader(runtime: &[PathBuf]) -> Command {
    script(runtime, &manifest("docs/readers/mmstats.mjs"))
}

fn json(output: &Output) -> Json {
    let read = serde_json::from_slice(&output.stdout);
    read.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// What the command line tool prints of these paths.
fn by_tool(paths: &[PathBuf]) -> Json {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmstats"));
    command.args(["show", "--json", "--per-file"]).args(paths);
    json(&command.output().unwrap())
}

/// Compares what the tool prints of these paths with what the reader does, and returns it.
fn compare(what: &str, paths: &[PathBuf]) -> Json {
    let tool = by_tool(paths);
    for runtime in runtimes() {
        let output = reader(&runtime).arg("--per-file").args(paths).output();
        let mut found = Vec::new();
        differences("", &tool, &json(&output.unwrap()), &mut found);
        let differences = found.join("\n");
        assert!(found.is_empty(), "{what}, {runtime:?}:\n{differences}");
    }
    tool
}

/// Where two values differ. Integers are compared exactly, floats to 12 digits; of errors only how many there are
/// about each file.
fn differences(at: &str, left: &Json, right: &Json, found: &mut Vec<String>) {
    match (left, right) {
        (Json::Array(left), Json::Array(right)) if at == "/errors" => {
            let (left, right) = (by_path(left), by_path(right));
            if left != right {
                found.push(format!("errors: {left:?} and {right:?}"));
            }
        }
        (Json::Object(left), Json::Object(right)) => {
            let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let missing = Json::from("(missing)");
                let left = left.get(key).unwrap_or(&missing);
                let right = right.get(key).unwrap_or(&missing);
                differences(&format!("{at}/{key}"), left, right, found);
            }
        }
        (Json::Array(left), Json::Array(right)) if left.len() == right.len() => {
            for (i, (left, right)) in left.iter().zip(right).enumerate() {
                differences(&format!("{at}/{i}"), left, right, found);
            }
        }
        (Json::Number(one), Json::Number(two)) if one.is_f64() || two.is_f64() => {
            let (x, y) = (one.as_f64().unwrap(), two.as_f64().unwrap());
            if (x - y).abs() > 1e-12 * x.abs().max(y.abs()) {
                found.push(format!("{at}: {one} and {two}"));
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{at}: {left} and {right}")),
    }
}

fn by_path(errors: &[Json]) -> BTreeMap<&str, usize> {
    let mut paths = BTreeMap::new();
    for error in errors {
        *paths.entry(error["path"].as_str().unwrap()).or_default() += 1;
    }
    paths
}

/// The paths of the golden files, in the same order everywhere.
fn golden_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(manifest("tests/golden")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|of| of == "mmstats"));
    assert!(paths.len() >= 20, "{paths:?}");
    paths.sort();
    paths
}

#[test]
fn golden_files_are_read_as_by_the_tool() {
    let mut paths = golden_files();
    // Where it says which one it cannot find.
    paths.push("/no/such/path".into());
    compare("golden files", &paths);
}

/// Of files with bytes that no writer writes it takes the same parts as the library.
#[test]
fn damaged_files_are_read_as_by_the_tool() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("model");
    fs::create_dir(&directory).unwrap();
    for (of, path) in golden_files().iter().enumerate() {
        let golden = fs::read(path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        // Of each file the same ones, whatever other files there are.
        let mut random = Random(name.bytes().map(u64::from).sum());
        // Metadata for the most part. (Of floats that no writer writes other digits may be lost.)
        let most = if name == "summaries" { 2_048 } else { 6_000 };
        let most = golden.len().min(most);
        for number in 0..60 {
            let mut bytes = golden.clone();
            for _ in 0..1 + number % 3 {
                let at = random.below(most);
                bytes[at] = match random.below(4) {
                    0 => 0,
                    1 => 255,
                    2 => bytes[at] ^ 1 << random.below(8),
                    _ => random.below(256) as u8,
                };
            }
            if random.below(8) == 0 {
                bytes.truncate(random.below(golden.len()));
            }
            // Of another thread: a copy would not be read. (The tid is at byte 60 of the header.)
            if let Some(tid) = bytes.get_mut(60..64) {
                tid.copy_from_slice(&(7_000 + 100 * of as u32 + number).to_le_bytes());
            }
            fs::write(directory.join(format!("mmstats-{name}-{number}")), bytes).unwrap();
        }
    }
    let tool = compare("damaged files", &[root.path().into()]);
    let models = tool["models"].as_object().unwrap().values();
    let files: usize = models
        .map(|model| model["files"].as_array().unwrap().len())
        .sum();
    assert!(files > 100, "only {files} damaged files were read");
}

/// What is no stats file, and what must not be waited for.
#[test]
fn what_is_no_stats_file_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let model = root.path().join("minimal");
    fs::create_dir_all(model.join("mmstats-directory")).unwrap();
    fs::create_dir(root.path().join("empty")).unwrap();
    fs::copy(
        manifest("tests/golden/minimal.mmstats"),
        model.join("mmstats-812-815"),
    )
    .unwrap();
    fs::copy(model.join("mmstats-812-815"), model.join("mmstats-copy")).unwrap();
    fs::write(model.join("mmstats-empty"), "").unwrap();
    fs::write(model.join(".hidden"), "").unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    std::os::unix::fs::symlink(model.join("mmstats-812-815"), model.join("mmstats-link")).unwrap();
    std::os::unix::fs::symlink(&model, root.path().join("link")).unwrap();
    let fifo = model.join("mmstats-fifo");
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    // Its length lies: nothing is allocated for it.
    let mut bytes = fs::read(model.join("mmstats-812-815")).unwrap();
    bytes[32..40].copy_from_slice(&(1u64 << 40).to_le_bytes());
    bytes[60] = 1;
    let sparse = model.join("mmstats-sparse");
    fs::write(&sparse, bytes).unwrap();
    let file = fs::File::options().write(true).open(sparse).unwrap();
    file.set_len(1 << 40).unwrap();
    let tool = compare("other entries", &[root.path().into()]);
    assert_eq!(tool["models"]["minimal"]["stats"]["requests"]["value"], 14);
}

#[test]
fn its_exit_codes_are_those_of_the_tool() {
    let empty = tempfile::tempdir().unwrap();
    let golden = manifest("tests/golden/minimal.mmstats");
    for runtime in runtimes() {
        let code = |argument: &Path| reader(&runtime).arg(argument).output().unwrap();
        assert_eq!(code(&golden).status.code(), Some(0));
        for nothing in [empty.path(), Path::new("/no/such/path")] {
            let output = code(nothing);
            assert_eq!(output.status.code(), Some(1), "{nothing:?}");
            assert!(!output.stderr.is_empty());
        }
        let output = code(Path::new("--no-such-option"));
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage:"));
    }
}

/// As a module: every series has its metric, and integers lose no digit.
#[test]
fn integers_are_numbers_where_these_are_exact() {
    let root = tempfile::tempdir().unwrap();
    let module = manifest("docs/readers/mmstats.mjs");
    let text = format!(
        "import {{ read }} from {module:?};
        const [{{ series, files }}] = read({golden:?}, {{ perFile: true }}).models;
        const of = (label) => series.find((one) => one.label === label);
        const {{ value }} = of('most_u64');
        const time = of('handler.index.response_time');
        console.log([
            typeof of('requests').value, of('requests').unit, typeof value, value, of('least_i64').value,
            time.metric, time.group, time.unit, time.value.count, files[0].series.length === series.length,
        ].join());",
        golden = manifest("tests/golden/every-kind.mmstats"),
    );
    let path = root.path().join("script.mjs");
    fs::write(&path, text).unwrap();
    for runtime in runtimes() {
        let output = script(&runtime, &path).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            "number,requests,bigint,18446744073709551615,-9223372036854775808,\
             response_time,index,seconds,1,true",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

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
    ready: Flag,
    release: Text<40>,
    #[mmstats(value = 17)]
    limit: Constant<u64>,
    #[mmstats(window = "24h", digits = 1)]
    response_time: Timer,
    #[mmstats(window = "24h", digits = 3)]
    size: Percentile,
    pool: Compound<Pool>,
    #[mmstats(window = "23h")]
    tasks: Summary,
    mean: Average,
    recent: MovingAverage<7>,
    hits: SamplingCounter<5>,
    times: History<30>,
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
    most: i32,
    waits: [u64; 2],
    #[mmstats(merge = "mean")]
    share: f64,
}

/// The next release of the same model: another kind, other digits.
#[derive(MmStats)]
#[mmstats(name = "web")]
struct NextWeb {
    peak: Counter,
    #[mmstats(window = "24h", digits = 2)]
    size: Percentile,
}

/// Values that follow from a seed.
fn write(web: &Web, seed: u64) {
    let mut random = Random(seed);
    web.requests.add(random.next() >> 8);
    web.in_flight.add(random.next() as i64 >> 8);
    web.load.set(random.next() as f64 / 7.0);
    web.peak.set(random.next() as i32);
    web.ready.set(seed % 2 == 1);
    web.release
        .set(&format!("{seed} \u{202e}\n{}", "ß".repeat(30)));
    for _ in 0..200 {
        // Values of all lengths.
        let value = random.next() >> random.below(64);
        web.size.record(value);
        web.response_time.record(Duration::from_nanos(value >> 8));
        let value = 1e9 + (value >> 20) as f64 / 3.0;
        web.tasks.record(value);
        web.mean.record(value);
        web.recent.record(-value);
        web.hits.inc();
        web.times
            .push_with(value, format!("context {}", random.below(5)));
    }
    for error in ["x", "", "300"].map(|text| text.parse::<u8>().unwrap_err()) {
        web.errors.record(&error);
    }
    web.errors
        .note(&format!("note {}", seed % 2), format!("of {seed}"));
    web.pool.set(Pool {
        open: 3,
        most: -4,
        waits: [seed, random.next() >> 8],
        share: 1.0 / seed as f64,
    });
    for name in ["index", "größe.v2"] {
        let handler = web.handlers.group(name);
        handler.ok.add(seed);
        handler.time.record(Duration::from_micros(seed));
    }
}

/// A process that writes as two threads, of which one has ended, and waits to be killed.
fn child() -> ! {
    Web::local(|web| write(web, 11));
    std::thread::spawn(|| Web::local(|web| write(web, 12)))
        .join()
        .unwrap();
    println!("written");
    loop {
        std::thread::park();
    }
}

fn start_child(root: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["node::files_that_are_written", "--nocapture"])
        .env(ROLE, "child")
        .env("MMSTATS_PATH", root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_written = lines.any(|line| line.unwrap().ends_with("written"));
    assert!(is_written, "the child wrote nothing");
    child
}

/// Adds files of which only the lock says whether their process lives: one of another pid namespace, and one of
/// another boot. They are made from one of the process.
fn add_strangers(model: &Path, pid: u32) {
    let prefix = format!("mmstats-{pid}-");
    let entries = fs::read_dir(model).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names.find(|name| name.starts_with(&prefix)).unwrap();
    let bytes = fs::read(model.join(name)).unwrap();
    for (number, field) in [(1, 96..104), (2, 80..96)] {
        let mut bytes = bytes.clone();
        bytes[field].fill(number);
        bytes[44] = 0; // the state of the owner word: live
        fs::write(model.join(format!("mmstats-{number}")), bytes).unwrap();
    }
}

/// Every kind, with windows by the machine's clock; all states of files; another release; removed groups; and totals of
/// files that were folded.
#[test]
fn files_that_are_written_are_read_as_by_the_tool() {
    if std::env::var_os(ROLE).is_some() {
        child();
    }
    let root = tempfile::tempdir().unwrap();
    let create = |seed| {
        let web = Web::builder().path(root.path()).create().unwrap();
        write(&web, seed);
        web
    };
    let mut first: Stats<Web> = create(1);
    let threads = std::thread::scope(|scope| scope.spawn(|| create(2)).join().unwrap());
    let mut process = start_child(root.path());
    let check = |what: &str, states: &[&str]| {
        let tool = compare(what, &[root.path().into()]);
        let files = tool["models"]["web"]["files"].as_array().unwrap();
        let mut found: Vec<&str> = files
            .iter()
            .map(|file| file["state"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, states, "{what}");
    };
    check("two processes", &["live", "live", "live", "orphan"]);
    add_strangers(&root.path().join("web"), process.id());
    check(
        "other namespaces",
        &["live", "live", "live", "live", "live", "orphan"],
    );
    process.kill().unwrap();
    process.wait().unwrap();
    let next = NextWeb::builder().path(root.path()).create().unwrap();
    next.peak.add(2);
    next.size.record(1_000_003);
    check(
        "a next release",
        &["dead", "dead", "dead", "dead", "live", "live", "live"],
    );
    assert!(first.handlers.remove("index"));
    first.reuse_removed();
    first.handlers.group("new").ok.add(3);
    Cleaner::new().fold(true).clean(root.path()).unwrap();
    check("folded", &["dead", "live", "live", "live"]);
    drop(threads);
}

/// Written as fast as it goes, a slot is read whole or not at all.
#[test]
fn no_torn_value_is_taken() {
    #[derive(MmStats)]
    struct Fast {
        twins: Compound<Twins>,
    }
    #[derive(Clone, Copy, Default, MmValue)]
    #[repr(C)]
    struct Twins {
        words: [u64; 16],
    }
    let root = tempfile::tempdir().unwrap();
    let fast = Fast::builder().path(root.path()).create().unwrap();
    let path = root.path().join("script.mjs");
    let text = format!(
        "import {{ read }} from {module:?};
        let [whole, torn] = [0, 0];
        for (let i = 0; i < 1000; i++) {{
            const {{ busy, value }} = read({directory:?}).models[0].series[0];
            if (!busy) value.words.every((word) => word === value.words[0]) ? whole++ : torn++;
        }}
        console.log(torn, whole > 100);",
        module = manifest("docs/readers/mmstats.mjs"),
        directory = root.path().join("Fast"),
    );
    fs::write(&path, text).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            let mut n = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                n += 1;
                fast.twins.set(Twins { words: [n; 16] });
            }
            drop(fast);
        });
        let outputs: Vec<_> = runtimes()
            .iter()
            .map(|runtime| script(runtime, &path).output().unwrap())
            .collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for output in outputs {
            let error = String::from_utf8_lossy(&output.stderr);
            let found = String::from_utf8_lossy(&output.stdout);
            assert_eq!(found.trim(), "0 true", "{error}");
        }
    });
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

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
