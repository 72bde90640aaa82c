//! `mmstats ls`: one line for each stats file.

use std::io::{self, Write};

use clap::Args;
use mmstats::reader::{File, printable};

use crate::commands::arguments::PATHS;
use crate::input::{self, Input, Sources};
use crate::ui::output::Outcome;
use crate::ui::{numbers, output, progress};
use std::path::PathBuf;

/// List the stats files: one line each
///
/// STATE is `live`; `orphan`: its thread has ended, its process lives; `dead`: its process is gone; or `unknown`: it
/// cannot be determined from here. PID is the process that made the file, TID the thread that writes it. SIZE is its
/// length, TAKES the space that it takes in its file system (whole huge pages, on some). CREATED is in UTC.
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct Ls {
    /// The files of every process that this user may inspect, whatever its MMSTATS_PATH
    #[arg(long, conflicts_with = "paths")]
    pub all: bool,
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

const COLUMNS: usize = 8;
const TITLES: [&str; COLUMNS] = [
    "MODEL", "PID", "TID", "STATE", "SIZE", "TAKES", "CREATED", "PATH",
];
/// The columns of numbers, which are aligned right.
const RIGHT: [bool; COLUMNS] = [false, true, true, false, true, true, false, false];

pub fn run(arguments: &Ls) -> Outcome {
    let input = if arguments.all {
        progress::during("looking at all processes", || {
            Sources::for_all_processes().read()
        })
    } else {
        Input::read(&arguments.paths, false)
    };
    let mut files: Vec<&File> = input.files().collect();
    files.sort_by_key(|file| (file.model(), file.created_ns()));
    if !files.is_empty() {
        let rows: Vec<_> = files.into_iter().map(row).collect();
        let mut out = io::stdout().lock();
        for line in table(&rows) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    input.complain();
    if !input.is_empty() {
        input.complain_of_removed();
    }
    Ok(input.exit())
}

fn row(file: &File) -> [String; COLUMNS] {
    [
        printable(file.model()).into_owned(),
        file.pid().to_string(),
        file.tid().to_string(),
        file.state().to_string(),
        numbers::bytes(file.bytes()),
        numbers::bytes(input::taken(file)),
        numbers::date(file.created_ns()),
        output::path(file.path()),
    ]
}

/// Returns the lines of the table, titles first.
fn table(rows: &[[String; COLUMNS]]) -> impl Iterator<Item = String> {
    let titles = TITLES.map(str::to_owned);
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let width = |row: &[String; COLUMNS]| row[column].chars().count();
        rows.iter().map(width).fold(width(&titles), usize::max)
    });
    std::iter::once(titles)
        .chain(rows.iter().cloned())
        .map(move |row| {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                let cell = if RIGHT[column] {
                    format!("{cell:>width$}  ")
                } else {
                    format!("{cell:<width$}  ")
                };
                line.push_str(&cell);
            }
            line.truncate(line.trim_end().len());
            line
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |model: &str, pid: &str, path: &str| {
            [
                model,
                pid,
                "8",
                "live",
                "8 KiB",
                "2 MiB",
                "2026-11-20 22:42:49",
                path,
            ]
            .map(str::to_owned)
        };
        let lines: Vec<_> = table(&[row("my-app", "812", "/a b"), row("é", "7", "/c")]).collect();
        assert_eq!(
            lines,
            [
                "MODEL   PID  TID  STATE   SIZE  TAKES  CREATED              PATH",
                "my-app  812    8  live   8 KiB  2 MiB  2026-11-20 22:42:49  /a b",
                "é         7    8  live   8 KiB  2 MiB  2026-11-20 22:42:49  /c",
            ]
        );
    }
}
