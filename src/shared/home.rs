//! Where the files of shared metrics are: one model in one directory.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Error;
use crate::format::labels::Labels;
use crate::sys::lifecycle::idle::{Idle, Place};
use crate::sys::lifecycle::report;
use crate::sys::memory::append_list::AppendList;
use crate::sys::memory::hashing;
use crate::writer::{Builder, Lasts, Procedural, SharedMetric, Writer};

/// The name, and the value of each label, of metrics that count together because there is no space for more.
pub const OTHER: &str = "_other";

/// A model and the settings of its files. Lives as long as the process.
#[derive(Debug)]
pub struct Home {
    /// Identifies it: a recorder has a home of its own, whatever its model is called.
    pub number: u32,
    /// Whether its metrics are statics, of which several may be one metric.
    pub has_statics: bool,
    /// How long its metrics last. `None`: as long as the process. Otherwise until they are removed, or have not been
    /// written for this many nanoseconds (0: they never become idle).
    pub ends: Option<u64>,
    /// Makes its files.
    pub builder: Builder<Writer, Procedural>,
    /// The kind whose `_other` has just this name: the first kind that needed one. (A list of one entry.)
    first_other: AppendList<&'static str>,
}

impl Home {
    /// Makes a home with a number of its own.
    fn new(builder: Builder<Writer, Procedural>, has_statics: bool, ends: Option<u64>) -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Home {
            // Relaxed: it only matters that each number is different.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            has_statics,
            ends,
            builder,
            first_other: AppendList::new(),
        }
    }

    /// Returns the label under which metrics of a kind count if there is no space for their names.
    pub fn other(&self, kind: &'static str) -> String {
        self.first_other.push_unless(kind, |_, _| true);
        match self.first_other.iter().next() {
            Some(first) if *first != kind => format!("{OTHER}.{kind}"),
            _ => OTHER.to_owned(),
        }
    }

    /// Makes the home of a recorder or a layer. Its files have space for thousands of distributions, unless another
    /// size is set.
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    pub fn own(
        mut builder: Builder<Writer, Procedural>,
        max_size: Option<usize>,
        ends: Option<u64>,
    ) -> &'static Home {
        use crate::sys::lifecycle::paths::Settings;
        /// Only address space, until it is used.
        const MAX_SIZE: usize = 64 << 20;
        let default = Settings::get().max_size.is_none().then_some(MAX_SIZE);
        if let Some(bytes) = max_size.or(default) {
            builder = builder.max_size(bytes);
        }
        // A recorder's metrics are in it as long as the process lives, wherever the recorder is. It is in a list, so
        // that leak detectors see it.
        static OWN: AppendList<Home> = AppendList::new();
        let home = Home::new(builder, false, ends);
        let number = home.number;
        OWN.push_unless(home, |_, _| false);
        let mut homes = OWN.iter();
        (homes.find(|home| home.number == number)).expect("it was just added")
    }

    /// Returns how long one of its metrics lasts. `identity` is the same for the metric in all threads; `place` is
    /// where one of them finds it.
    pub fn lasts(&self, identity: impl Hash, place: Option<&'static dyn Place>) -> Lasts {
        match self.ends {
            None => Lasts::Always,
            Some(0) => Lasts::UntilEnded(None),
            Some(nanos) => Lasts::UntilEnded(Some(Idle {
                key: hashing::shared_state().hash_one((self.number, identity)),
                nanos,
                place,
            })),
        }
    }

    /// Returns the home of a model's statics.
    pub fn of(model: &str) -> &'static Home {
        static HOMES: AppendList<Home> = AppendList::new();
        let named = |home: &&Home| home.builder.name() == model;
        loop {
            if let Some(home) = HOMES.iter().find(named) {
                return home;
            }
            let home = Home::new(Writer::builder(model), true, None);
            // If it is not added, another thread was faster.
            HOMES.push_unless(home, |a, b| a.builder.name() == b.builder.name());
        }
    }
}

/// Why a metric is not recorded, or not under its own name.
#[derive(Debug)]
pub struct Refusal {
    home: &'static Home,
    metric: String,
    error: Error,
    /// Whether it counts under `_other`.
    is_counted: bool,
}

impl Refusal {
    /// The refusal of a metric with this label, which no reader sees.
    pub fn new(home: &'static Home, metric: String, error: Error) -> Refusal {
        Refusal {
            home,
            metric,
            error,
            is_counted: false,
        }
    }

    /// The refusal of a metric that counts under `_other`. Notes that in the file.
    pub fn counted(home: &'static Home, metric: String, error: Error, file: &Writer) -> Refusal {
        let problem = error.of_known_file();
        file.note_refusal(&format_args!(
            "{problem}; new metrics count under {OTHER:?}; the first is {metric:?}"
        ));
        Refusal {
            is_counted: true,
            ..Refusal::new(home, metric, error)
        }
    }

    /// Reports it once: for each metric if the metric is the cause, or for all if the file is.
    pub fn report(&self) {
        let Refusal {
            home,
            metric,
            error,
            is_counted,
        } = self;
        let model = home.builder.name();
        if *is_counted {
            let text =
                format_args!("{error}; new metrics count under {OTHER:?}; the first is {metric:?}");
            return report::once(model, "full", &text);
        }
        match error {
            Error::Name { .. } | Error::DuplicateLabel { .. } => {
                let text = format_args!("{error}; what {metric:?} counts is not recorded");
                report::once(model, &format!("metric {metric}"), &text);
            }
            _ => {
                let text = format_args!("{error}; what it counts is not recorded");
                report::once(model, "no file", &text);
            }
        }
    }
}

/// The description of a shared metric in the files.
#[derive(Debug)]
pub struct Spec {
    /// Where its files are.
    pub home: &'static Home,
    /// The name of its kind.
    pub kind: &'static str,
    /// Its label.
    pub metric: String,
    /// Its unit; may be empty.
    pub unit: String,
    /// Its help text; may be empty.
    pub help: String,
    /// Its labels, in any order.
    pub labels: Labels,
    /// The labels under which it counts if there is no space for it; empty if it has no labels.
    pub other: Labels,
}

impl Spec {
    /// Returns its description for a file.
    pub fn labelled(&self) -> SharedMetric<'_> {
        SharedMetric {
            label: &self.metric,
            labels: &self.labels,
            unit: &self.unit,
            help: &self.help,
        }
    }

    /// Returns whether it is a metric under which others count.
    pub fn is_other(&self) -> bool {
        match self.labels.is_empty() {
            false => self.labels == self.other,
            true => self.metric.starts_with(OTHER) && self.metric == self.home.other(self.kind),
        }
    }
}

/// Returns the same labels, with `_other` as the value of each.
pub fn all_other(labels: &Labels) -> Labels {
    let other = |(key, _): &(String, String)| (key.clone(), OTHER.to_owned());
    labels.iter().map(other).collect()
}
