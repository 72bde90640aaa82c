//! The files of a process: one for each model, which all of its threads write.
//!
//! Only gauges are in them: a word each, set by a store and changed by a compare-and-exchange (`format::level`). The
//! child of a fork has files of its own.

use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::ended::{self, EndingMetric};
use super::home::{Home, Refusal, Spec};
use super::others::{self, OtherMetrics};
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
use crate::writer::{Lifetime, Writer, WrittenBy};
use crate::{Error, Gauge};

/// Where a gauge finds its word, which is looked up once in each process.
pub struct Level(AtomicPtr<GaugeWord>);

/// The word of a gauge in one process.
pub struct GaugeWord {
    /// [`fork::generation`] of the process, or [`ENDED`].
    generation: AtomicU64,
    word: &'static AtomicU64,
    /// Where it is, if it can end. Used only under MAKING.
    ends: Option<EndableGauge>,
}

// SAFETY: `ends` is only used by a thread that holds MAKING, and a `Writer` is `Send`. Everything else is atomic or
// never changes.
unsafe impl Sync for GaugeWord {}

/// The file of a gauge that can end, and the offset of its block.
struct EndableGauge {
    process: u64,
    file: &'static Writer,
    block: u32,
}

/// The generation of no process.
const ENDED: u64 = u64::MAX;

impl Level {
    /// A place whose word has not been looked up yet.
    pub const fn new() -> Level {
        Level(AtomicPtr::new(ptr::null_mut()))
    }

    /// Returns the word, if there is one in this process.
    #[inline(always)]
    pub fn known(&self) -> Option<&'static AtomicU64> {
        // A thread that finds it sees what is in it.
        let found = self.0.load(FIND);
        // SAFETY: null, or from `Box::leak` in `make`.
        let found = unsafe { found.as_ref() }?;
        // A word of another generation is the parent's, and private memory here. The load pairs with the PUBLISH
        // where a gauge that had ended begins anew.
        let generation = found.generation.load(FIND);
        (generation == fork::generation()).then_some(found.word)
    }

    /// Returns the word, and makes it if it is new. Returns `None` if that cannot be done now, because this thread
    /// is already making something or the file is being appended to.
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

    /// Returns the word and, if it is not recorded under its own name, the reason. Returns `None` if that cannot be
    /// done now, because its file is being appended to.
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
            // A thread that finds the word sees the zero in it, and writes after that.
            found.generation.store(process, PUBLISH);
            // As soon as it has begun anew it can be ended again. If a thread did so before this store, this store
            // has replaced what that thread stored.
            told_before_looking();
            // Relaxed: see `told_before_looking`.
            if !is_there(ends.file.generation(ends.block).load(Ordering::Relaxed)) {
                found.forget();
            }
            return Some((found.word, None));
        }
        // SAFETY: the caller holds MAKING.
        let (word, ends, refused) = unsafe { word::<T>(spec) };
        let found: &GaugeWord = Box::leak(Box::new(GaugeWord {
            generation: AtomicU64::new(process),
            word,
            ends,
        }));
        // See `known`.
        self.0.store(ptr::from_ref(found).cast_mut(), PUBLISH);
        if let Some(EndableGauge { file, block, .. }) = &found.ends {
            let metric = EndingMetric::Gauge(ptr::from_ref(found).addr());
            ended::add(metric, file.generation(*block), found);
        }
        Some((word, refused))
    }

    /// Ends the gauge in this process. Returns whether it was there.
    #[cfg(feature = "metrics")]
    pub fn end(&self) -> bool {
        // (Null is the address of none.)
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
        // Relaxed: nothing is read that depends on this store.
        self.generation.store(ENDED, Ordering::Relaxed);
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Level").field(&self.known()).finish()
    }
}

/// Held by a thread that makes a file or a word. The lists below are whole at any time, for the child of a fork.
static MAKING: OwnLock = OwnLock::new();

/// The file of a model in a process.
struct ProcessFile {
    home: u32,
    generation: u64,
    /// `None` if there cannot be one, not even in private memory.
    writer: Option<(Writer, OtherMetrics)>,
}

// SAFETY: files are only used under MAKING, by one thread at a time, and a `Writer` is `Send`. Other threads have
// only atomic words of them.
unsafe impl Sync for ProcessFile {}

static FILES: AppendList<ProcessFile> = AppendList::new();

/// The word of a static, for other statics of the same identity.
struct StaticWord {
    home: u32,
    generation: u64,
    metric: String,
    labels: Labels,
    scalar: Scalar,
    word: &'static AtomicU64,
}

static GIVEN: AppendList<StaticWord> = AppendList::new();

/// Returns the word of a metric in this process; where it is, if it can end; and the reason, if it is not recorded
/// under its own name.
///
/// # Safety
/// The calling thread holds MAKING.
unsafe fn word<T: Numeric>(
    mut spec: Spec,
) -> (&'static AtomicU64, Option<EndableGauge>, Option<Refusal>) {
    let generation = fork::generation();
    let home = spec.home;
    spec.labels.sort();
    spec.other.sort();
    let is_same = |given: &&StaticWord| {
        (given.home, given.generation, given.scalar) == (home.number, generation, T::SCALAR)
            && given.metric == spec.metric
            && given.labels == spec.labels
    };
    if let Some(given) = GIVEN.iter().find(is_same).filter(|_| home.has_statics) {
        return (given.word, None, None);
    }
    let (file, mut refused) = file(home, generation);
    // Never by the clock: setting a level to the value that it has leaves no trace.
    let lasts = match home.ends {
        Some(_) => Lifetime::UntilEnded(None),
        None => Lifetime::Always,
    };
    let add = |(file, others): &'static (Writer, OtherMetrics)| {
        if spec.is_other() {
            return others.own(file, &spec).map(|gauge| (gauge, None));
        }
        others.keep::<Gauge<T>>(file, &spec);
        let (gauge, block) = file.add_labelled::<Gauge<T>>(spec.labelled(), lasts)?;
        let ends = matches!(lasts, Lifetime::UntilEnded(_)).then_some(EndableGauge {
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
        let given = StaticWord {
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

/// Says what metrics of a kind and label mean that are already in files. Returns false if that cannot be kept. To be
/// called within [`table::alone`].
#[cfg(feature = "metrics")]
pub fn describe(home: &'static Home, description: &Description) -> bool {
    MAKING.with(|| {
        let (file, _) = file(home, fork::generation());
        file.is_some_and(|(file, _)| file.describe(description))
    })
}

/// Returns the file of a home in this process, or private memory and the reason for it. To be called under MAKING.
fn file(
    home: &'static Home,
    generation: u64,
) -> (Option<&'static (Writer, OtherMetrics)>, Option<Error>) {
    let known = || {
        let mut files = FILES.iter();
        files.find(|file| (file.home, file.generation) == (home.number, generation))
    };
    let mut refused = None;
    if known().is_none() {
        // The root of one thread's test does not get what all threads write.
        let make = |builder: crate::Builder<_, _>| {
            thread_root::without(|| builder.make(WrittenBy::Process))
        };
        let made = make(home.builder.clone()).or_else(|error| {
            refused = Some(error);
            make(home.builder.clone().anonymous())
        });
        let with_others = |file: Writer| {
            let others = OtherMetrics::of_process(&file);
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
