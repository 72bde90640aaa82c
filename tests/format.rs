//! docs/FORMAT.md, kept true: its tables against the source, its example against the golden file, and
//! a reader in Python that was written from it alone against the library's own.
//!
//! The golden files in `tests/golden` are made by `docs/examples/golden.rs`, by hand only: see there.
//! Nothing here writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mmstats::reader::{Reader, Snapshot, Stat};
use mmstats::{
    Compound, Constant, Counter, Distribution, Flag, Gauge, Groups, MmStats, MmValue, Number,
    Percentile, Stats, Text, Timer, UpDown, Value,
};
use serde_json::{Value as Json, json};

const FORMAT: &str = include_str!("../docs/FORMAT.md");
const HEADER: &str = include_str!("../src/format/header.rs");
const RECORD: &str = include_str!("../src/format/record.rs");
const SCHEMA: &str = include_str!("../src/format/schema.rs");
const SCALAR: &str = include_str!("../src/format/scalar.rs");
const KIND: &str = include_str!("../src/metric/kind.rs");

// ---------------------------------------------------------------------------------------------
// The tables of the text.

/// The rows of the first table after a heading, without its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let mut lines = FORMAT
        .lines()
        .skip_while(|line| *line != format!("### {heading}"));
    assert!(lines.next().is_some(), "no heading {heading:?}");
    let cells = |line: &str| {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    lines
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(cells)
        .collect()
}

/// A row of a table of offsets.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    offset: usize,
    /// As in the text; an array is `[u8]`, what has no fixed length `bytes`.
    kind: String,
}

impl Row {
    fn new(offset: usize, kind: &str) -> Row {
        let kind = match kind {
            "u8" | "u16" | "u32" | "u64" => kind,
            _ if kind.starts_with("[u8") => "[u8]",
            _ => "bytes",
        };
        Row {
            offset,
            kind: kind.to_owned(),
        }
    }
}

fn rows(heading: &str) -> Vec<Row> {
    table(heading)
        .iter()
        .map(|row| Row::new(row[0].parse().expect("an offset"), &row[1]))
        .collect()
}

/// The maps in the documentation of a module: one ends where an offset is not above the one before.
fn maps(source: &str) -> Vec<Vec<Row>> {
    let mut maps: Vec<Vec<Row>> = Vec::new();
    let mut inside = false;
    for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
        if line.trim().starts_with("```") {
            inside = !inside;
            continue;
        }
        let mut words = line.split_whitespace();
        let Some(offset) = words
            .next()
            .filter(|_| inside)
            .and_then(|word| word.parse().ok())
        else {
            continue;
        };
        let row = Row::new(offset, words.next().expect("what is there"));
        match maps.last_mut() {
            Some(map) if map.last().is_some_and(|last| last.offset < offset) => map.push(row),
            _ => maps.push(vec![row]),
        }
    }
    maps
}

#[test]
fn the_tables_have_the_offsets_of_the_source() {
    let two = |text: &str, source: &[Row]| assert_eq!(rows(text), source, "{text}");
    let header = maps(HEADER);
    assert_eq!(header.len(), 1);
    two("Header", &header[0]);
    // In the source an instance's map goes on after the head's: both tables together are one map.
    let record = maps(RECORD);
    let all: Vec<Row> = record.concat();
    two("Record head", &all[..3]);
    let instance = rows("Instance record");
    two("Instance record", &all[3..3 + instance.len()]);
    two("Octave record", &all[3 + instance.len()..]);
    let schema = maps(SCHEMA);
    assert_eq!(schema.len(), 3);
    two("Schema record", &schema[0]);
    two("Metric entry", &schema[1]);
    two("Field", &schema[2]);
}

#[test]
fn the_tables_have_no_gaps() {
    for heading in [
        "Header",
        "Record head",
        "Schema record",
        "Metric entry",
        "Field",
        "Instance record",
        "Octave record",
    ] {
        let table = table(heading);
        for two in table.windows(2) {
            let size = match &*two[0][1] {
                "u8" => 1,
                "u16" => 2,
                "u32" => 4,
                "u64" => 8,
                array => array
                    .trim_start_matches("[u8; ")
                    .trim_end_matches(']')
                    .parse()
                    .expect("a length"),
            };
            let offset = |row: &[String]| row[0].parse::<usize>().unwrap();
            assert_eq!(
                offset(&two[0]) + size,
                offset(&two[1]),
                "{heading}: {two:?}"
            );
        }
    }
}

/// Names and numbers of lines such as `    Name = 1,` or `pub const NAME: u16 = 1;` after `from`.
fn constants(source: &str, from: &str) -> BTreeMap<u32, String> {
    let source = &source[source.find(from).unwrap_or_else(|| panic!("no {from:?}"))..];
    let constants: BTreeMap<u32, String> = source[from.len()..]
        .lines()
        .skip(1)
        .take_while(|line| *line != "}")
        .filter_map(|line| {
            let (name, number) = line
                .trim()
                .trim_start_matches("pub const ")
                .split_once(" = ")?;
            let name = name.split(':').next()?.to_lowercase().replace('_', "");
            Some((number.trim_end_matches([',', ';']).parse().ok()?, name))
        })
        .collect();
    assert!(!constants.is_empty(), "{from}");
    constants
}

/// Codes and names in a text such as "1 schema, 2 instance, 3 octave; …".
fn named(text: &str) -> BTreeMap<u32, String> {
    text.split([',', ';'])
        .filter_map(|part| {
            let (code, name) = part.trim().split_once(' ')?;
            Some((code.parse().ok()?, name.split(':').next()?.to_owned()))
        })
        .collect()
}

#[test]
fn the_tables_have_the_codes_of_the_source() {
    let codes = |heading: &str| -> BTreeMap<u32, String> {
        table(heading)
            .iter()
            .map(|row| (row[0].parse().unwrap(), row[1].clone()))
            .collect()
    };
    assert_eq!(
        codes("Scalar codes"),
        constants(SCALAR, "pub enum Scalar {")
    );
    assert_eq!(codes("Kind codes"), constants(KIND, "pub mod code {"));
    assert_eq!(
        named(&table("Record head")[1][3]),
        constants(RECORD, "pub enum Type {")
    );
    let rules = constants(SCHEMA, "pub enum Merge {");
    assert_eq!(named(&table("Metric entry")[3][3]), rules);
    let states = named(&table("Owner word")[1][2]);
    let source: BTreeMap<u32, String> = [(0, "live"), (1, "orphan"), (2, "ended")]
        .map(|(code, name)| (code, name.to_owned()))
        .into();
    assert_eq!(states, source);
    for (code, name) in [(1, "Orphan"), (2, "Ended")] {
        assert!(
            HEADER.contains(&format!("{code} => OwnerState::{name}")),
            "{name}"
        );
    }
    for row in table("Buckets") {
        let [d, h, octaves] = [0, 1, 2].map(|cell| row[cell].parse::<u32>().unwrap());
        let k = (2 * 10u64.pow(d)).next_power_of_two().trailing_zeros();
        assert_eq!((h, octaves), (1 << (k - 1), 66 - k));
    }
}

#[test]
fn the_example_is_the_golden_file() {
    let example = FORMAT
        .split("<!-- golden: minimal.mmstats -->")
        .nth(1)
        .expect("the example");
    let golden = fs::read(golden("minimal.mmstats")).unwrap();
    let mut at = 0;
    let mut zeros_from = None;
    for line in example.lines().skip(2).take_while(|line| *line != "```") {
        let offset = usize::from_str_radix(&line[..4], 16).unwrap();
        if let Some(from) = zeros_from.take() {
            assert!(golden[from..offset].iter().all(|byte| *byte == 0), "{line}");
            at = offset;
        }
        assert_eq!(offset, at, "{line}");
        let bytes = line.get(6..).unwrap_or("").split("  ").next().unwrap_or("");
        if bytes.ends_with('…') {
            zeros_from = Some(at);
            continue;
        }
        for byte in bytes.split_whitespace() {
            assert_eq!(u8::from_str_radix(byte, 16).unwrap(), golden[at], "{line}");
            at += 1;
        }
    }
    assert_eq!(at, golden.len());
}

// ---------------------------------------------------------------------------------------------
// A reader that takes its offsets from the tables.

struct Tables<'a> {
    bytes: &'a [u8],
}

impl Tables<'_> {
    /// The number that the row `name` of a table says to be at that offset from `at`.
    fn get(&self, at: usize, heading: &str, name: &str) -> usize {
        let table = table(heading);
        let row = table
            .iter()
            .find(|row| row[2] == name)
            .unwrap_or_else(|| panic!("{heading} has no {name:?}"));
        let at = at + row[0].parse::<usize>().unwrap();
        let size = row[1][1..].parse::<usize>().unwrap() / 8;
        self.bytes[at..at + size]
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | usize::from(*byte))
    }

    fn texts(&self, at: usize, heading: &str) -> usize {
        at + table(heading).last().unwrap()[0].parse::<usize>().unwrap()
    }

    /// Label, kind, and first plain word of each metric.
    fn metrics(&self) -> Vec<(String, usize, u64)> {
        let text =
            |at: usize, len: usize| String::from_utf8(self.bytes[at..at + len].to_vec()).unwrap();
        assert_eq!(self.bytes[0], 3);
        let committed = self.get(0, "Header", "committed length");
        let mut at = self.get(0, "Header", "header length");
        let mut metrics = Vec::new();
        while at < committed {
            if self.get(at, "Record head", "type") == 2 {
                let instance = |name| self.get(at, "Instance record", name);
                let texts = self.texts(at, "Instance record");
                let (prefix, group) = (
                    instance("length of the prefix"),
                    instance("length of the group's name"),
                );
                let mut prefix = text(texts, prefix + group);
                prefix.extend((group > 0).then_some('.'));
                let schema = instance("schema");
                let names = ["length of the name", "length of the help"];
                let names: usize = names
                    .iter()
                    .map(|name| self.get(schema, "Schema record", name))
                    .sum();
                let mut entry = (self.texts(schema, "Schema record") + names).next_multiple_of(8);
                for _ in 0..self.get(schema, "Schema record", "metrics") {
                    let field = |name| self.get(entry, "Metric entry", name);
                    let label = text(
                        self.texts(entry, "Metric entry"),
                        field("length of the label"),
                    );
                    let slot = if field("buffers") == 0 {
                        0
                    } else {
                        1 + field("buffers") * field("words")
                    };
                    let plain = instance("block") + field("offset") + 8 * slot;
                    let word = self
                        .bytes
                        .get(plain..plain + 8)
                        .map_or(0, |word| u64::from_le_bytes(word.try_into().unwrap()));
                    metrics.push((format!("{prefix}{label}"), field("kind"), word));
                    entry += field("length");
                }
            }
            at += self.get(at, "Record head", "length");
        }
        assert_eq!(at, committed);
        metrics
    }
}

#[test]
fn a_reader_by_the_tables_reads_what_was_just_written() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder()
        .path(root.path())
        .label_prefix("all.")
        .create()
        .unwrap();
    web.requests.add(7);
    web.in_flight.dec();
    web.handlers.group("index").ok.add(3);
    let bytes = fs::read(web.path().unwrap()).unwrap();
    let metrics = Tables { bytes: &bytes }.metrics();
    let has = |label: &str, kind: usize, word: u64| {
        assert!(
            metrics.contains(&(label.to_owned(), kind, word)),
            "{label}: {metrics:?}"
        );
    };
    has("all.requests", 1, 7);
    has("all.in_flight", 2, u64::MAX);
    has("all.h.index.ok", 1, 3);
    let golden = fs::read(golden("minimal.mmstats")).unwrap();
    assert_eq!(
        Tables { bytes: &golden }.metrics(),
        [("requests".to_owned(), 1, 7)]
    );
}

// ---------------------------------------------------------------------------------------------
// What the library's reader says, as JSON.

fn as_json(snapshot: &Snapshot) -> Json {
    let models = snapshot.models().iter().map(|model| {
        let files = model.files().iter().map(|&index| {
            let file = &snapshot.files()[index];
            json!({
                "path": file.path(), "pid": file.pid(), "tid": file.tid(), "state": file.state().name(),
                "created": file.created(), "bytes": file.bytes(), "stats": stats(file.stats().expect("per file")),
            })
        });
        let files: Vec<Json> = files.collect();
        let stats = stats(model.stats());
        (model.name().to_owned(), json!({ "processes": model.processes(), "files": files, "stats": stats }))
    });
    let models: serde_json::Map<String, Json> = models.collect();
    let errors: Vec<Json> = snapshot
        .errors()
        .iter()
        .map(|error| json!({ "path": error.path(), "error": error.error() }))
        .collect();
    json!({ "path": snapshot.path(), "models": models, "errors": errors })
}

fn stats(stats: &[Stat]) -> Json {
    stats
        .iter()
        .map(|stat| (stat.label().to_owned(), stat_json(stat)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn stat_json(stat: &Stat) -> Json {
    let mut shown = json!({ "kind": stat.value().kind() });
    if !stat.unit().is_empty() {
        shown["unit"] = stat.unit().into();
    }
    match stat.value() {
        Value::Counter(n) => shown["value"] = json!(n),
        Value::UpDown(n) => shown["value"] = json!(n),
        Value::Gauge(n) | Value::Constant(n) => shown["value"] = number(*n),
        Value::Flag(flag) | Value::ConstantFlag(flag) => shown["value"] = json!(flag),
        Value::Text(text) | Value::ConstantText(text) => shown["value"] = json!(text),
        Value::Timer(distribution) => show(&mut shown, distribution, 1e9),
        Value::Percentile(distribution) => show(&mut shown, distribution, 1.0),
        Value::Compound(compound) => {
            for (name, array, numbers) in compound.fields() {
                let numbers: Vec<Json> = numbers.iter().copied().map(number).collect();
                shown["value"][name] = if array {
                    numbers.into()
                } else {
                    numbers[0].clone()
                };
            }
        }
        other => panic!("a kind that this test does not know: {other:?}"),
    }
    shown
}

/// JSON has no integers beyond 64 bits here: they are compared as floats.
fn number(number: Number) -> Json {
    match number {
        Number::Int(n) => match (u64::try_from(n), i64::try_from(n)) {
            (Ok(n), _) => n.into(),
            (_, Ok(n)) => n.into(),
            _ => (n as f64).into(),
        },
        Number::Float(x) => x.into(),
    }
}

fn show(shown: &mut Json, distribution: &Distribution, divisor: f64) {
    let whole = |n: u64| {
        if divisor == 1.0 {
            n.into()
        } else {
            Json::from(n as f64 / divisor)
        }
    };
    let float = |x: Option<f64>| json!(x.map(|x| x / divisor));
    shown["count"] = distribution.count().into();
    shown["total"] = match u64::try_from(distribution.total()) {
        Ok(total) => whole(total),
        Err(_) => (distribution.total() as f64 / divisor).into(),
    };
    shown["mean"] = float(distribution.mean());
    shown["stddev"] = float(distribution.stddev());
    for (name, value) in [
        ("min", distribution.min()),
        ("max", distribution.max()),
        ("last", distribution.last()),
    ] {
        shown[name] = value.map_or(Json::Null, whole);
    }
    let percents = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9];
    for (percent, value) in percents.iter().zip(distribution.percentiles(&percents)) {
        shown["percentiles"][percent.to_string()] = value.map_or(Json::Null, whole);
    }
}

/// Where two values differ. Integers are compared exactly, floats to 12 digits; of errors only
/// which file they are about.
fn differences(at: &str, left: &Json, right: &Json, found: &mut Vec<String>) {
    match (left, right) {
        (Json::Object(left), Json::Object(right)) => {
            let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let part = |object: &serde_json::Map<String, Json>| {
                    object.get(key).cloned().unwrap_or("(missing)".into())
                };
                if key == "error" || key == "path" && at.is_empty() {
                    continue;
                }
                differences(&format!("{at}/{key}"), &part(left), &part(right), found);
            }
        }
        (Json::Array(left), Json::Array(right)) if left.len() == right.len() => {
            for (i, (left, right)) in left.iter().zip(right).enumerate() {
                differences(&format!("{at}/{i}"), left, right, found);
            }
        }
        (Json::Number(left), Json::Number(right)) => {
            let (x, y) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            let exact = !left.is_f64() && !right.is_f64();
            if if exact {
                left != right
            } else {
                (x - y).abs() > 1e-12 * x.abs().max(y.abs())
            } {
                found.push(format!("{at}: {left} and {right}"));
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{at}: {left} and {right}")),
    }
}

fn assert_same(what: &str, left: &Json, right: &Json) {
    let mut found = Vec::new();
    differences("", left, right, &mut found);
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

fn by_library(path: &Path) -> Json {
    as_json(
        &Reader::open(path)
            .unwrap()
            .per_file(true)
            .snapshot()
            .unwrap(),
    )
}

/// What reader.py prints; `None`, loudly, where there is no Python.
fn by_python(path: &Path) -> Option<Json> {
    let script = manifest("tests/python/reader.py");
    let output = match Command::new("python3")
        .arg(script)
        .arg("--per-file")
        .arg(path)
        .output()
    {
        Ok(output) => output,
        Err(error) => {
            assert!(
                std::env::var_os("MMSTATS_REQUIRE_REAL").is_none_or(|value| value != "1"),
                "python3 cannot be run: {error}"
            );
            eprintln!(
                "SKIPPED: python3 cannot be run ({error}), so nothing was compared with reader.py"
            );
            return None;
        }
    };
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.is_empty(), "reader.py: {error}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn golden(name: &str) -> PathBuf {
    manifest("tests/golden").join(name)
}

// ---------------------------------------------------------------------------------------------
// The golden files.

/// The paths of files as their names: golden files may be anywhere.
fn without_directories(json: &mut Json) {
    match json {
        Json::Object(object) => {
            for (key, value) in object {
                match value {
                    Json::String(path) if key == "path" => {
                        *path = path.rsplit('/').next().unwrap().to_owned()
                    }
                    value => without_directories(value),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(without_directories),
        _ => {}
    }
}

#[test]
fn golden_files_are_read_as_ever() {
    for name in [
        "every-kind",
        "minimal",
        "odd-sequence",
        "unknown-record-and-kind",
    ] {
        let path = golden(&format!("{name}.mmstats"));
        let expected: Json =
            serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let mut read = by_library(&path);
        without_directories(&mut read);
        assert_same(
            &format!("{name}, expected and by the library"),
            &expected,
            &read,
        );
        if let Some(mut read) = by_python(&path) {
            without_directories(&mut read);
            assert_same(
                &format!("{name}, expected and by reader.py"),
                &expected,
                &read,
            );
        }
    }
}

#[test]
fn every_golden_file_is_tested() {
    let files = fs::read_dir(manifest("tests/golden")).unwrap();
    let mut names: Vec<String> = files
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let stems = [
        "every-kind",
        "minimal",
        "odd-sequence",
        "unknown-record-and-kind",
    ];
    let expected: Vec<String> = stems
        .iter()
        .flat_map(|stem| [format!("{stem}.json"), format!("{stem}.mmstats")])
        .collect();
    assert_eq!(names, expected);
}

/// The expected texts came from a program: a few of their values by hand.
#[test]
fn golden_values_are_those_that_were_written() {
    let mut reader = Reader::open(golden("every-kind.mmstats")).unwrap();
    let snapshot = reader.snapshot().unwrap();
    let get = |label: &str| {
        snapshot
            .get("every-kind", label)
            .unwrap_or_else(|| panic!("no {label}"))
    };
    assert_eq!(get("requests").as_u64(), Some(7));
    assert_eq!(get("least_i64").as_i64(), Some(i64::MIN));
    assert_eq!(get("release").as_str(), Some("Grüße aus Köln"));
    assert_eq!(get("cut").as_str(), Some("Stra"));
    assert_eq!(get("pool.by_shard.4").as_u64(), Some(255));
    assert_eq!(get("handler.größe.v2.response_ok").as_u64(), Some(2));
    let timer = get("timers.response").as_distribution().unwrap();
    assert_eq!((timer.count(), timer.total()), (100, 5_050_000_000));
    // 95 ms in nanoseconds, in a bucket of width 2^19.
    let (low, high) = (
        95_000_000 >> 19 << 19,
        (95_000_000 >> 19 << 19) + (1 << 19) - 1,
    );
    assert_eq!(timer.percentile(95.0), Some(low + (high - low) / 2));
    let fine = get("fine").as_distribution().unwrap();
    assert_eq!(fine.percentile(50.0), Some(2_000));
    let mut reader = Reader::open(golden("odd-sequence.mmstats")).unwrap();
    let snapshot = reader.snapshot().unwrap();
    assert!(snapshot.is_whole());
    assert_eq!(
        snapshot.get("odd-sequence", "pair.a").unwrap().as_u64(),
        Some(0x1111_2222_3333_4444)
    );
    assert_eq!(
        snapshot.get("odd-sequence", "note").unwrap().as_str(),
        Some("zweitens")
    );
    let sizes = snapshot
        .get("odd-sequence", "sizes")
        .unwrap()
        .as_distribution()
        .unwrap();
    assert_eq!((sizes.count(), sizes.bucket_count()), (2, 3));
}

// ---------------------------------------------------------------------------------------------
// Files that are written now, by several threads and processes.

/// Statistics of the web tier.
#[derive(MmStats)]
#[mmstats(name = "web")]
struct Web {
    #[mmstats(unit = "requests")]
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
    }
    for _ in 0..3 {
        web.pool.update(|pool| {
            pool.open += 3;
            pool.most = pool.most.max(random.next() as u32);
            pool.waits[1] = random.next();
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

/// Not a test: what a child process of one does, in the root that the environment names.
#[test]
#[ignore = "run by the_python_reader_agrees, in processes of its own"]
fn child() {
    // A thread that ends leaves an orphan; nobody adopts it, for this thread has its file before.
    Web::local(|web| write(web, 11));
    std::thread::spawn(|| Web::local(|web| write(web, 12)))
        .join()
        .unwrap();
    println!("written");
    let _ = std::io::stdin().read(&mut [0]);
}

fn start_child(root: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "child"])
        .env("MMSTATS_PATH", root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap().ends_with("written")),
        "the child wrote nothing"
    );
    // Kept open, so that the child does not fail to print its result.
    std::mem::forget(lines);
    child
}

#[test]
fn the_python_reader_agrees() {
    let root = tempfile::tempdir().unwrap();
    let threads: Vec<Stats<Web>> = (1..=3)
        .map(|seed| {
            let path = root.path().to_owned();
            let thread = std::thread::spawn(move || {
                let web = Web::builder().path(path).create().unwrap();
                write(&web, seed);
                web
            });
            thread.join().unwrap()
        })
        .collect();
    let compare = |what: &str, states: &[&str]| {
        let library = by_library(root.path());
        let files = library["models"]["web"]["files"].as_array().unwrap();
        let mut found: Vec<&str> = files
            .iter()
            .map(|file| file["state"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, states, "{what}");
        if let Some(python) = by_python(root.path()) {
            assert_same(what, &library, &python);
        }
    };
    compare("three threads", &["live"; 3]);
    let mut children = [start_child(root.path()), start_child(root.path())];
    compare(
        "three processes",
        &["live", "live", "live", "live", "live", "orphan", "orphan"],
    );
    children[0].kill().unwrap();
    children[0].wait().unwrap();
    compare(
        "one of them dead",
        &["dead", "dead", "live", "live", "live", "live", "orphan"],
    );
    // The model's next release, and a label prefix.
    let next = NextWeb::builder().path(root.path()).create().unwrap();
    next.requests.add(1);
    next.peak.add(2);
    next.size.record(1_000_003);
    next.pool.set(NextPool {
        waits: [1, 2, 3],
        open: 4,
        most: 5,
    });
    compare(
        "a new release",
        &[
            "dead", "dead", "live", "live", "live", "live", "live", "orphan",
        ],
    );
    let prefixed = Web::builder()
        .path(root.path())
        .label_prefix("b.")
        .create()
        .unwrap();
    write(&prefixed, 21);
    fs::write(root.path().join("web/mmstats-1-1"), b"\x01 of another kind").unwrap();
    compare(
        "a prefix and a bad file",
        &[
            "dead", "dead", "live", "live", "live", "live", "live", "live", "orphan",
        ],
    );
    children[1].kill().unwrap();
    children[1].wait().unwrap();
    drop(threads);
}

/// ⌈99.9 % of 1000⌉ is 999, and 99.9 / 100 * 1000.0 is a little more.
#[test]
fn ranks_are_computed_without_rounding() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    for value in 1..=1_000 {
        web.size.record(value);
    }
    assert_eq!(web.size.distribution().percentile(99.9), Some(999));
    if let Some(python) = by_python(root.path()) {
        assert_same("a thousand values", &by_library(root.path()), &python);
    }
}

/// Written as fast as it goes, the slot is read whole or not at all.
#[test]
fn the_python_reader_takes_no_torn_value() {
    #[derive(MmStats)]
    struct Fast {
        #[mmstats(buffers = 16)]
        twins: Compound<Twins>,
    }
    #[derive(Clone, Copy, Default, MmValue)]
    #[repr(C)]
    struct Twins {
        words: [u64; 16],
    }
    let root = tempfile::tempdir().unwrap();
    let fast = Fast::builder().path(root.path()).create().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let done = &done;
        let writer = scope.spawn(move || {
            let mut n = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                n += 1;
                fast.twins.set(Twins { words: [n; 16] });
                // About one in a microsecond.
                for _ in 0..50 {
                    std::hint::spin_loop();
                }
            }
            fast
        });
        for _ in 0..10 {
            let Some(python) = by_python(root.path()) else {
                break;
            };
            let words = &python["models"]["Fast"]["stats"]["twins"]["value"]["words"];
            // Missing: too busy.
            for word in words.as_array().into_iter().flatten() {
                assert_eq!(*word, words[0]);
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        drop(writer.join().unwrap());
    });
}

/// No values have such moments, but a file may: neither reader stumbles over them.
#[test]
fn moments_that_cannot_be_are_read_alike() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("odd-sequence");
    fs::create_dir(&directory).unwrap();
    let golden = fs::read(golden("odd-sequence.mmstats")).unwrap();
    // Values 5 and 7: count, total and squares.
    let moments: Vec<u8> = [2u64, 12, 0, 74, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let at = golden
        .windows(moments.len())
        .position(|window| window == moments)
        .unwrap();
    let most = u64::MAX;
    let cases = [
        [2, most, most, 74, 0, !5, 7, 7],
        [3, most, most, 0, 0, !5, 7, 7],
        [2, 12, 1, most, most - 1, !5, 7, 7],
        [2, 12, 0, most, most, !5, 7, 7],
        [2, 12, 0, 0, 0, !5, 7, 7],
        [most, most, most, most, most, !5, 7, 7],
        [most, 12, 0, 74, 0, !5, 7, 7],
        [1, 5, 0, 25, 0, !9, 3, 5],
        [0, 5, 0, 25, 0, !5, 5, 5],
    ];
    for (number, case) in cases.iter().enumerate() {
        let mut bytes = golden.clone();
        for (place, word) in (at..).step_by(8).zip(case) {
            bytes[place..place + 8].copy_from_slice(&word.to_le_bytes());
        }
        fs::write(directory.join(format!("mmstats-1-{number}")), bytes).unwrap();
    }
    let library = by_library(root.path());
    if let Some(python) = by_python(root.path()) {
        assert_same("moments", &library, &python);
    }
}

/// Both readers take the same parts of damaged files, and give the same values for them.
#[test]
fn damaged_files_are_read_alike() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("model");
    fs::create_dir(&directory).unwrap();
    let mut random = Random(2026);
    for name in [
        "every-kind",
        "minimal",
        "odd-sequence",
        "unknown-record-and-kind",
    ] {
        let golden = fs::read(golden(&format!("{name}.mmstats"))).unwrap();
        // Where there is metadata: bytes that are not zero, in the first part of the file.
        let places: Vec<usize> = (0..golden.len().min(6_000))
            .filter(|&at| golden[at.saturating_sub(3)..][..4] != [0; 4])
            .collect();
        for number in 0..60 {
            let mut bytes = golden.clone();
            for _ in 0..1 + number % 3 {
                let at = places[random.next() as usize % places.len()];
                bytes[at] = match random.next() % 4 {
                    0 => 0,
                    1 => 255,
                    2 => bytes[at] ^ 1 << (random.next() % 8),
                    _ => random.next() as u8,
                };
            }
            if random.next().is_multiple_of(8) {
                bytes.truncate(random.next() as usize % golden.len());
            }
            fs::write(directory.join(format!("mmstats-{name}-{number}")), bytes).unwrap();
        }
    }
    let library = by_library(root.path());
    let Some(python) = by_python(root.path()) else {
        return;
    };
    let files = |json: &Json| -> BTreeMap<String, Json> {
        let models = json["models"].as_object().unwrap().values();
        let files = models.flat_map(|model| model["files"].as_array().unwrap());
        files
            .map(|file| (file["path"].as_str().unwrap().to_owned(), file.clone()))
            .collect()
    };
    let (library, python) = (files(&library), files(&python));
    assert!(
        library.len() > 100,
        "only {} damaged files were read",
        library.len()
    );
    let mut found = Vec::new();
    for path in library
        .keys()
        .chain(python.keys().filter(|path| !library.contains_key(*path)))
    {
        let part = |files: &BTreeMap<String, Json>| {
            files.get(path).cloned().unwrap_or("(not read)".into())
        };
        differences(
            path.rsplit('/').next().unwrap(),
            &part(&library),
            &part(&python),
            &mut found,
        );
    }
    assert!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        found.join("\n")
    );
}
