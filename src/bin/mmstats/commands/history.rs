//! `mmstats history`: the last values of a label, with their contexts.

use std::io::{self, Write};

use clap::Args;
use mmstats::reader::{Model, Series, Snapshot, printable};
use mmstats::{HistoryEntry, HistoryValue};
use serde_json::json;

use crate::commands::arguments::PATHS;
use crate::input::Input;
use crate::names::{self, PatternMatch};
use crate::ui::output::{Exit, Outcome};
use crate::ui::{numbers, output};
use mmstats::export::json;
use std::path::PathBuf;

/// Show a history: the last values, with times and contexts
///
/// Shows the values of a label, newest first, merged over the files of each model that has it, each
/// with its context if it has one. Times are in UTC.
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct History {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// The label or a pattern: `task.history`, or `task` for a metric that is recorded by name
    pub label: String,
    /// Roots, models' directories or stats files
    pub paths: Vec<PathBuf>,
}

/// How many labels are named if none matches.
const EXAMPLES: usize = 5;

pub fn run(arguments: &History) -> Outcome {
    let input = Input::read(&arguments.paths, false);
    let found: Vec<_> = (input.snapshots.iter())
        .flat_map(|snapshot| of_label(snapshot, &arguments.label))
        .collect();
    let mut out = output::stdout();
    if arguments.json {
        let histories: Vec<_> = found
            .iter()
            .map(|(model, label, history)| in_json(model, label, history))
            .collect();
        let object = json!({"label": arguments.label, "histories": histories});
        writeln!(
            out,
            "{}",
            output::json(&serde_json::to_string_pretty(&object)?)
        )?;
    } else {
        for (model, label, history) in &found {
            // A single history was named by the user, so it needs no label.
            let label = (found.len() > 1).then_some(*label);
            write_text(&mut out, model, label, history)?;
        }
    }
    out.flush()?;
    input.complain();
    if found.is_empty() && !input.is_empty() {
        output::complain(&none(&input, &arguments.label));
    }
    Ok(if found.is_empty() {
        Exit::Failure
    } else {
        Exit::Success
    })
}

/// Returns the histories that a name means: a label, a pattern of labels, or the part before
/// `.history`.
fn of_label<'a>(
    snapshot: &'a Snapshot,
    name: &str,
) -> impl Iterator<Item = (&'a Model, &'a str, &'a HistoryValue)> {
    let patterns = [name.to_owned(), format!("{name}.history")];
    let means =
        move |stat: &Series| names::resolve_any(&patterns, stat) == Some(PatternMatch::Label);
    let stats = (snapshot.models().iter())
        .flat_map(|model| model.series().iter().map(move |stat| (model, stat)));
    stats
        .filter(move |(_, stat)| means(stat))
        .filter_map(|(model, stat)| Some((model, stat.label(), stat.value().as_history()?)))
}

/// Returns the message for a name without a history.
fn none(input: &Input, name: &str) -> String {
    let of = |stat: &&Series| names::resolve(name, stat).is_some();
    let what = match names::stats(input).find(of) {
        Some(stat) => format!(
            "{name:?} has no history: {} is of the kind {}",
            stat.label(),
            stat.value().kind()
        ),
        None => format!("no label matches {name:?}"),
    };
    let mut labels: Vec<_> = names::stats(input)
        .filter(|stat| stat.value().as_history().is_some())
        .map(Series::label)
        .collect();
    let count = labels.len();
    labels.truncate(EXAMPLES);
    let more = if count > EXAMPLES { ", …" } else { "" };
    match &*labels {
        [] => format!("{what}; no label here has a history"),
        labels => format!("{what}; labels with a history: {}{more}", labels.join(", ")),
    }
}

fn in_json(model: &Model, label: &str, history: &HistoryValue) -> serde_json::Value {
    let entries: Vec<_> = (history.entries().iter())
        .map(|entry| {
            let mut one = json::history_entry(entry);
            one["context"] = json::context(entry.context());
            one
        })
        .collect();
    json!({
        "model": model.name(),
        "label": label,
        "pushed": history.pushed(),
        "missed": history.missed(),
        "lost": history.lost(),
        "entries": entries,
    })
}

fn write_text(
    out: &mut impl Write,
    model: &Model,
    label: Option<&str>,
    history: &HistoryValue,
) -> io::Result<()> {
    let entries = history.entries();
    let label = label.map_or(String::new(), |label| format!(" {}", printable(label)));
    write!(
        out,
        "{}{label}: the last {} of {}",
        printable(model.name()),
        entries.len(),
        numbers::counted(history.pushed(), "value", "values")
    )?;
    for (count, what) in [
        (history.missed(), "overwritten while they were read"),
        (history.lost(), "without space"),
    ] {
        if count > 0 {
            write!(out, ", {count} {what}")?;
        }
    }
    writeln!(out)?;
    let values: Vec<_> = entries
        .iter()
        .map(|entry| format!("{:?}", entry.value()))
        .collect();
    let width = values.iter().map(String::len).max().unwrap_or(0);
    for (entry, value) in entries.iter().zip(values) {
        let time = numbers::date_millis(entry.time_ns());
        let line = format!("  {time}  {value:>width$}  {}", context(entry));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Formats a context in one line.
fn context(entry: &HistoryEntry) -> String {
    match entry.context() {
        Some(context) => {
            let more = if context.is_cut() { "…" } else { "" };
            format!("{}{more}", printable(&context.text()))
        }
        None if entry.has_lost_context() => "(context lost)".to_owned(),
        None => String::new(),
    }
}
