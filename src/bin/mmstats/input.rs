//! What the paths of a command line turn out to hold.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use mmstats::Error;
use mmstats::reader::{Reader, Snapshot, guard_sigbus};

use crate::output;

/// A slot whose writer never rests may be missed in one snapshot; hardly ever in so many.
const TRIES: usize = 4;

/// The snapshots of some paths, and the paths that could not be read.
pub struct Input {
    pub snapshots: Vec<Snapshot>,
    pub failures: Vec<(PathBuf, String)>,
    /// What was asked for, to tell where nothing was found.
    asked: Vec<PathBuf>,
}

impl Input {
    /// Reads all files below the paths, or where the environment says if there are none.
    pub fn read(paths: &[PathBuf], per_file: bool) -> Input {
        if let Err(error) = guard_sigbus() {
            log::warn!(
                "a stats file that is cut short while it is read will end this program: {error}"
            );
        }
        let mut input = Input {
            snapshots: Vec::new(),
            failures: Vec::new(),
            asked: paths.to_owned(),
        };
        if paths.is_empty() {
            // An error means that no usual root is there: `complain` says which ones they are.
            if let Ok(reader) = Reader::from_env() {
                input.add(reader, Path::new(""), per_file);
            }
        }
        for path in paths {
            match Reader::open(path) {
                Ok(reader) => input.add(reader, path, per_file),
                Err(error) => input.failures.push(failure(path, error)),
            }
        }
        input
    }

    fn add(&mut self, mut reader: Reader, path: &Path, per_file: bool) {
        reader.per_file(per_file);
        match whole_snapshot(&mut reader) {
            Ok(snapshot) => self.snapshots.push(snapshot),
            Err(error) => self.failures.push(failure(path, error)),
        }
    }

    /// Whether no file could be read.
    pub fn is_empty(&self) -> bool {
        self.snapshots
            .iter()
            .all(|snapshot| snapshot.files().is_empty())
    }

    /// What could not be read, and why: paths first, then files.
    pub fn errors(&self) -> impl Iterator<Item = (&Path, &str)> {
        let paths = self
            .failures
            .iter()
            .map(|(path, error)| (&**path, &**error));
        let files = self.snapshots.iter().flat_map(Snapshot::errors);
        paths.chain(files.map(|problem| (problem.path(), problem.error())))
    }

    /// Names on stderr what could not be read; if that was everything, with what to do about it.
    pub fn complain(&self) {
        for (path, error) in self.errors() {
            output::complain(&format!("{}: {error}", output::path(path)));
        }
        for (model, label) in self.snapshots.iter().flat_map(Snapshot::busy) {
            output::complain(&format!(
                "{model}: {label}: written too fast to be had whole: try again"
            ));
        }
        if self.is_empty() {
            output::complain(&format!(
                "no stats files {}\n\
                 start a program that keeps statistics with the same MMSTATS_PATH, or name the path \
                 that it has; `mmstats demo` shows one at work",
                self.place(),
            ));
        }
    }

    /// Where was looked, as in "in /run/app".
    fn place(&self) -> String {
        if !self.asked.is_empty() {
            let paths: Vec<_> = self.asked.iter().map(|path| output::path(path)).collect();
            return format!("in {}", paths.join(", "));
        }
        if let Some(root) = env::var_os("MMSTATS_PATH").filter(|root| !root.is_empty()) {
            return format!("in {} (MMSTATS_PATH)", output::path(Path::new(&root)));
        }
        let temporary = output::path(&env::temp_dir());
        let mut places = format!("in /dev/shm/mmstats-<uid> or {temporary}/mmstats-<uid>");
        if let Some(runtime) = env::var_os("XDG_RUNTIME_DIR") {
            places = format!(
                "in {}/mmstats, {}",
                output::path(Path::new(&runtime)),
                &places[3..]
            );
        }
        format!("{places}, and MMSTATS_PATH is not set")
    }
}

/// A snapshot with every value, if there is one to be had.
fn whole_snapshot(reader: &mut Reader) -> Result<Snapshot, Error> {
    let mut snapshot = reader.snapshot()?;
    for _ in 1..TRIES {
        if snapshot.is_whole() {
            break;
        }
        snapshot = reader.snapshot()?;
    }
    Ok(snapshot)
}

/// The path and what is wrong with it, without the path again.
fn failure(path: &Path, error: Error) -> (PathBuf, String) {
    match error {
        Error::Io {
            path,
            action,
            source,
        } => (path, format!("cannot {action}: {source}")),
        other => (path.to_owned(), other.to_string()),
    }
}

/// Paths as a list, as in `$PATH`.
pub fn joined<'a>(paths: impl Iterator<Item = &'a Path>) -> String {
    let paths: Vec<&OsStr> = paths.map(Path::as_os_str).collect();
    paths.join(OsStr::new(":")).to_string_lossy().into_owned()
}
