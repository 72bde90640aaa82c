//! The columns of a poll: which values they show, and what they show for an interval.

use std::io::{self, Write};

use mmstats::Value;
use mmstats::reader::{Model, Series};

use crate::input::{Input, find};
use crate::names::{self, PatternMatch};
use crate::ui::{numbers, output};

/// The least width of a column: a rate of eight digits.
const WIDTH: usize = 10;
/// The width of the time.
const TIME: usize = 8;
/// Between two columns.
const GAP: usize = 2;

/// The values of a model, or of a file, and their deltas.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    pub series: &'a [Series],
    deltas: &'a [Series],
}

impl<'a> Values<'a> {
    pub fn of(model: &'a Model) -> Values<'a> {
        Values {
            series: model.series(),
            deltas: model.deltas(),
        }
    }

    fn series_of(&self, label: &str) -> Option<&'a Series> {
        find(self.series, label)
    }

    pub fn delta_of(&self, label: &str) -> Option<&'a Series> {
        find(self.deltas, label)
    }
}

/// The columns that match some patterns, in the order of these.
#[derive(Debug, Default)]
pub struct Columns {
    columns: Vec<Column>,
    /// Labels without the prefix, with the model if it is needed to distinguish them.
    titles: Vec<String>,
    widths: Vec<usize>,
    /// Titles of the columns that do not fit.
    left_out: Vec<String>,
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
    /// The text between the label and the exposed name.
    separator: &'static str,
    shows: Shows,
}

/// What a column shows of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shows {
    /// The value.
    Value,
    /// The rise per second of a counter, or of the count of recorded values.
    Rate,
    /// Something that the value exposes; for a value that only rises, that of the interval.
    Exposed(String),
}

/// Returns what is shown of a label that was named itself.
fn usual(stat: &Series) -> Vec<Shows> {
    let exposed = |names: &[&str]| {
        let names = names.iter().map(|name| Shows::Exposed((*name).to_owned()));
        names.collect::<Vec<_>>()
    };
    match stat.value() {
        Value::Counter(_) => vec![Shows::Rate],
        Value::Timer(_) | Value::Percentile(_) | Value::FloatPercentile(_) => {
            [vec![Shows::Rate], exposed(&["Median", "Percentile99th"])].concat()
        }
        Value::Summary(_) => [vec![Shows::Rate], exposed(&["Mean"])].concat(),
        Value::Average(_) => vec![Shows::Rate, Shows::Value],
        Value::SamplingCounter(_) | Value::Errors(_) => vec![Shows::Rate],
        Value::History(_) => vec![Shows::Value],
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
    /// Finds the columns of the labels that exist now; titles omit the prefix. If the output has a width, columns
    /// that do not fit are left out.
    pub fn find(input: &Input, patterns: &[String], prefix: &str, width: Option<usize>) -> Columns {
        let mut found = Columns::default();
        for pattern in patterns {
            let before = found.columns.len();
            let each = |model| Model::series(model).iter().map(move |stat| (model, stat));
            for (model, stat) in input.merged().flat_map(each) {
                let shows = match names::resolve(pattern, stat) {
                    None => continue,
                    Some(PatternMatch::Label) => usual(stat),
                    Some(PatternMatch::Parts(parts)) => {
                        parts.into_iter().map(Shows::Exposed).collect()
                    }
                };
                for shows in shows {
                    let column = Column {
                        model: model.name().to_owned(),
                        label: stat.label().to_owned(),
                        separator: stat.value().separator(),
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
        found.fit(width);
        found
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Returns the patterns that match nothing.
    pub fn unmatched(&self) -> impl Iterator<Item = &String> {
        self.unmatched.iter()
    }

    /// Returns whether any column is of this model.
    pub fn concern(&self, model: &str) -> bool {
        self.columns.iter().any(|column| column.model == model)
    }

    /// Shortens titles, the longest first, then leaves out the last columns, until all fit.
    fn fit(&mut self, width: Option<usize>) {
        self.widths = (self.titles.iter())
            .map(|title| title.chars().count().max(WIDTH))
            .collect();
        let Some(width) = width else { return };
        let taken = |widths: &[usize]| TIME + widths.iter().map(|width| GAP + width).sum::<usize>();
        while taken(&self.widths) > width {
            match self.widths.iter_mut().max() {
                Some(widest) if *widest > WIDTH => *widest -= 1,
                // At least one column stays.
                Some(_) if self.columns.len() > 1 => {
                    self.widths.pop();
                    self.columns.pop();
                    self.left_out.extend(self.titles.pop());
                }
                _ => return,
            }
        }
        // Columns that were left out may have freed some space.
        let full: Vec<usize> = self
            .titles
            .iter()
            .map(|title| title.chars().count())
            .collect();
        while let Some(short) = (0..full.len()).find(|&i| self.widths[i] < full[i])
            && taken(&self.widths) < width
        {
            self.widths[short] += 1;
        }
    }

    /// Names the columns that do not fit on stderr.
    pub fn complain_of_left_out(&self) {
        if !self.left_out.is_empty() {
            let titles: Vec<_> = self.left_out.iter().rev().map(String::as_str).collect();
            output::complain(&format!(
                "the output is too narrow for {}: name fewer fields, widen the terminal, or use --json",
                titles.join(", ")
            ));
        }
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
                Shows::Exposed(name) => format!("{}{}", column.separator, names::short(name)),
            };
            output::printed(&format!("{model}{label}{shows}"))
        };
        self.columns.iter().map(title).collect()
    }

    pub fn write_header(&self, out: &mut impl Write, per_file: bool) -> io::Result<()> {
        let mut line = format!("{:<TIME$}", "time");
        for (title, &width) in self.titles.iter().zip(&self.widths) {
            line.push_str(&format!("{:GAP$}{:>width$}", "", end_of(title, width)));
        }
        if per_file {
            line.push_str("  file");
        }
        writeln!(out, "{}", output::bold(line.trim_end()))
    }

    /// Writes a line of the values of an interval, with its time of day and seconds. `values` returns the values of a
    /// model.
    pub fn write_line<'a>(
        &self,
        out: &mut impl Write,
        (time, seconds): (&str, f64),
        file: Option<&str>,
        values: impl Fn(&str) -> Option<Values<'a>>,
    ) -> io::Result<()> {
        let mut line = format!("{time:<TIME$}");
        for (column, &width) in self.columns.iter().zip(&self.widths) {
            let cell = values(&column.model).and_then(|values| column.cell(values, seconds));
            let cell = cell.map_or_else(|| "-".to_owned(), |cell| output::printed(&cell));
            line.push_str(&format!("{:GAP$}{:>width$}", "", end_of(&cell, width)));
        }
        if let Some(file) = file {
            line.push_str(&format!("  {file}"));
        }
        writeln!(out, "{}", line.trim_end())
    }
}

/// Returns a text shortened to `width` columns: its end, which distinguishes labels.
fn end_of(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let end: String = text.chars().skip(length - width + 1).collect();
    format!("…{end}")
}

/// Chooses labels for columns if none are named: counts before levels, series with a value before those without, as
/// many as fit.
pub fn sensible(input: &Input, prefix: &str, width: usize) -> Vec<String> {
    let rank = |stat: &Series| match (stat.value().count(), stat.value()) {
        (Some(0), _) => Some(2),
        (Some(_), _) => Some(0),
        (_, Value::Gauge(_) | Value::UpDown(_) | Value::MovingAverage(_)) => Some(1),
        _ => None,
    };
    let wanted = names::stats(input).filter(|stat| stat.label().starts_with(prefix));
    let mut ranked: Vec<_> = wanted
        .filter_map(|stat| Some((rank(stat)?, stat.label().to_owned())))
        .collect();
    ranked.sort();
    ranked.dedup();
    let labels: Vec<_> = ranked.into_iter().map(|(_, label)| label).collect();
    let fits = |count: &usize| {
        let columns = Columns::find(input, &labels[..*count], prefix, Some(width));
        columns.left_out.is_empty()
    };
    match (1..=labels.len()).take_while(fits).last() {
        Some(count) => labels[..count].to_vec(),
        // None of the usual ones exists, so any label is used.
        None => vec![
            labels
                .first()
                .cloned()
                .unwrap_or_else(|| format!("{prefix}*")),
        ],
    }
}

impl Column {
    /// Returns the text of a cell; `None` if there is no such value now.
    fn cell<'a>(&self, values: Values<'a>, seconds: f64) -> Option<String> {
        let stat = values.series_of(&self.label)?;
        let delta = values.delta_of(&self.label);
        // For a value that only rises, the interval is shown.
        let rises = stat.value().count().is_some();
        let of = if rises { delta } else { Some(stat) };
        match &self.shows {
            Shows::Value => match of?.value() {
                Value::History(history) => {
                    (history.entries().first()).map(|newest| numbers::float(newest.value()))
                }
                value => numbers::value(value),
            },
            Shows::Rate => {
                let count = delta.map_or(Some(0), |delta| delta.value().count());
                count.map(|count| numbers::rate(count, seconds))
            }
            Shows::Exposed(name) => {
                // The delta since the last line has no window, which covers its own span.
                let is_of_window = stat.window().is_some() && !is_of_value(stat, name);
                let of = if is_of_window { Some(stat) } else { of };
                let (_, value) = of?.exposed().iter().find(|(exposed, _)| exposed == name)?;
                match (stat.value(), value) {
                    (_, Value::Counter(count)) if rises && !is_of_window => {
                        Some(numbers::rate(*count, seconds))
                    }
                    (Value::Timer(_), Value::Gauge(time)) if name != "Rate" => {
                        Some(numbers::duration((time.as_f64() * 1e9).round() as u64))
                    }
                    _ => numbers::value(value),
                }
            }
        }
    }
}

/// Returns whether the value itself, not its window, exposes something of this name.
fn is_of_value(stat: &Series, name: &str) -> bool {
    let mut found = false;
    stat.value().expose(|exposed, _| found |= exposed == name);
    found
}
