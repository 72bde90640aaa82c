//! `mmstats errors`: the distinct errors, with counts, times, causes and contexts.

use std::cmp::Reverse;
use std::io::{self, BufWriter, Write};

use mmstats::reader::{Snapshot, printable};
use mmstats::{DistinctError, ErrorsValue};
use serde_json::json;

use crate::Outcome;
use crate::arguments::Errors;
use crate::input::Input;
use crate::{json, numbers, output};

pub fn run(arguments: &Errors) -> Outcome {
    let input = Input::read(&arguments.paths, false);
    let found: Vec<_> = input.snapshots.iter().flat_map(all).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        let logs: Vec<_> = (found.iter())
            .map(|(model, label, errors)| in_json(model, label, errors))
            .collect();
        let object = json!({ "logs": logs });
        writeln!(
            out,
            "{}",
            output::json(&serde_json::to_string_pretty(&object)?)
        )?;
    } else {
        for (model, label, errors) in &found {
            write_text(&mut out, model, label, errors)?;
        }
    }
    out.flush()?;
    input.complain();
    Ok(input.exit_code())
}

/// Model, label and value of all errors.
fn all(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &str, &ErrorsValue)> {
    snapshot.models().iter().flat_map(|model| {
        let errors = snapshot.errors_of(model.name());
        errors.map(|(label, errors)| (model.name(), label, errors))
    })
}

/// The one that came last first.
fn sorted(errors: &ErrorsValue) -> Vec<&DistinctError> {
    let mut distinct: Vec<_> = errors.distinct().iter().collect();
    distinct.sort_by_key(|error| Reverse(error.last_ns()));
    distinct
}

fn in_json(model: &str, label: &str, errors: &ErrorsValue) -> serde_json::Value {
    let distinct: Vec<_> = (sorted(errors).into_iter())
        .map(|error| {
            let mut one = json::distinct_error(error);
            one["context"] = json::context(error.context());
            one
        })
        .collect();
    json!({
        "model": model,
        "label": label,
        "all": errors.all(),
        "overflow": errors.overflow(),
        "distinct": distinct,
    })
}

fn write_text(
    out: &mut impl Write,
    model: &str,
    label: &str,
    errors: &ErrorsValue,
) -> io::Result<()> {
    write!(
        out,
        "{}: {}: {} in all",
        printable(model),
        printable(label),
        numbers::grouped(errors.all())
    )?;
    if errors.overflow() > 0 {
        let unlisted = numbers::grouped(errors.overflow());
        write!(out, ", {unlisted} of them not listed, for want of space")?;
    }
    writeln!(out)?;
    for error in sorted(errors) {
        let message = match error.message() {
            "" => String::new(),
            message => format!(": {}", printable(message)),
        };
        writeln!(
            out,
            "  {}×  {}{message}",
            numbers::grouped(error.count()),
            printable(&error.exposed_as())
        )?;
        let times = [error.first_ns(), error.last_ns()].map(numbers::date_millis);
        writeln!(out, "      first {}, last {}", times[0], times[1])?;
        if !error.site().is_empty() {
            writeln!(out, "      at {}", printable(error.site()))?;
        }
        for source in error.sources() {
            writeln!(out, "      caused by: {}", printable(source))?;
        }
        if let Some(context) = error.context() {
            for line in context.text().lines() {
                writeln!(out, "      | {}", printable(line))?;
            }
            if context.is_cut() {
                writeln!(out, "      | …")?;
            }
        }
    }
    Ok(())
}
