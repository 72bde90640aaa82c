//! Cleaning: which files are of processes that have ended, and what is done with them.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Doomed;
use super::fold::{Folding, fold};
use crate::Error;
use crate::format::retired::RETIRED_FILE;
use crate::reader::Problem;
use crate::reader::file::StatsFile;
use crate::reader::source::Trouble;
use crate::sys::life::Witness;

/// How long to wait for others who fold into the same file.
const PATIENCE: Duration = Duration::from_secs(30);

/// Removes, or folds, the files of processes that have ended.
///
/// Only files of which every test at hand says so: the lock of the process in the root, its pid and
/// start time. Files that cannot be read, files of earlier formats and whatever else lies there stay.
///
/// ```no_run
/// use mmstats::retire::Cleaner;
///
/// let cleaned = Cleaner::new().fold(true).clean("/run/app")?;
/// println!("{} files folded", cleaned.files().len());
/// # Ok::<(), mmstats::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cleaner {
    dry_run: bool,
    older_than: Duration,
    fold: bool,
    only_of: Option<u32>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Cleaned {
    files: Vec<(PathBuf, Outcome)>,
    problems: Vec<Problem>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was removed, and what it counted with it. (On a dry run: would be.)
    Removed,
    /// Its totals are in the retired file of its model now. (On a dry run: would be.)
    Folded,
}

impl Cleaned {
    /// The files that are gone, and how.
    pub fn files(&self) -> &[(PathBuf, Outcome)] {
        &self.files
    }

    /// What could not be read, removed or folded, and why. Files in other formats are not named.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Cleaner {
    /// Removes files of any age, without folding them.
    pub fn new() -> Cleaner {
        Cleaner::default()
    }

    /// Only says what it would do.
    pub fn dry_run(mut self, dry_run: bool) -> Cleaner {
        self.dry_run = dry_run;
        self
    }

    /// Leaves files that were created, or grew, less than `age` ago.
    pub fn older_than(mut self, age: Duration) -> Cleaner {
        self.older_than = age;
        self
    }

    /// Adds the totals of the files to the retired file of their model before it removes them. Levels
    /// (gauges, flags, ups and downs) end with their process.
    pub fn fold(mut self, fold: bool) -> Cleaner {
        self.fold = fold;
        self
    }

    /// Only files that belong to this user.
    pub(super) fn only_of(mut self, uid: u32) -> Cleaner {
        self.only_of = Some(uid);
        self
    }

    /// Cleans a root, a model's directory, or one file.
    ///
    /// # Errors
    /// There is nothing at that path, or it cannot be listed. What goes wrong with single files is in
    /// [`Cleaned::problems`].
    pub fn clean(&self, path: impl AsRef<Path>) -> Result<Cleaned, Error> {
        let path = path.as_ref();
        let path = std::path::absolute(path)
            .map_err(|error| Error::io(path, "find the directory", error))?;
        let mut cleaning = Cleaning {
            cleaner: self,
            witness: Witness::new(),
            now: SystemTime::now(),
            cleaned: Cleaned::default(),
        };
        let found = fs::symlink_metadata(&path)
            .map_err(|error| Error::io(&path, "find stats files", error))?;
        if !found.is_dir() {
            let directory = path.parent().unwrap_or(&path).to_owned();
            cleaning.some(&directory, vec![path]);
            return Ok(cleaning.cleaned);
        }
        let entries = list(&path).map_err(|error| Error::io(&path, "list the directory", error))?;
        // A root has directories in it, a model's directory has files: whatever it is, each is done.
        cleaning.some(&path, entries.files);
        for directory in entries.directories {
            match list(&directory) {
                Ok(entries) => cleaning.some(&directory, entries.files),
                Err(error) => cleaning.problem(&directory, format!("cannot list it: {error}")),
            }
        }
        Ok(cleaning.cleaned)
    }
}

/// What lies in a directory.
#[derive(Default)]
struct Entries {
    /// Regular files that are named like stats files.
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

fn list(directory: &Path) -> io::Result<Entries> {
    let mut entries = Entries::default();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if kind.is_dir() {
            entries.directories.push(entry.path());
        } else if kind.is_file() && name.as_bytes().starts_with(b"mmstats-") && name != RETIRED_FILE
        {
            entries.files.push(entry.path());
        }
    }
    entries.files.sort_unstable();
    entries.directories.sort_unstable();
    Ok(entries)
}

/// One call of [`Cleaner::clean`].
struct Cleaning<'a> {
    cleaner: &'a Cleaner,
    witness: Witness,
    now: SystemTime,
    cleaned: Cleaned,
}

impl Cleaning<'_> {
    fn problem(&mut self, path: &Path, problem: impl Into<String>) {
        self.cleaned.problems.push(Problem::new(path, problem));
    }

    /// Cleans some files of a model's directory.
    fn some(&mut self, directory: &Path, files: Vec<PathBuf>) {
        let root: Arc<Path> = directory.parent().unwrap_or(directory).into();
        let mut doomed = Vec::new();
        for path in files {
            match self.judge(&path, &root) {
                Ok(Some(file)) => doomed.push(file),
                Ok(None) | Err(Trouble::Gone) => {}
                Err(Trouble::Bad(problem)) => self.problem(&path, problem),
            }
        }
        if doomed.is_empty() {
            return;
        }
        let outcome = if self.cleaner.fold {
            Outcome::Folded
        } else {
            Outcome::Removed
        };
        if self.cleaner.dry_run {
            let files = doomed.into_iter().map(|file| (file.path, outcome));
            self.cleaned.files.extend(files);
        } else if self.cleaner.fold {
            let mut folding = Folding::default();
            let result = fold(directory, &doomed, PATIENCE, &mut folding);
            for path in folding.folded {
                self.cleaned.files.push((path, outcome));
            }
            for (path, problem) in folding.kept {
                self.problem(&path, format!("not folded: {problem}"));
            }
            if let Err(error) = result {
                self.problem(directory, error.to_string());
            }
        } else {
            for file in doomed {
                match file.remove() {
                    Ok(()) => self.cleaned.files.push((file.path, outcome)),
                    Err(error) => self.problem(&file.path, format!("cannot remove it: {error}")),
                }
            }
        }
    }

    /// Whether a file is to go, and which one it is.
    fn judge(&mut self, path: &Path, root: &Arc<Path>) -> Result<Option<Doomed>, Trouble> {
        let file = StatsFile::open(path.to_owned(), root, false)?;
        let cleaner = self.cleaner;
        if cleaner.only_of.is_some_and(|uid| uid != file.uid) {
            return Ok(None);
        }
        if !cleaner.older_than.is_zero() {
            let changed = fs::symlink_metadata(path)
                .and_then(|found| found.modified())
                .map_err(|error| Trouble::io("look at it", error))?;
            let created = SystemTime::UNIX_EPOCH + Duration::from_nanos(file.header.created);
            let age = self.now.duration_since(changed.max(created));
            if age.unwrap_or_default() < cleaner.older_than {
                return Ok(None);
            }
        }
        let dead = self.witness.proved_dead(root, &file.header);
        Ok(dead.then(|| Doomed {
            path: path.to_owned(),
            identity: file.identity(),
        }))
    }
}
