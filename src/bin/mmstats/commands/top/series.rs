//! One series in full: its value in each thread, its last values and exemplars with their contexts, and its errors.

use std::cmp::Reverse;

use mmstats::reader::{Model, Series, printable};
use mmstats::{Context, Value};

use super::rows;
use crate::input::find;
use crate::ui::numbers;

/// The maximum number of history entries, or errors, that are shown.
const MOST: usize = 100;

/// Returns the lines about a series. `label` is the label of a row, `merged` are the series of all files together,
/// and `apart` are the separate values of each file.
pub fn lines<'a>(
    label: &str,
    merged: &[Series],
    apart: impl Iterator<Item = &'a Model>,
    seconds: f64,
) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(stat) = of_row(merged, label) {
        let of_task = find(merged, &format!("{label}.history")).map(Series::value);
        for value in [Some(stat.value()), of_task].into_iter().flatten() {
            errors(value, &mut lines);
            history(value, &mut lines);
            exemplars(value, &mut lines);
        }
    }
    let threads = apart.filter_map(|own| {
        let file = own.file()?;
        let rows = rows::of_model(own, seconds);
        let row = rows.into_iter().find(|row| row.label == label)?;
        let rate = row.rate.map_or_else(|| "-".to_owned(), numbers::per_second);
        Some(format!(
            "{:>8} {:>8}  {:<7} {:>14} {rate:>10} {:>10} {:>10}",
            file.pid(),
            file.tid(),
            file.state().name(),
            printable(&row.value),
            row.mean.as_deref().unwrap_or("-"),
            row.of_interval(row.p99),
        ))
    });
    lines.push(format!(
        "{:>8} {:>8}  {:<7} {:>14} {:>10} {:>10} {:>10}",
        "process", "thread", "state", "value", "rate/s", "mean", "p99"
    ));
    lines.extend(threads);
    lines
}

/// Returns the stat of a row, which may be one of its parts.
fn of_row<'a>(stats: &'a [Series], label: &str) -> Option<&'a Series> {
    let part = |stat: &&Series| {
        let rest = label.strip_prefix(stat.label());
        rest.is_some_and(|rest| rest.starts_with(stat.value().separator()))
    };
    find(stats, label).or_else(|| stats.iter().find(part))
}

fn errors(value: &Value, lines: &mut Vec<String>) {
    let Some(errors) = value.as_errors() else {
        return;
    };
    let mut distinct: Vec<_> = errors.distinct().iter().collect();
    distinct.sort_by_key(|error| Reverse(error.last_ns()));
    for error in distinct.into_iter().take(MOST) {
        lines.push(format!(
            "{}  {:>8}×  {}  {}",
            numbers::date(error.last_ns()),
            numbers::grouped(error.count()),
            printable(&error.exposed_as()),
            printable(error.message())
        ));
    }
}

fn history(value: &Value, lines: &mut Vec<String>) {
    let Some(history) = value.as_history() else {
        return;
    };
    for entry in history.entries().iter().take(MOST) {
        let context = entry.context().map(|context| context.text().into_owned());
        lines.push(format!(
            "{}  {:>12}  {}",
            numbers::date_millis(entry.time_ns()),
            numbers::float(entry.value()),
            printable(&context.unwrap_or_default())
        ));
    }
}

/// Adds the last value of each magnitude that was recorded with a context.
fn exemplars(value: &Value, lines: &mut Vec<String>) {
    let mut line = |time: u64, value: String, context: Option<&Context>| {
        let context = context.map(|context| context.text().into_owned());
        lines.push(format!(
            "{}  {value:>12}  {}",
            numbers::date_millis(time),
            printable(&context.unwrap_or_default())
        ));
    };
    match value {
        Value::Timer(times) => times.exemplars().for_each(|one| {
            line(one.time_ns(), numbers::duration(one.value()), one.context());
        }),
        Value::Percentile(values) => values.exemplars().for_each(|one| {
            line(one.time_ns(), numbers::grouped(one.value()), one.context());
        }),
        Value::FloatPercentile(values) => values.exemplars().for_each(|one| {
            line(one.time_ns(), numbers::float(one.value()), one.context());
        }),
        _ => {}
    }
}
