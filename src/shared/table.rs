//! A thread's table: its cells of shared metrics, by their numbers.
//!
//! A thread's first write through a handle makes its cell (and the file and the table, if need be). All further
//! writes find the cell with a few loads and a comparison. At the end of the thread its files become orphans, and
//! the table as a whole goes to the next thread that needs one. So there are never more tables than the largest
//! number of threads that were alive at once, and none is ever freed.
//!
//! Other threads look into a table only to add up what was counted ([`total`]), and to take out cells that have
//! ended (`forget`).

mod ending;
mod slots;

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use self::ending::{CellPlace, EndableCell};
use self::slots::{FEW, Slots};
use super::ended::{self, EndingMetric};
use super::home::{Home, Refusal, Spec};
use super::number::Number;
use super::others::{self, OtherMetrics};
use crate::metric::field::Field;
use crate::sync::{FIND, PUBLISH, told_before_looking};
use crate::sys::lifecycle::orphans::{self, Orphan};
use crate::sys::lifecycle::report;
use crate::sys::lifecycle::thread_root;
use crate::sys::memory::append_list::AppendList;
use crate::sys::process::fork::{self, ThreadCell};
use crate::writer::{
    Lifetime, SharedMetric, Writer, WrittenBy, is_torn_down, keep_until_thread_ends,
};
use crate::{Counter, Error};

/// A shared metric, as its handle knows it.
pub trait Shared<C> {
    /// Returns its number: [`Number::NONE`] until `number` was called, and always the same one afterwards.
    fn known_number(&self) -> Number<C>;

    /// Returns its number, which is given if it has none yet.
    fn number(&self) -> Number<C>;

    /// Returns its description for the files.
    fn spec(&self) -> Spec;
}

/// The contents of the thread-local. It has no destructor, so it can be used at any time.
struct ThreadState {
    /// Its `model` is the thread's [`Slots`].
    cell: ThreadCell,
    /// Set while a cell is being made. A reentrant call, from an allocator or a logger, is not recorded.
    busy: Cell<bool>,
}

thread_local! {
    static LOCAL: ThreadState = const {
        ThreadState {
            cell: ThreadCell::new(),
            busy: Cell::new(false),
        }
    };
}

impl ThreadState {
    #[inline(always)]
    fn slots(&self) -> Option<&'static Slots> {
        let slots = self.cell.model.get().cast::<Slots>();
        // SAFETY: null, or set by `make` to the slots of a table, which are never freed. The table is this thread's:
        // at the end of the thread and in the child of a fork the cell is emptied.
        unsafe { slots.as_ref() }
    }
}

/// Runs `f` with this thread's cell of a metric. Returns `None`, without running `f`, if there is no cell because
/// the thread is being torn down or is already making a cell.
#[inline(always)]
pub fn with<C: Field + 'static, R>(metric: &impl Shared<C>, f: impl FnOnce(&C) -> R) -> Option<R> {
    let number = metric.known_number();
    let found = LOCAL.with(|local| local.slots()?.find(number, Ordering::Relaxed));
    match found {
        Some(cell) => Some(f(cell)),
        None => Some(f(make(metric)?)),
    }
}

/// Returns what all threads of this process have counted.
pub fn total(number: Number<Counter>) -> u64 {
    let generation = fork::generation();
    (TABLES.iter())
        .filter(|table| table.generation == generation)
        .filter_map(|table| table.slots().find(number, FIND))
        .fold(0, |sum, counter| sum.wrapping_add(counter.get()))
}

/// Ends a metric in all threads of this process. Returns whether it was there.
#[cfg(feature = "metrics")]
pub fn end_cells<C>(number: Number<C>) -> bool {
    ended::end(EndingMetric::Numbered(number.index()))
}

/// Runs `make`, unless this thread is already making something: a reentrant call returns `None`.
pub fn alone<R>(make: impl FnOnce() -> R) -> Option<R> {
    /// Clears `busy` when dropped, also after a panic.
    struct BusyGuard;
    impl Drop for BusyGuard {
        fn drop(&mut self) {
            LOCAL.with(|local| local.busy.set(false));
        }
    }
    if LOCAL.with(|local| local.busy.replace(true)) {
        return None;
    }
    let _done = BusyGuard;
    Some(make())
}

/// Returns this thread's cell of a metric, and makes it if it is new.
#[cold]
#[inline(never)]
fn make<C: Field + 'static>(metric: &dyn Shared<C>) -> Option<&'static C> {
    let made = alone(|| {
        let table = ThreadTable::of_this_thread()?;
        let number = metric.number();
        if number.is_none() {
            return None;
        }
        let made = match table.slots().find(number, Ordering::Relaxed) {
            Some(cell) => (cell, None),
            None => table.add_or_begin_anew(number, metric.spec())?,
        };
        // Also if the cell was there: the table may be an orphan that was adopted, or may have grown.
        LOCAL.with(|local| local.cell.model.set(ptr::from_ref(table.slots()).cast()));
        Some(made)
    })?;
    // Only now: a logger may use the metric itself.
    report::tell_all();
    let (cell, refusal) = made?;
    if let Some(refusal) = refusal {
        refusal.report();
    }
    Some(cell)
}

/// A thread's cells of shared metrics and their files. When the thread ends, another thread takes the table over.
pub struct ThreadTable {
    slots: AtomicPtr<Slots>,
    /// The generation of the process that it belongs to.
    generation: u64,
    mine: ThreadOwned,
}

/// The part of a table that only its thread uses.
#[derive(Default)]
struct ThreadOwned {
    /// The file of each home.
    files: RefCell<Vec<&'static ThreadFile>>,
    /// For each kind, a cell for the metrics that no file can have.
    unseen: RefCell<Vec<(TypeId, *const ())>>,
    /// The cells that can end, by their numbers.
    ending: RefCell<BTreeMap<usize, EndableCell>>,
}

/// The file of a home that a thread writes.
struct ThreadFile {
    home: u32,
    /// `None` if there cannot be one, not even in private memory.
    writer: Option<(Writer, OtherMetrics)>,
}

// SAFETY: `mine` is used by one thread at a time: by the one that took the table out of the list of orphans, or made
// it, until the table is handed on through that list. Everything else is atomic or never changes. What the slots
// point to (`Slots::find`) is used by that thread only, too, except by `total`, which calls only `Counter::get`: a
// relaxed load of an atomic word.
unsafe impl Sync for ThreadTable {}
// SAFETY: as above. The writers are `Send`, and the pointers point to cells of theirs.
unsafe impl Send for ThreadTable {}

/// All tables of this process (and of those that it was forked from).
static TABLES: AppendList<&'static ThreadTable> = AppendList::new();

/// A table as an orphan.
struct OrphanTable(&'static ThreadTable);

impl fmt::Debug for ThreadTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadTable").finish_non_exhaustive()
    }
}

impl ThreadTable {
    /// Returns the table of this thread, which is an orphan or new if the thread has none yet. Returns `None` while
    /// the thread is being torn down.
    fn of_this_thread() -> Option<&'static ThreadTable> {
        LOCAL.with(|local| {
            let parked = local.cell.parked.replace(ptr::null());
            if !parked.is_null() {
                // Models with groups are parked to reclaim spaces; here there is nothing to do.
                local.cell.model.set(parked);
            }
            if let Some(slots) = local.slots() {
                return Some(slots.table);
            }
            if is_torn_down() {
                return None;
            }
            let key = TypeId::of::<OrphanTable>();
            // A test counts in files of its own, which are not handed on.
            let is_of_test = thread_root::get().is_some();
            let found = if is_of_test { None } else { orphans::take(key) };
            let (table, orphan) = match found {
                Some(orphan) => {
                    let table = orphan.value.downcast_ref::<OrphanTable>()?.0;
                    table.files(Writer::adopt);
                    (table, orphan)
                }
                None => {
                    let table = ThreadTable::new();
                    (table, Orphan::new(key, Box::new(OrphanTable(table))))
                }
            };
            let hand_on = |orphan: &Orphan| {
                if let Some(OrphanTable(table)) = orphan.value.downcast_ref() {
                    table.files(Writer::abandon);
                }
                // Also if it has only private memory, because it is never freed.
                true
            };
            let end = if is_of_test {
                |_: &Orphan| false
            } else {
                hand_on
            };
            if !keep_until_thread_ends(orphan, end) {
                return None;
            }
            // SAFETY: `LOCAL` needs no drop.
            unsafe { local.cell.enter() };
            Some(table)
        })
    }

    fn new() -> &'static ThreadTable {
        let table: &'static ThreadTable = Box::leak(Box::new(ThreadTable {
            slots: AtomicPtr::new(ptr::null_mut()),
            generation: fork::generation(),
            mine: ThreadOwned::default(),
        }));
        table.set_slots(Slots::new(table, FEW, None));
        TABLES.push_unless(table, |_, _| false);
        table
    }

    fn set_slots(&self, slots: &'static Slots) {
        // A thread that finds the slots (`slots`) sees what is in them.
        let slots = ptr::from_ref(slots).cast_mut();
        self.slots.store(slots, PUBLISH);
    }

    fn slots(&self) -> &'static Slots {
        // SAFETY: set in `new`, before the table is in the list; never freed.
        unsafe { &*self.slots.load(FIND) }
    }

    fn files(&self, each: impl Fn(&Writer)) {
        for file in self.mine.files.borrow().iter() {
            file.writer.iter().for_each(|(writer, _)| each(writer));
        }
    }

    /// Adds a cell, or begins a cell that has ended anew. Also returns the reason if it is not recorded under its
    /// own name. Returns `None` if there cannot be a cell now.
    fn add_or_begin_anew<C: Field + 'static>(
        &'static self,
        number: Number<C>,
        spec: Spec,
    ) -> Option<MadeCell<C>> {
        let known = self.mine.ending.borrow().get(&number.index()).copied();
        let Some(EndableCell {
            cell,
            file,
            block,
            place,
        }) = known
        else {
            return self.add(number, spec);
        };
        if let Lifetime::UntilEnded(idle) = spec.home.lasts(number.index(), Some(place))
            && !file.begin_anew(block, idle)
        {
            return None;
        }
        // SAFETY: entered by `add` under a number of cells `C`, and never freed.
        let cell = unsafe { &*cell.cast::<C>() };
        self.put(number, cell);
        Some((cell, None))
    }

    /// Adds a cell. Also returns the reason if it is not recorded under its own name. Returns `None` if there cannot
    /// be a cell now.
    fn add<C: Field + 'static>(
        &'static self,
        number: Number<C>,
        spec: Spec,
    ) -> Option<MadeCell<C>> {
        let home = spec.home;
        let (file, mut refused) = self.file(home);
        let index = number.index();
        let place = (home.ends).map(|_| &*Box::leak(Box::new(CellPlace(self, index))) as _);
        let lasts = home.lasts(index, place);
        let add = |(file, others): &'static (Writer, OtherMetrics)| {
            if spec.is_other() {
                return others.own(file, &spec);
            }
            others.keep::<C>(file, &spec);
            let (cell, block) = file.add_labelled::<C>(spec.labelled(), lasts)?;
            if let Some(place) = place {
                let cell = ptr::from_ref(cell).cast();
                let ends = EndableCell {
                    cell,
                    file,
                    block,
                    place,
                };
                self.mine.ending.borrow_mut().insert(index, ends);
                ended::add(EndingMetric::Numbered(index), file.generation(block), place);
            }
            Ok(cell)
        };
        let uncounted = |error| Refusal::new(home, spec.metric.clone(), error);
        let (cell, refusal): MadeCell<C> = match file.map(|file| (file, add(file))) {
            Some((_, Ok(cell))) => (cell, refused.map(uncounted)),
            // A reentrant call from an allocator, while the file grows for a histogram. The next call makes the
            // cell.
            Some((_, Err(Error::Busy { .. }))) => return None,
            Some(((file, others), Err(error))) if others::is_full(&error) => {
                match others.instead_of(file, &spec) {
                    Ok(cell) => {
                        let metric = spec.metric.clone();
                        (cell, Some(Refusal::counted(home, metric, error, file)))
                    }
                    Err(Error::Busy { .. }) => return None,
                    Err(error) => (self.unseen()?, Some(uncounted(error))),
                }
            }
            failed => {
                refused = refused.or(failed.and_then(|(_, added)| added.err()));
                (self.unseen()?, refused.map(uncounted))
            }
        };
        self.put(number, cell);
        Some((cell, refusal))
    }

    /// Returns the file of a home, or private memory and the reason for it.
    fn file(
        &self,
        home: &'static Home,
    ) -> (Option<&'static (Writer, OtherMetrics)>, Option<Error>) {
        let known = |file: &&&ThreadFile| file.home == home.number;
        if let Some(file) = self.mine.files.borrow().iter().find(known) {
            return (file.writer.as_ref(), None);
        }
        let mut refused = None;
        let make = |builder: crate::Builder<_, _>| builder.make(WrittenBy::Thread);
        let made = make(home.builder.clone()).or_else(|error| {
            refused = Some(error);
            make(home.builder.clone().anonymous())
        });
        let with_others = |file: Writer| {
            let others = OtherMetrics::of_thread(&file);
            (file, others)
        };
        let file: &ThreadFile = Box::leak(Box::new(ThreadFile {
            home: home.number,
            writer: made.ok().map(with_others),
        }));
        self.mine.files.borrow_mut().push(file);
        (file.writer.as_ref(), refused)
    }

    /// Returns a cell in private memory: one of each kind, for all metrics that are refused.
    fn unseen<C: Field + 'static>(&self) -> Option<&'static C> {
        let key = TypeId::of::<C>();
        let known = |(kind, _): &&(TypeId, _)| *kind == key;
        if let Some((_, cell)) = self.mine.unseen.borrow().iter().find(known) {
            // SAFETY: entered below, as a `C` that is never freed.
            return Some(unsafe { &*cell.cast::<C>() });
        }
        let builder = Writer::builder("unseen").anonymous();
        let file = Box::leak(Box::new(builder.make(WrittenBy::Thread).ok()?));
        let unseen = SharedMetric {
            label: "unseen",
            labels: &Vec::new(),
            unit: "",
            help: "",
        };
        let (cell, _) = file.add_labelled::<C>(unseen, Lifetime::Always).ok()?;
        let entry = (key, ptr::from_ref(cell).cast());
        self.mine.unseen.borrow_mut().push(entry);
        Some(cell)
    }

    fn put<C>(&'static self, number: Number<C>, cell: &'static C) {
        let index = number.index();
        let mut slots = self.slots();
        if index >= slots.cells.len() {
            let more = Slots::new(self, (index + 1).next_power_of_two(), Some(slots));
            for (new, old) in more.cells.iter().zip(&slots.cells) {
                // Relaxed: this thread wrote the old ones, and `set_slots` publishes the new ones.
                new.store(old.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            self.set_slots(more);
            slots = more;
            self.forget_ended();
        }
        // A thread that finds the cell sees what is in it.
        let cell = ptr::from_ref(cell).cast::<()>().cast_mut();
        slots.cells[index].store(cell, PUBLISH);
        // It can be ended as soon as it is in the list of what can end (or has begun anew). A thread that ended it
        // before this store has taken nothing out.
        if let Some(ends) = self.mine.ending.borrow().get(&index) {
            told_before_looking();
            self.forget_if_ended(index, ends);
        }
    }
}

/// A cell, and what is to be reported about it.
type MadeCell<C> = (&'static C, Option<Refusal>);
