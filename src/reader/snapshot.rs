//! A snapshot: values by model and label, the files that they came from, and what could not be read.

mod file;
mod model;
mod series;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::file::File;
pub use self::model::{Model, Process};
pub use self::series::{Origin, Series};
use super::text::{matches, printable};
use crate::metric::Value;
use crate::{Error, MmValue};

/// The values of all files at one time, merged: one per model and label.
///
/// It is plain data, `Send` and `Sync`, and independent of the files. No value is torn. Values of different
/// labels were read at about the same time.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) path: PathBuf,
    pub(super) merged: Vec<Model>,
    /// The models that [`Per`](super::Per) keeps apart; `None` for `Per::Model`.
    pub(super) parts: Option<Vec<Model>>,
    pub(super) files: Vec<File>,
    pub(super) errors: Vec<Problem>,
    pub(super) busy: Vec<(Arc<str>, Arc<str>)>,
    pub(super) rejected: u64,
}

/// A file or directory that could not be read, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: PathBuf,
    error: String,
    copy_of: Option<Arc<Path>>,
}

impl Problem {
    pub(crate) fn new(path: &Path, error: impl Into<String>) -> Problem {
        Problem {
            path: path.to_owned(),
            error: printable(&error.into()).into_owned(),
            copy_of: None,
        }
    }

    /// A default root that cannot be used.
    pub(crate) fn of_root(error: Error) -> Problem {
        match error {
            Error::Directory { path, problem } => Problem::new(&path, problem),
            Error::Io {
                path,
                action,
                source,
            } => Problem::new(&path, format!("cannot {action}: {source}")),
            other => Problem::new(Path::new(""), other.to_string()),
        }
    }

    pub(super) fn copy(path: &Path, of: &Arc<Path>) -> Problem {
        let problem = format!(
            "a copy of {}: its values count once; remove one of the two",
            of.display()
        );
        Problem {
            copy_of: Some(Arc::clone(of)),
            ..Problem::new(path, problem)
        }
    }

    /// Returns the file that counts, if this one is a copy of it.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let root = tempfile::tempdir().unwrap();
    /// # let snapshot = Reader::open(root.path())?.snapshot()?;
    /// for problem in snapshot.errors() {
    ///     if let Some(counted) = problem.copy_of() {
    ///         println!("remove it, or {}", counted.display());
    ///     }
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn copy_of(&self) -> Option<&Path> {
        self.copy_of.as_deref()
    }

    /// Returns the file or directory. A name may contain control characters: escape it with
    /// [`printable`](super::printable) before you print it.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let root = tempfile::tempdir().unwrap();
    /// # let snapshot = Reader::open(root.path())?.snapshot()?;
    /// for problem in snapshot.errors() {
    ///     println!("{}", problem.path().display());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what is wrong with it. The text is printable.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let root = tempfile::tempdir().unwrap();
    /// # let snapshot = Reader::open(root.path())?.snapshot()?;
    /// for problem in snapshot.errors() {
    ///     println!("{}", problem.error());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn error(&self) -> &str {
        &self.error
    }
}

impl Snapshot {
    /// Drops the deltas of all models.
    #[cfg(feature = "push")]
    pub(crate) fn forget_deltas(&mut self) {
        let models = self
            .merged
            .iter_mut()
            .chain(self.parts.iter_mut().flatten());
        models.for_each(|model| model.deltas = Vec::new());
    }

    /// Returns the path that was read: the root, the model's directory or the file.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// assert!(snapshot.path().ends_with("every-kind.mmstats"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the models, by name, as [`Reader::per`](super::Reader::per) set. With
    /// [`Per::Process`](super::Per::Process) or [`Per::File`](super::Per::File) a model appears once for each
    /// process or file, in the order of their creation.
    ///
    /// ```no_run
    /// # let snapshot = mmstats::reader::Reader::open("/run/app")?.snapshot()?;
    /// for model in snapshot.models() {
    ///     for series in model.series() {
    ///         println!("{} {series}", model.name());
    ///     }
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn models(&self) -> &[Model] {
        self.parts.as_deref().unwrap_or(&self.merged)
    }

    /// Returns the models, each merged over all of its files, whatever [`Reader::per`](super::Reader::per)
    /// set. The methods that take a model's name use these: [`model`](Self::model), [`get`](Self::get) and so
    /// on.
    ///
    /// ```no_run
    /// use mmstats::reader::{Per, Reader};
    ///
    /// let snapshot = Reader::open("/run/app")?.per(Per::File).snapshot()?;
    /// for model in snapshot.merged() {
    ///     println!("{}: {} files", model.name(), model.files().len());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn merged(&self) -> &[Model] {
        &self.merged
    }

    /// Returns the values of one of the [`files`](Self::files) by itself; only with
    /// [`Per::File`](super::Per::File).
    ///
    /// ```no_run
    /// use mmstats::reader::{Per, Reader};
    ///
    /// let snapshot = Reader::open("/run/app")?.per(Per::File).snapshot()?;
    /// for file in snapshot.files() {
    ///     let requests = snapshot.of_file(file).and_then(|own| own.get("requests"));
    ///     println!("{}: {requests:?}", file.path().display());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn of_file(&self, file: &File) -> Option<&Model> {
        let own = self.parts.as_ref()?.get(file.part?)?;
        own.file()
            .is_some_and(|own| own.path() == file.path())
            .then_some(own)
    }

    /// Returns the model with this name, merged.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// assert_eq!(model.get("db.queries").and_then(|value| value.as_u64()), Some(1));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn model(&self, name: &str) -> Option<&Model> {
        let index = self
            .merged
            .binary_search_by(|model| (*model.name).cmp(name))
            .ok()?;
        Some(&self.merged[index])
    }

    /// Returns the value of a label of a model, such as `requests`, or of something that a value exposes:
    /// `index.response_time.Percentile50th`, `pool.open`, or with a colon,
    /// `index.response_time:Percentile50th`; for an error log `errors__all`. An exact label takes precedence.
    ///
    /// What a value exposes is computed at the first call that asks for it.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let requests = snapshot.get("every-kind", "requests");
    /// assert_eq!(requests.and_then(|value| value.as_u64()), Some(7));
    /// let median = snapshot.get("every-kind", "handler.index.response_time.Percentile50th");
    /// assert!(median.and_then(|value| value.as_f64()) > Some(0.016)); // seconds
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn get(&self, model: &str, label: &str) -> Option<&Value> {
        self.model(model)?.get(label)
    }

    /// Returns a compound value as the struct that it was written from.
    ///
    /// ```
    /// # use mmstats::{Compound, MmStats, MmValue};
    /// #[derive(Clone, Copy, Default, MmValue)]
    /// #[repr(C)]
    /// struct Pool { open: u32, idle: u32 }
    /// # #[derive(MmStats)] #[mmstats(name = "web")] struct Web { pool: Compound<Pool> }
    /// # let root = tempfile::tempdir().unwrap();
    /// # let web = Web::builder().path(root.path()).create()?;
    /// # web.pool.set(Pool { open: 7, idle: 2 });
    /// # let snapshot = mmstats::reader::Reader::open(root.path())?.snapshot()?;
    /// let pool: Pool = snapshot.compound("web", "pool")?;
    /// assert_eq!((pool.open, pool.idle), (7, 2));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Value`] if there is no such label, it is not a compound, its fields are not those of `T`, a
    /// merged field does not fit its type, or the value of some file was written too fast to be read.
    pub fn compound<T: MmValue>(&self, model: &str, label: &str) -> Result<T, Error> {
        let fail = |problem: String| Error::Value {
            model: model.to_owned(),
            label: label.to_owned(),
            problem,
        };
        if self.is_busy(model, label) {
            return Err(fail(
                "changes too fast to be read consistently; try again".to_owned(),
            ));
        }
        match self.get(model, label) {
            None => Err(fail("there is no such label".to_owned())),
            Some(Value::Compound(compound)) => compound.to().map_err(fail),
            Some(other) => Err(fail(format!("it is a {}, not a compound", other.kind()))),
        }
    }

    /// Returns all merged values, by model and label. What values expose beside themselves is not included:
    /// see [`Value::expose`].
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// assert!(snapshot.iter().any(|(model, label, _)| (model, label) == ("every-kind", "requests")));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        self.merged.iter().flat_map(|model| {
            (model.series().iter())
                .map(move |series| (model.name(), series.label(), series.value()))
        })
    }

    /// Returns the labels of all models that match a pattern, sorted and each once. In a pattern `*` matches
    /// any characters, including dots, and `?` matches one.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let labels: Vec<&str> = snapshot.labels("handler.*.response_ok").collect();
    /// assert_eq!(labels[1], "handler.index.response_ok");
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn labels(&self, pattern: &str) -> impl Iterator<Item = &str> {
        self.iter()
            .map(|(_, label, _)| label)
            .filter(|label| matches(pattern, label))
            .collect::<BTreeSet<_>>()
            .into_iter()
    }

    /// Returns the files that were read, in the order of their creation.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// assert_eq!((snapshot.files().len(), snapshot.files()[0].pid()), (1, 812));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Returns what could not be read, and why. A problem never prevents other files from being read.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// for problem in snapshot.errors() {
    ///     eprintln!("{}: {}", problem.path().display(), problem.error());
    /// }
    /// assert!(snapshot.errors().is_empty());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn errors(&self) -> &[Problem] {
        &self.errors
    }

    /// Returns whether every value was read consistently. If not, [`busy`](Self::busy) returns those that
    /// were not.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// assert!(snapshot.is_whole());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn is_whole(&self) -> bool {
        self.busy.is_empty()
    }

    /// Returns model and label of each value that a writer changed too fast to be read whole in some file.
    /// The value of that file is the one of an earlier snapshot, or is left out if there is none. It is never
    /// torn.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// for (model, label) in snapshot.busy() {
    ///     eprintln!("{model}: {label} is written too fast to be read");
    /// }
    /// assert_eq!(snapshot.busy().count(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn busy(&self) -> impl Iterator<Item = (&str, &str)> {
        self.busy.iter().map(|(model, label)| (&**model, &**label))
    }

    /// Returns how often a value had to be copied again because its writer was changing it.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// assert_eq!(snapshot.rejected(), 0); // nobody writes it
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    fn is_busy(&self, model: &str, label: &str) -> bool {
        self.busy().any(|busy| busy == (model, label))
    }
}

/// Returns the value of a label among series that are sorted by label.
fn lookup<'a>(all: &'a [Series], label: &str) -> Option<&'a Value> {
    let exact = |label: &str| {
        let index = all
            .binary_search_by(|series| series.label().cmp(label))
            .ok()?;
        Some(&all[index])
    };
    if let Some(series) = exact(label) {
        return Some(series.value());
    }
    // The name of an exposed value may itself contain dots (an element of an array).
    [".", ":", "__"].into_iter().find_map(|separator| {
        label
            .rmatch_indices(separator)
            .find_map(|(at, _)| exact(&label[..at])?.find_exposed(&label[at + separator.len()..]))
    })
}
