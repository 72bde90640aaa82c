//! The columns of a poll: which values they are, and what they say of an interval.

use std::io::{self, Write};

use mmstats::Value;
use mmstats::reader::{Stat, matches};

use crate::input::{Input, find};
use crate::{numbers, output};

/// The least width of a column: a rate of eight digits.
const WIDTH: usize = 10;

/// What the values of a model, or of a file, are and have risen by.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    pub stats: &'a [Stat],
    pub risen: &'a [Stat],
}

impl<'a> Values<'a> {
    fn stat(&self, label: &str) -> Option<&'a Stat> {
        find(self.stats, label)
    }

    pub fn risen_of(&self, label: &str) -> Option<&'a Stat> {
        find(self.risen, label)
    }
}

/// The columns that match some patterns, in the order of these.
#[derive(Debug, Default)]
pub struct Columns {
    columns: Vec<Column>,
    /// Labels without the prefix, with the model where it takes that to tell them apart.
    titles: Vec<String>,
    unmatched: Vec<String>,
}

impl PartialEq for Columns {
    fn eq(&self, other: &Columns) -> bool {
        self.columns == other.columns
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    model: String,
    label: String,
    shows: Shows,
}

/// What of a label a column shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shows {
    /// The value.
    Value,
    /// By how much a counter, or the count of recorded values, rises in a second.
    Rate,
    /// Something that the value exposes; of what only rises, that of the interval.
    Exposed(String),
}

/// Whether a pattern means a label, or something that its value exposes.
pub fn concerns(pattern: &str, stat: &Stat) -> bool {
    matches(pattern, stat.label()) || !exposed(pattern, stat).is_empty()
}

/// The names of what a value exposes that a pattern means: `index.*.Percentile99th`.
fn exposed(pattern: &str, stat: &Stat) -> Vec<String> {
    let names = pattern.rmatch_indices(['.', ':']).find_map(|(at, _)| {
        if !matches(&pattern[..at], stat.label()) {
            return None;
        }
        let names = stat.exposed().iter().map(|(name, _)| name);
        let names: Vec<_> = (names.filter(|name| matches(&pattern[at + 1..], name)))
            .cloned()
            .collect();
        (!names.is_empty()).then_some(names)
    });
    names.unwrap_or_default()
}

/// What a column shows of a label that was named as such.
fn usual(stat: &Stat) -> Vec<Shows> {
    let exposed = |names: &[&str]| {
        let names = names.iter().map(|name| Shows::Exposed((*name).to_owned()));
        names.collect::<Vec<_>>()
    };
    match stat.value() {
        Value::Counter(_) => vec![Shows::Rate],
        Value::Timer(_) | Value::Percentile(_) => {
            [vec![Shows::Rate], exposed(&["Median", "Percentile99th"])].concat()
        }
        Value::Summary(_) => [vec![Shows::Rate], exposed(&["Mean"])].concat(),
        Value::Average(_) => vec![Shows::Rate, Shows::Value],
        Value::SamplingCounter(_) | Value::Errors(_) => vec![Shows::Rate],
        value
            if value.number().is_some()
                || value.as_bool().is_some()
                || value.as_str().is_some() =>
        {
            vec![Shows::Value]
        }
        _ => {
            let names: Vec<&str> = stat.exposed().iter().map(|(name, _)| &**name).collect();
            exposed(&names)
        }
    }
}

impl Columns {
    /// Those of the labels that are there now; titles go without the prefix.
    pub fn find(input: &Input, patterns: &[String], prefix: &str) -> Columns {
        let mut found = Columns::default();
        for pattern in patterns {
            let before = found.columns.len();
            let models = input
                .snapshots
                .iter()
                .flat_map(|snapshot| snapshot.models());
            for (model, stat) in
                models.flat_map(|model| model.stats().iter().map(move |stat| (model, stat)))
            {
                let shows = if matches(pattern, stat.label()) {
                    usual(stat)
                } else {
                    exposed(pattern, stat)
                        .into_iter()
                        .map(Shows::Exposed)
                        .collect()
                };
                for shows in shows {
                    let column = Column {
                        model: model.name().to_owned(),
                        label: stat.label().to_owned(),
                        shows,
                    };
                    if !found.columns.contains(&column) {
                        found.columns.push(column);
                    }
                }
            }
            if found.columns.len() == before {
                found.unmatched.push(pattern.clone());
            }
        }
        found.titles = found.titles(prefix);
        found
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The patterns that match nothing.
    pub fn unmatched(&self) -> impl Iterator<Item = &String> {
        self.unmatched.iter()
    }

    /// Whether one of them is of this model.
    pub fn concern(&self, model: &str) -> bool {
        self.columns.iter().any(|column| column.model == model)
    }

    fn titles(&self, prefix: &str) -> Vec<String> {
        let same = |column: &Column| {
            let others = self.columns.iter();
            others
                .filter(|other| other.label == column.label && other.shows == column.shows)
                .count()
        };
        let title = |column: &Column| {
            let label = column.label.strip_prefix(prefix).unwrap_or(&column.label);
            let model = if same(column) > 1 {
                format!("{}/", column.model)
            } else {
                String::new()
            };
            let shows = match &column.shows {
                Shows::Value => String::new(),
                Shows::Rate => "/s".to_owned(),
                Shows::Exposed(name) => format!(".{}", short(name)),
            };
            output::printed(&format!("{model}{label}{shows}"))
        };
        self.columns.iter().map(title).collect()
    }

    pub fn write_header(&self, out: &mut impl Write, per_file: bool) -> io::Result<()> {
        let mut line = String::new();
        for title in &self.titles {
            line.push_str(&format!("{title:>WIDTH$}  "));
        }
        if per_file {
            line.push_str("file");
        }
        writeln!(out, "{}", output::bold(line.trim_end()))
    }

    /// A line of the values of an interval of so many seconds: `values` are those of a model.
    pub fn write_line<'a>(
        &self,
        out: &mut impl Write,
        seconds: f64,
        file: Option<&str>,
        values: impl Fn(&str) -> Option<Values<'a>>,
    ) -> io::Result<()> {
        let mut line = String::new();
        for (column, title) in self.columns.iter().zip(&self.titles) {
            let cell = values(&column.model).and_then(|values| column.cell(values, seconds));
            let cell = output::printed(&cell.unwrap_or_else(|| "-".to_owned()));
            let width = title.chars().count().max(WIDTH);
            line.push_str(&format!("{cell:>width$}  "));
        }
        line.push_str(file.unwrap_or_default());
        writeln!(out, "{}", line.trim_end())
    }
}

/// Percentiles as people call them.
fn short(name: &str) -> &str {
    match name {
        "Median" | "Percentile50th" => "p50",
        "Percentile75th" => "p75",
        "Percentile90th" => "p90",
        "Percentile95th" => "p95",
        "Percentile99th" => "p99",
        "Percentile999th" => "p99.9",
        other => other,
    }
}

impl Column {
    /// What it says; `None`: there is no such value now.
    fn cell<'a>(&self, values: Values<'a>, seconds: f64) -> Option<String> {
        let stat = values.stat(&self.label)?;
        let risen = values.risen_of(&self.label);
        // What only rises says something of the interval.
        let rises = numbers::count(stat.value()).is_some();
        let of = if rises { risen } else { Some(stat) };
        match &self.shows {
            Shows::Value => numbers::value(of?.value()),
            Shows::Rate => {
                let count = risen.map_or(Some(0), |risen| numbers::count(risen.value()));
                count.map(|count| numbers::rate(count, seconds))
            }
            Shows::Exposed(name) => {
                let find = |stat: &'a Stat| {
                    let found = stat.exposed().iter().find(|(exposed, _)| exposed == name);
                    found.map(|(_, value)| value)
                };
                let of_interval = of.and_then(find);
                // A window says something of its own time, not of the interval.
                let value = of_interval.or_else(|| {
                    let of_window =
                        matches!(stat.value(), Value::Counter(_)) || name.starts_with("Window");
                    find(stat).filter(|_| of_window)
                })?;
                match (stat.value(), value) {
                    (_, Value::Counter(count)) if rises && of_interval.is_some() => {
                        Some(numbers::rate(*count, seconds))
                    }
                    (Value::Timer(_), Value::Gauge(time)) => {
                        Some(numbers::duration((time.as_f64() * 1e9).round() as u64))
                    }
                    _ => numbers::value(value),
                }
            }
        }
    }
}
