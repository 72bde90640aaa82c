//! The files of a process: one for each model, which all of its threads write.
//!
//! Only gauges are in them: a word each, set by a store and changed by an exchange (`format::level`). Each process, in
//! forks, has files of its own.

use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::ended::{self, EndingMetric};
use super::home::{Home, Refusal, Spec};
use super::others::{self, Others};
use super::table;
#[cfg(feature = "metrics")]
use crate::format::description::Description;
use crate::format::generation::is_there;
use crate::format::labels::Labels;
use crate::format::scalar::Scalar;
use crate::metric::gauge::Numeric;
use crate::sync::{AtomicU64, FIND, PUBLISH, told_before_looking};
use crate::sys::lifecycle::idle::Place;
use crate::sys::lifecycle::report;
use crate::sys::lifecycle::thread_root;
use crate::sys::memory::append_list::AppendList;
use crate::sys::process::fork;
use crate::sys::process::own_lock::OwnLock;
use crate::writer::{Lasts, Writer, WrittenBy};
use crate::{Error, Gauge};

/// Where a gauge finds its word: found once in each process.
pub struct Level(AtomicPtr<GaugeWord>);

/// The word of a gauge in a process, in forks.
pub struct GaugeWord {
    /// [`fork::generation`] of the process, or [`ENDED`].
    generation: AtomicU64,
    word: &'static AtomicU64,
    /// Where it is, if it can end. Used under MAKING.
    ends: Option<Ends>,
}

// SAFETY: `ends` is only used by who holds MAKING, and a `Writer` is `Send`; all else is atomic.
unsafe impl Sync for GaugeWord {}

/// The file of a gauge that can end, and the offset of its block.
struct Ends {
    process: u64,
    file: &'static Writer,
    block: u32,
}

/// No process's generation.
const ENDED: u64 = u64::MAX;

impl Level {
    /// Not found yet.
    pub const fn new() -> Level {
        Level(AtomicPtr::new(ptr::null_mut()))
    }

    /// The word, if there is one in this process.
    #[inline(always)]
    pub fn known(&self) -> Option<&'static AtomicU64> {
        // Who finds it sees what it is.
        let found = self.0.load(FIND);
        // SAFETY: null, or from `Box::leak` in `make`.
        let found = unsafe { found.as_ref() }?;
        // That of another generation is the parent's, and private memory here.
        // Pairs with the PUBLISH where a gauge that had ended begins anew.
        let generation = found.generation.load(FIND);
        (generation == fork::generation()).then_some(found.word)
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
            // SAFETY: under MAKING.
            MAKING.with(|| unsafe { self.make_under_lock::<T>(spec) })
        })??;
        // Only now: a logger may use the gauge itself.
        report::tell_all();
        if let Some(refusal) = refusal {
            refusal.report();
        }
        Some(word)
    }

    /// The word; and why it is one that nobody sees, if it is. `None`: not now, since its file is being appended to.
    ///
    /// # Safety
    /// The calling thread holds MAKING.
    unsafe fn make_under_lock<T: Numeric>(
        &self,
        spec: Spec,
    ) -> Option<(&'static AtomicU64, Option<Refusal>)> {
        if let Some(word) = self.known() {
            // Another thread was faster.
            return Some((word, None));
        }
        let process = fork::generation();
        // SAFETY: as in `known`.
        let found = unsafe { self.0.load(FIND).as_ref() };
        if let Some((found, ends)) = found.and_then(|found| Some((found, found.ends.as_ref()?)))
            && ends.process == process
        {
            if !ends.file.begin_anew(ends.block, None) {
                return None;
            }
            // Who finds the word sees the zero in it, and writes after that.
            found.generation.store(process, PUBLISH);
            // Since it has begun anew it can be ended, and who did so before this store has stored what it replaced.
            told_before_looking();
            // Relaxed: see `told_before_looking`.
            if !is_there(ends.file.generation(ends.block).load(Ordering::Relaxed)) {
                found.forget();
            }
            return Some((found.word, None));
        }
        // SAFETY: the caller's promise.
        let (word, ends, refused) = unsafe { word::<T>(spec) };
        let found: &GaugeWord = Box::leak(Box::new(GaugeWord {
            generation: AtomicU64::new(process),
            word,
            ends,
        }));
        // See `known`.
        self.0.store(ptr::from_ref(found).cast_mut(), PUBLISH);
        if let Some(Ends { file, block, .. }) = &found.ends {
            let metric = EndingMetric::Gauge(ptr::from_ref(found).addr());
            ended::add(metric, file.generation(*block), found);
        }
        Some((word, refused))
    }

    /// Ends the gauge in this process. Whether it was there.
    #[cfg(feature = "metrics")]
    pub fn end(&self) -> bool {
        // (Null is that of none.)
        ended::end(EndingMetric::Gauge(self.0.load(FIND).addr()))
    }
}

impl fmt::Debug for GaugeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GaugeWord").field(&self.word).finish()
    }
}

impl Place for GaugeWord {
    fn forget(&self) {
        // Pairs with the one in `make_under_lock`.
        told_before_looking();
        // Relaxed: nothing is read by it.
        self.generation.store(ENDED, Ordering::Relaxed);
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
struct ProcessFile {
    home: u32,
    generation: u64,
    /// `None`: there cannot be one, not even in private memory.
    writer: Option<(Writer, Others)>,
}

// SAFETY: files are only used under MAKING, by one thread at a time, and a `Writer` is `Send`. What others have of them
// are atomic words.
unsafe impl Sync for ProcessFile {}

static FILES: AppendList<ProcessFile> = AppendList::new();

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

/// The word of a metric in this process; where it is, if it can end; and why it is one that nobody sees, if it is.
///
/// # Safety
/// The calling thread holds MAKING.
unsafe fn word<T: Numeric>(mut spec: Spec) -> (&'static AtomicU64, Option<Ends>, Option<Refusal>) {
    let generation = fork::generation();
    let home = spec.home;
    spec.labels.sort();
    spec.other.sort();
    let is_same = |given: &&Given| {
        (given.home, given.generation, given.scalar) == (home.number, generation, T::SCALAR)
            && given.metric == spec.metric
            && given.labels == spec.labels
    };
    if let Some(given) = GIVEN.iter().find(is_same).filter(|_| home.has_statics) {
        return (given.word, None, None);
    }
    let (file, mut refused) = file(home, generation);
    // Never by the clock: a level that is set to what it was cannot be told from one that is not set.
    let lasts = match home.ends {
        Some(_) => Lasts::UntilEnded(None),
        None => Lasts::Always,
    };
    let add = |(file, others): &'static (Writer, Others)| {
        if spec.is_other() {
            return others.own(file, &spec).map(|gauge| (gauge, None));
        }
        others.keep::<Gauge<T>>(file, &spec);
        let (gauge, block) = file.add_labelled::<Gauge<T>>(spec.labelled(), lasts)?;
        let ends = matches!(lasts, Lasts::UntilEnded(_)).then_some(Ends {
            process: generation,
            file,
            block,
        });
        Ok((gauge, ends))
    };
    let unseen = || &*Box::leak(Box::new(AtomicU64::new(0)));
    let uncounted = |error| Refusal::new(home, spec.metric.clone(), error);
    let (word, ends, refusal) = match file.map(|file| (file, add(file))) {
        Some((_, Ok((gauge, ends)))) => (gauge.word(), ends, refused.map(uncounted)),
        Some(((file, others), Err(error))) if others::is_full(&error) => {
            match others.instead_of::<Gauge<T>>(file, &spec) {
                Ok(gauge) => {
                    let metric = spec.metric.clone();
                    let refusal = Refusal::counted(home, metric, error, file);
                    (gauge.word(), None, Some(refusal))
                }
                Err(error) => (unseen(), None, Some(uncounted(error))),
            }
        }
        failed => {
            refused = refused.or(failed.and_then(|(_, added)| added.err()));
            (unseen(), None, refused.map(uncounted))
        }
    };
    if home.has_statics {
        let given = Given {
            home: home.number,
            generation,
            metric: spec.metric,
            labels: spec.labels,
            scalar: T::SCALAR,
            word,
        };
        GIVEN.push_unless(given, |_, _| false);
    }
    (word, ends, refusal)
}

/// Says what metrics of a kind mean that have this label, and are in files already. False where that cannot be kept. To
/// be called within [`table::alone`].
#[cfg(feature = "metrics")]
pub fn describe(home: &'static Home, description: &Description) -> bool {
    MAKING.with(|| {
        let (file, _) = file(home, fork::generation());
        file.is_some_and(|(file, _)| file.describe(description))
    })
}

/// The file of a home in this process, or private memory; and why it is that. Under MAKING.
fn file(
    home: &'static Home,
    generation: u64,
) -> (Option<&'static (Writer, Others)>, Option<Error>) {
    let known = || {
        let mut files = FILES.iter();
        files.find(|file| (file.home, file.generation) == (home.number, generation))
    };
    let mut refused = None;
    if known().is_none() {
        // A test of one thread does not get what all threads write.
        let make = |builder: crate::Builder<_, _>| {
            thread_root::without(|| builder.make(WrittenBy::Process))
        };
        let made = make(home.builder.clone()).or_else(|error| {
            refused = Some(error);
            make(home.builder.clone().anonymous())
        });
        let with_others = |file: Writer| {
            let others = Others::of_process(&file);
            (file, others)
        };
        let file = ProcessFile {
            home: home.number,
            generation,
            writer: made.ok().map(with_others),
        };
        FILES.push_unless(file, |_, _| false);
    }
    (known().and_then(|file| file.writer.as_ref()), refused)
}
