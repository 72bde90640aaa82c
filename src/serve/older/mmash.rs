//! The HTTP interface of mmash, the web server of python-mmstats.
//!
//! | request | function | answer |
//! |---|---|---|
//! | `GET /stats/` | [`stats`] | 200 |
//! | `GET /stats/{label}?exact=&aggr=&glob=` | [`stat`] | 200, `{}` where nothing matches; 400 where the values cannot be aggregated, or the glob has `..` |
//! | `GET /files/`, `GET /files/{glob}` | [`files`] | 200; 400 likewise |
//!
//! If an argument is given twice, the first one counts. An empty argument counts as missing, and any other text for
//! `exact` is true, even `0`. `/stats` and `/files` are redirected (308) to the path with a trailing slash. HEAD and
//! OPTIONS are answered; other methods: 405.
//!
//! Snapshots must be made with [`Per::File`](crate::reader::Per::File): others show no files here. Labels and values
//! are those that `mmstats show --per-file` prints. A label without a value (an average of nothing, a history) is
//! left out. NaN and infinities are `null`.
//!
//! # Globs
//! A glob selects among the files that were read, so it never leaves their root. A glob without a slash matches the
//! file's name, as all files of python-mmstats are in one directory. A glob with a slash matches the path below the
//! root, or the absolute path if it begins with `/`. So the path of a request may have slashes after `/files/` here;
//! in mmash that is a 404.
//!
//! # Differences
//! With `exact` the answer has that label only. In mmash 0.8.0 `exact` has no effect, due to a bug. Its error pages
//! are HTML.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::{Refusal, glob};
use crate::format::scalar::Number;
use crate::metric::Value;
use crate::reader::{File, Model, Snapshot};

#[cfg(test)]
mod tests;

/// Returns the labels of all files, sorted: `{"stats": […]}`.
pub(crate) fn stats(snapshots: &[Snapshot]) -> Json {
    let mut labels = BTreeSet::new();
    for own in files_of(snapshots) {
        own.each_value("", |label, _| {
            if !labels.contains(label) {
                labels.insert(label.to_owned());
            }
        });
    }
    json!({"stats": labels})
}

/// Returns the values of all labels that begin with `prefix`, or with `exact` of that label only. For each label that
/// is a list with one value for each file that has it, or the list aggregated by `aggr`. `glob` selects the files. An
/// unknown `aggr` leaves the list as it is.
pub(crate) fn stat(
    snapshots: &[Snapshot],
    prefix: &str,
    exact: bool,
    aggr: Option<&str>,
    glob: Option<&str>,
) -> Result<Map<String, Json>, Refusal> {
    let is_selected = selection(glob)?;
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for own in files_of(snapshots).filter(is_selected) {
        own.each_value(prefix, |label, value| {
            if !exact || label == prefix {
                let values = found.entry(label.to_owned()).or_default();
                values.push(value.clone());
            }
        });
    }
    let aggregation = aggr.and_then(Aggregation::of_name);
    let answers = found.into_iter().map(|(label, values)| {
        let answer = match aggregation {
            None => Some(values.iter().map(json_of).collect()),
            Some(aggregation) => aggregation.of(&values),
        };
        match answer {
            Some(answer) => Ok((label, answer)),
            None => Err(Refusal::new(
                400,
                format!("the values of {label:?} cannot be aggregated like this"),
            )),
        }
    });
    answers.collect()
}

/// Returns the paths of the files that `glob` selects: `{"files": […]}`.
pub(crate) fn files(snapshots: &[Snapshot], glob: Option<&str>) -> Result<Json, Refusal> {
    let selected = files_of(snapshots).filter(selection(glob)?);
    let paths = selected.map(|own| own.file.path().to_string_lossy());
    Ok(json!({"files": paths.collect::<Vec<_>>()}))
}

/// The values of one file.
struct FileValues<'a> {
    root: &'a Path,
    file: &'a File,
    model: &'a Model,
}

fn files_of(snapshots: &[Snapshot]) -> impl Iterator<Item = FileValues<'_>> {
    snapshots.iter().flat_map(|snapshot| {
        snapshot.models().iter().filter_map(|model| {
            Some(FileValues {
                root: snapshot.path(),
                file: model.file()?,
                model,
            })
        })
    })
}

impl FileValues<'_> {
    /// Calls `each` with the labels that begin with `prefix` and their values, from the file and its header.
    fn each_value(&self, prefix: &str, mut each: impl FnMut(&str, &Value)) {
        let mut each = |label: &str, value: &Value| {
            // A value of several parts is neither a number nor a text.
            let is_value = number(value).is_some() || value.as_str().is_some();
            if is_value && label.starts_with(prefix) {
                each(label, value);
            }
        };
        for series in self.model.series() {
            let (label, separator) = (series.label(), series.value().separator());
            each(label, series.value());
            // Computing percentiles takes time.
            if label.starts_with(prefix) || prefix.starts_with(label) {
                series.expose(|part, value| each(&format!("{label}{separator}{part}"), &value));
            }
        }
        let own = self.model.series();
        for (label, value) in self.file.system() {
            // Files of python-mmstats contain these among their values.
            if !own.iter().any(|series| series.label() == *label) {
                each(label, value);
            }
        }
    }
}

/// Returns a function that tells whether a glob selects a file. Without a glob, all are selected.
fn selection(glob: Option<&str>) -> Result<impl Fn(&FileValues<'_>) -> bool, Refusal> {
    let glob = glob.filter(|glob| !glob.is_empty());
    if glob.is_some_and(|glob| glob.contains("..")) {
        return Err(Refusal::new(400, "a glob must not contain \"..\""));
    }
    let kind = glob.map(|glob| (glob.starts_with('/'), glob.contains('/'), glob::shell(glob)));
    Ok(move |own: &FileValues<'_>| {
        let path = own.file.path();
        let Some((is_absolute, is_path, matches)) = &kind else {
            return true;
        };
        let compared = match (is_absolute, is_path) {
            (true, _) => Some(path),
            (false, true) => path.strip_prefix(own.root).ok(),
            (false, false) => path.file_name().map(Path::new),
        };
        compared.is_some_and(|path| matches(&path.to_string_lossy()))
    })
}

/// How several values are aggregated. As in Python 2, a flag is a number, 0 or 1, and a text is greater than any
/// number.
#[derive(Clone, Copy, Debug)]
enum Aggregation {
    Average { nonzero: bool },
    First,
    Least { nonzero: bool },
    Greatest,
    Sum,
}

impl Aggregation {
    fn of_name(name: &str) -> Option<Aggregation> {
        Some(match name {
            "avg" => Aggregation::Average { nonzero: false },
            "nonzero-avg" => Aggregation::Average { nonzero: true },
            "one" => Aggregation::First,
            "min" => Aggregation::Least { nonzero: false },
            "nonzero-min" => Aggregation::Least { nonzero: true },
            "max" => Aggregation::Greatest,
            "sum" => Aggregation::Sum,
            _ => return None,
        })
    }

    /// Aggregates values. `None` if the values have no such result: texts have no sum, and zeros have no least
    /// nonzero value.
    fn of(self, values: &[Value]) -> Option<Json> {
        let counted = |nonzero: bool| {
            values
                .iter()
                .filter(move |value| !nonzero || !is_zero(value))
        };
        match self {
            Aggregation::First => values.first().map(json_of),
            Aggregation::Least { nonzero } => first(counted(nonzero), Ordering::Less),
            Aggregation::Greatest => first(values.iter(), Ordering::Greater),
            Aggregation::Sum => sum(values.iter()).map(json_of_number),
            Aggregation::Average { nonzero } => {
                let sum = sum(counted(nonzero))?.as_f64();
                let count = counted(nonzero).count();
                (count > 0).then(|| (sum / count as f64).into())
            }
        }
    }
}

/// Returns the first value to which no other value compares like this.
fn first<'a>(values: impl Iterator<Item = &'a Value>, order: Ordering) -> Option<Json> {
    let first = values.reduce(|first, value| {
        if compare(value, first) == Some(order) {
            value
        } else {
            first
        }
    });
    first.map(json_of)
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (number(a), number(b)) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => Some(a.cmp(&b)),
        (Some(a), Some(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (None, None) => Some(a.as_str().cmp(&b.as_str())),
    }
}

/// Returns the sum of numbers, which is an integer if all are integers.
fn sum<'a>(mut values: impl Iterator<Item = &'a Value>) -> Option<Number> {
    values.try_fold(Number::Int(0), |sum, value| {
        Some(match (sum, number(value)?) {
            (Number::Int(a), Number::Int(b)) => Number::Int(a.saturating_add(b)),
            (a, b) => Number::Float(a.as_f64() + b.as_f64()),
        })
    })
}

fn is_zero(value: &Value) -> bool {
    match number(value) {
        Some(number) => number.as_f64() == 0.0,
        None => value.as_str() == Some(""),
    }
}

/// Returns the value as a number, if it is one.
fn number(value: &Value) -> Option<Number> {
    let flag = || value.as_bool().map(|flag| Number::Int(flag.into()));
    value.number().or_else(flag)
}

fn json_of(value: &Value) -> Json {
    match (value.as_bool(), value.number(), value.as_str()) {
        (Some(flag), ..) => flag.into(),
        (_, Some(number), _) => json_of_number(number),
        (.., text) => text.into(),
    }
}

/// Integers beyond 64 bits are rounded.
fn json_of_number(number: Number) -> Json {
    match (number.as_u64(), number.as_i64()) {
        (Some(n), _) => n.into(),
        (_, Some(n)) => n.into(),
        _ => number.as_f64().into(),
    }
}
