//! `mmstats history`: the last values of a label, with their contexts.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use mmstats::reader::{Model, Snapshot, printable};
use mmstats::{HistoryEntry, HistoryValue};
use serde_json::json;

use crate::Outcome;
use crate::arguments::History;
use crate::input::Input;
use crate::{json, numbers, output};

pub fn run(arguments: &History) -> Outcome {
    let input = Input::read(&arguments.paths, false);
    let found: Vec<_> = (input.snapshots.iter())
        .flat_map(|snapshot| of_label(snapshot, &arguments.label))
        .collect();
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        let histories: Vec<_> = found
            .iter()
            .map(|(model, history)| in_json(model, history))
            .collect();
        let object = json!({"label": arguments.label, "histories": histories});
        writeln!(
            out,
            "{}",
            output::json(&serde_json::to_string_pretty(&object)?)
        )?;
    } else {
        for (model, history) in &found {
            write_text(&mut out, model, history)?;
        }
    }
    out.flush()?;
    input.complain();
    if found.is_empty() && !input.is_empty() {
        output::complain(&format!(
            "no history {:?}: `mmstats show` names those that there are",
            arguments.label
        ));
    }
    Ok(if found.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The models that have it, and their histories.
fn of_label<'a>(
    snapshot: &'a Snapshot,
    label: &str,
) -> impl Iterator<Item = (&'a Model, &'a HistoryValue)> {
    (snapshot.models().iter())
        .filter_map(move |model| Some((model, snapshot.history(model.name(), label)?)))
}

fn in_json(model: &Model, history: &HistoryValue) -> serde_json::Value {
    let entries: Vec<_> = (history.entries().iter())
        .map(|entry| {
            let mut one = json::history_entry(entry);
            one["context"] = json::context(entry.context());
            one
        })
        .collect();
    json!({
        "model": model.name(),
        "pushed": history.pushed(),
        "missed": history.missed(),
        "lost": history.lost(),
        "entries": entries,
    })
}

fn write_text(out: &mut impl Write, model: &Model, history: &HistoryValue) -> io::Result<()> {
    let entries = history.entries();
    write!(
        out,
        "{}: the last {} of {}",
        printable(model.name()),
        entries.len(),
        history.pushed()
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

/// A context in one line.
fn context(entry: &HistoryEntry) -> String {
    match entry.context() {
        Some(context) => {
            let more = if context.is_cut() { "…" } else { "" };
            format!("{}{more}", printable(&context.text()))
        }
        None if entry.has_lost_context() => "(its context is gone)".to_owned(),
        None => String::new(),
    }
}
