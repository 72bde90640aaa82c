//! The HTTP interface of aka-stats.
//!
//! | request | function | answer |
//! |---|---|---|
//! | `GET /api/v1/available-stats?matcher=GLOB` | [`available_stats`] | 200, a list of labels; 422 for an empty `matcher` |
//! | `GET /api/v1/stats/{label}` | [`stat()`] | 200, an object; `{}` for a label without a stat |
//! | `POST /api/v1/stats` | [`strings`]`("labels", body)`, [`stats`] | 200, an object by label; 400 and 422 for a wrong body |
//! | `GET /api/v1/stats-history/{label}` | [`history()`] | 200, a list; `[]` for a label without a history |
//! | `POST /api/v1/stat-contexts` | [`strings`]`("context_ids", body)`, [`contexts`] | 200, an object by id, of ids that are known; 400 and 422 likewise |
//!
//! All bodies are `application/json`, whatever type the request's body has. If an argument is given twice, the last
//! one counts; other arguments are ignored. Other methods, including HEAD and OPTIONS: 405,
//! `{"detail":"Method Not Allowed"}`. A label with a slash, or a missing label: 404, `{"detail":"Not Found"}`. A
//! trailing slash is redirected (307).
//!
//! # Labels
//! A label is that of the series: `file:large.csv`. Labels of a group follow it like aka-stats' extra labels, sorted
//! by key: `SNMP_WORKER;host_name=nl-ams_01,oid=a_b`. A request may have them in any order. An error log has a stat
//! for each name: `errors__all`, `errors__EXC:ParseIntError`. Models are not kept apart: as in one Redis, values with
//! the same label add up.
//!
//! # Stats
//! A label has a stat once something has been recorded under it. All numbers are floats; `null` means not known.
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
//! Standard deviations are exact, and the maximum of negative values is negative. A context that is not UTF-8 is
//! returned with U+FFFD in it; aka-stats answers 500. Python's JSON accepts `NaN`; here such a body is refused (400).
//! A history of errors has the first and the last time of each distinct error, since no other times are kept. The
//! context of an error consists of its name, message, causes and place, and its backtrace if there is one.

mod history;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value as Json, json};

pub(crate) use self::history::{contexts, history};
use super::{Refusal, glob};
use crate::export::aka_stats::source::{Source, in_order, sources_of};
use crate::export::aka_stats::stat::Stat;
use crate::reader::{Series, Snapshot};

#[cfg(test)]
mod tests;

/// Returns the labels that have a stat and match a Redis glob, sorted; all of them without a glob.
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

/// Returns the stat of a label, or `{}`.
pub(crate) fn stat(snapshots: &[Snapshot], label: &str) -> Json {
    let mut stats = stats(snapshots, &[label.to_owned()]);
    stats.remove(label).unwrap_or_default()
}

/// Returns the stats of labels, by label; `{}` for a label without a stat.
pub(crate) fn stats(snapshots: &[Snapshot], labels: &[String]) -> Map<String, Json> {
    let none = labels.iter().map(|label| (in_order(label), None));
    let mut found: HashMap<Cow<'_, str>, Option<Stat>> = none.collect();
    each_source(snapshots, |of, source| {
        if let Some(found) = found.get_mut(&*in_order(&of)) {
            Stat::add(found, source.stat());
        }
    });
    let stats = labels.iter().map(|label| {
        let stat = found[&*in_order(label)].as_ref();
        (label.clone(), Stat::json(stat))
    });
    stats.collect()
}

/// Returns the list of texts in a request's body; `name` is its name in errors. Numbers and booleans are converted to
/// texts.
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

/// Returns FastAPI's answer to invalid arguments.
fn invalid(problems: Vec<Json>) -> Refusal {
    Refusal::new(422, problems)
}

/// Returns all series, merged over the files of their models.
fn all_series(snapshots: &[Snapshot]) -> impl Iterator<Item = &Series> {
    let models = snapshots.iter().flat_map(Snapshot::merged);
    models.flat_map(|model| model.series())
}

/// Calls `each` with every label that has a stat, once for each of its sources.
fn each_source<'a>(snapshots: &'a [Snapshot], mut each: impl FnMut(Cow<'a, str>, Source<'a>)) {
    for series in all_series(snapshots) {
        sources_of(series, &mut each);
    }
}
