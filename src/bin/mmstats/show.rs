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
        let (input, time) = (&input, None);
        output::write_json(&mut out, &json::Whole { input, time })?;
    } else {
        for snapshot in &input.snapshots {
            write_text(&mut out, snapshot)?;
        }
    }
    out.flush()?;
    input.complain();
    Ok(input.exit_code())
}

/// Writes the snapshot to a file, all of it or nothing.
fn save(path: &Path, input: &Input) -> Outcome {
    input.complain();
    if input.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", process::id()));
    let beside = PathBuf::from(beside);
    let write = || {
        let mut out = BufWriter::new(fs::File::create(&beside)?);
        output::write_json(&mut out, &diff::snapshot(input))?;
        out.flush()
    };
    let written = write().and_then(|()| fs::rename(&beside, path));
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

/// The path of a file, and its values. A line is made when it is written: there may be very many.
pub fn write_file(out: &mut impl Write, file: &File) -> io::Result<()> {
    writeln!(out, "{}", output::path(file.path()))?;
    let mut width = 0;
    each_line(file, |label, _| {
        width = width.max(printable(label).chars().count());
    });
    let mut written = Ok(());
    each_line(file, |label, value| {
        if written.is_ok() {
            let (label, value) = (printable(label), value());
            written = writeln!(out, "  {label:<width$}  => {}", printable(&value));
        }
    });
    written
}

/// Calls `each` with the label of each value, and what makes its text: what the file says, by label, then
/// what its header says.
pub fn each_line(file: &File, mut each: impl FnMut(&str, &dyn Fn() -> String)) {
    let own = file.stats().unwrap_or_default();
    for stat in own {
        // A counter has a value of its own beside those of its window.
        let single = numbers::value(stat.value()).is_some();
        if single {
            each(stat.label(), &|| text(stat.value()));
        }
        let mut exposes = false;
        let mut label = format!("{}{}", stat.label(), stat.value().separator());
        let begin = label.len();
        stat.expose(|name, value| {
            exposes = true;
            label.truncate(begin);
            label.push_str(name);
            each(&label, &|| exposed_text(stat, &value));
        });
        if !single && !exposes {
            each(stat.label(), &|| text(stat.value()));
        }
    }
    // Format 1 has these among its values.
    for (label, value) in file.system() {
        if !own.iter().any(|stat| stat.label() == *label) {
            each(label, &|| text(value));
        }
    }
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
