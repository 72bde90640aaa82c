//! `mmstats show`: the values, as text or as JSON.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use mmstats::Value;
use mmstats::reader::{File, Snapshot, Stat, printable};

use crate::Outcome;
use crate::arguments::Show;
use crate::input::Input;
use crate::{diff, json, numbers, output};

pub fn run(arguments: &Show) -> Outcome {
    if let Some(file) = &arguments.save {
        return save(file, &Input::read(&arguments.paths, arguments.per_file));
    }
    let input = Input::read(&arguments.paths, arguments.per_file || !arguments.json);
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        let text = serde_json::to_string_pretty(&json::object(&input))?;
        writeln!(out, "{}", output::json(&text))?;
    } else {
        for snapshot in &input.snapshots {
            write_text(&mut out, snapshot)?;
        }
    }
    out.flush()?;
    input.complain();
    Ok(if input.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Writes the snapshot to a file, all of it or nothing.
fn save(path: &Path, input: &Input) -> Outcome {
    input.complain();
    if input.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let text = serde_json::to_string_pretty(&diff::snapshot(input))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", process::id()));
    let beside = PathBuf::from(beside);
    let written = fs::write(&beside, text + "\n").and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(format!("{}: cannot save the snapshot: {error}", output::path(path)).into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Each file by itself, by model and the time of its creation.
fn write_text(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    for &index in snapshot.models().iter().flat_map(|model| model.files()) {
        write_file(out, &snapshot.files()[index])?;
    }
    Ok(())
}

/// The path of a file, and its values.
pub fn write_file(out: &mut impl Write, file: &File) -> io::Result<()> {
    writeln!(out, "{}", output::path(file.path()))?;
    let lines = lines(file);
    let width = lines
        .iter()
        .map(|(label, _)| label.chars().count())
        .max()
        .unwrap_or(0);
    for (label, value) in lines {
        writeln!(out, "  {label:<width$}  => {value}")?;
    }
    Ok(())
}

/// Labels and values: what the file says, by label, then what its header says.
pub fn lines(file: &File) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut line = |label: &str, value: String| {
        lines.push((
            printable(label).into_owned(),
            printable(&value).into_owned(),
        ));
    };
    for stat in file.stats().unwrap_or_default() {
        if stat.exposed().is_empty() {
            line(stat.label(), text(stat.value()));
        }
        for (name, value) in stat.exposed() {
            line(
                &format!("{}{}{name}", stat.label(), stat.value().separator()),
                exposed_text(stat, value),
            );
        }
    }
    // Format 1 has these among its values.
    let own = file.stats().unwrap_or_default();
    for (label, value) in file.system() {
        if !own.iter().any(|stat| stat.label() == *label) {
            line(label, text(value));
        }
    }
    lines
}

/// What a value exposes: of a timer, times are in seconds and look like it.
fn exposed_text(stat: &Stat, value: &Value) -> String {
    match (stat.value(), value) {
        (Value::Timer(_), Value::Gauge(time)) => numbers::seconds(time.as_f64()),
        _ => text(value),
    }
}

fn text(value: &Value) -> String {
    if let Some(history) = value.as_history() {
        return match history.entries() {
            [] => "no values".to_owned(),
            [newest, ..] => format!(
                "{} values, the last {:?} of {}",
                history.entries().len(),
                newest.value(),
                numbers::date(newest.time_ns()),
            ),
        };
    }
    match (value.number(), value.as_bool(), value.as_str()) {
        (Some(number), ..) => numbers::number(number),
        (_, Some(flag), _) => flag.to_string(),
        (.., Some(text)) => text.to_owned(),
        _ if value.as_average().is_some() => "none yet".to_owned(),
        // A kind that this program does not know yet.
        _ => format!("({})", value.kind()),
    }
}
