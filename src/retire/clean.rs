//! Cleaning: what is done with the files of processes that have ended.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Doomed;
use super::fold::{Folding, fold};
use super::judge::{Entries, Judge};
use crate::Error;
use crate::reader::Problem;
use crate::reader::source::Trouble;

/// How long to wait for others who fold into the same file.
const PATIENCE: Duration = Duration::from_secs(30);

/// Removes, or folds, the files of processes that have ended.
///
/// Only files of which that is proved: by the lock of the process in the root, its pid and start time,
/// or because the machine was started anew. Files of which it cannot be said stay, unless
/// [`unknown`](Cleaner::unknown) says otherwise. Files that cannot be read, files of earlier formats and whatever else lies there stay.
/// What such a process was making and did not finish is removed, never folded: nobody has seen it.
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
    pub(super) older_than: Duration,
    pub(super) unknown: bool,
    fold: bool,
    /// Only files that belong to this user.
    pub(super) only_of: Option<u32>,
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

    /// Also files of processes of which it cannot be said whether they live, such as those of another
    /// machine or pid namespace: if they are older than [`older_than`](Cleaner::older_than) says, and no
    /// process of this machine has them mapped.
    ///
    /// The age is the only evidence: a store through a mapping does not change it, and a writer on another
    /// machine, or on overlayfs, may still count into such a file. Without an age,
    /// [`clean`](Cleaner::clean) refuses.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mmstats::retire::Cleaner;
    ///
    /// let week = Duration::from_secs(7 * 24 * 3600);
    /// let cleaner = Cleaner::new().unknown(true).older_than(week);
    /// # let root = tempfile::tempdir().unwrap();
    /// # cleaner.clean(root.path()).unwrap();
    /// assert!(Cleaner::new().unknown(true).clean(root.path()).is_err());
    /// ```
    pub fn unknown(mut self, unknown: bool) -> Cleaner {
        self.unknown = unknown;
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
    /// There is nothing at that path, or it cannot be listed; or files of [`unknown`](Cleaner::unknown)
    /// processes are to go whatever their age. What goes wrong with single files is in
    /// [`Cleaned::problems`].
    pub fn clean(&self, path: impl AsRef<Path>) -> Result<Cleaned, Error> {
        let path = path.as_ref();
        if self.unknown && self.older_than.is_zero() {
            let source = io::Error::new(
                io::ErrorKind::InvalidInput,
                "whether their processes live is not known: say how old they have to be (--older-than)",
            );
            return Err(Error::io(path, "remove such files of any age", source));
        }
        let path = std::path::absolute(path)
            .map_err(|error| Error::io(path, "find the directory", error))?;
        let mut cleaning = Cleaning {
            cleaner: self,
            judge: Judge::new(self),
            cleaned: Cleaned::default(),
        };
        let found = fs::symlink_metadata(&path)
            .map_err(|error| Error::io(&path, "find stats files", error))?;
        if !found.is_dir() {
            let directory = path.parent().unwrap_or(&path).to_owned();
            cleaning.some(&directory, Entries::one(path));
            return Ok(cleaning.cleaned);
        }
        let mut entries =
            Entries::of(&path).map_err(|error| Error::io(&path, "list the directory", error))?;
        let directories = std::mem::take(&mut entries.directories);
        // A root has directories in it, a model's directory has files: whatever it is, each is done.
        cleaning.some(&path, entries);
        for directory in directories {
            match Entries::of(&directory) {
                Ok(entries) => cleaning.some(&directory, entries),
                Err(error) => cleaning.problem(&directory, format!("cannot list it: {error}")),
            }
        }
        Ok(cleaning.cleaned)
    }
}

/// One call of [`Cleaner::clean`].
struct Cleaning<'a> {
    cleaner: &'a Cleaner,
    judge: Judge<'a>,
    cleaned: Cleaned,
}

impl Cleaning<'_> {
    fn problem(&mut self, path: &Path, problem: impl Into<String>) {
        self.cleaned.problems.push(Problem::new(path, problem));
    }

    /// Cleans some files of a model's directory.
    fn some(&mut self, directory: &Path, entries: Entries) {
        let root = directory.parent().unwrap_or(directory);
        let mut doomed = Vec::new();
        for path in entries.files {
            match self.judge.file(&path, root) {
                Ok(Some(file)) => doomed.push(file),
                Ok(None) | Err(Trouble::Gone) => {}
                Err(Trouble::Bad(problem)) => self.problem(&path, problem),
            }
        }
        let making = (entries.making.iter())
            .filter_map(|path| self.judge.making(path, root))
            .collect();
        if !self.cleaner.fold {
            self.remove(doomed, Outcome::Removed);
        } else if self.cleaner.dry_run {
            self.remove(doomed, Outcome::Folded);
        } else if !doomed.is_empty() {
            self.fold(directory, &doomed);
        }
        self.remove(making, Outcome::Removed);
    }

    /// Removes files; on a dry run says that `outcome` would become of them.
    fn remove(&mut self, files: Vec<Doomed>, outcome: Outcome) {
        for file in files {
            let done = if self.cleaner.dry_run {
                Ok(())
            } else {
                file.remove()
            };
            match done {
                Ok(()) => self.cleaned.files.push((file.path, outcome)),
                Err(error) => self.problem(&file.path, format!("cannot remove it: {error}")),
            }
        }
    }

    fn fold(&mut self, directory: &Path, doomed: &[Doomed]) {
        let mut folding = Folding::default();
        let result = fold(directory, doomed, PATIENCE, &mut folding);
        for path in folding.folded {
            self.cleaned.files.push((path, Outcome::Folded));
        }
        for (path, problem) in folding.kept {
            self.problem(&path, format!("not folded: {problem}"));
        }
        if let Err(error) = result {
            self.problem(directory, error.to_string());
        }
    }
}
