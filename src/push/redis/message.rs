//! The messages of a snapshot: one for each source that has something new.

use std::collections::{BTreeSet, HashMap};

use super::source;
use crate::export::aka_stats::history::{ContextOf, Entry, of_errors};
use crate::export::aka_stats::source::{ALL, Source, label_of, part, sources_of};
use crate::metric::Value;
use crate::metric::errors::value::ErrorsValue;
use crate::metric::history::value::HistoryEntry;
use crate::reader::{File, Model, Series};

/// The values of a label from one source.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) source: String,
    pub(super) label: String,
    /// Whether it is a retired file, which absorbs others.
    pub(super) is_retired: bool,
    pub(super) version: u64,
    pub(super) numbers: Numbers,
    /// New entries, oldest first: the number, and the text that Redis stores.
    pub(super) entries: Vec<(u64, String)>,
    /// Contexts of the new entries: id and content.
    pub(super) contexts: Vec<(String, Vec<u8>)>,
}

/// The numbers of a source, all finite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Numbers {
    pub(super) count: u64,
    pub(super) total: f64,
    /// The sum of the squared differences from the mean.
    pub(super) squares: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) last: Option<f64>,
    /// Seconds since 1970-01-01 UTC; the time of the reading if the time of the last value is not known.
    pub(super) last_time: f64,
}

/// What Redis is known to have of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct DeliveredState {
    pub(super) version: u64,
    pub(super) count: u64,
    /// The number of the last entry of its history.
    pub(super) entry: u64,
}

impl Message {
    /// Returns what Redis has after it has taken this message.
    pub(super) fn known(&self, before: DeliveredState) -> DeliveredState {
        DeliveredState {
            version: self.version,
            count: self.numbers.count,
            entry: self
                .entries
                .last()
                .map_or(before.entry, |(number, _)| *number),
        }
    }
}

/// Returns the messages of a file with everything that is not `known`. `model` holds the file's values, and `file` is
/// its name in sources. `now` is in nanoseconds since 1970-01-01 UTC.
pub(super) fn of_file(
    model: &Model,
    file: &str,
    known: &HashMap<String, DeliveredState>,
    now: u64,
) -> Vec<Message> {
    let folds = model.file().and_then(File::retired);
    let mut made = FileMessages {
        file: file.to_owned(),
        version: folds.unwrap_or(0),
        is_retired: folds.is_some(),
        messages: Vec::new(),
        by_label: HashMap::new(),
    };
    for series in model.series() {
        sources_of(series, |label, of| {
            if let Some(numbers) = Numbers::of(&of, now) {
                made.message(series, &label).numbers = numbers;
            }
        });
        // (A retired file has no histories. Its errors are in the histories of the files that were folded.)
        if made.is_retired {
            continue;
        }
        if let Some(history) = series.value().as_history() {
            made.add_history(series, history.entries(), known);
        } else if let Some(errors) = series.value().as_errors() {
            made.add_errors(series, errors, known);
        }
    }
    made.messages.retain(|message| {
        let known = known.get(&message.source);
        known.is_none_or(|known| message.known(*known) != *known)
    });
    made.messages
}

struct FileMessages {
    file: String,
    version: u64,
    is_retired: bool,
    messages: Vec<Message>,
    by_label: HashMap<String, usize>,
}

impl FileMessages {
    /// Adds a message for a series.
    fn message(&mut self, series: &Series, label: &str) -> &mut Message {
        let at = self.messages.len();
        self.by_label.entry(label.to_owned()).or_insert(at);
        self.messages.push(Message {
            source: source::of_series(&self.file, series, label),
            label: label.to_owned(),
            is_retired: self.is_retired,
            version: self.version,
            numbers: Numbers::default(),
            entries: Vec::new(),
            contexts: Vec::new(),
        });
        &mut self.messages[at]
    }

    /// Adds a history to its own label or, for `<label>.history`, to `<label>`.
    fn add_history(
        &mut self,
        series: &Series,
        entries: &[HistoryEntry],
        known: &HashMap<String, DeliveredState>,
    ) {
        let own = label_of(series, "");
        let beside = own.strip_suffix(".history").unwrap_or(&own);
        let message = match self.by_label.get(beside) {
            Some(&at) => &mut self.messages[at],
            None if entries.is_empty() => return,
            None => self.message(series, &own),
        };
        let last = known.get(&message.source).map_or(0, |known| known.entry);
        let new = entries.iter().rev().filter(|entry| entry.number() > last);
        message.add(new.map(|entry| (entry.number(), Entry::of(entry))));
    }

    fn add_errors(
        &mut self,
        series: &Series,
        errors: &ErrorsValue,
        known: &HashMap<String, DeliveredState>,
    ) {
        let mut names: BTreeSet<String> = BTreeSet::new();
        names.extend(errors.distinct().iter().map(|error| error.exposed_as()));
        names.insert(ALL.to_owned());
        for name in names {
            let label = label_of(series, &part(&name));
            let Some(&at) = self.by_label.get(&*label) else {
                continue;
            };
            let message = &mut self.messages[at];
            let last = known.get(&message.source).map_or(0, |known| known.entry);
            // Entries are numbered by their times in microseconds, which Redis represents exactly.
            let mut new: Vec<(u64, Entry<'_>)> = of_errors(errors, |of| name == ALL || of == name)
                .map(|entry| (entry.time / 1000, entry))
                .filter(|(number, _)| *number > last)
                .collect();
            new.sort_by_key(|(number, _)| *number);
            message.add(new.into_iter());
        }
    }
}

impl Message {
    fn add<'a>(&mut self, entries: impl Iterator<Item = (u64, Entry<'a>)>) {
        for (number, entry) in entries {
            // NaNs and infinities do not count as recorded either, and readers of histories do not expect them.
            let text = if entry.value.is_finite() {
                let context = entry
                    .context
                    .map(|context: ContextOf<'_>| (context.id().into_owned(), context.content()));
                let id = context.as_ref().map_or("", |(id, _)| id);
                let text = format!("{};{};{id}", time(entry.time), number_text(entry.value));
                self.contexts.extend(context);
                text
            } else {
                continue;
            };
            self.entries.push((number, text));
        }
    }
}

impl Numbers {
    /// Returns the numbers; `None` for kinds that do not have all of them.
    fn of(source: &Source<'_>, now: u64) -> Option<Numbers> {
        let (stat, count) = match *source {
            // As if each count had been recorded as 1.
            Source::Value(Value::Counter(_) | Value::SamplingCounter(_), count) => {
                (Source::Errors(count, now).stat(), count)
            }
            Source::Value(_, count) | Source::Errors(count, _) => (source.stat(), count),
        };
        let deviation = stat.stdev?;
        Some(Numbers {
            count,
            total: finite(stat.total?),
            squares: finite(deviation * deviation * (stat.count - 1.0).max(0.0)),
            min: finite(stat.min?),
            max: finite(stat.max?),
            last: stat.last.filter(|last| last.is_finite()),
            last_time: stat.last_time.unwrap_or(now as f64 / 1e9),
        })
    }
}

/// Returns the nearest finite number, since readers of Redis do not accept infinities. NaN becomes 0.
fn finite(number: f64) -> f64 {
    if number.is_nan() {
        return 0.0;
    }
    number.clamp(f64::MIN, f64::MAX)
}

/// Returns the shortest decimal of a number, never hundreds of digits.
pub(super) fn number_text(number: f64) -> String {
    match number.abs() {
        0.0 | 1e-5..1e15 => number.to_string(),
        _ => format!("{number:e}"),
    }
}

/// Returns seconds with a fraction.
fn time(nanoseconds: u64) -> String {
    let micros = nanoseconds / 1000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
