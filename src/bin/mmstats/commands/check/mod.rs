//! `mmstats check`: checks the files against the format, and reports likely problems with their place.

mod place;
mod rights;
mod self_test;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;
use mmstats::reader::{Cause, File, Model, Snapshot, State, inherited, unlinked, verify};
use mmstats::{Error, ErrorsValue};

use crate::input::Input;
use crate::ui::output::{Exit, Outcome};
use crate::ui::{numbers, output, progress};

/// Verify the files, and warn about likely problems
///
/// Checks every byte of every file against the format, and tells what is wrong and where. Then checks their place: a
/// disk instead of memory, permissions, files of dead processes that pile up, files that are nearly full or were
/// removed under their writer, groups at their cap. In each root that it may write to, it makes a temporary file and
/// tests that words are read whole while they are written.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Exit code:
  0 when there are no errors (there may be warnings), 1 when there are or nothing was found, 2 for
  wrong usage.")]
pub struct Check {
    /// Roots, models' directories, stats files or PIDs
    pub paths: Vec<PathBuf>,
}

/// From this many files of dead processes in a model on, a warning is given.
const DEAD_MANY: usize = 20;
/// The default maximum size of a file.
const MAX_SIZE: u64 = 16 << 20;
/// How many files with the same problem are named.
const NAMED: usize = 3;

/// The findings, as they are printed.
#[derive(Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

pub fn run(arguments: &Check) -> Outcome {
    let input = Input::read(&arguments.paths, false);
    let mut findings = Findings::default();
    progress::during("verifying", || {
        bytes(&input, &mut findings);
        let roots: BTreeSet<PathBuf> = (input.files())
            .filter(|file| !file.is_removed())
            .map(crate::input::root)
            .collect();
        for root in roots {
            place::check(&root, &mut findings);
            place::sizes(&root, input.files(), &mut findings);
            self_test::run(&root, &mut findings);
        }
        removed(&arguments.paths, &input, &mut findings);
        rights::check(input.files(), &mut findings);
        for snapshot in &input.snapshots {
            for model in snapshot.models() {
                let files = model.files().iter().map(|&index| &snapshot.files()[index]);
                set_files(model, &files.collect::<Vec<_>>(), &mut findings);
            }
        }
    });
    let mut out = output::stdout();
    for (kind, found) in [("error", &findings.errors), ("warning", &findings.warnings)] {
        for text in found {
            writeln!(out, "{}: {text}", output::bold(kind))?;
        }
    }
    let files = input.files().count();
    if files > 0 {
        writeln!(
            out,
            "{} checked: {}, {}",
            numbers::counted(files as u64, "file", "files"),
            numbers::counted(findings.errors.len() as u64, "error", "errors"),
            numbers::counted(findings.warnings.len() as u64, "warning", "warnings")
        )?;
    }
    out.flush()?;
    for pid in (arguments.paths.iter()).filter_map(|path| crate::input::pid(path)) {
        if input.is_empty()
            && let Some((parent, files)) = inherited(pid)
        {
            output::complain(&format!(
                "process {pid} counts in private memory only, in place of {files} stats files of its parent \
                 {parent}: what is made before a fork is the parent's; call Stats::reopen() in the child, or \
                 use MODEL::local"
            ));
        }
    }
    if input.is_empty() && findings.errors.is_empty() && findings.warnings.is_empty() {
        input.complain();
    }
    Ok(if findings.errors.is_empty() && !input.is_empty() {
        Exit::Success
    } else {
        Exit::Failure
    })
}

/// Reports files that were removed under their writers, below the given paths or the roots that were read.
fn removed(paths: &[PathBuf], input: &Input, findings: &mut Findings) {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let mut roots: Vec<PathBuf> = paths.iter().map(absolute).collect();
    roots.extend(input.files().map(crate::input::root));
    for removed in unlinked("/") {
        let directory = removed.directory();
        if roots.iter().any(|root| directory.starts_with(root))
            || (paths.iter()).any(|path| crate::input::pid(path) == Some(removed.pid()))
        {
            let text = format!("{}: {removed}", output::path(directory));
            // Always a warning, wherever it was detected, since nothing is wrong with the bytes.
            findings.errors.retain(|error| *error != text);
            findings.warnings.push(text);
        }
    }
}

/// Checks every byte of every file.
fn bytes(input: &Input, findings: &mut Findings) {
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    // A copy does not count, but it may also be damaged.
    let problems = input.snapshots.iter().flat_map(Snapshot::errors);
    let copies: Vec<_> = problems
        .filter(|problem| problem.copy_of().is_some())
        .collect();
    let paths = copies.iter().map(|copy| copy.path());
    for file in input.files().map(File::path).chain(paths) {
        seen.insert(file.to_owned());
        let path = output::path(file);
        match verify(file) {
            Ok(found) => {
                let found = found.into_iter();
                findings
                    .errors
                    .extend(found.map(|problem| format!("{path}: {problem}")));
            }
            // Removed since it was listed.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(Error::Malformed { malformed, .. }) => {
                findings.errors.push(format!("{path}: {malformed}"));
            }
            Err(error) => findings.errors.push(error.to_string()),
        }
    }
    // Files that could not be read at all, or not interpreted as a whole.
    for (path, error) in input.errors() {
        let found = format!("{}: {error}", output::path(path));
        if copies
            .iter()
            .any(|copy| (copy.path(), copy.error()) == (path, error))
        {
            findings.warnings.push(found);
            continue;
        }
        if !findings.errors.contains(&found) {
            findings.errors.push(found);
        }
    }
}

/// Returns the size that MMSTATS_MAX_SIZE sets here, or the default. Programs with another setting, or with one in a
/// builder, have another limit.
fn max_size() -> u64 {
    let set = std::env::var("MMSTATS_MAX_SIZE").ok();
    let set = set.and_then(|size| mmstats::parse_size(&size));
    set.map_or(MAX_SIZE, |size| size as u64)
}

/// Reports likely problems with the files of a model.
fn set_files(model: &Model, files: &[&File], findings: &mut Findings) {
    let name = output::printed(model.name());
    if model.types().len() > 1 {
        let types: Vec<_> = model.types().map(output::printed).collect();
        findings.warnings.push(format!(
            "{name}: several types write this model, {}: their values are mixed; give each its own \
             #[mmstats(name = \"…\")], unless programs of two versions are running",
            types.join(" and ")
        ));
    }
    let dead = files
        .iter()
        .filter(|file| file.state() == State::Dead && file.retired().is_none());
    let dead = dead.count();
    if dead >= DEAD_MANY {
        findings.warnings.push(format!(
            "{name}: {dead} files of processes that have ended: `mmstats clean` removes them, `mmstats \
             clean --fold` keeps their totals; MMSTATS_CLEAN=1 lets programs do it themselves"
        ));
    }
    let most = max_size();
    let full = files
        .iter()
        .filter(|file| file.format() == 3 && file.bytes() >= most / 10 * 9);
    named(full, findings, |file| {
        format!(
            "{} of the {} that it may have: soon groups count under `_other` and histograms coarsely: \
             set MMSTATS_MAX_SIZE higher in its program",
            numbers::bytes(file.bytes()),
            numbers::bytes(most)
        )
    });
    let writable = files.iter().filter(|file| {
        let mode = file
            .path()
            .symlink_metadata()
            .map(|metadata| metadata.mode());
        mode.is_ok_and(|mode| mode & 0o022 != 0)
    });
    named(writable, findings, |_| {
        "other users may write it: its values cannot be trusted: chmod go-w, and see MMSTATS_MODE"
            .to_owned()
    });
    for stat in model.series() {
        let evicted = stat.value().as_errors().map_or(0, ErrorsValue::evicted);
        if evicted > 0 {
            findings.warnings.push(format!(
                "{name}: {} messages were evicted from {}: a file keeps its newest 256 distinct ones, or as many \
                 as it has space for: look at `mmstats errors` more often, and raise MMSTATS_MAX_SIZE in its \
                 program if a file is full",
                numbers::grouped(evicted),
                output::printed(stat.label()),
            ));
        }
    }
    let noted = files.iter().filter(|file| !file.notes().is_empty());
    named(noted, findings, |file| {
        let notes: Vec<_> = file.notes().iter().map(|note| note.text()).collect();
        output::printed(&notes.join("; and "))
    });
    let is_said = |file: &&File| file.notes().iter().any(|note| note.cause() == Cause::Group);
    if files.iter().any(is_said) {
        return;
    }
    let mut groups: BTreeMap<&str, u64> = BTreeMap::new();
    for stat in model.series() {
        let other = stat
            .label()
            .split_once("_other.")
            .filter(|(field, _)| field.is_empty() || field.ends_with('.'));
        if let (Some((field, _)), Some(count)) = (other, stat.value().count()) {
            *groups.entry(field).or_default() += count;
        }
    }
    for (field, _) in groups.into_iter().filter(|(_, count)| *count > 0) {
        findings.warnings.push(format!(
            "{name}: {field}_other has counted: there are as many groups as there may be, or no space for \
             more: allow more with .max_groups() or MMSTATS_MAX_SIZE, or use fewer names",
        ));
    }
}

/// Adds a warning about some files, of which it names the first.
fn named<'a>(
    files: impl Iterator<Item = &'a &'a File>,
    findings: &mut Findings,
    warning: impl Fn(&File) -> String,
) {
    let files: Vec<_> = files.collect();
    for file in files.iter().take(NAMED) {
        let path = output::path(file.path());
        findings.warnings.push(format!("{path}: {}", warning(file)));
    }
    if files.len() > NAMED {
        let more = files.len() - NAMED;
        let directory = files[0].path().parent().unwrap_or(Path::new("/"));
        findings.warnings.push(format!(
            "{}: and so are {more} more",
            output::path(directory)
        ));
    }
}
