//! Reads what the paths of a command line name.

use std::collections::BTreeMap;
use std::env;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mmstats::Error;
use mmstats::export::json::Document;
use mmstats::reader::{File, Model, Per, Reader, Series, Snapshot, guard_sigbus, roots, unlinked};

use crate::ui::output::Exit;
use crate::ui::{output, progress};

/// A slot whose writer never pauses may be missed in one snapshot, but hardly ever in this many.
const TRIES: usize = 4;
/// The maximum number of other places that are named if nothing was found.
const HINTS_MOST: usize = 8;

/// The sources that a command line names, to be read repeatedly.
pub struct Sources {
    readers: Vec<(PathBuf, Reader)>,
    failures: Vec<(PathBuf, String)>,
    asked: Selection,
    /// Whether each reading is compared with the previous one.
    watched: bool,
}

/// What was asked for, to name the places where nothing was found.
#[derive(Clone)]
enum Selection {
    Paths(Vec<PathBuf>),
    AllProcesses,
}

impl Sources {
    /// Opens the paths, each of which is a PID if no such file. Without paths, opens those that the
    /// environment names.
    pub fn open(paths: &[PathBuf]) -> Sources {
        let mut sources = Sources::new(Selection::Paths(paths.to_owned()));
        if paths.is_empty() {
            // An error means that no usual root exists: `complain` lists them.
            let reader = Reader::from_env().ok();
            sources
                .readers
                .extend(reader.map(|reader| (PathBuf::new(), reader)));
        }
        for path in paths {
            let reader = match pid(path) {
                Some(pid) => Ok(Reader::for_process(pid)),
                None => Reader::open(path),
            };
            match reader {
                Ok(reader) => sources.readers.push((path.clone(), reader)),
                Err(error) => sources.failures.push(failure(path, error)),
            }
        }
        sources
    }

    /// Opens the files of every process that this user may inspect.
    pub fn for_all_processes() -> Sources {
        let mut sources = Sources::new(Selection::AllProcesses);
        sources
            .readers
            .push((PathBuf::from("/proc"), Reader::for_all_processes()));
        sources
    }

    /// Makes a source for files that [`set_files`](Self::set_files) will name.
    pub fn of_files() -> Sources {
        let mut sources = Sources::new(Selection::Paths(Vec::new()));
        sources
            .readers
            .push((PathBuf::new(), Reader::for_files(Vec::new())));
        sources
    }

    /// Reads these files from now on.
    pub fn set_files(&mut self, files: Vec<PathBuf>) {
        for (_, reader) in &mut self.readers {
            reader.set_files(files.clone());
        }
    }

    fn new(asked: Selection) -> Sources {
        if let Err(error) = guard_sigbus() {
            log::warn!(
                "a stats file that is cut short while it is read will end this program: {error}"
            );
        }
        Sources {
            readers: Vec::new(),
            failures: Vec::new(),
            asked,
            watched: false,
        }
    }

    /// If `wanted`, also reads the values of each file separately: see [`Input::apart`].
    pub fn per_file(mut self, wanted: bool) -> Sources {
        for (_, reader) in &mut self.readers {
            reader.per(if wanted { Per::File } else { Per::Model });
        }
        self
    }

    /// Also computes what was counted since the previous reading.
    pub fn watched(mut self) -> Sources {
        for (_, reader) in &mut self.readers {
            reader.deltas(true);
        }
        self.watched = true;
        self
    }

    /// Reads all files that exist now.
    pub fn read(&mut self) -> Input {
        let mut input = Input {
            snapshots: Vec::new(),
            failures: self.failures.clone(),
            asked: self.asked.clone(),
        };
        for (path, reader) in &mut self.readers {
            let snapshot = if self.watched {
                // A second one would be compared with the first.
                reader.snapshot()
            } else {
                whole_snapshot(reader)
            };
            match snapshot {
                Ok(snapshot) => input.snapshots.push(snapshot),
                Err(error) => input.failures.push(failure(path, error)),
            }
        }
        input
    }
}

/// Returns the PID that a path means: a number, unless there is a file of that name.
pub fn pid(path: &Path) -> Option<u32> {
    let pid = path.to_str()?.parse().ok()?;
    (!path.exists()).then_some(pid)
}

/// The snapshots of some paths, and the paths that could not be read.
pub struct Input {
    pub snapshots: Vec<Snapshot>,
    pub failures: Vec<(PathBuf, String)>,
    asked: Selection,
}

impl Input {
    /// Reads all files below the paths, or below those that the environment names if there are none.
    pub fn read(paths: &[PathBuf], per_file: bool) -> Input {
        let mut sources = Sources::open(paths).per_file(per_file);
        progress::during("reading stats files", || sources.read())
    }

    /// Returns the models, each merged over all of its files.
    pub fn merged(&self) -> impl Iterator<Item = &Model> {
        self.snapshots.iter().flat_map(Snapshot::merged)
    }

    /// Returns the separate values of each file, in the order of [`files`](Self::files). Only sources [per
    /// file](Sources::per_file) have them.
    pub fn apart(&self) -> impl Iterator<Item = &Model> {
        let snapshots = self.snapshots.iter();
        snapshots.flat_map(|snapshot| {
            let files = snapshot.files().iter();
            files.filter_map(|file| snapshot.of_file(file))
        })
    }

    /// Returns the files of all snapshots.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.snapshots.iter().flat_map(Snapshot::files)
    }

    /// Returns everything as JSON, except series that are not `wanted`.
    pub fn document<'a>(&'a self, wanted: &'a dyn Fn(&Series) -> bool) -> Document<'a> {
        Document {
            snapshots: self.snapshots.iter().collect(),
            failures: &self.failures,
            wanted,
        }
    }

    /// Returns whether no file could be read.
    pub fn is_empty(&self) -> bool {
        self.files().next().is_none()
    }

    /// Returns what could not be read, with the reason: paths first, then files.
    pub fn errors(&self) -> impl Iterator<Item = (&Path, &str)> {
        let paths = self
            .failures
            .iter()
            .map(|(path, error)| (&**path, &**error));
        let files = self.snapshots.iter().flat_map(Snapshot::errors);
        paths.chain(files.map(|problem| (problem.path(), problem.error())))
    }

    /// Reports on stderr what could not be read; if that was everything, also what to do about it.
    pub fn complain(&self) {
        for (path, error) in self.errors() {
            output::complain(&format!("{}: {error}", output::path(path)));
        }
        for (model, label) in self.snapshots.iter().flat_map(Snapshot::busy) {
            output::complain(&format!(
                "{model}: {label}: changes too fast to be read consistently; try again"
            ));
        }
        if self.is_empty() && !self.complain_of_removed() {
            output::complain(&format!("no stats files {}", self.place()));
            output::complain(&self.advice());
        }
    }

    /// Reports the files below the paths that were removed under their writers. Returns whether there are any. Looks
    /// at all processes.
    pub fn complain_of_removed(&self) -> bool {
        let paths = match &self.asked {
            Selection::AllProcesses => Vec::new(),
            Selection::Paths(paths) if paths.is_empty() => roots(),
            Selection::Paths(paths) => paths.clone(),
        };
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let mut any = false;
        for removed in unlinked("/") {
            // Removed files of a given process are among its errors.
            let is_known = matches!(self.asked, Selection::AllProcesses)
                || paths.iter().any(|path| pid(path) == Some(removed.pid()));
            if !is_known {
                if !(paths.iter()).any(|path| removed.directory().starts_with(absolute(path))) {
                    continue;
                }
                let directory = output::path(removed.directory());
                output::complain(&format!("{directory}: {removed}"));
            }
            any = true;
        }
        any
    }

    /// Returns the exit of a command that only reads: it fails if nothing could be read.
    pub fn exit(&self) -> Exit {
        if self.is_empty() {
            Exit::Failure
        } else {
            Exit::Success
        }
    }

    /// Returns where it looked, as in "in /run/app".
    pub fn place(&self) -> String {
        let paths = match &self.asked {
            Selection::AllProcesses => {
                return "of any process that this user may look at".to_owned();
            }
            Selection::Paths(paths) => paths,
        };
        if !paths.is_empty() {
            let named = |path: &PathBuf| match pid(path) {
                Some(pid) if !lives(pid) => format!(
                    "process {pid}: there is no such process (nor are there files that it left in a \
                     usual root)"
                ),
                Some(pid) => format!("process {pid}, which is alive"),
                None => output::path(path),
            };
            let paths: Vec<_> = paths.iter().map(named).collect();
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

    /// Returns what to do if nothing was found: look where running programs have their files.
    fn advice(&self) -> String {
        let mut roots: BTreeMap<PathBuf, Vec<u32>> = BTreeMap::new();
        if let Selection::Paths(_) = self.asked {
            for file in Sources::for_all_processes().read().files() {
                let pids = roots.entry(root(file)).or_default();
                if !pids.contains(&file.pid()) {
                    pids.push(file.pid());
                }
            }
        }
        if roots.is_empty() {
            return "start a program that keeps statistics with the same MMSTATS_PATH, or name the \
                    path that it has; `mmstats demo` shows one at work"
                .to_owned();
        }
        let mut advice = "running programs have some elsewhere: name one of these paths, or set \
                          MMSTATS_PATH to it"
            .to_owned();
        for (root, pids) in roots.iter().take(HINTS_MOST) {
            let shown: Vec<_> = pids.iter().take(3).map(u32::to_string).collect();
            let more = if pids.len() > 3 { ", …" } else { "" };
            let path = output::path(root);
            advice.push_str(&format!("\n  {path}  (process {}{more})", shown.join(", ")));
        }
        if roots.len() > HINTS_MOST {
            advice.push_str("\n  … and more: `mmstats ls --all` lists them all");
        }
        advice
    }
}

/// Returns the root that contains a file.
pub fn root(file: &File) -> PathBuf {
    let above = if file.format() == 3 { 2 } else { 1 };
    file.path()
        .ancestors()
        .nth(above)
        .unwrap_or(file.path())
        .to_owned()
}

/// Returns the bytes that a file takes in its file system, which can be far more than its length.
pub fn taken(file: &File) -> u64 {
    let path = file.path();
    let found = if file.is_removed() {
        path.metadata()
    } else {
        path.symlink_metadata()
    };
    found.map_or(file.bytes(), |found| found.blocks().saturating_mul(512))
}

/// Returns whether a process with this PID lives on this machine, whoever owns it.
pub fn lives(pid: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Takes a snapshot with every value, if possible.
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

/// Returns the path and its problem, without the path in the text again.
fn failure(path: &Path, error: Error) -> (PathBuf, String) {
    match error {
        Error::Io {
            path,
            action,
            source,
        } => {
            let advice = match source.kind() {
                ErrorKind::PermissionDenied => ": run this as its owner or as root",
                _ => "",
            };
            (path, format!("cannot {action}: {source}{advice}"))
        }
        other => (path.to_owned(), other.to_string()),
    }
}

/// Finds a label's series in a list sorted by label, as in a snapshot.
pub fn find<'a>(all: &'a [Series], label: &str) -> Option<&'a Series> {
    let index = all
        .binary_search_by(|series| series.label().cmp(label))
        .ok()?;
    Some(&all[index])
}
