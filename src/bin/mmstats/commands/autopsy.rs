//! `mmstats autopsy`: what processes that have ended left behind.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use clap::Args;
use mmstats::reader::{Ending, File, Model, Snapshot, State, printable};

use crate::commands::arguments::PATHS;
use crate::commands::show;
use crate::input::{self, Input};
use crate::ui::output::{Exit, Outcome};
use crate::ui::{numbers, output};

/// Show how processes ended, and their last values
///
/// For each process that has ended and left its files: when it started, how it ended if that is known (clean, by a
/// panic, or vanished), the newest time among its values, and all its last values. The message of a panic is shown if
/// the program has called mmstats::install_panic_hook().
#[derive(Args, Debug)]
#[command(after_long_help = PATHS)]
pub struct Autopsy {
    /// Roots, models' directories, stats files, or PIDs of processes that have ended
    pub paths: Vec<PathBuf>,
}

/// The model to which `mmstats::install_panic_hook` writes.
const PANICS: &str = "panics";

pub fn run(arguments: &Autopsy) -> Outcome {
    // The files of a dead process are found by their headers, since it has none mapped any more.
    let pids: Vec<u32> = (arguments.paths.iter())
        .filter_map(|path| input::pid(path))
        .collect();
    let paths: Vec<PathBuf> = (arguments.paths.iter())
        .filter(|path| input::pid(path).is_none())
        .cloned()
        .collect();
    let input = Input::read(&paths, true);
    let mut out = output::stdout();
    let (mut dead, mut living) = (0, 0);
    for snapshot in &input.snapshots {
        let wanted = |file: &&File| pids.is_empty() || pids.contains(&file.pid());
        let of_processes = snapshot
            .files()
            .iter()
            .filter(|file| file.retired().is_none());
        let (ended, others): (Vec<&File>, Vec<&File>) = of_processes
            .filter(wanted)
            .partition(|file| file.state() == State::Dead);
        living += others.len();
        for files in by_process(ended) {
            if dead > 0 {
                writeln!(out)?;
            }
            dead += 1;
            process(&mut out, snapshot, &files)?;
        }
    }
    out.flush()?;
    // If nothing was found, a PID gets its own message below.
    if pids.is_empty() || !input.is_empty() {
        input.complain();
    }
    if dead == 0 {
        let (alive, gone): (Vec<u32>, Vec<u32>) = pids.iter().partition(|&&pid| input::lives(pid));
        for pid in alive {
            output::complain(&format!(
                "process {pid} is alive: autopsy is for processes that have ended; `mmstats show {pid}` \
                 shows its values"
            ));
        }
        for pid in gone {
            output::complain(&format!(
                "process {pid} has ended and left no files here: name the path that it had"
            ));
        }
        if pids.is_empty() && !input.is_empty() {
            output::complain(&format!(
                "no process has ended and left files here; {} of processes that are alive, or may be: \
                 `mmstats show` shows their values",
                numbers::counted(living as u64, "file", "files")
            ));
        }
    }
    let found = dead > 0 || (pids.is_empty() && !input.is_empty());
    Ok(if found { Exit::Success } else { Exit::Failure })
}

/// Groups files by the process that made them, in the order of their creation.
fn by_process(files: Vec<&File>) -> Vec<Vec<&File>> {
    let mut processes: Vec<Vec<&File>> = Vec::new();
    for file in files {
        match processes
            .iter_mut()
            .find(|process| process[0].is_of_the_process_of(file))
        {
            Some(process) => process.push(file),
            None => processes.push(vec![file]),
        }
    }
    processes
}

/// Writes what is known of a process, and the last values of its files.
fn process(out: &mut impl Write, snapshot: &Snapshot, files: &[&File]) -> io::Result<()> {
    let first = files[0];
    let own: Vec<&Model> = (files.iter())
        .filter_map(|file| snapshot.of_file(file))
        .collect();
    let exe = match first.exe() {
        "" => "of an unknown program",
        exe => exe,
    };
    writeln!(out, "process {}  {}", first.pid(), printable(exe))?;
    let started = first
        .process_started()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    match started {
        Some(time) => writeln!(
            out,
            "  started     {} UTC",
            numbers::date(time.as_nanos() as u64)
        )?,
        None => {
            let file = numbers::date(first.created_ns());
            writeln!(
                out,
                "  started     not known: before {file} UTC, when it made its first file"
            )?;
        }
    }
    writeln!(out, "  ended       {}", how(files))?;
    match newest_stamp(&own) {
        Some((time, label)) => {
            let date = numbers::date((time * 1e9) as u64);
            writeln!(out, "  last stamp  {date} UTC  ({})", printable(&label))?;
        }
        None => writeln!(
            out,
            "  last stamp  not known: none of its values has a time"
        )?,
    }
    if let Some((words, time)) = last_words(&own) {
        let date = numbers::date((time * 1e9) as u64);
        writeln!(out, "  last panic  {date} UTC  {}", printable(&words))?;
    }
    for own in own {
        show::write_file(out, own)?;
    }
    Ok(())
}

/// Returns how a process ended. One file is enough to know, since others may have been made or left since.
fn how(files: &[&File]) -> &'static str {
    let any = |ending| files.iter().any(|file| file.ending() == Some(ending));
    if any(Ending::Panicked) {
        "by a panic in its main thread"
    } else if any(Ending::Vanished) {
        "killed by a signal, or crashed: no exit handler ran (`journalctl` has what systemd or the kernel says of \
         it, as of a lack of memory; `coredumpctl info PID` a crash)"
    } else {
        "clean: it kept its files"
    }
}

/// Returns the newest time of any value, in seconds since 1970, and the label of that value.
fn newest_stamp(files: &[&Model]) -> Option<(f64, String)> {
    (files.iter().flat_map(|own| own.series()))
        .filter_map(|stat| Some((stat.value().stamp()?, stat.label().to_owned())))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
}

/// Returns the message of the last panic, and its time.
fn last_words(files: &[&Model]) -> Option<(String, f64)> {
    let file = files.iter().find(|own| own.name() == PANICS)?;
    let words = file.get("message")?.as_str()?.to_owned();
    Some((words, file.get("time")?.as_f64()?))
}
