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

/// The name, and the value of each label, of what counts together because there is no place for more.
pub const OTHER: &str = "_other";

/// A model and what its files are to be. Lives as long as the process.
#[derive(Debug)]
pub struct Home {
    /// What tells it from others: a recorder has a home of its own, whatever its model is called.
    pub number: u32,
    /// Whether statics are there: several may be one metric.
    pub has_statics: bool,
    /// How long its metrics last: `None`, as long as the process; else until they are removed, or have not been written
    /// for so many nanoseconds (0: for ever).
    pub ends: Option<u64>,
    /// Makes its files.
    pub builder: Builder<Writer, Procedural>,
    /// The kind whose `_other` is called just so: that of the first one. (A list of one entry.)
    first_other: AppendList<&'static str>,
}

impl Home {
    /// One of its own.
    fn new(builder: Builder<Writer, Procedural>, has_statics: bool, ends: Option<u64>) -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Home {
            // Relaxed: only that it is another number each time.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            has_statics,
            ends,
            builder,
            first_other: AppendList::new(),
        }
    }

    /// The label of what metrics of a kind count under where there is no place for their names.
    pub fn other(&self, kind: &'static str) -> String {
        self.first_other.push_unless(kind, |_, _| true);
        match self.first_other.iter().next() {
            Some(first) if *first != kind => format!("{OTHER}.{kind}"),
            _ => OTHER.to_owned(),
        }
    }

    /// That of a recorder or a layer. Its files have space for thousands of distributions, unless another size is set.
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    pub fn own(
        mut builder: Builder<Writer, Procedural>,
        max_size: Option<usize>,
        ends: Option<u64>,
    ) -> &'static Home {
        use crate::sys::lifecycle::paths::Settings;
        /// Only addresses, until they are used.
        const MAX_SIZE: usize = 64 << 20;
        let default = Settings::get().max_size.is_none().then_some(MAX_SIZE);
        if let Some(bytes) = max_size.or(default) {
            builder = builder.max_size(bytes);
        }
        // A recorder's metrics are in it as long as the process, wherever the recorder is. In a list, so that leak
        // detectors see it.
        static OWN: AppendList<Home> = AppendList::new();
        let home = Home::new(builder, false, ends);
        let number = home.number;
        OWN.push_unless(home, |_, _| false);
        let mut homes = OWN.iter();
        (homes.find(|home| home.number == number)).expect("it was just added")
    }

    /// How long a metric of it lasts. `identity` is the same for it in all threads; `place` is where one of them finds it.
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

    /// That of the statics of a model.
    pub fn of(model: &str) -> &'static Home {
        static HOMES: AppendList<Home> = AppendList::new();
        let named = |home: &&Home| home.builder.name() == model;
        loop {
            if let Some(home) = HOMES.iter().find(named) {
                return home;
            }
            let home = Home::new(Writer::builder(model), true, None);
            // Not added: another thread was faster.
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
    /// Of a metric of this label, which nobody sees.
    pub fn new(home: &'static Home, metric: String, error: Error) -> Refusal {
        Refusal {
            home,
            metric,
            error,
            is_counted: false,
        }
    }

    /// Of one that counts under `_other`. Notes that in the file.
    pub fn counted(home: &'static Home, metric: String, error: Error, file: &Writer) -> Refusal {
        let problem = error.of_known_file();
        file.note_refusal(&format_args!(
            "{problem}; metrics that are new count under {OTHER:?}, {metric:?} first"
        ));
        Refusal {
            is_counted: true,
            ..Refusal::new(home, metric, error)
        }
    }

    /// Reports it once: for each metric where that is the cause, or for all where it is the file.
    pub fn report(&self) {
        let Refusal {
            home,
            metric,
            error,
            is_counted,
        } = self;
        let model = home.builder.name();
        if *is_counted {
            let text = format_args!(
                "{error}; metrics that are new count under {OTHER:?}, {metric:?} first"
            );
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

/// What a shared metric is in the files.
#[derive(Debug)]
pub struct Spec {
    /// Where.
    pub home: &'static Home,
    /// What its kind is called.
    pub kind: &'static str,
    /// Its label.
    pub metric: String,
    /// Its unit, or nothing.
    pub unit: String,
    /// Its help text, or nothing.
    pub help: String,
    /// Its labels, in any order.
    pub labels: Labels,
    /// The labels of what it counts under where there is no space for it; none if it has none.
    pub other: Labels,
}

impl Spec {
    /// What it is in a file.
    pub fn labelled(&self) -> SharedMetric<'_> {
        SharedMetric {
            label: &self.metric,
            labels: &self.labels,
            unit: &self.unit,
            help: &self.help,
        }
    }

    /// Whether it is what others count under.
    pub fn is_other(&self) -> bool {
        match self.labels.is_empty() {
            false => self.labels == self.other,
            true => self.metric.starts_with(OTHER) && self.metric == self.home.other(self.kind),
        }
    }
}

/// The same labels, each of which is `_other`.
pub fn all_other(labels: &Labels) -> Labels {
    let other = |(key, _): &(String, String)| (key.clone(), OTHER.to_owned());
    labels.iter().map(other).collect()
}
