//! `mmstats show`: the values, as text or as JSON.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant, UNIX_EPOCH};

use clap::Args;
use mmstats::Value;
use mmstats::reader::{File, Model, Series, Snapshot, matches, printable};

use crate::commands::arguments::{PATHS, SEVERAL, delay};
use crate::commands::diff;
use crate::input::{Input, Sources};
use crate::names::{self, PatternMatch};
use crate::ui::output::{Exit, Outcome};
use crate::ui::{numbers, output, waiting};

/// Show the values, merged per model
///
/// Shows one row for each label, merged over all files of the model, with units; for distributions count, mean, p50,
/// p90, p99 and max. With --per-file: each file separately, one line for everything that a value exposes
/// (`index.response_time.Percentile99th`), times in seconds. With --json: one object. Rates are per second; a
/// sampling counter's own rate is per millisecond: `per_ms`, and in text `Rate`.
#[derive(Args, Debug)]
#[command(after_long_help = format!("{SHOWN}\n\n{SEVERAL}\n\n{PATHS}"))]
pub struct Show {
    /// Only these labels: a label, a pattern (`*` and `?`), or something that a value exposes
    #[arg(short, long = "label", value_name = "PATTERN")]
    pub labels: Vec<String>,
    /// Repeat at this interval (1 second if not given), until Ctrl-C
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1",
          conflicts_with_all = ["json", "save"])]
    pub watch: Option<String>,
    /// Print one JSON object, merged over the files of each model
    #[arg(long)]
    pub json: bool,
    /// Write the JSON object to a file, for `mmstats diff`
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Each file's own values; with --json: in `files[].stats`, in addition to the merged ones
    #[arg(long)]
    pub per_file: bool,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

impl Show {
    /// Returns the seconds of --watch, and the paths. An argument after --watch that is not a number is a path.
    pub fn watch(&self) -> Result<(Option<f64>, Vec<PathBuf>), String> {
        let mut paths = self.paths.clone();
        let seconds = match &self.watch {
            Some(text) if text.parse::<f64>().is_ok() => Some(delay(text)?),
            Some(text) => {
                paths.insert(0, text.into());
                Some(1.0)
            }
            None => None,
        };
        Ok((seconds, paths))
    }
}

const SHOWN: &str = "\
Examples:
  mmstats show -l 'index.*' -l requests /run/app      some labels
  mmstats show -l '*.Percentile95th' /run/app         what values expose
  mmstats show --watch 5 /run/app                     again every five seconds

Names:
  poll, diff, errors and history take the names that are shown here.";

pub fn run(arguments: &Show) -> Outcome {
    let (seconds, paths) = arguments.watch()?;
    if let Some(seconds) = seconds {
        return watch(arguments, &paths, Duration::from_secs_f64(seconds));
    }
    let input = Input::read(&paths, arguments.per_file);
    if let Some(file) = &arguments.save {
        return save(file, &input);
    }
    let mut out = output::stdout();
    if arguments.json {
        write_json(&mut out, &arguments.labels, &input)?;
    } else {
        write_input(&mut out, arguments, &input)?;
    }
    out.flush()?;
    input.complain();
    if input.is_empty() {
        return Ok(Exit::Failure);
    }
    let mut unknown = names::unmatched(&arguments.labels, &input).peekable();
    let code = match unknown.peek() {
        Some(_) => Exit::Failure,
        None => Exit::Success,
    };
    unknown.for_each(|pattern| output::complain(&names::no_label(&input, pattern)));
    Ok(code)
}

/// Shows the values again and again. Signals end it like any program; it ends on its own when nobody reads its
/// output.
fn watch(arguments: &Show, paths: &[PathBuf], delay: Duration) -> Outcome {
    let mut sources = Sources::open(paths).per_file(arguments.per_file);
    let clear = if io::stdout().is_terminal() {
        "\x1b[H\x1b[2J\x1b[3J"
    } else {
        ""
    };
    let mut was_empty = false;
    let mut told = BTreeSet::new();
    let mut next = Instant::now();
    loop {
        let input = sources.read();
        // Written in one piece, so that nothing flickers.
        let mut screen = Vec::new();
        let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos() as u64;
        writeln!(screen, "{clear}{} UTC", numbers::date(now))?;
        write_input(&mut screen, arguments, &input)?;
        let mut out = io::stdout().lock();
        out.write_all(&screen)?;
        out.flush()?;
        drop(out);
        for (path, error) in input.errors() {
            let error = format!("{}: {error}", output::path(path));
            if told.insert(error.clone()) {
                output::complain(&error);
            }
        }
        if input.is_empty() && !was_empty {
            output::complain(&format!(
                "no stats files {}: waiting for some",
                input.place()
            ));
        }
        was_empty = input.is_empty();
        next = (next + delay).max(Instant::now());
        if !waiting::until(next) {
            return Ok(Exit::Success);
        }
    }
}

/// Writes the reading as JSON; with patterns, only the labels that they match.
fn write_json(out: &mut impl Write, patterns: &[String], input: &Input) -> io::Result<()> {
    let wanted = |stat: &Series| names::resolve_any(patterns, stat).is_some();
    output::write_json(out, &input.document(&wanted))
}

fn write_input(out: &mut impl Write, arguments: &Show, input: &Input) -> io::Result<()> {
    for snapshot in &input.snapshots {
        if arguments.per_file {
            write_files(out, snapshot, &arguments.labels)?;
        } else {
            for model in snapshot.merged() {
                write_model(out, model, &arguments.labels)?;
            }
        }
    }
    Ok(())
}

/// Writes a model's name and its rows, aligned. A row is made when it is measured and again when it is written, since
/// there may be very many.
fn write_model(out: &mut impl Write, model: &Model, patterns: &[String]) -> io::Result<()> {
    let rows = || model.series().iter().flat_map(|stat| rows(stat, patterns));
    let mut widths = Widths::default();
    rows().for_each(|row| widths.add(&row));
    if widths.label.is_none() && !patterns.is_empty() {
        return Ok(());
    }
    let from = |count: usize, one, many| numbers::counted(count as u64, one, many);
    writeln!(
        out,
        "{}  {}, {}",
        output::bold(&printable(model.name())),
        from(model.processes(), "process", "processes"),
        from(model.files().len(), "file", "files"),
    )?;
    let label_width = widths.label.unwrap_or(0);
    for (label, parts) in rows() {
        write!(out, "  {label:<label_width$}")?;
        for (i, (name, text)) in parts.iter().enumerate() {
            let gap = if name.is_empty() { "" } else { " " };
            let width = widths.of_part(&parts, i);
            write!(out, "  {name}{gap}{text:>width$}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The widths of the columns of a model, in characters.
#[derive(Default)]
struct Widths {
    label: Option<usize>,
    /// For each position of a part, by the part's name: parts with the same name and position are aligned.
    parts: Vec<HashMap<String, usize>>,
}

impl Widths {
    fn add(&mut self, (label, parts): &Row) {
        self.label = self.label.max(Some(label.chars().count()));
        if parts.len() < 2 {
            return;
        }
        let places = self.parts.len().max(parts.len());
        self.parts.resize_with(places, HashMap::new);
        for (place, (name, text)) in self.parts.iter_mut().zip(parts) {
            let width = text.chars().count();
            match place.get_mut(name) {
                Some(most) => *most = width.max(*most),
                None => drop(place.insert(name.clone(), width)),
            }
        }
    }

    /// Returns the width of a part. A single part has no column.
    fn of_part(&self, parts: &[(String, String)], i: usize) -> usize {
        match parts.len() {
            1 => 0,
            _ => self.parts[i].get(&parts[i].0).copied().unwrap_or(0),
        }
    }
}

/// A label, and the names and texts of its parts, all safe to print.
type Row = (String, Vec<(String, String)>);

/// Returns the row of a label, or the rows of the parts that the patterns match.
fn rows(stat: &Series, patterns: &[String]) -> Vec<Row> {
    match names::resolve_any(patterns, stat) {
        None => Vec::new(),
        Some(PatternMatch::Label) => vec![(output::printed(stat.label()), stat.shown())],
        Some(PatternMatch::Parts(parts)) => {
            let row = |part: String| {
                let text = stat.shown_part(&part)?;
                let label = output::printed(&names::of_part(stat, &part));
                Some((label, vec![(String::new(), text)]))
            };
            parts.into_iter().filter_map(row).collect()
        }
    }
}

/// Writes the whole snapshot to a file, or nothing.
fn save(path: &Path, input: &Input) -> Outcome {
    input.complain();
    if input.is_empty() {
        return Ok(Exit::Failure);
    }
    let snapshot = diff::snapshot(input)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", process::id()));
    let beside = PathBuf::from(beside);
    let write = || {
        let mut out = BufWriter::new(fs::File::create(&beside)?);
        output::write_json(&mut out, &snapshot)?;
        out.flush()
    };
    let written = write().and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(format!("{}: cannot save the snapshot: {error}", output::path(path)).into());
    }
    Ok(Exit::Success)
}

/// Writes each file separately, by model and the time of its creation.
fn write_files(out: &mut impl Write, snapshot: &Snapshot, patterns: &[String]) -> io::Result<()> {
    for own in snapshot.models() {
        write_lines(out, own, patterns)?;
    }
    Ok(())
}

/// Writes the path of a file and its values. A line is made when it is written, since there may be very many.
pub fn write_file(out: &mut impl Write, own: &Model) -> io::Result<()> {
    write_lines(out, own, &[])
}

/// Writes the values that the patterns match; nothing for a file that has none of them.
fn write_lines(out: &mut impl Write, own: &Model, patterns: &[String]) -> io::Result<()> {
    let Some(file) = own.file() else {
        return Ok(());
    };
    let mut width = None;
    each_line(own, patterns, |label, _| {
        width = width.max(Some(printable(label).chars().count()));
    });
    let Some(width) = width else {
        return Ok(());
    };
    writeln!(out, "{}", output::path(file.path()))?;
    let mut written = Ok(());
    each_line(own, patterns, |label, value| {
        if written.is_ok() {
            let (label, value) = (printable(label), value());
            written = writeln!(out, "  {label:<width$}  => {}", printable(&value));
        }
    });
    written
}

/// Calls `each` with the label of each value that the patterns match (all, without patterns) and a function that
/// makes its text: first the values of the file, by label, then those of its header.
pub fn each_line(
    own: &Model,
    patterns: &[String],
    mut each: impl FnMut(&str, &dyn Fn() -> String),
) {
    for stat in own.series() {
        let wanted = match names::resolve_any(patterns, stat) {
            None => continue,
            Some(PatternMatch::Label) => None,
            Some(PatternMatch::Parts(parts)) => Some(parts),
        };
        // A single value has its own line, also beside the parts that its window exposes.
        let mut has_parts = false;
        stat.value().expose(|_, _| has_parts = true);
        if wanted.is_none() && !has_parts {
            each(stat.label(), &|| text(stat.value()));
        }
        stat.expose(|name, value| {
            if (wanted.as_ref()).is_none_or(|wanted| wanted.iter().any(|part| part == name)) {
                each(&names::of_part(stat, name), &|| exposed_text(stat, &value));
            }
        });
    }
    // Format 1 has these among its values.
    for (label, value) in own.file().map(File::system).unwrap_or_default() {
        let is_wanted =
            patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, label));
        if is_wanted && !own.series().iter().any(|stat| stat.label() == *label) {
            each(label, &|| text(value));
        }
    }
}

/// Formats something that a value exposes. Times of a timer are in seconds, with decimals.
fn exposed_text(stat: &Series, value: &Value) -> String {
    match (stat.value(), value) {
        (Value::Timer(_), Value::Gauge(time)) => numbers::seconds(time.as_f64()),
        _ => text(value),
    }
}

fn text(value: &Value) -> String {
    match (value.number(), value.as_bool(), value.as_str()) {
        (Some(number), ..) => numbers::number(number),
        (_, Some(flag), _) => flag.to_string(),
        (.., Some(text)) => text.to_owned(),
        _ => value.to_string(),
    }
}
