//! Status: where the statistics of this process go.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::sys::lifecycle::files;
use crate::sys::lifecycle::report;

/// Where the statistics of this process go: see [`status()`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Status {
    models: Vec<ModelStatus>,
}

/// Where the statistics of one model go.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ModelStatus {
    name: String,
    files: Vec<PathBuf>,
    problems: Vec<String>,
}

/// Returns each model of this process with its files, or the reason why it is not recorded.
///
/// A reason is also reported once, when it occurs: through the `log` crate, or as one line on stderr if no logger is
/// installed (`MMSTATS_QUIET=1` turns that off).
///
/// ```
/// # use mmstats::MmStats;
/// # #[derive(MmStats)] struct Web { requests: mmstats::Counter }
/// # let root = std::env::temp_dir().join(format!("mmstats-status-{}", std::process::id()));
/// let web = Web::builder().path(&root).create()?;
/// let status = mmstats::status();
/// let web_status = status.models().iter().find(|model| model.name() == "Web").unwrap();
/// assert_eq!(web_status.files(), [web.path().unwrap()]);
/// assert!(web_status.problems().is_empty());
/// println!("{status}");
/// # drop(web);
/// # std::fs::remove_dir_all(&root).unwrap();
/// # Ok::<(), mmstats::Error>(())
/// ```
///
/// Costs a few microseconds for each file.
#[must_use]
pub fn status() -> Status {
    let mut models: BTreeMap<String, ModelStatus> = BTreeMap::new();
    let mut of = |name: &str, change: &mut dyn FnMut(&mut ModelStatus)| {
        let model = models.entry(name.to_owned()).or_default();
        name.clone_into(&mut model.name);
        change(model);
    };
    for file in files::all() {
        let directory = file
            .path
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default();
        of(&directory.to_string_lossy(), &mut |model| {
            if file.inherited {
                model.problems.push(format!(
                    "{}: inherited in a fork: it counts in the parent only; call reopen() in the child",
                    file.path.display()
                ));
            } else {
                model.files.push(file.path.clone());
            }
        });
    }
    for report in report::all() {
        of(&report.model, &mut |model| {
            model.problems.push(report.text.to_string())
        });
    }
    let mut models: Vec<ModelStatus> = models.into_values().collect();
    for model in &mut models {
        model.files.sort();
        // The oldest first.
        model.problems.reverse();
    }
    Status { models }
}

impl Status {
    /// Returns the models, ordered by name. One without a name stands for the process as a whole.
    ///
    /// ```
    /// for model in mmstats::status().models() {
    ///     println!("{}: {} files", model.name(), model.files().len());
    /// }
    /// ```
    pub fn models(&self) -> &[ModelStatus] {
        &self.models
    }
}

impl ModelStatus {
    /// Returns the model's name, which is the name of its directory.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// # let root = tempfile::tempdir().unwrap();
    /// # let web = Web::builder().path(root.path()).create()?;
    /// assert_eq!(mmstats::status().models()[0].name(), "Web");
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its files in this process, one for each thread that has used it.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// # let root = tempfile::tempdir().unwrap();
    /// # let web = Web::builder().path(root.path()).create()?;
    /// assert_eq!(mmstats::status().models()[0].files(), [web.path().unwrap()]);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns the reasons why some or all of its values are not recorded, oldest first.
    ///
    /// ```
    /// for model in mmstats::status().models() {
    ///     for problem in model.problems() {
    ///         eprintln!("{}: {problem}", model.name());
    ///     }
    /// }
    /// ```
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Returns whether it has a file and no problem.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// # let root = tempfile::tempdir().unwrap();
    /// # let web = Web::builder().path(root.path()).create()?;
    /// assert!(mmstats::status().models()[0].is_recorded());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn is_recorded(&self) -> bool {
        !self.files.is_empty() && self.problems.is_empty()
    }
}

/// One line for each file and for each problem.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for model in &self.models {
            let name = if model.name.is_empty() {
                "(all)"
            } else {
                &model.name
            };
            for file in &model.files {
                writeln!(f, "{name}: {}", file.display())?;
            }
            for problem in &model.problems {
                writeln!(f, "{name}: {problem}")?;
            }
        }
        Ok(())
    }
}
