//! The labels that exist, and the sources of their stats.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter;

use super::stat::Stat;
use crate::metric::Value;
use crate::metric::errors::value::{DistinctError, ErrorsValue};
use crate::reader::Series;

/// The source of a label's stat, which is computed only on request.
pub(crate) enum Source<'a> {
    /// A value with a count, and that count.
    Value(&'a Value, u64),
    /// A number of errors, and the time of the last one in nanoseconds since 1970-01-01 UTC.
    Errors(u64, u64),
}

impl Source<'_> {
    pub(crate) fn stat(&self) -> Stat {
        let (value, count) = match *self {
            Source::Value(value, count) => (value, count as f64),
            Source::Errors(count, last) => {
                let (one, count) = (Some(1.0), count as f64);
                return Stat {
                    count,
                    total: Some(count),
                    avg: one,
                    stdev: Some(0.0),
                    min: one,
                    max: one,
                    last: one,
                    last_time: Some(last as f64 / 1e9),
                };
            }
        };
        let mut stat = Stat {
            count,
            ..Stat::default()
        };
        match value {
            Value::Counter(_) | Value::SamplingCounter(_) => stat.total = Some(count),
            Value::Average(average) => {
                stat.avg = average.average();
                stat.total = stat.avg.map(|average| average * count);
            }
            recorded => recorded.expose(|name, number| {
                let place = match name {
                    "Total" => &mut stat.total,
                    "Mean" => &mut stat.avg,
                    "StdDev" => &mut stat.stdev,
                    "Min" => &mut stat.min,
                    "Max" => &mut stat.max,
                    "Last" => &mut stat.last,
                    "LastTime" => &mut stat.last_time,
                    _ => return,
                };
                *place = number.as_f64();
            }),
        }
        stat
    }
}

/// Calls `each` with every label under which a series has a stat, once for each of its sources.
pub(crate) fn sources_of<'a>(series: &'a Series, mut each: impl FnMut(Cow<'a, str>, Source<'a>)) {
    let value = series.value();
    let count = value.count().filter(|count| *count > 0);
    match (count, value.as_errors()) {
        (None, _) => {}
        (Some(count), None) => each(label_of(series, ""), Source::Value(value, count)),
        (Some(_), Some(errors)) => {
            for (name, (count, last)) in by_name(errors) {
                each(label_of(series, &part(&name)), Source::Errors(count, last));
            }
        }
    }
}

/// The name of all errors of a log.
pub(crate) const ALL: &str = "all";

/// Returns what follows the label of an error log, for errors with this name.
pub(crate) fn part(name: &str) -> String {
    format!("__{name}")
}

/// Returns the number of errors of each name, and the time of the last one.
fn by_name(errors: &ErrorsValue) -> BTreeMap<String, (u64, u64)> {
    let mut names: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for error in errors.sites() {
        let (count, last) = names.entry(error.exposed_as()).or_default();
        *count = count.saturating_add(error.count());
        *last = error.last_ns().max(*last);
    }
    let each = errors.sites().iter().chain(errors.distinct());
    let last = each.map(DistinctError::last_ns).max().unwrap_or(0);
    // This also replaces a note of that name, which is one of all.
    names.insert(ALL.to_owned(), (errors.all(), last));
    names
}

/// Returns the label that aka-stats would use for a series, with `suffix` after its name.
pub(crate) fn label_of<'a>(series: &'a Series, suffix: &str) -> Cow<'a, str> {
    let labels = series.labels();
    if labels.is_empty() {
        return match suffix {
            "" => series.label().into(),
            suffix => format!("{}{suffix}", series.label()).into(),
        };
    }
    // A metric recorded by name (`push_stat`) has its own label among the others, and no other name.
    let own = (labels.iter().find(|(key, _)| key == "label"))
        .filter(|_| matches!(series.metric(), "" | "history"));
    let name = own.map_or(series.metric(), |(_, label)| label);
    let others = labels.iter().filter(|pair| Some(*pair) != own);
    let mut text = format!("{}{name}{suffix}", series.prefix());
    for (between, (key, value)) in iter::once(';').chain(iter::repeat(',')).zip(others) {
        text.push(between);
        text.extend(key.chars().filter_map(safe));
        text.push('=');
        text.extend(value.chars().filter_map(safe));
    }
    text.into()
}

/// Returns a label with its extra labels sorted. In aka-stats they are in the order in which they were given.
#[cfg(feature = "serve")]
pub(crate) fn in_order(label: &str) -> Cow<'_, str> {
    match label.split_once(';') {
        Some((name, labels)) if labels.contains(',') => {
            let mut labels: Vec<&str> = labels.split(',').collect();
            labels.sort_unstable();
            format!("{name};{}", labels.join(",")).into()
        }
        _ => label.into(),
    }
}

/// Returns a character of an extra label as aka-stats writes it.
fn safe(c: char) -> Option<char> {
    match c {
        ',' | ';' | '=' | ' ' => Some('_'),
        '\\' => None,
        c => Some(c),
    }
}
