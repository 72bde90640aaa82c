//! Histories of labels, and the contexts of their entries.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::all_series;
use crate::export::aka_stats::history::{ContextOf, Entry, of_errors};
use crate::export::aka_stats::source::{ALL, in_order, label_of, part};
use crate::metric::errors::value::ErrorsValue;
use crate::metric::history::value::HistoryValue;
use crate::reader::{Series, Snapshot};

/// Returns the last values of a label, newest first. An error log does not keep every time, so it has the first and
/// the last time of each distinct error.
pub(crate) fn history(snapshots: &[Snapshot], label: &str) -> Vec<Json> {
    let wanted = in_order(label);
    let mut entries = Vec::new();
    for series in all_series(snapshots) {
        match (series.value().as_history(), series.value().as_errors()) {
            (Some(history), _) => add_history(&mut entries, series, history, &wanted),
            (_, Some(errors)) => add_errors(&mut entries, series, errors, &wanted),
            _ => {}
        }
    }
    // Entries of the same time keep their order, which is that of their file.
    entries.sort_by_key(|entry: &Entry<'_>| Reverse(entry.time));
    let entries = entries.into_iter().map(|entry| {
        json!({
            "timestamp": entry.time as f64 / 1e9,
            "label": label,
            "value": entry.value,
            "context_id": entry.context.map_or(Cow::default(), ContextOf::id),
        })
    });
    entries.collect()
}

/// Returns the contexts of ids that exist, by id.
pub(crate) fn contexts(snapshots: &[Snapshot], ids: &[String]) -> Map<String, Json> {
    let mut all = HashMap::new();
    for value in all_series(snapshots).map(Series::value) {
        let entries = value
            .as_history()
            .into_iter()
            .flat_map(HistoryValue::entries);
        let errors = value
            .as_errors()
            .into_iter()
            .flat_map(ErrorsValue::distinct);
        let of_entries = entries.map(|entry| ContextOf::stored(entry.context()));
        // Also by the id of the backtrace alone, which other pages use.
        let of_errors =
            errors.flat_map(|error| [ContextOf::error(error), ContextOf::stored(error.context())]);
        let contexts = of_entries.chain(of_errors).flatten();
        all.extend(contexts.map(|context| (context.id(), context)));
    }
    let found = ids.iter().filter_map(|id| {
        let context = all.get(&**id)?;
        Some((id.clone(), context.text().into()))
    });
    found.collect()
}

fn add_history<'a>(
    entries: &mut Vec<Entry<'a>>,
    series: &Series,
    history: &'a HistoryValue,
    wanted: &str,
) {
    let own = label_of(series, "");
    let is_wanted = |label| in_order(label) == wanted;
    if is_wanted(&own) || own.strip_suffix(".history").is_some_and(is_wanted) {
        entries.extend(history.entries().iter().map(Entry::of));
    }
}

fn add_errors<'a>(
    entries: &mut Vec<Entry<'a>>,
    series: &Series,
    errors: &'a ErrorsValue,
    wanted: &str,
) {
    let is_wanted = |name: &str| in_order(&label_of(series, &part(name))) == wanted;
    let are_all_wanted = is_wanted(ALL);
    entries.extend(of_errors(errors, |name| are_all_wanted || is_wanted(name)));
}
