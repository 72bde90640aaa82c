//! Cleaning: removing or folding the files of processes that have ended.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Doomed;
use super::fold::{Folding, fold};
use super::judge::{Entries, Judge, Rules};
use crate::Error;
use crate::reader::Problem;
use crate::reader::source::Trouble;
use crate::sys::lifecycle::directory::{self, AsOwner, Directory};
use crate::sys::lifecycle::directory_lock::Patience;
use crate::sys::lifecycle::paths;
use crate::sys::process::identity::ProcessIdentity;
use crate::sys::{self, NO_FILES};

/// How long, in total, to wait for other processes that fold into the same files.
const PATIENCE: Duration = Duration::from_secs(30);

/// Removes, or folds, the files of processes that have ended.
///
/// Only files whose process is proved to have ended are touched. The proof is the lock of the process in the root,
/// its pid and start time, or a restart of the machine. If nothing can be proved, a file stays, unless
/// [`unknown`](Cleaner::unknown) allows its removal. Files that cannot be read, files of earlier formats and
/// anything else in the directory stay. A file that such a process did not finish creating is removed, never
/// folded: nobody has read it.
///
/// Each directory is opened once, without following a symbolic link, and everything in it is accessed through that
/// descriptor. In a directory of another user, a superuser works with the rights of that user, on the calling
/// thread and only meanwhile; where the system does not support this, the directory is refused.
///
/// ```no_run
/// use mmstats::retire::Cleaner;
///
/// let cleaned = Cleaner::new().fold(true).clean("/run/app")?;
/// println!("{} files folded", cleaned.files().len());
/// # Ok::<(), mmstats::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is cleaned before .clean()"]
pub struct Cleaner {
    dry_run: bool,
    rules: Rules,
    fold: bool,
    patience: Option<Duration>,
    tell: Option<fn(&Path)>,
}

/// The result of a cleaning.
#[derive(Debug, Default)]
pub struct Cleaned {
    files: Vec<(PathBuf, Outcome)>,
    problems: Vec<Problem>,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file was removed, and its counts are lost. (On a dry run: would be.)
    Removed,
    /// Its totals are now in the retired file of its model. (On a dry run: would be.)
    Folded,
}

impl Cleaned {
    /// Returns the files that are gone, and what happened to each.
    ///
    /// ```
    /// use mmstats::retire::Cleaner;
    ///
    /// # let root = tempfile::tempdir().unwrap();
    /// let cleaned = Cleaner::new().clean(root.path())?;
    /// assert!(cleaned.files().is_empty()); // no process had ended
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn files(&self) -> &[(PathBuf, Outcome)] {
        &self.files
    }

    /// Returns what could not be read, removed or folded, and why. Files in other formats are not listed.
    ///
    /// ```
    /// # use mmstats::retire::Cleaner;
    /// # let root = tempfile::tempdir().unwrap();
    /// for problem in Cleaner::new().clean(root.path())?.problems() {
    ///     eprintln!("{}: {}", problem.path().display(), problem.error());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Cleaner {
    /// Returns a cleaner that removes files of any age and does not fold them.
    ///
    /// ```
    /// # use mmstats::retire::Cleaner;
    /// # let root = tempfile::tempdir().unwrap();
    /// let cleaned = Cleaner::new().clean(root.path())?;
    /// println!("{} files removed", cleaned.files().len());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn new() -> Cleaner {
        Cleaner::default()
    }

    /// Only reports what it would do.
    ///
    /// ```
    /// use mmstats::retire::Cleaner;
    ///
    /// # let root = tempfile::tempdir().unwrap();
    /// for (path, outcome) in Cleaner::new().dry_run(true).clean(root.path())?.files() {
    ///     println!("{}: {outcome:?}", path.display());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn dry_run(mut self, dry_run: bool) -> Cleaner {
        self.dry_run = dry_run;
        self
    }

    /// Keeps files that were created, or grew, less than `age` ago.
    ///
    /// ```
    /// # use mmstats::retire::Cleaner;
    /// # let root = tempfile::tempdir().unwrap();
    /// let hour = std::time::Duration::from_secs(3600);
    /// let cleaned = Cleaner::new().older_than(hour).clean(root.path())?;
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn older_than(mut self, age: Duration) -> Cleaner {
        self.rules.older_than = age;
        self
    }

    /// Also cleans files of processes whose liveness is unknown, such as those of another machine or pid namespace,
    /// if they are older than [`older_than`](Cleaner::older_than) and no process of this machine has them mapped.
    ///
    /// The age is the only evidence: a store through a mapping does not change it, and a writer on another machine,
    /// or on overlayfs, may still count into such a file. Without an age, [`clean`](Cleaner::clean) returns an
    /// error.
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
        self.rules.unknown = unknown;
        self
    }

    /// Adds the totals of the files to the retired file of their model before removing them. Levels (gauges, flags,
    /// ups and downs) end with their process.
    ///
    /// ```
    /// use mmstats::retire::Cleaner;
    ///
    /// # let root = tempfile::tempdir().unwrap();
    /// let cleaned = Cleaner::new().fold(true).clean(root.path())?;
    /// assert!(cleaned.problems().is_empty());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn fold(mut self, fold: bool) -> Cleaner {
        self.fold = fold;
        self
    }

    /// Restricts cleaning to files that belong to this user.
    pub(super) fn only_of(mut self, uid: u32) -> Cleaner {
        self.rules.only_of = Some(uid);
        self
    }

    /// Sets how long to wait, in total, for other processes that fold into the same files. Default: 30 seconds.
    pub(super) fn patience(mut self, time: Duration) -> Cleaner {
        self.patience = Some(time);
        self
    }

    /// Sets a function to call with each directory in which folding has to wait for another process.
    ///
    /// ```
    /// # use mmstats::retire::Cleaner;
    /// # let root = tempfile::tempdir().unwrap();
    /// let cleaned = Cleaner::new()
    ///     .fold(true)
    ///     .on_wait(|directory| eprintln!("waiting for another process in {}", directory.display()))
    ///     .clean(root.path())?;
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn on_wait(mut self, tell: fn(&Path)) -> Cleaner {
        self.tell = Some(tell);
        self
    }

    /// Cleans a root, a model's directory, or one file.
    ///
    /// ```
    /// use mmstats::retire::Cleaner;
    ///
    /// # let root = tempfile::tempdir().unwrap();
    /// let cleaned = Cleaner::new().clean(root.path())?;
    /// assert!(Cleaner::new().clean(root.path().join("nothing")).is_err());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is nothing at that path, or it cannot be listed; or if files of [`unknown`](Cleaner::unknown)
    /// processes are to be cleaned whatever their age. Problems with single files are in [`Cleaned::problems`].
    pub fn clean(&self, path: impl AsRef<Path>) -> Result<Cleaned, Error> {
        let path = path.as_ref();
        if NO_FILES.is_some() {
            return Err(Error::io(path, "clean", sys::unsupported()));
        }
        if self.rules.unknown && self.rules.older_than.is_zero() {
            let source = io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not known whether their processes live: set a minimum age (--older-than)",
            );
            return Err(Error::io(path, "remove such files of any age", source));
        }
        let path = std::path::absolute(path)
            .map_err(|error| Error::io(path, "find the directory", error))?;
        let mut cleaning = Cleaning::new(self);
        match Directory::open(&path) {
            Ok(directory) => cleaning.tree(&directory)?,
            // Not a directory: one file.
            Err(error) if directory::is_something_else(&error) => {
                let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                    return Err(Error::io(&path, "find stats files", error));
                };
                let directory = Directory::open(parent)
                    .map_err(|error| Error::io(&path, "find stats files", error))?;
                (directory.identity(name))
                    .map_err(|error| Error::io(&path, "find stats files", error))?;
                cleaning.as_owner(&directory, |cleaning| {
                    cleaning.some(&directory, Entries::one(name.to_owned()));
                });
            }
            Err(error) => return Err(Error::io(&path, "find stats files", error)),
        }
        Ok(cleaning.cleaned)
    }

    /// Cleans the roots that a reader uses when none is named ([`roots`](crate::reader::roots)). A default root
    /// that is not safe to use is reported in [`Cleaned::problems`].
    ///
    /// ```no_run
    /// use mmstats::retire::Cleaner;
    ///
    /// let cleaned = Cleaner::new().fold(true).clean_env()?;
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`clean`](Self::clean).
    pub fn clean_env(&self) -> Result<Cleaned, Error> {
        let mut cleaned = Cleaned::default();
        for root in paths::reader_roots() {
            match root {
                Ok(root) => {
                    let more = self.clean(root)?;
                    cleaned.files.extend(more.files);
                    cleaned.problems.extend(more.problems);
                }
                Err(error) => cleaned.problems.push(Problem::of_root(error)),
            }
        }
        Ok(cleaned)
    }
}

/// One call of [`Cleaner::clean`].
struct Cleaning<'a> {
    cleaner: &'a Cleaner,
    judge: Judge,
    patience: Patience,
    cleaned: Cleaned,
}

impl<'a> Cleaning<'a> {
    fn new(cleaner: &'a Cleaner) -> Cleaning<'a> {
        Cleaning {
            cleaner,
            judge: Judge::new(cleaner.rules.clone()),
            patience: Patience::of(cleaner.patience.unwrap_or(PATIENCE)).telling(cleaner.tell),
            cleaned: Cleaned::default(),
        }
    }

    fn problem(&mut self, path: &Path, problem: impl Into<String>) {
        self.cleaned.problems.push(Problem::new(path, problem));
    }

    /// Cleans a root or a model's directory. A root contains directories, a model's directory contains files: both
    /// are handled, whichever it is.
    fn tree(&mut self, directory: &Directory) -> Result<(), Error> {
        let mut listed = Ok(Entries::default());
        self.as_owner(directory, |this| {
            listed = Entries::of(directory);
            if let Ok(entries) = &mut listed {
                let models = std::mem::take(&mut entries.directories);
                this.some(directory, std::mem::take(entries));
                entries.directories = models;
            }
        });
        let listed =
            listed.map_err(|error| Error::io(directory.path(), "list the directory", error))?;
        for name in listed.directories {
            match directory.directory(&name) {
                Ok(model) => self.as_owner(&model, |this| match Entries::of(&model) {
                    Ok(entries) => this.some(&model, entries),
                    Err(error) => this.cannot_list(model.path(), &error),
                }),
                Err(error) => self.cannot_list(&directory.path().join(name), &error),
            }
        }
        Ok(())
    }

    fn cannot_list(&mut self, path: &Path, error: &io::Error) {
        // Removed just now: not a problem.
        if error.kind() != io::ErrorKind::NotFound {
            self.problem(path, format!("cannot list it: {error}"));
        }
    }

    /// Runs `work` on a directory, with no more rights than its owner has.
    fn as_owner(&mut self, directory: &Directory, work: impl FnOnce(&mut Self)) {
        // A process that cleans on its own leaves other users' directories alone.
        let own = ProcessIdentity::this().uid();
        if self.cleaner.rules.only_of.is_some() && own == 0 && directory.stat().uid != own {
            return;
        }
        match AsOwner::of(directory) {
            Ok(_as_owner) => work(self),
            Err(error) => self.problem(directory.path(), format!("not cleaned: {error}")),
        }
    }

    /// Cleans some files of a model's directory.
    fn some(&mut self, directory: &Directory, entries: Entries) {
        let root = directory.path().parent().unwrap_or(directory.path());
        let mut doomed = Vec::new();
        for name in entries.files {
            match self.judge.file(directory, &name, root) {
                Ok(Some((file, _))) => doomed.push(file),
                Ok(None) | Err(Trouble::Gone) => {}
                Err(Trouble::Bad(problem)) => self.problem(&directory.path().join(name), problem),
            }
        }
        let making = (entries.making.iter())
            .filter_map(|name| self.judge.making(directory, name, root))
            .collect();
        if !self.cleaner.fold {
            self.remove(directory, doomed, Outcome::Removed);
        } else if self.cleaner.dry_run {
            self.remove(directory, doomed, Outcome::Folded);
        } else if !doomed.is_empty() {
            self.fold(directory, &doomed);
        }
        self.remove(directory, making, Outcome::Removed);
    }

    /// Removes files; on a dry run, reports that `outcome` would happen to them.
    fn remove(&mut self, directory: &Directory, files: Vec<Doomed>, outcome: Outcome) {
        for file in files {
            let path = directory.path().join(&file.name);
            let done = if self.cleaner.dry_run {
                Ok(())
            } else {
                file.remove(directory)
            };
            match done {
                Ok(()) => self.cleaned.files.push((path, outcome)),
                Err(error) => self.problem(&path, format!("cannot remove it: {error}")),
            }
        }
    }

    fn fold(&mut self, directory: &Directory, doomed: &[Doomed]) {
        let mut folding = Folding::default();
        let result = fold(directory, doomed, &self.patience, &mut folding);
        let path = |name: &OsStr| directory.path().join(name);
        for name in folding.folded {
            self.cleaned.files.push((path(&name), Outcome::Folded));
        }
        for (name, problem) in folding.kept {
            self.problem(&path(&name), format!("not folded: {problem}"));
        }
        if let Err(error) = result {
            self.problem(directory.path(), error.to_string());
        }
    }
}
