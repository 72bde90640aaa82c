//! `mmstats export`: all values once, in a format for other programs.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mmstats::export::{Escaping, Families, TextFormat, protobuf, write_csv};

use crate::commands::arguments::PATHS;
use crate::input::Input;
use crate::ui::output::{self, Exit, Outcome};

/// Write all values once, for Prometheus or for another program
///
/// Writes the values, merged over the files of each model, to stdout or to a file. The file is replaced atomically,
/// so a reader never sees a part of one: `-o /var/lib/prometheus/node-exporter/my-app.prom --format prometheus` is
/// for node_exporter's textfile collector.
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct Export {
    /// The format
    #[arg(short, long, value_enum)]
    pub format: Format,
    /// Write to this file, with mode 0644, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// OpenMetrics 1.0
    Openmetrics,
    /// Prometheus' text format 0.0.4
    Prometheus,
    /// Prometheus' protobuf format, delimited, with native histograms
    Protobuf,
    /// The object of `mmstats show --json`
    Json,
    /// Lines of model,series,kind,unit,part,value
    Csv,
}

pub fn run(arguments: &Export) -> Outcome {
    let input = Input::read(&arguments.paths, false);
    let page = page(arguments.format, &input)?;
    input.complain();
    if input.is_empty() {
        // An empty page would replace the last good one.
        return Ok(Exit::Failure);
    }
    match &arguments.output {
        None => output::print(&page)?,
        Some(file) => replace(file, &page)
            .map_err(|error| format!("{}: cannot write the page: {error}", output::path(file)))?,
    }
    Ok(Exit::Success)
}

fn page(format: Format, input: &Input) -> io::Result<Vec<u8>> {
    let families = |native| {
        let mut families = Families::new(native);
        for snapshot in &input.snapshots {
            let path = snapshot.path().to_string_lossy();
            for model in snapshot.merged() {
                families.add_model(model, &path, &[]);
            }
        }
        families
    };
    let mut page = Vec::new();
    match format {
        Format::Openmetrics => page = TextFormat::OPENMETRICS.page(families(false)).into_bytes(),
        Format::Prometheus => page = TextFormat::PROMETHEUS.page(families(false)).into_bytes(),
        Format::Protobuf => page = protobuf::page(families(true), Escaping::default()),
        Format::Json => output::write_json(&mut page, &input.document(&|_| true))?,
        Format::Csv => write_csv(&mut page, input.merged())?,
    }
    Ok(page)
}

/// Writes a temporary file in the same directory and renames it.
fn replace(file: &Path, page: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    // Not a name that the textfile collector would read (`*.prom`).
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut out = (options.write(true).create_new(true).mode(0o644)).open(&beside)?;
        // Independent of the umask.
        out.set_permissions(fs::Permissions::from_mode(0o644))?;
        out.write_all(page)?;
        out.sync_all()?;
        fs::rename(&beside, file)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}
