//! The rows that `top` shows for the labels of a model, a process or a thread.

use std::cmp::Ordering;
use std::collections::HashMap;

use mmstats::reader::{Model, Series};
use mmstats::{Number, Value};

use super::history::History;
use crate::input::find;
use crate::ui::numbers;

/// The maximum number of labels whose past is kept. More are shown, but without a past.
const HISTORIES_MOST: usize = 20_000;

/// A column by which rows are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Column {
    #[default]
    Label,
    Value,
    Rate,
    Mean,
    Median,
    P99,
}

impl Column {
    pub const ALL: [Column; 6] = [
        Column::Label,
        Column::Value,
        Column::Rate,
        Column::Mean,
        Column::Median,
        Column::P99,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Column::Label => "label",
            Column::Value => "value",
            Column::Rate => "rate/s",
            Column::Mean => "mean",
            Column::Median => "p50",
            Column::P99 => "p99",
        }
    }

    pub fn next(self) -> Column {
        let at = Column::ALL
            .iter()
            .position(|column| *column == self)
            .unwrap_or(0);
        Column::ALL[(at + 1) % Column::ALL.len()]
    }
}

/// One label.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub label: String,
    pub kind: &'static str,
    pub unit: String,
    pub help: String,
    /// The value as text, and as a number to sort by.
    pub value: String,
    pub number: f64,
    /// Counts per second.
    pub rate: Option<f64>,
    /// The mean of the values of the interval, as text and as a number to sort by.
    pub mean: Option<String>,
    pub mean_number: f64,
    /// Percentiles of the values of the interval, as recorded.
    pub median: Option<u64>,
    pub p99: Option<u64>,
    /// Whether it has a distribution.
    pub has_distribution: bool,
    /// Whether the values are times, in nanoseconds.
    pub is_time: bool,
}

impl Row {
    /// Returns a value of the distribution, as text.
    pub fn of_interval(&self, value: Option<u64>) -> String {
        match value {
            None => "-".to_owned(),
            Some(nanos) if self.is_time => numbers::duration(nanos),
            Some(n) if self.unit == "bytes" => numbers::bytes(n),
            Some(n) => numbers::grouped(n),
        }
    }

    fn by(&self, other: &Row, column: Column) -> Ordering {
        let of = |row: &Row| match column {
            Column::Label => 0.0,
            Column::Value => row.number,
            Column::Rate => row.rate.unwrap_or(-1.0),
            Column::Mean => row
                .mean
                .as_ref()
                .map_or(f64::NEG_INFINITY, |_| row.mean_number),
            Column::Median => row.median.map_or(-1.0, |n| n as f64),
            Column::P99 => row.p99.map_or(-1.0, |n| n as f64),
        };
        // The greatest first.
        of(other)
            .total_cmp(&of(self))
            .then_with(|| self.label.cmp(&other.label))
    }
}

/// Sorts by a column: numbers from the greatest on, unless `reversed`.
pub fn sort(rows: &mut [Row], column: Column, reversed: bool) {
    rows.sort_by(|a, b| {
        if reversed {
            b.by(a, column)
        } else {
            a.by(b, column)
        }
    });
}

/// Returns the rows of a model, with its deltas over `seconds`.
pub fn of_model(model: &Model, seconds: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    for stat in model.series() {
        let delta = find(model.deltas(), stat.label());
        let row = Row {
            label: stat.label().to_owned(),
            kind: stat.value().kind(),
            unit: stat.unit().to_owned(),
            help: stat.help().to_owned(),
            rate: delta.and_then(|delta| rate(delta.value().count()?, seconds)),
            is_time: matches!(stat.value(), Value::Timer(_)),
            ..Row::default()
        };
        if let Some(value) = numbers::value(stat.value()) {
            let number = stat.value().as_f64().unwrap_or_default();
            rows.push(Row {
                value,
                number,
                ..row
            });
        } else if let Some(values) = stat.value().as_distribution() {
            let interval = delta.and_then(|delta| delta.value().as_distribution());
            let [median, p99] =
                interval.map_or([None; 2], |interval| interval.percentiles(&[50.0, 99.0]));
            let mean = interval.and_then(|interval| interval.mean());
            rows.push(Row {
                value: numbers::grouped(values.count()),
                number: values.count() as f64,
                mean: mean.map(|mean| row.of_interval(Some(mean.round() as u64))),
                mean_number: mean.unwrap_or_default(),
                median,
                p99,
                has_distribution: true,
                ..row
            });
        } else if let Some(summary) = stat.value().as_summary() {
            let interval = delta.and_then(|delta| delta.value().as_summary());
            let mean = interval.and_then(|interval| interval.mean());
            rows.push(Row {
                value: numbers::grouped(summary.count()),
                number: summary.count() as f64,
                mean: mean.map(numbers::float),
                mean_number: mean.unwrap_or_default(),
                ..row
            });
        } else if let Some(values) = stat.value().as_float_distribution() {
            let interval = delta.and_then(|delta| delta.value().as_float_distribution());
            let mean = interval.and_then(|interval| interval.mean());
            rows.push(Row {
                value: numbers::grouped(values.count()),
                number: values.count() as f64,
                mean: mean.map(numbers::float),
                mean_number: mean.unwrap_or_default(),
                ..row
            });
        } else if let Some(errors) = stat.value().as_errors() {
            rows.push(Row {
                value: numbers::grouped(errors.all()),
                number: errors.all() as f64,
                ..row
            });
        } else if let Some(history) = stat.value().as_history() {
            let last = history.entries().first().map(|entry| entry.value());
            rows.push(Row {
                value: last.map_or_else(|| "-".to_owned(), numbers::float),
                number: last.unwrap_or_default(),
                ..row
            });
        } else {
            // The parts of a value with several, one row each.
            rows.extend(stat.exposed().iter().map(|(name, value)| {
                Row {
                    label: format!("{}{}{name}", stat.label(), stat.value().separator()),
                    value: numbers::value(value).unwrap_or_default(),
                    number: value.number().map_or(0.0, Number::as_f64),
                    rate: delta
                        .filter(|_| matches!(value, Value::Counter(_)))
                        .and_then(|delta| rate(count_of(delta, name), seconds)),
                    ..row.clone()
                }
            }));
        }
    }
    rows
}

/// Returns the count that a value exposes by this name; 0 if it is missing.
fn count_of(stat: &Series, name: &str) -> u64 {
    let exposed = stat.exposed().iter().find(|(exposed, _)| exposed == name);
    exposed.map_or(0, |(_, value)| value.as_u64().unwrap_or(0))
}

fn rate(count: u64, seconds: f64) -> Option<f64> {
    // The first reading has nothing to compare with.
    (seconds > 0.0).then(|| count as f64 / seconds)
}

/// The past of all labels of some models.
#[derive(Debug, Default)]
pub struct Histories(HashMap<String, HashMap<String, History>>);

impl Histories {
    /// Adds a model's values of an interval.
    pub fn add(&mut self, model: &Model, seconds: f64) {
        let room = HISTORIES_MOST.saturating_sub(self.0.values().map(HashMap::len).sum());
        if !self.0.contains_key(model.name()) {
            self.0.insert(model.name().to_owned(), HashMap::new());
        }
        let histories = self.0.get_mut(model.name()).expect("just inserted");
        let most = histories.len() + room;
        for stat in model.series() {
            let delta = find(model.deltas(), stat.label());
            // For an average, the past of its value is of interest. A value with several parts has no past.
            let counts =
                stat.value().count().is_some() && !matches!(stat.value(), Value::Average(_));
            let point = (delta.filter(|_| counts))
                .and_then(|delta| rate(delta.value().count()?, seconds))
                .or_else(|| stat.value().as_f64());
            let Some(point) = point else {
                continue;
            };
            if !histories.contains_key(stat.label()) {
                if histories.len() >= most {
                    continue;
                }
                histories.insert(stat.label().to_owned(), History::default());
            }
            let history = histories.get_mut(stat.label()).expect("just inserted");
            history.push(point);
            if stat.value().as_distribution().is_some() {
                history.push_heat(delta.and_then(|delta| delta.value().as_distribution()));
            }
        }
        // Drops labels that no longer exist.
        if histories.len() > 2 * model.series().len() + 64 {
            histories.retain(|label, _| find(model.series(), label).is_some());
        }
    }

    pub fn get(&self, model: &str, label: &str) -> Option<&History> {
        self.0.get(model)?.get(label)
    }
}
