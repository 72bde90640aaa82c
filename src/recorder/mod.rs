//! A recorder for the facade [`metrics`]: it writes what any crate records through the facade into stats files.
//!
//! ```no_run
//! mmstats::recorder::install()?;
//! metrics::counter!("requests", "path" => "/").increment(1);
//! metrics::gauge!("queue").set(7.0);
//! metrics::histogram!("latency").record(0.25);
//! # Ok::<(), mmstats::Error>(())
//! ```
//!
//! # How it works
//!
//! - A counter and a histogram have a cell in each thread, like a [`SharedCounter`](crate::SharedCounter): no lock, no
//!   shared cache line, and no allocation after the first write of a thread. A histogram is a
//!   [`Percentile<f64>`](crate::Percentile): its memory is bounded, whatever is recorded, and it needs no upkeep.
//! - A gauge is one word of the process, like a [`SharedGauge`](crate::SharedGauge): the last value that was set wins,
//!   and additions are exact.
//! - `counter!` and the other macros find their handle in a table of the thread.
//!
//! # What becomes of names
//!
//! The model is `metrics`, the name of a metric is its label, and labels are labels, in any order. If a counter and a
//! gauge have the same name, both are kept: the later one becomes `<name>.<kind>`, as in `requests.gauge`. What is
//! invalid in a name or label becomes `_`.
//!
//! The recorder [limits](Builder::max_label_sets) the number of metrics and of names. A metric beyond the limit, or for
//! which its file has no space (`MMSTATS_MAX_SIZE`, [`max_size`](Builder::max_size)), counts under its name with
//! `_other` as the value of each label. A metric without labels, and one whose name is beyond the limit, counts under
//! the name `_other`. What counts under `_other` does not end, and [`absolute`](metrics::Counter::absolute) compares
//! with the total of all that counts there.
//!
//! Units and descriptions may be set at any time. A file keeps those that were known when its thread (for a gauge, the
//! process) first wrote the metric; of several files the newest counts. A description that is set later goes into a
//! file of the process and overrides them; of several the latest counts.
//!
//! # What is refused
//!
//! A histogram counts a value that is not a finite number as rejected, and changes nothing else. In the child of a fork
//! everything begins at zero. Nothing is recorded while a thread is torn down, or in an allocator that is called
//! because a metric is being made.

mod cache;
mod handles;
mod registry;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Key, KeyName, Metadata, SharedString, Unit};

use crate::shared::{Home, alone};
use crate::writer::check_model;
use crate::{Counter, Error, Percentile, Writer};
use handles::{GaugeHandle, Handle};
use registry::{Kind, Registry};

/// The model's name, unless the builder sets another one.
const MODEL: &str = "metrics";

/// The most label sets, and the most names, of a recorder, unless the builder sets another limit.
const LABEL_SETS: usize = 10_000;

/// The times after which a metric may count as idle.
const IDLE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(168 * 3600);

/// Makes a [`Recorder`] for the model `metrics` and installs it for the whole program.
///
/// ```no_run
/// mmstats::recorder::install()?;
/// metrics::counter!("requests").increment(1);
/// # Ok::<(), mmstats::Error>(())
/// ```
///
/// # Errors
/// The program has a recorder already.
pub fn install() -> Result<(), Error> {
    Recorder::builder().build()?.install()
}

/// A recorder for [`metrics`]. Clones are the same recorder.
///
/// [`install`] makes one for the whole program. This type is for other recorders: with a name of their own, for
/// [`metrics::with_local_recorder`], or under the layers of `metrics-util`.
///
/// ```no_run
/// use mmstats::recorder::Recorder;
/// let recorder = Recorder::builder().model("my-app").path("/run/app").build()?;
/// metrics::with_local_recorder(&recorder, || metrics::counter!("requests").increment(1));
/// # Ok::<(), mmstats::Error>(())
/// ```
///
/// Files stay as long as the process, even if the recorder is dropped: its handles may be kept anywhere.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Registry>);

impl Recorder {
    /// Returns a builder: for the model `metrics` in the default root, unless it is changed.
    ///
    /// ```
    /// # use mmstats::recorder::Recorder;
    /// # let root = tempfile::tempdir().unwrap();
    /// let recorder = Recorder::builder().path(root.path()).build()?;
    /// metrics::with_local_recorder(&recorder, || metrics::counter!("requests").increment(1));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn builder() -> Builder {
        Builder {
            model: MODEL.to_owned(),
            path: None,
            max_size: None,
            label_sets: LABEL_SETS,
            idle: None,
        }
    }

    /// Ends the metrics of this key, of whatever kinds, in all threads of the process. Readers no longer see them, and
    /// what they counted is gone from the totals. Returns whether there was one.
    ///
    /// Handles stay valid. The next write through any of them begins the metric anew, at zero. What another thread
    /// writes at the very moment of the removal may be lost with what was there before.
    ///
    /// It visits the metrics of all threads, so it is not for a hot path. The metric keeps its place in the files, and
    /// still counts towards [the most label sets](Builder::max_label_sets).
    ///
    /// ```
    /// # use metrics::{Key, Label};
    /// # let root = std::env::temp_dir().join(format!("mmstats-doc-remove-{}", std::process::id()));
    /// let recorder = mmstats::recorder::Recorder::builder().path(&root).build()?;
    /// let handle = metrics::with_local_recorder(&recorder, || metrics::counter!("jobs", "queue" => "mail"));
    /// handle.increment(5);
    /// assert!(recorder.remove(&Key::from_parts("jobs", vec![Label::new("queue", "mail")])));
    /// handle.increment(1);
    /// # let snapshot = mmstats::reader::Reader::open(&root)?.snapshot()?;
    /// # std::fs::remove_dir_all(&root).unwrap();
    /// let jobs = snapshot.get("metrics", "jobs{queue=\"mail\"}");
    /// assert_eq!(jobs.and_then(|value| value.as_u64()), Some(1));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn remove(&self, key: &Key) -> bool {
        self.0.end(key)
    }

    fn describe(&self, kind: Kind, name: &KeyName, unit: Option<Unit>, help: &str) {
        // Not in an allocator that is called because something is being made.
        alone(|| self.0.describe(kind, name.as_str(), unit, help));
    }

    /// Installs the recorder for the whole program.
    ///
    /// ```
    /// # use mmstats::recorder::Recorder;
    /// # let root = tempfile::tempdir().unwrap();
    /// Recorder::builder().path(root.path()).build()?.install()?;
    /// metrics::counter!("requests").increment(1);
    /// assert!(mmstats::recorder::install().is_err()); // there is one
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// The program has one already.
    pub fn install(self) -> Result<(), Error> {
        let model = self.0.model().to_owned();
        metrics::set_global_recorder(self).map_err(|_| Error::Value {
            model,
            label: "recorder".to_owned(),
            problem: "the program has a recorder already: install only one".to_owned(),
        })
    }
}

/// Configures a [`Recorder`]; `.build()` makes it.
#[derive(Clone, Debug)]
#[must_use = "nothing is made before .build()"]
pub struct Builder {
    model: String,
    path: Option<PathBuf>,
    max_size: Option<usize>,
    label_sets: usize,
    idle: Option<Duration>,
}

impl Builder {
    /// Sets the model's name. Default: `metrics`.
    ///
    /// ```
    /// let recorder = mmstats::recorder::Recorder::builder().model("my-app").build()?;
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn model(mut self, name: impl Into<String>) -> Builder {
        self.model = name.into();
        self
    }

    /// Sets the root: files appear below it, in the directory with the model's name. Default: as for
    /// [`Builder::path`](crate::Builder::path) of a model.
    ///
    /// ```
    /// let recorder = mmstats::recorder::Recorder::builder().path("/run/app").build()?;
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn path(mut self, root: impl Into<PathBuf>) -> Builder {
        self.path = Some(root.into());
        self
    }

    /// Sets the most bytes of each file. Default: `MMSTATS_MAX_SIZE`, or else 64 MiB.
    ///
    /// ```
    /// let recorder = mmstats::recorder::Recorder::builder().max_size(16 << 20).build()?;
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn max_size(mut self, bytes: usize) -> Builder {
        self.max_size = Some(bytes);
        self
    }

    /// Sets how many metrics there may be, where each set of labels is one, and how many names. Further ones count
    /// under `_other`. Default: 10,000.
    ///
    /// ```
    /// let recorder = mmstats::recorder::Recorder::builder().max_label_sets(1000).build()?;
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn max_label_sets(mut self, most: usize) -> Builder {
        self.label_sets = most;
        self
    }

    /// Ends each counter and histogram that no thread has written for this time, as [`remove`](Recorder::remove) does.
    /// The time is one second to a week; a metric may end up to a quarter of it later. Gauges stay, because setting one
    /// to its present value cannot be told from not setting it. Default: all metrics stay as long as the process.
    ///
    /// A write costs the same. A thread of the process checks the metrics four times in this time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mmstats::recorder::Recorder;
    ///
    /// let recorder = Recorder::builder().idle(Duration::from_secs(600)).build()?;
    /// assert!(Recorder::builder().idle(Duration::ZERO).build().is_err());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn idle(mut self, after: Duration) -> Builder {
        self.idle = Some(after);
        self
    }

    /// Makes the recorder. Its files are created when something is recorded.
    ///
    /// ```
    /// use mmstats::recorder::Recorder;
    ///
    /// let recorder = Recorder::builder().build()?;
    /// assert!(Recorder::builder().model("a/b").build().is_err());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// The model's name cannot be the name of a directory, or the time after which metrics are idle is out of range.
    pub fn build(self) -> Result<Recorder, Error> {
        check_model(&self.model)?;
        if let Some(idle) = self.idle.filter(|idle| !IDLE.contains(idle)) {
            return Err(Error::Value {
                model: self.model,
                label: "idle".to_owned(),
                problem: format!("{idle:?} is not from 1 second to 168 hours"),
            });
        }
        // The names of the facade are complete, without the model's.
        let mut files = Writer::builder(&self.model).export("");
        if let Some(root) = self.path {
            files = files.path(root);
        }
        let idle = self.idle.map_or(0, |idle| idle.as_nanos() as u64);
        let home = Home::own(files, self.max_size, Some(idle));
        let registry = Registry::new(home, self.label_sets);
        Ok(Recorder(Arc::new(registry)))
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(Kind::Counter, &name, unit, &help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(Kind::Gauge, &name, unit, &help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(Kind::Histogram, &name, unit, &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let found = cache::handle::<Handle<Counter>>(&self.0, key);
        found.map_or(metrics::Counter::noop(), metrics::Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        let found = cache::handle::<GaugeHandle>(&self.0, key);
        found.map_or(metrics::Gauge::noop(), metrics::Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let found = cache::handle::<Handle<Percentile<f64>>>(&self.0, key);
        found.map_or(metrics::Histogram::noop(), metrics::Histogram::from_arc)
    }
}
