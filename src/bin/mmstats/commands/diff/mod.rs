//! `mmstats diff`: the differences between two snapshots, saved or live.

mod changes;

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::slice;
use std::time::UNIX_EPOCH;

use clap::Args;
use mmstats::reader::printable;
use serde_json::{Map, Value as Json};

use self::changes::{Change, changes};
use crate::input::Input;
use crate::ui::output::{Exit, Outcome};
use crate::ui::{numbers, output};

/// Compare two snapshots, saved or live
///
/// Shows which values differ, the largest change first: counters with their rate; for distributions the mean and the
/// percentiles of the values recorded between A and B, compared with those of A. A or B is a file that
/// `mmstats show --save` wrote, or any PATH, which is read now.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Example:
  mmstats show --save before.json /run/app
  …
  mmstats diff before.json /run/app
  mmstats diff --fail-above 20% -l '*.Percentile99th' before.json after.json

Where B has fewer values than A in a bucket of a distribution, B does not go on from A (another run, say):
then all of B is compared with all of A.

Exit code:
  0 when both were read, whether or not they differ; 1 when one was not, or a label of -l is in neither;
  2 for wrong usage; 3 when a value changed by more than --fail-above.")]
pub struct Diff {
    /// Only these labels: a label, a pattern (`*` and `?`), or something that a value exposes
    #[arg(short, long = "label", value_name = "PATTERN")]
    pub labels: Vec<String>,
    /// End with exit code 3 if a value changed by more than N percent, up or down
    #[arg(long, value_name = "N%", value_parser = percent)]
    pub fail_above: Option<f64>,
    /// The earlier snapshot
    pub a: PathBuf,
    /// The later snapshot
    pub b: PathBuf,
}

/// Parses a percentage, with or without the sign.
fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim_end().parse() {
        Ok(percent) if (0.0..f64::INFINITY).contains(&percent) => Ok(percent),
        _ => Err("expected a percentage from 0 on, as in 20%".to_owned()),
    }
}

pub fn run(arguments: &Diff) -> Outcome {
    let (Some(mut before), Some(mut after)) = (read(&arguments.a)?, read(&arguments.b)?) else {
        return Ok(Exit::Failure);
    };
    let time = |json: &Json| json["time"].as_f64();
    if let (Some(a), Some(b)) = (time(&before), time(&after))
        && a > b
    {
        output::complain(&format!(
            "{} is later than {}: are they swapped? The earlier one is taken as A",
            output::path(&arguments.a),
            output::path(&arguments.b)
        ));
        std::mem::swap(&mut before, &mut after);
    }
    let mut out = output::stdout();
    let seconds = match (time(&before), time(&after)) {
        (Some(a), Some(b)) if b > a => Some(b - a),
        _ => None,
    };
    if let Some(seconds) = seconds {
        writeln!(out, "in {}", numbers::duration((seconds * 1e9) as u64))?;
    }
    let models = |json: &Json| json["models"].as_object().cloned().unwrap_or_default();
    let (before, after) = (models(&before), models(&after));
    let mut unmatched: HashSet<&str> = arguments.labels.iter().map(String::as_str).collect();
    let mut all: Vec<(&String, Vec<Change>)> = Vec::new();
    for name in changes::names(&before, &after) {
        let stats = |models: &Map<String, Json>| {
            let stats = models
                .get(name)
                .and_then(|model| model["stats"].as_object());
            stats.cloned().unwrap_or_default()
        };
        let (a, b) = (stats(&before), stats(&after));
        let of_model = changes(&a, &b, seconds, &arguments.labels, &mut unmatched);
        if !of_model.is_empty() {
            all.push((name, of_model));
        }
    }
    for (model, changes) in &all {
        writeln!(out, "{}", output::bold(&printable(model)))?;
        let width = changes
            .iter()
            .map(|change| change.name.chars().count())
            .max();
        let width = width.unwrap_or(0);
        for change in changes {
            writeln!(out, "  {:<width$}  {}", change.name, change.text)?;
        }
    }
    if all.is_empty() {
        writeln!(out, "no value is different")?;
    }
    out.flush()?;
    for pattern in &unmatched {
        output::complain(&format!(
            "no label matches {pattern:?} in either: `mmstats show` prints those of a path"
        ));
    }
    let is_above = |change: &Change| match (change.percent, arguments.fail_above) {
        (Some(percent), Some(most)) => percent.abs() > most,
        _ => false,
    };
    let above = all
        .iter()
        .flat_map(|(_, changes)| changes)
        .filter(|change| is_above(change))
        .count();
    if !unmatched.is_empty() {
        return Ok(Exit::Failure);
    }
    if above > 0 {
        let values = numbers::counted(above as u64, "value", "values");
        let most = arguments.fail_above.unwrap_or_default();
        output::complain(&format!("{values} changed by more than {most} %"));
        return Ok(Exit::Exceeded);
    }
    Ok(Exit::Success)
}

/// Returns a saved snapshot, or a snapshot of a path now; `None` if that has no files, which has been reported.
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
    snapshot(&input).map(Some)
}

/// Returns the contents of a file that looks like JSON.
fn saved(path: &Path) -> Option<Vec<u8>> {
    // Rules out directories, and FIFOs, which would block.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let text = fs::read(path).ok()?;
    text.trim_ascii_start().starts_with(b"{").then_some(text)
}

/// Returns what `show --json` prints, with the time of the reading and the buckets of distributions: least and
/// greatest value (in nanoseconds for timers) and count. Two states of the buckets yield the percentiles of the
/// values recorded in between.
pub fn snapshot(input: &Input) -> Result<Json, String> {
    let document = serde_json::to_value(input.document(&|_| true));
    let mut object = document.map_err(|error| error.to_string())?;
    let mut seen = HashSet::new();
    for snapshot in &input.snapshots {
        for model in snapshot.models() {
            // The name in the object.
            let name = match seen.insert(model.name()) {
                true => model.name().to_owned(),
                false => format!("{}@{}", model.name(), snapshot.path().display()),
            };
            for stat in model.series() {
                let Some(values) = stat.value().as_distribution() else {
                    continue;
                };
                let mut buckets = Vec::new();
                values.each_bucket(|low, high, count| {
                    buckets.push(Json::from(vec![low, high, count]))
                });
                if let Some(entry) = object["models"][&name]["stats"].get_mut(stat.label()) {
                    entry["buckets"] = buckets.into();
                }
            }
        }
    }
    object["time"] = UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs_f64()
        .into();
    Ok(object)
}
