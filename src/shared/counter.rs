//! SharedCounter: a counter in a static.

use super::statics::{Static, StaticDescription, constructors, unit};
use super::table::{self, Shared};
use crate::Counter;
use crate::sys::process::own_lock::OwnLock;

/// A [`Counter`] for any thread, in a static.
///
/// ```no_run
/// use mmstats::SharedCounter;
///
/// static HITS: SharedCounter = SharedCounter::new("cache", "hits").help("Lookups answered from memory.");
///
/// HITS.inc();
/// ```
///
/// Each thread counts in a cell of its own, in its own file of the model, so threads never wait for each other, nor
/// for a shared cache line. An increment finds the cell with a few loads, and is then the load and store of
/// [`Counter::inc`]. The first increment in a thread makes the cell, which takes some microseconds. The first one of
/// a model also makes the file.
///
/// If the file has no space for it (`MMSTATS_MAX_SIZE`), it counts under `_other`. With labels, it keeps its own
/// name, and the value of each label is `_other`; without labels, it counts under the name `_other`. That is
/// reported once. [`get`](Self::get) and [`set`](Self::set) then see everything that is counted there.
///
/// An increment is not recorded where no cell can be made: while a thread is torn down, or in an allocator that is
/// called because a cell is being made. It never panics, and never waits for another thread.
#[derive(Debug)]
pub struct SharedCounter(Static<Counter>);

impl SharedCounter {
    const KIND: &'static str = "counter";

    constructors!("SharedCounter", "SharedCounter", "hits");
    unit!("SharedCounter", "SharedCounter", "hits");

    const fn of(description: StaticDescription) -> Self {
        SharedCounter(Static::new(description))
    }

    const fn description(&self) -> StaticDescription {
        self.0.description()
    }

    /// Adds one.
    ///
    /// ```
    /// # use mmstats::SharedCounter;
    /// # // SAFETY: nothing else runs yet.
    /// # unsafe { std::env::set_var("MMSTATS_DISABLE", "1") }; // private memory
    /// static HITS: SharedCounter = SharedCounter::new("cache", "hits");
    /// HITS.inc();
    /// assert_eq!(HITS.get(), 1);
    /// ```
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    ///
    /// ```
    /// # use mmstats::SharedCounter;
    /// # // SAFETY: nothing else runs yet.
    /// # unsafe { std::env::set_var("MMSTATS_DISABLE", "1") }; // private memory
    /// static HITS: SharedCounter = SharedCounter::new("cache", "hits");
    /// HITS.add(5);
    /// assert_eq!(HITS.get(), 5);
    /// ```
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.0.with(|counter| counter.add(n));
    }

    /// Raises the total over all threads of this process to `n`. A counter never falls: a smaller `n` changes
    /// nothing.
    ///
    /// This is expensive compared with an increment: it adds up the cells of all threads, under a lock.
    ///
    /// ```
    /// # use mmstats::SharedCounter;
    /// # // SAFETY: nothing else runs yet.
    /// # unsafe { std::env::set_var("MMSTATS_DISABLE", "1") }; // private memory
    /// static HITS: SharedCounter = SharedCounter::new("cache", "hits");
    /// HITS.set(7);
    /// HITS.set(5); // a counter never falls
    /// assert_eq!(HITS.get(), 7);
    /// ```
    pub fn set(&self, n: u64) {
        raise(&self.0, n);
    }

    /// Returns what all threads of this process have counted. Adds up the cells of all threads.
    ///
    /// ```
    /// # use mmstats::SharedCounter;
    /// # // SAFETY: nothing else runs yet.
    /// # unsafe { std::env::set_var("MMSTATS_DISABLE", "1") }; // private memory
    /// static HITS: SharedCounter = SharedCounter::new("cache", "hits");
    /// std::thread::spawn(|| HITS.inc()).join().unwrap();
    /// HITS.inc();
    /// assert_eq!(HITS.get(), 2);
    /// ```
    pub fn get(&self) -> u64 {
        table::total(self.0.known_number())
    }
}

/// Raises a counter's total over all threads of this process to `n`.
pub(crate) fn raise(counter: &impl Shared<Counter>, n: u64) {
    /// Held while the cells are added up and the difference is added: two threads that raise it to the same number
    /// must not both add.
    static RAISING: OwnLock = OwnLock::new();
    // The cell is made first, so that nothing is made under the lock.
    table::with(counter, |own| {
        RAISING.with(|| {
            let total = table::total(counter.known_number());
            own.add(n.saturating_sub(total));
        });
    });
}
