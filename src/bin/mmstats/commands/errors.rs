//! `mmstats errors`: the distinct errors, with counts, times, causes and contexts.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::slice;

use clap::Args;
use mmstats::reader::{Series, Snapshot, printable};
use mmstats::{Context, DistinctError, ErrorsValue};
use serde_json::json;

use crate::commands::arguments::PATHS;
use crate::input::Input;
use crate::names::{self, PatternMatch};
use crate::ui::output::{Exit, Outcome};
use crate::ui::{numbers, output};
use mmstats::export::json;
use std::path::PathBuf;

/// Show the errors: what went wrong, how often, and when first and last
///
/// Shows each distinct error, latest first, merged over the files of each model, with its causes. With --backtrace it
/// also shows the backtrace, if RUST_BACKTRACE was set when the error was recorded. Times are in UTC. A file keeps
/// the 256 distinct errors that were seen last; if others were evicted, the counts of each name and place, which are
/// always kept, are shown as well.
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct Errors {
    /// Only these error logs or errors: `errors`, `errors__EXC:ParseIntError`; `*` and `?` match any
    #[arg(short, long = "label", value_name = "PATTERN")]
    pub labels: Vec<String>,
    /// Also show the backtraces
    #[arg(long)]
    pub backtrace: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Roots, models' directories or stats files
    pub paths: Vec<PathBuf>,
}

pub fn run(arguments: &Errors) -> Outcome {
    let input = Input::read(&arguments.paths, false);
    let found: Vec<_> = (input.snapshots.iter().flat_map(all))
        .filter_map(|(model, stat, errors)| {
            let means = names::resolve_any(&arguments.labels, stat)?;
            Some((model, stat.label(), errors, means))
        })
        .collect();
    let mut out = output::stdout();
    if arguments.json {
        let logs: Vec<_> = (found.iter())
            .map(|(model, label, errors, means)| {
                in_json(model, label, errors, means, arguments.backtrace)
            })
            .collect();
        let object = json!({ "logs": logs });
        writeln!(
            out,
            "{}",
            output::json(&serde_json::to_string_pretty(&object)?)
        )?;
    } else {
        for (model, label, errors, means) in &found {
            write_text(&mut out, model, label, errors, means, arguments.backtrace)?;
        }
    }
    out.flush()?;
    input.complain();
    if found.is_empty() && !input.is_empty() && !arguments.labels.is_empty() {
        for pattern in &arguments.labels {
            output::complain(
                &match names::unmatched(slice::from_ref(pattern), &input).next() {
                    Some(_) => names::no_label(&input, pattern),
                    None => format!("{pattern:?} matches no errors: `mmstats errors` lists all"),
                },
            );
        }
        return Ok(Exit::Failure);
    }
    Ok(input.exit())
}

/// Returns model, label and value of all error logs.
fn all(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &Series, &ErrorsValue)> {
    snapshot.models().iter().flat_map(|model| {
        let stats = model.series().iter();
        stats.filter_map(|stat| Some((model.name(), stat, stat.value().as_errors()?)))
    })
}

/// Returns the wanted errors, the latest first.
fn sorted<'a>(errors: &'a ErrorsValue, means: &PatternMatch) -> Vec<&'a DistinctError> {
    let is_wanted = |error: &&DistinctError| match means {
        PatternMatch::Label => true,
        PatternMatch::Parts(parts) => parts
            .iter()
            .any(|part| part == "all" || *part == error.exposed_as()),
    };
    let mut distinct: Vec<_> = errors.distinct().iter().filter(is_wanted).collect();
    distinct.sort_by_key(|error| Reverse(error.last_ns()));
    distinct
}

/// Returns the context of a note, or the backtrace of an error if it is wanted.
fn context(error: &DistinctError, backtrace: bool) -> Option<&Context> {
    error.context().filter(|_| error.is_note() || backtrace)
}

fn in_json(
    model: &str,
    label: &str,
    errors: &ErrorsValue,
    means: &PatternMatch,
    backtrace: bool,
) -> serde_json::Value {
    let distinct: Vec<_> = (sorted(errors, means).into_iter())
        .map(|error| {
            let mut one = json::distinct_error(error);
            one["context"] = json::context(context(error, backtrace));
            one
        })
        .collect();
    let mut log = json!({ "model": model, "label": label, "distinct": distinct });
    for (name, value) in json::error_counts(errors) {
        log[name] = value;
    }
    log
}

fn write_text(
    out: &mut impl Write,
    model: &str,
    label: &str,
    errors: &ErrorsValue,
    means: &PatternMatch,
    backtrace: bool,
) -> io::Result<()> {
    write!(
        out,
        "{}: {}: {} in all",
        printable(model),
        printable(label),
        numbers::grouped(errors.all())
    )?;
    let listed = errors.distinct().iter().map(DistinctError::count);
    let unlisted = errors.all().saturating_sub(listed.sum());
    if unlisted > 0 {
        write!(out, ", {} of them not listed", numbers::grouped(unlisted))?;
    }
    match errors.evicted() {
        0 => {}
        1 => write!(out, ", 1 message evicted")?,
        evicted => write!(out, ", {} messages evicted", numbers::grouped(evicted))?,
    }
    writeln!(out)?;
    for error in sorted(errors, means) {
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
        if let Some(context) = context(error, backtrace) {
            for line in context.text().lines() {
                writeln!(out, "      | {}", printable(line))?;
            }
            if context.is_cut() {
                writeln!(out, "      | …")?;
            }
        }
    }
    if unlisted > 0 && !errors.sites().is_empty() {
        writeln!(out, "  by name and place, whatever the message:")?;
        for site in errors.sites() {
            let count = numbers::grouped(site.count());
            write!(out, "      {count}×  {}", site.exposed_as())?;
            match site.site() {
                "" => writeln!(out)?,
                place => writeln!(out, " at {place}")?,
            }
        }
    }
    Ok(())
}
