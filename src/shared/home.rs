//! Where the files of shared metrics are: one model in one directory.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU32, Ordering};

use super::ended::Place;
use crate::Error;
use crate::format::labels::Labels;
use crate::sys::lifecycle::idle::Idle;
use crate::sys::lifecycle::report;
use crate::sys::memory::append_list::AppendList;
use crate::sys::memory::hashing;
use crate::writer::{Builder, Lasts, Procedural, Writer};

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
        // A recorder's metrics are in it as long as the process, wherever the recorder is.
        Box::leak(Box::new(Home::new(builder, false, ends)))
    }

    /// How long a metric of it lasts. `identity` is the same for it in all threads; `place` is where one of them finds it.
    pub fn lasts(&self, identity: impl Hash, place: Option<&'static Place>) -> Lasts {
        match self.ends {
            None => Lasts::Always,
            Some(0) => Lasts::UntilEnded(None),
            Some(nanos) => Lasts::UntilEnded(Some(Idle {
                key: hashing::shared_state().hash_one((self.number, identity)),
                nanos,
                place: place.map(|place| place as _),
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

/// Why a metric is not recorded.
#[derive(Debug)]
pub struct Refusal {
    home: &'static Home,
    metric: String,
    error: Error,
}

impl Refusal {
    /// Of a metric of this label.
    pub fn new(home: &'static Home, metric: String, error: Error) -> Refusal {
        Refusal {
            home,
            metric,
            error,
        }
    }

    /// Reports it once: for each metric where that is the cause, or for all where it is the file.
    pub fn report(&self) {
        let Refusal {
            home,
            metric,
            error,
        } = self;
        let model = home.builder.name();
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
    /// Its label.
    pub metric: String,
    /// Its unit, or nothing.
    pub unit: String,
    /// Its help text, or nothing.
    pub help: String,
    /// Its labels, in any order.
    pub labels: Labels,
}
