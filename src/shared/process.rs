//! The files of a process: one for each model, which all of its threads write.
//!
//! Only gauges are in them: a word each, set by a store and changed by an exchange (`format::level`). Each process, in
//! forks, has files of its own.

use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::home::{Home, Refusal, Spec};
use super::table;
#[cfg(feature = "metrics")]
use crate::format::description::Description;
use crate::format::labels::Labels;
use crate::format::scalar::Scalar;
use crate::metric::gauge::Numeric;
use crate::sync::AtomicU64;
use crate::sys::lifecycle::paths::Settings;
use crate::sys::memory::append_list::AppendList;
use crate::sys::process::fork;
use crate::sys::process::own_lock::OwnLock;
use crate::writer::{Writer, WrittenBy};
use crate::{Error, Gauge};

/// Where a gauge finds its word: found once in each process.
pub struct Level(AtomicPtr<Found>);

/// The word of a gauge in a process, in forks.
struct Found {
    generation: u64,
    word: &'static AtomicU64,
}

impl Level {
    /// Not found yet.
    pub const fn new() -> Level {
        Level(AtomicPtr::new(ptr::null_mut()))
    }

    /// The word, if there is one in this process.
    #[inline(always)]
    pub fn known(&self) -> Option<&'static AtomicU64> {
        // Acquire: who finds it sees what it is.
        let found = self.0.load(Ordering::Acquire);
        // SAFETY: null, or from `Box::leak` in `make`.
        let found = unsafe { found.as_ref() }?;
        // That of another generation is the parent's, and private memory here.
        (found.generation == fork::generation()).then_some(found.word)
    }

    /// The word, made if it is new. `None`: not now, since this thread is just making something.
    #[inline(always)]
    pub fn word<T: Numeric>(&self, spec: impl FnOnce() -> Spec) -> Option<&'static AtomicU64> {
        match self.known() {
            Some(word) => Some(word),
            None => self.make::<T>(spec),
        }
    }

    #[cold]
    #[inline(never)]
    fn make<T: Numeric>(&self, spec: impl FnOnce() -> Spec) -> Option<&'static AtomicU64> {
        let (word, refusal) = table::alone(|| {
            let spec = spec();
            let (home, metric) = (spec.home, spec.metric.clone());
            let (word, refused) = MAKING.with(|| match self.known() {
                // Another thread was faster.
                Some(word) => (word, None),
                None => {
                    // SAFETY: under MAKING.
                    let (word, refused) = unsafe { word::<T>(spec) };
                    let generation = fork::generation();
                    let found = Box::leak(Box::new(Found { generation, word }));
                    // Release: see `known`.
                    self.0.store(found, Ordering::Release);
                    (word, refused)
                }
            });
            let refusal = refused.map(|error| Refusal::new(home, metric, error));
            (word, refusal)
        })?;
        // Only now: a logger may use the gauge itself.
        Settings::report_problems();
        if let Some(refusal) = refusal {
            refusal.report();
        }
        Some(word)
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Level").field(&self.known()).finish()
    }
}

/// Held by who makes a file or a word. The lists below are whole at any time, for the child of a fork.
static MAKING: OwnLock = OwnLock::new();

/// The file of a model in a process.
struct File {
    home: u32,
    generation: u64,
    /// `None`: there cannot be one, not even in private memory.
    writer: Option<Writer>,
}

// SAFETY: files are only used under MAKING, by one thread at a time, and a `Writer` is `Send`. What others have of them
// are atomic words.
unsafe impl Sync for File {}

static FILES: AppendList<File> = AppendList::new();

/// The word of a static, for others of the same identity.
struct Given {
    home: u32,
    generation: u64,
    metric: String,
    labels: Labels,
    scalar: Scalar,
    word: &'static AtomicU64,
}

static GIVEN: AppendList<Given> = AppendList::new();

/// The word of a metric in this process; and why it is one that nobody sees, if it is.
///
/// # Safety
/// The calling thread holds MAKING.
unsafe fn word<T: Numeric>(spec: Spec) -> (&'static AtomicU64, Option<Error>) {
    let generation = fork::generation();
    let Spec {
        home,
        metric,
        unit,
        help,
        mut labels,
    } = spec;
    labels.sort();
    let is_same = |given: &&Given| {
        (given.home, given.generation, given.scalar) == (home.number, generation, T::SCALAR)
            && given.metric == metric
            && given.labels == labels
    };
    if let Some(given) = GIVEN.iter().find(is_same).filter(|_| home.has_statics) {
        return (given.word, None);
    }
    let (file, mut refused) = file(home, generation);
    let add = |file: &'static Writer| {
        file.add_labelled::<Gauge<T>>(labels.clone(), &metric, &unit, &help)
    };
    let word = match file.map(add) {
        Some(Ok(gauge)) => gauge.word(),
        failed => {
            refused = refused.or(failed.and_then(Result::err));
            Box::leak(Box::new(AtomicU64::new(0)))
        }
    };
    if home.has_statics {
        let given = Given {
            home: home.number,
            generation,
            metric,
            labels,
            scalar: T::SCALAR,
            word,
        };
        GIVEN.push_unless(given, |_, _| false);
    }
    (word, refused)
}

/// Says what metrics of a kind mean that have this label, and are in files already. False where that cannot be kept. To
/// be called within [`table::alone`].
#[cfg(feature = "metrics")]
pub fn describe(home: &'static Home, description: &Description) -> bool {
    MAKING.with(|| {
        let (file, _) = file(home, fork::generation());
        file.is_some_and(|file| file.describe(description))
    })
}

/// The file of a home in this process, or private memory; and why it is that. Under MAKING.
fn file(home: &'static Home, generation: u64) -> (Option<&'static Writer>, Option<Error>) {
    let known = || {
        let mut files = FILES.iter();
        files.find(|file| (file.home, file.generation) == (home.number, generation))
    };
    let mut refused = None;
    if known().is_none() {
        let make = |builder: crate::Builder<_, _>| builder.make(WrittenBy::Process);
        let made = make(home.builder.clone()).or_else(|error| {
            refused = Some(error);
            make(home.builder.clone().anonymous())
        });
        let file = File {
            home: home.number,
            generation,
            writer: made.ok(),
        };
        FILES.push_unless(file, |_, _| false);
    }
    (known().and_then(|file| file.writer.as_ref()), refused)
}
