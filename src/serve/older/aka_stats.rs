//! The HTTP interface of aka-stats.
//!
//! | request | function | answer |
//! |---|---|---|
//! | `GET /api/v1/available-stats?matcher=GLOB` | [`available_stats`] | 200, a list of labels; 422 for an empty `matcher` |
//! | `GET /api/v1/stats/{label}` | [`stat`] | 200, an object; `{}` for a label without a stat |
//! | `POST /api/v1/stats` | [`strings`]`("labels", body)`, [`stats`] | 200, an object by label; 400 and 422 for a wrong body |
//! | `GET /api/v1/stats-history/{label}` | [`history`] | 200, a list; `[]` for a label without a history |
//! | `POST /api/v1/stat-contexts` | [`strings`]`("context_ids", body)`, [`contexts`] | 200, an object by id, of ids that are known; 400 and 422 likewise |
//!
//! All bodies are `application/json`, whatever type the request's body has. Of an argument that is given twice the last
//! one counts, and others are ignored. Other methods, HEAD and OPTIONS too: 405, `{"detail":"Method Not Allowed"}`. A
//! label with a slash, or none where one is wanted: 404, `{"detail":"Not Found"}`. A slash at the end is redirected
//! (307).
//!
//! # Labels
//! A label is that of the series: `file:large.csv`. Labels of a group follow it as aka-stats' extra labels do, sorted by
//! key: `SNMP_WORKER;host_name=nl-ams_01,oid=a_b`. An error log has a stat for each name: `errors__all`,
//! `errors__EXC:ParseIntError`. Models are not told apart: as in one Redis, what has the same label adds up.
//!
//! # Stats
//! A label has a stat once something was recorded under it. All numbers are floats; `null` is what is not known.
//!
//! | kind | its stat |
//! |---|---|
//! | Summary | all of it |
//! | Timer (in seconds), Percentile | all but `last_time`; `last` of one writer only |
//! | Average | `avg`, `count`, `total` |
//! | Counter, SamplingCounter | `count` and `total` are what it counted |
//! | Errors | as if each error had been recorded as 1 |
//! | UpDown, Gauge, Flag, Text, Constant, Compound, MovingAverage, History | none |
//!
//! # Differences
//! What is better here: deviations are exact, the maximum of negative values is not 0, and a context that is not UTF-8 is
//! an answer and no status 500. Bodies are read by the letter of JSON, which knows no `NaN`.

mod source;
mod stat;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value as Json, json};

use self::source::{ALL, all_series, each_source, label_of, part};
use self::stat::Stat;
use super::{Refusal, glob};
use crate::metric::context::Context;
use crate::reader::Snapshot;

#[cfg(test)]
mod tests;

/// The labels that have a stat and match a glob of Redis, sorted; all of them without one.
pub(crate) fn available_stats(
    snapshots: &[Snapshot],
    matcher: Option<&str>,
) -> Result<Vec<String>, Refusal> {
    let matcher = matcher.unwrap_or("*");
    if matcher.is_empty() {
        return Err(invalid(vec![json!({
            "loc": ["query", "matcher"],
            "msg": "ensure this value has at least 1 characters",
            "type": "value_error.any_str.min_length",
            "ctx": {"limit_value": 1},
        })]));
    }
    let matches = glob::redis(matcher);
    let mut labels = BTreeSet::new();
    each_source(snapshots, |label, _| {
        if matches(&label) {
            labels.insert(label.into_owned());
        }
    });
    Ok(labels.into_iter().collect())
}

/// The stat of a label, or `{}`.
pub(crate) fn stat(snapshots: &[Snapshot], label: &str) -> Json {
    let mut found: Option<Stat> = None;
    each_source(snapshots, |of, source| {
        if of == label {
            Stat::add(&mut found, source.stat());
        }
    });
    Stat::json(found.as_ref())
}

/// The stats of labels, by label.
pub(crate) fn stats(snapshots: &[Snapshot], labels: &[String]) -> Map<String, Json> {
    let none = labels.iter().map(|label| (&**label, None));
    let mut found: HashMap<&str, Option<Stat>> = none.collect();
    each_source(snapshots, |of, source| {
        if let Some(found) = found.get_mut(&*of) {
            Stat::add(found, source.stat());
        }
    });
    let stats = labels.iter().map(|label| {
        let stat = found[&**label].as_ref();
        (label.clone(), Stat::json(stat))
    });
    stats.collect()
}

/// The last values of a label, newest first. Of an error log, which does not keep every time: the first and the last
/// time of each distinct error.
pub(crate) fn history(snapshots: &[Snapshot], label: &str) -> Vec<Json> {
    let mut entries: Vec<(u64, f64, Option<&Context>)> = Vec::new();
    for series in all_series(snapshots) {
        if let Some(history) = series.value().as_history() {
            let own = label_of(series, "");
            if own == label || own.strip_suffix(".history") == Some(label) {
                let of = history.entries().iter();
                entries.extend(of.map(|e| (e.time_ns(), e.value(), e.context())));
            }
        } else if let Some(errors) = series.value().as_errors() {
            let is_all = label_of(series, &part(ALL)) == label;
            for error in errors.distinct() {
                if is_all || label_of(series, &part(&error.exposed_as())) == label {
                    let first = (error.count() > 1).then_some(error.first_ns());
                    let times = [Some(error.last_ns()), first].into_iter().flatten();
                    entries.extend(times.map(|time| (time, 1.0, error.context())));
                }
            }
        }
    }
    // Those of one time stay in their order, which is that of their file.
    entries.sort_by_key(|(time, ..)| Reverse(*time));
    let entries = entries.into_iter().map(|(time, value, context)| {
        let context = context.filter(|context| !context.bytes().is_empty());
        json!({
            "timestamp": time as f64 / 1e9,
            "label": label,
            "value": value,
            "context_id": context.map_or("", Context::id),
        })
    });
    entries.collect()
}

/// The contexts of ids, by id; those that there are.
pub(crate) fn contexts(snapshots: &[Snapshot], ids: &[String]) -> Map<String, Json> {
    let wanted = || ids.iter().map(|id| &**id);
    let all = (snapshots.iter()).map(|snapshot| snapshot.contexts(wanted()));
    let all: Vec<BTreeMap<&str, &Context>> = all.collect();
    let found = wanted().filter_map(|id| {
        let context = all.iter().find_map(|contexts| contexts.get(id))?;
        let text = context.text().into_owned();
        (!text.is_empty()).then(|| (id.to_owned(), text.into()))
    });
    found.collect()
}

/// The list of texts in a request's body; `name` is what an error calls it. Numbers and booleans are texts, too.
pub(crate) fn strings(name: &str, body: &[u8]) -> Result<Vec<String>, Refusal> {
    let problem = |place: &[Json], message: &str, kind: &str| {
        let place = [&[json!("body"), json!(name)], place].concat();
        json!({"loc": place, "msg": message, "type": kind})
    };
    let body = match body {
        [] => Json::Null,
        body => serde_json::from_slice(body)
            .map_err(|_| Refusal::new(400, "There was an error parsing the body"))?,
    };
    let items = match body {
        Json::Array(items) => items,
        Json::Null => {
            return Err(invalid(vec![problem(
                &[],
                "field required",
                "value_error.missing",
            )]));
        }
        _ => {
            return Err(invalid(vec![problem(
                &[],
                "value is not a valid list",
                "type_error.list",
            )]));
        }
    };
    let (mut texts, mut problems) = (Vec::new(), Vec::new());
    for (place, item) in items.into_iter().enumerate() {
        let mut refuse = |message, kind| problems.push(problem(&[json!(place)], message, kind));
        match item {
            Json::String(text) => texts.push(text),
            Json::Number(number) => texts.push(number.to_string()),
            // As in Python.
            Json::Bool(true) => texts.push("True".to_owned()),
            Json::Bool(false) => texts.push("False".to_owned()),
            Json::Null => refuse(
                "none is not an allowed value",
                "type_error.none.not_allowed",
            ),
            Json::Array(_) | Json::Object(_) => refuse("str type expected", "type_error.str"),
        }
    }
    if problems.is_empty() {
        Ok(texts)
    } else {
        Err(invalid(problems))
    }
}

/// What FastAPI answers to arguments that it cannot take.
fn invalid(problems: Vec<Json>) -> Refusal {
    Refusal::new(422, problems)
}
