//! The output of `mmstats show --json` and of the readers in other languages, and their differences.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value as Json;

use super::{c, node, python};

/// A reader in another language: its name, and the command line that runs it, without paths.
pub struct Reader {
    pub name: &'static str,
    pub command: Vec<OsString>,
}

/// Returns all readers whose languages are installed.
pub fn readers() -> &'static [Reader] {
    static READERS: OnceLock<Vec<Reader>> = OnceLock::new();
    READERS.get_or_init(|| {
        let one = [c::find(), python::find()].into_iter().flatten();
        one.chain(node::find()).collect()
    })
}

/// Returns a reader if its `program` can be run; otherwise reports that it is skipped, or fails if it is required.
pub fn find(name: &'static str, program: &str, arguments: &[PathBuf]) -> Option<Reader> {
    if let Err(error) = std::process::Command::new(program)
        .arg("--version")
        .output()
    {
        let required = std::env::var_os("MMSTATS_REQUIRE_REAL").is_some_and(|value| value == "1");
        assert!(!required, "{program} cannot be run: {error}");
        eprintln!("SKIPPED: {program} cannot be run ({error}), so {name} was not compared");
        return None;
    }
    let arguments = arguments.iter().map(|argument| argument.into());
    let command = std::iter::once(program.into()).chain(arguments).collect();
    Some(Reader { name, command })
}

pub fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns a command whose environment names no root. It is killed if it hangs.
fn command(line: &[OsString]) -> Command {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).timeout(Duration::from_secs(120));
    for name in ["MMSTATS_PATH", "MMSTATS_DISABLE", "XDG_RUNTIME_DIR"] {
        command.env_remove(name);
    }
    command
}

/// Returns the JSON that a program prints, and its exit code.
pub fn run(line: &[OsString], arguments: &[impl AsRef<OsStr>]) -> (Json, Option<i32>) {
    let output = command(line).args(arguments).output().unwrap();
    let read = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{line:?}: {error}, {:?}\n{said}", output.status)
    });
    (read, output.status.code())
}

/// Returns the exit code of a program.
pub fn run_for_code(line: &[OsString], argument: &Path) -> Option<i32> {
    command(line).arg(argument).output().unwrap().status.code()
}

/// Returns the command line of `mmstats show --json`.
pub fn tool() -> Vec<OsString> {
    [env!("CARGO_BIN_EXE_mmstats"), "show", "--json"]
        .map(OsString::from)
        .into()
}

/// Returns what `mmstats show --json --per-file` prints for these paths, after asserting that all readers print the
/// same.
///
/// Starting a reader costs more than reading some files, so paths that do not change are passed together in one call.
pub fn assert_same(what: &str, paths: &[&Path]) -> Json {
    let mut arguments: Vec<&OsStr> = vec!["--per-file".as_ref()];
    arguments.extend(paths.iter().map(|path| path.as_os_str()));
    let (expected, code) = run(&tool(), &arguments);
    let mut found = Vec::new();
    for reader in readers() {
        let (read, own_code) = run(&reader.command, &arguments);
        if own_code != code {
            found.push(format!("{}: exit {code:?}, {own_code:?}", reader.name));
        }
        differences(reader.name, &expected, &read, &mut found);
    }
    assert!(
        found.is_empty(),
        "{what}: {} differences, show first:\n{}",
        found.len(),
        found.join("\n")
    );
    expected
}

/// Finds where two values differ. Numbers are equal to the last bit, except for those that need not be rounded
/// correctly according to docs/FORMAT.md. Errors are compared by the files they are about: each program has its own
/// wording, and may report in one sentence what another reports in two.
pub fn differences(at: &str, left: &Json, right: &Json, found: &mut Vec<String>) {
    let is_rounded = rounded(left);
    differences_in(at, left, right, is_rounded, found);
}

fn differences_in(at: &str, left: &Json, right: &Json, is_rounded: bool, found: &mut Vec<String>) {
    match (left, right) {
        (Json::Object(left), Json::Object(right)) => {
            let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let at = format!("{at}/{key}");
                let missing = "(missing)".into();
                let (one, two) = (
                    left.get(key).unwrap_or(&missing),
                    right.get(key).unwrap_or(&missing),
                );
                if let ("errors", Json::Array(one), Json::Array(two)) = (&key[..], one, two) {
                    let (one, two) = (paths(one), paths(two));
                    for (of, path) in (one.difference(&two).map(|path| ("show", path)))
                        .chain(two.difference(&one).map(|path| ("the reader", path)))
                    {
                        found.push(format!("{at}: only {of} reports {path}"));
                    }
                    continue;
                }
                // Deviations always; for floats, the values that are computed from sums of two floats.
                let is_rounded = key == "stddev"
                    || is_rounded && ["mean", "total", "value"].contains(&&key[..])
                    || rounded(one);
                differences_in(&at, one, two, is_rounded, found);
            }
        }
        (Json::Array(left), Json::Array(right)) if left.len() == right.len() => {
            for (i, (left, right)) in left.iter().zip(right).enumerate() {
                differences_in(&format!("{at}/{i}"), left, right, false, found);
            }
        }
        (Json::Number(one), Json::Number(two)) if one.is_f64() || two.is_f64() => {
            let (x, y) = (one.as_f64().unwrap(), two.as_f64().unwrap());
            let most = if is_rounded {
                1e-12 * x.abs().max(y.abs())
            } else {
                0.0
            };
            if (x - y).abs() > most {
                found.push(format!("{at}: {one} and {two}"));
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{at}: {left} and {right}")),
    }
}

/// Returns whether the mean of a value need not be rounded correctly: a summary, an average, or a percentile of
/// floats.
fn rounded(value: &Json) -> bool {
    let kind = value["kind"].as_str();
    kind.is_some_and(|kind| ["summary", "average", "movingaverage"].contains(&kind))
        || value.get("rejected").is_some()
}

/// Returns the paths that some errors are about.
fn paths(errors: &[Json]) -> BTreeSet<&str> {
    let paths = errors.iter().map(|error| error["path"].as_str());
    paths.map(|path| path.expect("a path")).collect()
}

/// splitmix64 (Steele, Lea, Flood).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
