//! What was read at one time: values by model and label, the files they came from, and what could not
//! be read.

mod file;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use self::file::File;
use super::plan::Plan;
use super::text::{matches, printable};
use crate::metric::Value;
use crate::metric::kind::code;
use crate::metric::window::{SUFFIX, WindowValue};
use crate::{Error, MmValue};

/// The values of all files at one time, merged: one per model and label.
///
/// It is plain data, `Send` and `Sync`, and has no connection with the files any more. Each value
/// is whole; values of different labels are of about the same time.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) path: PathBuf,
    pub(super) models: Vec<Model>,
    pub(super) files: Vec<File>,
    pub(super) errors: Vec<Problem>,
    pub(super) busy: Vec<(Arc<str>, Arc<str>)>,
    pub(super) rejected: u64,
}

/// One model: its merged stats and its files.
#[derive(Debug)]
pub struct Model {
    pub(super) name: Arc<str>,
    pub(super) processes: usize,
    pub(super) types: Vec<Arc<str>>,
    pub(super) stats: Vec<Stat>,
    pub(super) risen: Vec<Stat>,
    pub(super) files: Vec<usize>,
}

/// One label and its value.
pub struct Stat {
    label: Arc<str>,
    value: Value,
    plan: Arc<Plan>,
    metric: u32,
    window: Option<Box<WindowValue>>,
    exposed: OnceLock<Box<[(String, Value)]>>,
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

    /// The file that counts, if this one is nothing but a copy of it.
    pub fn copy_of(&self) -> Option<&Path> {
        self.copy_of.as_deref()
    }

    /// The file or directory. A name may have control characters in it:
    /// [`printable`](super::printable) it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it. Printable.
    pub fn error(&self) -> &str {
        &self.error
    }
}

impl Snapshot {
    /// What was read: the root, the model's directory or the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The models, by name.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The model of this name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        let index = self
            .models
            .binary_search_by(|model| (*model.name).cmp(name))
            .ok()?;
        Some(&self.models[index])
    }

    /// The value of a label of a model: `requests`; or something that a value exposes:
    /// `index.response_time.Percentile50th`, `pool.open`, or with a colon,
    /// `index.response_time:Percentile50th`; of errors `errors__all`. The exact label comes first.
    ///
    /// What a distribution exposes is computed at the first call that asks for it.
    pub fn get(&self, model: &str, label: &str) -> Option<&Value> {
        self.model(model)?.get(label)
    }

    /// A compound value as the struct that it was written from.
    ///
    /// # Errors
    /// [`Error::Value`] if there is no such label, it is no compound, its fields are not those of `T`, a
    /// merged field does not fit its type, or a file's part of it was too busy to be had now.
    pub fn compound<T: MmValue>(&self, model: &str, label: &str) -> Result<T, Error> {
        let fail = |problem: String| Error::Value {
            model: model.to_owned(),
            label: label.to_owned(),
            problem,
        };
        if self.is_busy(model, label) {
            return Err(fail(
                "written too fast to be had whole: try again".to_owned(),
            ));
        }
        match self.get(model, label) {
            None => Err(fail("there is no such label".to_owned())),
            Some(Value::Compound(compound)) => compound.to().map_err(fail),
            Some(other) => Err(fail(format!("it is a {}, not a compound", other.kind()))),
        }
    }

    /// All merged values, by model and label. What values expose beside themselves is not in it: see
    /// [`Value::expose`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        self.models.iter().flat_map(|model| {
            model
                .stats
                .iter()
                .map(move |stat| (&*model.name, &*stat.label, &stat.value))
        })
    }

    /// The labels that match a pattern, of all models, each once and sorted: `*` stands for any
    /// characters, dots included, `?` for one.
    pub fn labels(&self, pattern: &str) -> impl Iterator<Item = &str> {
        self.iter()
            .map(|(_, label, _)| label)
            .filter(|label| matches(pattern, label))
            .collect::<BTreeSet<_>>()
            .into_iter()
    }

    /// The files that were read, in the order of their creation.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// What could not be read, and why. It never keeps other files from being read.
    pub fn errors(&self) -> &[Problem] {
        &self.errors
    }

    /// Whether every value was had. If not, [`busy`](Self::busy) says which ones were not.
    pub fn is_whole(&self) -> bool {
        self.busy.is_empty()
    }

    /// Model and label of values that some file's writer changed too fast to be had whole. Such a
    /// file's part is that of an earlier snapshot, or is left out if there was none: never a torn one.
    pub fn busy(&self) -> impl Iterator<Item = (&str, &str)> {
        self.busy.iter().map(|(model, label)| (&**model, &**label))
    }

    /// How often a value had to be copied again because its writer was changing it.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    fn is_busy(&self, model: &str, label: &str) -> bool {
        self.busy().any(|busy| busy == (model, label))
    }
}

impl Model {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many processes made its files.
    pub fn processes(&self) -> usize {
        self.processes
    }

    /// The types that write it now, as paths in their programs, sorted: `app::Web`. If there are several, two
    /// models have one name and their values are mixed, or programs of two versions are running.
    pub fn types(&self) -> impl ExactSizeIterator<Item = &str> {
        self.types.iter().map(|path| &**path)
    }

    /// Its merged stats, by label.
    pub fn stats(&self) -> &[Stat] {
        &self.stats
    }

    /// What was counted since the snapshot before, by label, of what only rises: Counter, Timer,
    /// Percentile, Summary, Average, SamplingCounter and Errors. Of a Summary's interval the extremes
    /// are not known; the rate of a SamplingCounter is that of the last samples. Empty unless [`Reader::risen`](super::Reader::risen) was asked for; zeros in the
    /// first snapshot.
    ///
    /// It is added up file by file, so that files that come and go make it neither negative nor too
    /// large. What a file counted between the last snapshot and its end is not known unless it was
    /// folded into the retired file of its model.
    pub fn risen(&self) -> &[Stat] {
        &self.risen
    }

    /// Its files: their places in [`Snapshot::files`].
    pub fn files(&self) -> &[usize] {
        &self.files
    }

    /// As [`Snapshot::get`].
    pub fn get(&self, label: &str) -> Option<&Value> {
        lookup(&self.stats, label)
    }
}

impl Stat {
    pub(super) fn new(label: Arc<str>, value: Value, plan: &Arc<Plan>, metric: u32) -> Stat {
        Stat {
            label,
            value,
            plan: Arc::clone(plan),
            metric,
            window: None,
            exposed: OnceLock::new(),
        }
    }

    /// Its label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Of what it is a number, or empty. Of a timer: seconds, in which its exposed values are.
    pub fn unit(&self) -> &str {
        let schema = &self.plan.metrics[self.metric as usize].schema;
        if schema.kind == code::TIMER {
            "seconds"
        } else {
            &schema.unit
        }
    }

    /// What it means, or empty.
    pub fn help(&self) -> &str {
        &self.plan.metrics[self.metric as usize].schema.help
    }

    /// What was recorded in the last time, if the metric has a window.
    pub fn window(&self) -> Option<&WindowValue> {
        self.window.as_deref()
    }

    /// What its value and its window expose beside the value itself: name and value. Computed at the first
    /// call and kept, which takes some 100 bytes for each: of a compound with many numbers
    /// [`expose`](Self::expose) is the cheaper way.
    pub fn exposed(&self) -> &[(String, Value)] {
        self.exposed.get_or_init(|| {
            let mut exposed = Vec::new();
            self.expose(|name, value| exposed.push((name.to_owned(), value)));
            exposed.into()
        })
    }

    /// Calls `each` with name and value of everything that its value and its window expose beside the value
    /// itself. Nothing is kept.
    pub fn expose(&self, mut each: impl FnMut(&str, Value)) {
        self.value.expose(&mut each);
        if let Some(window) = &self.window {
            window.expose(&mut each);
        }
    }

    fn find_exposed(&self, name: &str) -> Option<&Value> {
        self.exposed()
            .iter()
            .find(|(exposed, _)| exposed == name)
            .map(|(_, value)| value)
    }
}

/// Takes the windows, which files have under labels of their own, to the stats that they belong to.
/// `belongs` says whether two of the stats, by number, a window and that of its label, can belong together;
/// one whose metric does not count is left out.
pub(super) fn with_windows(
    mut stats: Vec<Stat>,
    belongs: impl Fn(usize, usize) -> bool,
) -> Vec<Stat> {
    let mut windows = Vec::new();
    for (number, stat) in stats.iter().enumerate() {
        if let Value::Window(window) = &stat.value
            && let Some(label) = stat.label.strip_suffix(SUFFIX)
            && let Ok(of) = stats.binary_search_by(|stat| (*stat.label).cmp(label))
            && stats[of].value.kind() == window.value().kind()
            && belongs(number, of)
        {
            windows.push((of, window.clone()));
        }
    }
    for (of, window) in windows {
        stats[of].window = Some(window);
    }
    stats.retain(|stat| !matches!(stat.value, Value::Window(_)));
    stats
}

/// The value of a label among stats that are sorted by it.
fn lookup<'a>(stats: &'a [Stat], label: &str) -> Option<&'a Value> {
    let exact = |label: &str| {
        let index = stats
            .binary_search_by(|stat| (*stat.label).cmp(label))
            .ok()?;
        Some(&stats[index])
    };
    if let Some(stat) = exact(label) {
        return Some(&stat.value);
    }
    // The name of what is exposed may have dots of its own (an element of an array).
    [".", ":", "__"].into_iter().find_map(|separator| {
        label
            .rmatch_indices(separator)
            .find_map(|(at, _)| exact(&label[..at])?.find_exposed(&label[at + separator.len()..]))
    })
}
