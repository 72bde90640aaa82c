//! `mmstats diff`: what two snapshots have different, saved or live.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;
use std::time::UNIX_EPOCH;

use mmstats::reader::printable;
use serde_json::{Map, Value as Json};

use crate::arguments::Diff;
use crate::input::Input;
use crate::{Outcome, json, numbers, output};

pub fn run(arguments: &Diff) -> Outcome {
    let (Some(before), Some(after)) = (read(&arguments.a)?, read(&arguments.b)?) else {
        return Ok(ExitCode::FAILURE);
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let seconds = match (before["time"].as_f64(), after["time"].as_f64()) {
        (Some(a), Some(b)) if b > a => Some(b - a),
        _ => None,
    };
    if let Some(seconds) = seconds {
        writeln!(out, "in {}", numbers::duration((seconds * 1e9) as u64))?;
    }
    let nothing = Map::new();
    let models = |json: &Json| json["models"].as_object().cloned().unwrap_or_default();
    let (before, after) = (models(&before), models(&after));
    let mut same = true;
    for name in names(&before, &after) {
        let stats = |models: &Map<String, Json>| {
            let stats = models
                .get(name)
                .and_then(|model| model["stats"].as_object());
            stats.unwrap_or(&nothing).clone()
        };
        let lines = lines(&stats(&before), &stats(&after), seconds);
        if !lines.is_empty() {
            same = false;
            writeln!(out, "{}", output::bold(&printable(name)))?;
            let width = lines.iter().map(|line| line.0.chars().count()).max();
            let width = width.unwrap_or(0);
            for (label, change) in lines {
                writeln!(out, "  {label:<width$}  {change}")?;
            }
        }
    }
    if same {
        writeln!(out, "no value is different")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A saved snapshot, or one of what a path holds now; `None` if that is nothing, which has been said.
fn read(path: &PathBuf) -> Result<Option<Json>, String> {
    if let Some(text) = saved(path) {
        let json: Json = serde_json::from_slice(&text).map_err(|error| {
            format!(
                "{}: not a saved snapshot: {error}: `mmstats show --save FILE` writes one",
                output::path(path)
            )
        })?;
        return match json["models"] {
            Json::Object(_) => Ok(Some(json)),
            _ => Err(format!(
                "{}: JSON, but no snapshot: it has no \"models\"",
                output::path(path)
            )),
        };
    }
    let input = Input::read(slice::from_ref(path), false);
    input.complain();
    if input.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_value(snapshot(&input));
    Ok(Some(json.map_err(|error| error.to_string())?))
}

/// The contents of a file that looks like JSON.
fn saved(path: &Path) -> Option<Vec<u8>> {
    // A directory, or a FIFO that would block, is none.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let text = fs::read(path).ok()?;
    text.trim_ascii_start().starts_with(b"{").then_some(text)
}

/// What `show --json` prints, with the time at which it was.
pub fn snapshot(input: &Input) -> json::Whole<'_> {
    let time = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
    json::Whole {
        input,
        time: Some(time),
    }
}

/// The keys of both, each once.
fn names<'a>(a: &'a Map<String, Json>, b: &'a Map<String, Json>) -> Vec<&'a String> {
    let mut names: Vec<_> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    names
}

/// What is different: label and change.
fn lines(
    before: &Map<String, Json>,
    after: &Map<String, Json>,
    seconds: Option<f64>,
) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for label in names(before, after) {
        let [a, b] = [before, after].map(|stats| stats.get(label).map(parts).unwrap_or_default());
        let kind =
            |stat: Option<&Json>| stat.and_then(|stat| stat["kind"].as_str().map(str::to_owned));
        let counts = kind(after.get(label)).as_deref() == Some("counter");
        for name in names(&a, &b) {
            let is_time = ["unit", "kind"].map(|key| {
                after
                    .get(label)
                    .or(before.get(label))
                    .map(|stat| &stat[key])
            }) == [Some(&Json::from("seconds")), Some(&Json::from("timer"))]
                && name != ".count";
            let change = match (a.get(name), b.get(name)) {
                (Some(a), Some(b)) if a == b => continue,
                (Some(a), Some(b)) => {
                    let rate = seconds.filter(|_| counts || name == ".count");
                    format!(
                        "{} → {}{}",
                        text(a, is_time),
                        text(b, is_time),
                        by(a, b, is_time, rate)
                    )
                }
                (Some(a), None) => format!("{} → gone", text(a, is_time)),
                (None, Some(b)) => format!("new: {}", text(b, is_time)),
                (None, None) => continue,
            };
            lines.push((printable(&format!("{label}{name}")).into_owned(), change));
        }
    }
    lines
}

/// What can be compared of a value, by what comes after its label.
fn parts(stat: &Json) -> Map<String, Json> {
    let mut parts = Map::new();
    for (key, value) in stat.as_object().into_iter().flatten() {
        match (&**key, value) {
            ("kind" | "unit" | "busy", _) => {}
            ("percentiles", Json::Object(percentiles)) => {
                let percentiles = percentiles.iter();
                parts.extend(
                    percentiles.map(|(percent, value)| (format!(".p{percent}"), value.clone())),
                );
            }
            ("value", Json::Object(fields)) => {
                parts.extend(
                    fields
                        .iter()
                        .map(|(name, value)| (format!(".{name}"), value.clone())),
                );
            }
            ("value", value) => drop(parts.insert(String::new(), value.clone())),
            (key, value) => drop(parts.insert(format!(".{key}"), value.clone())),
        }
    }
    parts
}

fn text(value: &Json, is_time: bool) -> String {
    match (value.as_f64(), value) {
        (Some(seconds), _) if is_time => numbers::duration((seconds * 1e9).round() as u64),
        (Some(x), Json::Number(number)) if number.is_f64() => numbers::float(x),
        (_, Json::Null) => "-".to_owned(),
        (_, Json::String(text)) => printable(text).into_owned(),
        (_, value) => printable(&value.to_string()).into_owned(),
    }
}

/// By how much it has changed: ` (+5, 0.5/s)`.
fn by(a: &Json, b: &Json, is_time: bool, seconds: Option<f64>) -> String {
    // Exactly, where both are whole.
    let whole = |n: &Json| n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        let rate = match (seconds, u64::try_from(b - a)) {
            (Some(seconds), Ok(count)) => format!(", {}/s", numbers::rate(count, seconds)),
            _ => String::new(),
        };
        return format!("  ({:+}{rate})", b - a);
    }
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) if is_time && a > 0.0 => format!("  ({:+.0} %)", (b / a - 1.0) * 100.0),
        (Some(a), Some(b)) if !is_time => {
            let sign = if b >= a { "+" } else { "-" };
            format!("  ({sign}{})", numbers::float((b - a).abs()))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changes(before: Json, after: Json) -> Vec<String> {
        let map = |json: Json| json.as_object().unwrap().clone();
        lines(&map(before), &map(after), Some(10.0))
            .into_iter()
            .map(|(label, change)| format!("{label}: {change}"))
            .collect()
    }

    #[test]
    fn each_kind_says_what_has_moved() {
        let before = json!({
            "a": {"kind": "counter", "value": 7},
            "big": {"kind": "counter", "value": u64::MAX - 1},
            "level": {"kind": "gauge", "value": 36.5},
            "pool": {"kind": "compound", "value": {"open": 1, "idle": 2}},
            "same": {"kind": "counter", "value": 1},
            "t": {"kind": "timer", "unit": "seconds", "count": 2, "percentiles": {"50": 0.001}},
            "text": {"kind": "text", "value": "1.4\u{1b}"},
            "was": {"kind": "flag", "value": true},
        });
        let after = json!({
            "a": {"kind": "counter", "value": 12},
            "big": {"kind": "counter", "value": u64::MAX},
            "is": {"kind": "flag", "value": false},
            "level": {"kind": "gauge", "value": -1.5},
            "pool": {"kind": "compound", "value": {"open": 1, "idle": 0}},
            "same": {"kind": "counter", "value": 1},
            "t": {"kind": "timer", "unit": "seconds", "count": 22, "percentiles": {"50": 0.0025}},
            "text": {"kind": "text", "value": "1.5"},
        });
        assert_eq!(
            changes(before, after),
            [
                "a: 7 → 12  (+5, 0.5/s)",
                "big: 18446744073709551614 → 18446744073709551615  (+1, 0.1/s)",
                "is: new: false",
                "level: 36.5 → -1.5  (-38)",
                "pool.idle: 2 → 0  (-2)",
                "t.count: 2 → 22  (+20, 2.0/s)",
                "t.p50: 1.00 ms → 2.50 ms  (+150 %)",
                "text: 1.4\\u{1b} → 1.5",
                "was: true → gone",
            ]
        );
    }
}
