//! What the library's reader and reader.py say, as JSON, and where they differ.

use std::path::Path;
use std::process::Command;

use mmstats::reader::{Per, Reader, Series, Snapshot};
use mmstats::{Context, Distribution, Exemplar, FloatDistribution, Number, SummaryValue, Value};
use serde_json::{Value as Json, json};

use super::manifest;

fn as_json(snapshot: &Snapshot) -> Json {
    let models = snapshot.merged().iter().map(|model| {
        let files = model.files().iter().map(|&index| {
            let file = &snapshot.files()[index];
            let mut entry = json!({
                "path": file.path(), "pid": file.pid(), "tid": file.tid(), "state": file.state().name(),
                "created": file.created(), "bytes": file.bytes(), "stats": stats(snapshot.of_file(file).expect("per file").series()),
            });
            if let Some(files) = file.retired() {
                entry["retired"] = files.into();
            }
            entry
        });
        let files: Vec<Json> = files.collect();
        let stats = stats(model.series());
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

fn stats(stats: &[Series]) -> Json {
    stats
        .iter()
        .map(|stat| (stat.label().to_owned(), stat_json(stat)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The percentiles that are shown.
const PERCENTS: [f64; 6] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9];

fn stat_json(stat: &Series) -> Json {
    let mut shown = json!({ "kind": stat.kind(), "metric": stat.metric() });
    if let Some(group) = stat.group() {
        shown["group"] = group.into();
    }
    for (key, value) in stat.labels() {
        shown["labels"][key] = value.as_str().into();
    }
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
        Value::FloatPercentile(distribution) => show_floats(&mut shown, distribution),
        Value::Compound(compound) => {
            for (name, array, numbers) in compound.fields() {
                let numbers: Vec<Json> = numbers.into_iter().map(number).collect();
                shown["value"][name] = if array {
                    numbers.into()
                } else {
                    numbers[0].clone()
                };
            }
        }
        Value::Summary(summary) => show_summary(&mut shown, summary),
        Value::Average(average) | Value::MovingAverage(average) => {
            shown["value"] = json!(average.average());
            shown["count"] = average.count().into();
        }
        Value::SamplingCounter(sample) => {
            shown["count"] = sample.count.into();
            shown["per_ms"] = sample.rate.into();
        }
        Value::History(history) => {
            let entries = history.entries().iter().map(|entry| {
                json!({
                    "timestamp": entry.timestamp(),
                    "value": entry.value(),
                    "context_id": context_id(entry.context(), entry.has_lost_context()),
                })
            });
            shown["entries"] = entries.collect();
        }
        Value::Errors(errors) => {
            shown["all"] = errors.all().into();
            shown["overflow"] = errors.overflow().into();
            shown["evicted"] = errors.evicted().into();
            shown["unnamed"] = errors.unnamed().into();
            let sites = errors.sites().iter().map(|error| {
                json!({
                    "name": error.exposed_as(),
                    "site": error.site(),
                    "count": error.count(),
                    "first": error.first_ns() as f64 / 1e9,
                    "last": error.last_ns() as f64 / 1e9,
                })
            });
            shown["sites"] = sites.collect();
            let distinct = errors.distinct().iter().map(|error| {
                let mut shown = json!({
                    "name": error.exposed_as(),
                    "count": error.count(),
                    "first": error.first_ns() as f64 / 1e9,
                    "last": error.last_ns() as f64 / 1e9,
                    "context_id": context_id(error.context(), error.has_lost_context()),
                });
                if !error.is_note() {
                    shown["type"] = error.name().into();
                    shown["message"] = error.message().into();
                    shown["site"] = error.site().into();
                    shown["sources"] = error.sources().collect();
                }
                shown
            });
            shown["distinct"] = distinct.collect();
        }
        other => panic!("a kind that this test does not know: {other:?}"),
    }
    if let Some(window) = stat.window() {
        let mut of_window = json!({ "seconds": window.seconds() });
        match window.value() {
            Value::Timer(distribution) => show(&mut of_window, distribution, 1e9),
            Value::Percentile(distribution) => show(&mut of_window, distribution, 1.0),
            Value::FloatPercentile(distribution) => show_floats(&mut of_window, distribution),
            Value::Summary(summary) => show_summary(&mut of_window, summary),
            Value::Counter(count) => {
                // The rate depends on the time of the snapshot, but for a step at first.
                of_window["count"] = json!(count);
                of_window["rate"] = json!(window.rate());
            }
            other => panic!("a window of a kind that this test does not know: {other:?}"),
        }
        shown["window"] = of_window;
    }
    shown
}

fn context_id(context: Option<&Context>, is_lost: bool) -> Json {
    match context {
        Some(context) => context.id().into(),
        None if is_lost => Json::Null,
        None => "".into(),
    }
}

fn show_summary(shown: &mut Json, summary: &SummaryValue) {
    shown["count"] = summary.count().into();
    shown["rejected"] = summary.rejected().into();
    for (name, value) in [
        ("total", Some(summary.total())),
        ("mean", summary.mean()),
        ("stddev", summary.stddev()),
        ("min", summary.min()),
        ("max", summary.max()),
        ("last", summary.last()),
        ("last_time", summary.last_time()),
    ] {
        shown[name] = json!(value);
    }
}

fn show_floats(shown: &mut Json, distribution: &FloatDistribution) {
    shown["count"] = distribution.count().into();
    shown["rejected"] = distribution.rejected().into();
    for (name, value) in [
        ("total", Some(distribution.total())),
        ("mean", distribution.mean()),
        ("stddev", distribution.stddev()),
        ("min", distribution.min()),
        ("max", distribution.max()),
        ("last", distribution.last()),
    ] {
        shown[name] = json!(value);
    }
    for (percent, value) in PERCENTS.iter().zip(distribution.percentiles(&PERCENTS)) {
        shown["percentiles"][percent.to_string()] = json!(value);
    }
    show_exemplars(shown, distribution.exemplars(), |value| json!(value));
}

/// Where there are some.
fn show_exemplars<'a, T: Copy + 'a>(
    shown: &mut Json,
    exemplars: impl Iterator<Item = &'a Exemplar<T>>,
    value: impl Fn(T) -> Json,
) {
    for exemplar in exemplars {
        let context = exemplar.context().map(Context::text);
        let one = json!({
            "timestamp": exemplar.timestamp(),
            "value": value(exemplar.value()),
            "context": context,
        });
        match &mut shown["exemplars"] {
            Json::Array(all) => all.push(one),
            none => *none = json!([one]),
        }
    }
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
    for (percent, value) in PERCENTS.iter().zip(distribution.percentiles(&PERCENTS)) {
        shown["percentiles"][percent.to_string()] = value.map_or(Json::Null, whole);
    }
    show_exemplars(shown, distribution.exemplars(), whole);
}

/// Where two values differ. Integers are compared exactly, floats to 12 digits; of errors only
/// which file they are about.
pub fn differences(at: &str, left: &Json, right: &Json, found: &mut Vec<String>) {
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

pub fn assert_same(what: &str, left: &Json, right: &Json) {
    let mut found = Vec::new();
    differences("", left, right, &mut found);
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

pub fn by_library(path: &Path) -> Json {
    as_json(
        &Reader::open(path)
            .unwrap()
            .per(Per::File)
            .snapshot()
            .unwrap(),
    )
}

/// What reader.py prints; `None`, loudly, where there is no Python.
pub fn by_python(path: &Path) -> Option<Json> {
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
