//! Snapshots as one JSON object, in the documented shape that other programs rely on.

mod distributions;
mod numbers;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value as Json, json};

use self::distributions::{Show, insert_distribution, insert_floats, insert_summary};
use self::numbers::{float, number};
use crate::reader::{File, Model, Series, Snapshot};
use crate::{Context, DistinctError, ErrorsValue, HistoryEntry, Value, WindowValue};

/// Everything that was read, as one object: the one of `mmstats show --json`.
///
/// It is generated while it is written, one series after another, so the text of a large file is never in memory as a
/// whole.
///
/// ```no_run
/// use mmstats::export::json::Document;
///
/// let snapshot = mmstats::reader::Reader::open("/run/app")?.snapshot()?;
/// let document = Document { snapshots: vec![&snapshot], failures: &[], wanted: &|_| true };
/// println!("{}", serde_json::to_string(&document)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Document<'a> {
    /// The snapshots, one for each path.
    pub snapshots: Vec<&'a Snapshot>,
    /// Paths that could not be read, with the reason.
    pub failures: &'a [(PathBuf, String)],
    /// Which series are shown.
    pub wanted: &'a dyn Fn(&Series) -> bool,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let failed = self.failures.iter().map(|(path, _)| &**path);
        let read = self.snapshots.iter().map(|snapshot| snapshot.path());
        let mut models: Vec<(String, OfModel<'_>)> = Vec::new();
        let mut names = HashSet::new();
        for &snapshot in &self.snapshots {
            for model in snapshot.merged() {
                let mut name = model.name().to_owned();
                // Only possible with several paths.
                if !names.insert(model.name()) {
                    name = format!("{name}@{}", snapshot.path().display());
                }
                let wanted = self.wanted;
                let of = OfModel {
                    snapshot,
                    model,
                    wanted,
                };
                models.push((name, of));
            }
        }
        let failures = (self.failures.iter()).map(|(path, error)| (&**path, &**error));
        let problems = self.snapshots.iter().flat_map(|snapshot| snapshot.errors());
        let errors = failures
            .chain(problems.map(|problem| (problem.path(), problem.error())))
            .map(|(path, error)| json!({"path": path.to_string_lossy(), "error": error}));
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("path", &joined(read.chain(failed)))?;
        object.serialize_entry(
            "models",
            &Object(|| models.iter().map(|(name, of)| (name, of))),
        )?;
        object.serialize_entry("errors", &errors.collect::<Vec<_>>())?;
        object.end()
    }
}

/// An object whose entries are generated while it is written.
struct Object<F>(F);

impl<F, I, K, V> Serialize for Object<F>
where
    F: Fn() -> I,
    I: Iterator<Item = (K, V)>,
    K: Serialize,
    V: Serialize,
{
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0())
    }
}

/// A model: its files and merged stats.
struct OfModel<'a> {
    snapshot: &'a Snapshot,
    model: &'a Model,
    wanted: &'a dyn Fn(&Series) -> bool,
}

impl Serialize for OfModel<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let OfModel {
            snapshot,
            model,
            wanted,
        } = *self;
        let busy: HashSet<&str> = snapshot
            .busy()
            .filter(|(name, _)| *name == model.name())
            .map(|(_, label)| label)
            .collect();
        let mut stats: Vec<_> = (model.series().iter())
            .filter(|stat| wanted(stat))
            .map(|stat| (stat.label(), Some(stat)))
            .collect();
        // Series that could not be read in any file. Their kind is not known here.
        let unread = |label: &&&str| {
            let found = (model.series()).binary_search_by(|series| series.label().cmp(label));
            found.is_err()
        };
        stats.extend(busy.iter().filter(unread).map(|label| (*label, None)));
        stats.sort_by_key(|(label, _)| *label);
        let one = |&(label, of_label): &(&str, Option<&Series>)| {
            let shown = of_label.map_or_else(
                || json!({"value": null, "busy": true}),
                |of_label| stat(of_label, busy.contains(label)),
            );
            (label.to_owned(), shown)
        };
        let files = (model.files().iter()).map(|&index| {
            let file = &snapshot.files()[index];
            OfFile {
                file,
                own: snapshot.of_file(file),
                wanted,
            }
        });
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("processes", &model.processes())?;
        object.serialize_entry("files", &files.collect::<Vec<_>>())?;
        object.serialize_entry("stats", &Object(|| stats.iter().map(one)))?;
        object.end()
    }
}

/// A file, with its own stats if files were kept apart.
struct OfFile<'a> {
    file: &'a File,
    own: Option<&'a Model>,
    wanted: &'a dyn Fn(&Series) -> bool,
}

impl Serialize for OfFile<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let file = self.file;
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("path", &file.path().to_string_lossy())?;
        object.serialize_entry("pid", &file.pid())?;
        object.serialize_entry("tid", &file.tid())?;
        object.serialize_entry("state", file.state().name())?;
        object.serialize_entry("created", &file.created())?;
        object.serialize_entry("bytes", &file.bytes())?;
        if file.format() != 3 {
            object.serialize_entry("format", &file.format())?;
        }
        if let Some(files) = file.retired() {
            object.serialize_entry("retired", &files)?;
        }
        if let Some(stats) = self.own.map(Model::series) {
            // These contain only stats that were read whole.
            let one = |of_label: &Series| (of_label.label().to_owned(), stat(of_label, false));
            let wanted = || stats.iter().filter(|stat| (self.wanted)(stat));
            object.serialize_entry("stats", &Object(|| wanted().map(one)))?;
        }
        object.end()
    }
}

/// Returns a label's kind, unit and value.
fn stat(stat: &Series, is_busy: bool) -> Json {
    let mut entry = Map::new();
    entry.insert("kind".to_owned(), stat.value().kind().into());
    if !stat.unit().is_empty() {
        entry.insert("unit".to_owned(), stat.unit().into());
    }
    match stat.value() {
        _ if is_busy => {
            entry.insert("value".to_owned(), Json::Null);
            entry.insert("busy".to_owned(), true.into());
        }
        Value::Timer(times) => insert_distribution(&mut entry, times, Show::SECONDS),
        Value::Percentile(values) => insert_distribution(&mut entry, values, Show::NUMBERS),
        Value::FloatPercentile(values) => insert_floats(&mut entry, values),
        Value::Summary(summary) => insert_summary(&mut entry, summary),
        Value::Average(average) | Value::MovingAverage(average) => entry.extend([
            (
                "value".to_owned(),
                average.average().map_or(Json::Null, float),
            ),
            ("count".to_owned(), average.count().into()),
        ]),
        Value::SamplingCounter(sample) => entry.extend([
            ("count".to_owned(), sample.count.into()),
            // Not `rate`, which is per second everywhere else.
            ("per_ms".to_owned(), float(sample.rate)),
        ]),
        Value::History(history) => {
            let entries: Vec<_> = history.entries().iter().map(history_entry).collect();
            entry.insert("entries".to_owned(), entries.into());
        }
        Value::Errors(errors) => {
            let distinct: Vec<_> = errors.distinct().iter().map(distinct_error).collect();
            entry.extend(error_counts(errors));
            entry.insert("distinct".to_owned(), distinct.into());
        }
        value => drop(entry.insert("value".to_owned(), single(value))),
    }
    if let Some(window) = stat.window().filter(|_| !is_busy) {
        entry.insert("window".to_owned(), window_json(window));
    }
    entry.insert("metric".to_owned(), stat.metric().into());
    if let Some(group) = stat.group() {
        entry.insert("group".to_owned(), group.into());
    }
    if let labels @ [_, ..] = stat.labels() {
        let labels = labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone().into()));
        entry.insert("labels".to_owned(), Json::Object(labels.collect()));
    }
    Json::Object(entry)
}

/// Returns a context in full, or null without one.
///
/// ```
/// # use mmstats::reader::Reader;
/// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
/// let times = snapshot.history("histories", "times").unwrap();
/// let context = times.entries()[0].context();
/// println!("{}", mmstats::export::json::context(context)); // {"text":…,"cut":false}, or null
/// # Ok::<(), mmstats::Error>(())
/// ```
pub fn context(context: Option<&Context>) -> Json {
    context.map_or(
        Json::Null,
        |context| json!({"text": context.text(), "cut": context.is_cut()}),
    )
}

/// Returns one entry of a history.
///
/// ```
/// # use mmstats::reader::Reader;
/// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
/// let times = snapshot.history("histories", "times").unwrap();
/// let json = mmstats::export::json::history_entry(&times.entries()[0]);
/// assert_eq!(json["value"], 44.0);
/// # Ok::<(), mmstats::Error>(())
/// ```
pub fn history_entry(entry: &HistoryEntry) -> Json {
    json!({
        "timestamp": entry.timestamp(),
        "value": float(entry.value()),
        "context_id": context_id(entry.context(), entry.has_lost_context()),
    })
}

/// Returns the contents of an error log except its distinct errors.
///
/// ```
/// # use mmstats::reader::Reader;
/// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
/// let value = snapshot.get("histories", "errors").unwrap();
/// let errors = value.as_errors().unwrap();
/// assert_eq!(mmstats::export::json::error_counts(errors)["all"], 7);
/// # Ok::<(), mmstats::Error>(())
/// ```
pub fn error_counts(errors: &ErrorsValue) -> Map<String, Json> {
    let sites = errors.sites().iter().map(|error| {
        json!({
            "name": error.exposed_as(),
            "site": error.site(),
            "count": error.count(),
        })
    });
    let sites: Vec<_> = sites.collect();
    [
        ("all", errors.all().into()),
        ("overflow", errors.overflow().into()),
        ("evicted", errors.evicted().into()),
        ("unnamed", errors.unnamed().into()),
        ("sites", Json::from(sites)),
    ]
    .map(|(name, value): (&str, Json)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

/// Returns one distinct error. A note lacks the fields that only errors have.
///
/// ```
/// # use mmstats::reader::Reader;
/// # let snapshot = Reader::open("tests/golden/histories.mmstats")?.snapshot()?;
/// let value = snapshot.get("histories", "errors").unwrap();
/// let errors = value.as_errors().unwrap();
/// for error in errors.distinct() {
///     println!("{}", mmstats::export::json::distinct_error(error));
/// }
/// # Ok::<(), mmstats::Error>(())
/// ```
pub fn distinct_error(error: &DistinctError) -> Json {
    let mut json = json!({
        "name": error.exposed_as(),
        "count": error.count(),
        "first": error.first_ns() as f64 / 1e9,
        "last": error.last_ns() as f64 / 1e9,
        "context_id": context_id(error.context(), error.has_lost_context()),
    });
    if !error.is_note() {
        json["type"] = error.name().into();
        json["message"] = error.message().into();
        json["site"] = error.site().into();
        json["sources"] = error.sources().collect();
    }
    json
}

/// Returns the id of a context; empty if there is none, null if it was lost.
fn context_id(context: Option<&Context>, is_lost: bool) -> Json {
    match context {
        Some(context) => context.id().into(),
        None if is_lost => Json::Null,
        None => "".into(),
    }
}

/// Returns a series over an interval. One that only rises has the interval's values and `rate`, the count per second;
/// a counter also has its total as `value`.
///
/// ```
/// # use mmstats::reader::Reader;
/// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
/// let model = snapshot.model("every-kind").unwrap();
/// for series in model.series() {
///     let delta = model.deltas().iter().find(|delta| delta.label() == series.label());
///     println!("{}", mmstats::export::json::interval(series, delta, 1.0));
/// }
/// # Ok::<(), mmstats::Error>(())
/// ```
pub fn interval(of_label: &Series, delta: Option<&Series>, seconds: f64) -> Json {
    let now = of_label.value();
    let Some(count) = delta.map_or_else(|| now.count().map(|_| 0), |delta| delta.value().count())
    else {
        return stat(of_label, false);
    };
    let mut entry = match (now, delta) {
        (Value::Counter(_), _) => stat(of_label, false),
        (_, Some(delta)) => stat(delta, false),
        // Nothing was recorded in the interval.
        (_, None) => json!({"kind": now.kind(), "count": 0}),
    };
    if let Value::Counter(_) = now {
        entry["risen"] = count.into();
    }
    entry["rate"] = float(count as f64 / seconds);
    entry
}

/// Returns the contents of a window, in the same form as those of the metric itself.
fn window_json(window: &WindowValue) -> Json {
    let mut entry = Map::new();
    entry.insert("seconds".to_owned(), float(window.seconds()));
    match window.value() {
        Value::Timer(times) => insert_distribution(&mut entry, times, Show::SECONDS),
        Value::Percentile(values) => insert_distribution(&mut entry, values, Show::NUMBERS),
        Value::FloatPercentile(values) => insert_floats(&mut entry, values),
        Value::Summary(summary) => insert_summary(&mut entry, summary),
        value => {
            entry.insert("count".to_owned(), single(value));
            entry.insert("rate".to_owned(), window.rate().map_or(Json::Null, float));
        }
    }
    Json::Object(entry)
}

/// Returns a value that is not a distribution.
fn single(value: &Value) -> Json {
    if let Some(compound) = value.as_compound() {
        let fields = compound.fields().map(|(name, is_array, numbers)| {
            let mut numbers = numbers.into_iter().map(number);
            let one =
                |numbers: &mut dyn Iterator<Item = Json>| numbers.next().unwrap_or(Json::Null);
            (
                name.to_owned(),
                if is_array {
                    numbers.collect()
                } else {
                    one(&mut numbers)
                },
            )
        });
        return Json::Object(fields.collect());
    }
    match (value.number(), value.as_bool(), value.as_str()) {
        (Some(n), ..) => number(n),
        (_, Some(flag), _) => flag.into(),
        (.., Some(text)) => text.into(),
        // A kind that this version does not know.
        _ => Json::Null,
    }
}

/// Returns paths as a list, as in `$PATH`.
fn joined<'a>(paths: impl Iterator<Item = &'a Path>) -> String {
    let paths: Vec<&OsStr> = paths.map(Path::as_os_str).collect();
    paths.join(OsStr::new(":")).to_string_lossy().into_owned()
}
