//! The end of recorders' metrics: they are removed, or nobody has written them for a time.
//!
//! Their handles live on, in any thread, and a write checks for nothing but its cell. So the cell is taken out of
//! the tables of all threads, or the word of a gauge out of its [`Level`](super::process::Level). The next write
//! finds none and takes the slow path, where the metric begins anew, at zero, in the place that it had. A write that
//! found its cell just before goes to a place that nobody reads.

#[cfg(feature = "metrics")]
use crate::format::generation;
#[cfg(feature = "metrics")]
use crate::sync::Ordering;
#[cfg(feature = "metrics")]
use crate::sys::lifecycle::ended_groups;
use crate::sys::lifecycle::idle::Place;
use crate::sys::memory::append_list::AppendList;
use crate::sys::memory::words::Word;
use crate::sys::process::fork;

/// Identifies a metric that can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndingMetric {
    /// The metric of this number, in the tables of threads.
    Numbered(usize),
    /// The gauge whose [`GaugeWord`](super::process::GaugeWord) is at this address.
    Gauge(usize),
}

/// A metric in a file that can end.
#[cfg_attr(
    not(feature = "metrics"),
    allow(dead_code, reason = "only a recorder ends metrics")
)]
struct Ending {
    generation: Word,
    metric: EndingMetric,
    /// The generation of the process that it belongs to.
    process: u64,
    place: &'static dyn Place,
}

// SAFETY: the word is in a file that is never unmapped, like all files of shared metrics, and it is only used
// atomically.
unsafe impl Send for Ending {}
// SAFETY: as above.
unsafe impl Sync for Ending {}

/// All metrics that can end in this process (and in those that it was forked from): one entry for each metric in
/// each file.
static ENDINGS: AppendList<Ending> = AppendList::new();

/// Adds a metric, whose file is never dropped. `place` is where writers find it.
pub fn add(metric: EndingMetric, generation: Word, place: &'static dyn Place) {
    let ending = Ending {
        metric,
        generation,
        process: fork::generation(),
        place,
    };
    ENDINGS.push_unless(ending, |_, _| false);
}

/// Ends a metric in all files of this process. Returns whether it was there.
#[cfg(feature = "metrics")]
pub fn end(metric: EndingMetric) -> bool {
    let process = fork::generation();
    let mut any = false;
    let mut endings = ENDINGS.iter();
    while let Some(ending) =
        endings.find(|ending| (ending.process, ending.metric) == (process, metric))
    {
        // Relaxed: a thread that has begun the metric anew since then loses nothing that was written before.
        let known = ending.generation.load(Ordering::Relaxed);
        if generation::remove(&ending.generation, known) {
            any = true;
            ending.place.forget();
        }
    }
    if any {
        ended_groups::count();
    }
    any
}
