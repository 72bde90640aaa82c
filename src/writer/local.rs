//! One file for each thread and model, made at first use.
//!
//! A thread's cell for a model points to the model of a [`Stats`] that [`Owned`] keeps. At the end of
//! the thread its files become orphans, which the next thread that needs the model adopts: there are
//! never more files than the most threads alive at once.

use std::any::TypeId;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use super::file::StatsFile;
use super::model::MmStats;
use super::stats::Stats;
use crate::Error;
use crate::metric::field::Binder;
use crate::metric::storage::Storage;
use crate::sys::lifecycle::ending;
use crate::sys::lifecycle::orphans::{self, Orphan};
use crate::sys::lifecycle::report;
use crate::sys::lifecycle::thread_root;
use crate::sys::memory::region::Region;
use crate::sys::process::fork::{self, ThreadCell};

/// A thread's cell for a model: the derive declares one as a thread-local without a destructor, so
/// that finding the model is a load.
#[doc(hidden)]
#[derive(Debug)]
pub struct LocalCell<T> {
    cell: ThreadCell,
    busy: Cell<bool>,
    /// Whether a reference to a group of the model's file may be held. It is there as long as the file is.
    lent: Cell<*const Cell<bool>>,
    /// The model's file. It is there as long as the model is.
    file: Cell<*const StatsFile>,
    model: PhantomData<*const T>,
}

impl<T> LocalCell<T> {
    /// An empty cell.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> LocalCell<T> {
        LocalCell {
            cell: ThreadCell::new(),
            busy: Cell::new(false),
            lent: Cell::new(ptr::null()),
            file: Cell::new(ptr::null()),
            model: PhantomData,
        }
    }

    /// The model, if this thread has it.
    #[inline(always)]
    fn model(&self) -> Option<NonNull<T>> {
        NonNull::new(self.cell.model.get().cast_mut().cast())
    }
}

/// Runs `f` with this thread's model.
#[inline(always)]
pub(super) fn with<T: MmStats, R>(f: impl FnOnce(&T) -> R) -> R {
    // Only pointers are taken within the access to the thread-local: that is so little that it always
    // becomes part of the caller. With all of `f` in it, a call was left of it where `f` is long.
    match T::with_local(|cell| Some((cell.model()?, cell.lent.get()))) {
        // SAFETY: set by `first` to the model of a boxed `Stats` that this thread's `OWNED` keeps, and to a flag of its
        // file; `OWNED` empties the cells before it gives them up, and a fork empties them too. The references live no
        // longer than this call on this thread, and none is running when `OWNED` is destroyed.
        Some((model, lent)) => unsafe { run(model, lent, f) },
        None => T::with_local(|cell| first(cell, f)),
    }
}

/// Runs `f`, and afterwards notes that the references to groups that were lent to it have ended.
///
/// # Safety
/// The model and the flag of its file are there while `f` runs.
#[inline(always)]
unsafe fn run<T: MmStats, R>(
    model: NonNull<T>,
    lent: *const Cell<bool>,
    f: impl FnOnce(&T) -> R,
) -> R {
    // SAFETY: by this function's contract.
    let _lending = T::has_groups().then(|| Lending::begin(unsafe { &*lent }));
    // SAFETY: by this function's contract.
    f(unsafe { model.as_ref() })
}

/// A call of `local` for a model with groups, until it ends or panics: for `first` to know when no reference to a group
/// is left.
///
/// A lookup notes that it lends one. Who lends none costs two loads and a branch. (To note each outermost call instead
/// took two stores, and an increment has only one.)
struct Lending<'a> {
    lent: &'a Cell<bool>,
    /// Whether a call around this one, or who called it, may hold one.
    before: bool,
}

impl Lending<'_> {
    #[inline(always)]
    fn begin(lent: &Cell<bool>) -> Lending<'_> {
        let before = lent.get();
        Lending { lent, before }
    }
}

impl Drop for Lending<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.lent.get() != self.before {
            self.lent.set(self.before);
        }
    }
}

/// What a thread keeps for its cells; dropped at its end. A list of nodes that were made beforehand:
/// an allocation at the moment of entering one could come back here, through the allocator.
#[derive(Default)]
struct Owned(Cell<Option<Box<Keep>>>);

/// A thread's file of one model, whatever the model.
struct Keep {
    orphan: Box<Orphan>,
    /// Marks the file as an orphan; whether there is a file.
    abandon: fn(&Orphan) -> bool,
    /// The process, in forks, that it belongs to.
    generation: u64,
    next: Option<Box<Keep>>,
}

thread_local! {
    static OWNED: Owned = Owned::default();
}

impl Drop for Owned {
    fn drop(&mut self) {
        // First, so that no later destructor of this thread finds a model that is another's.
        fork::clear_thread_cells();
        let mut first = self.0.take();
        while let Some(mut keep) = first {
            first = keep.next.take();
            if keep.generation == fork::generation() && !ending::exited() {
                if (keep.abandon)(&keep.orphan) {
                    orphans::push(keep.orphan);
                }
            } else if keep.generation != fork::generation() {
                // The parent's, in a child: its drop would do no harm, but take locks of the
                // allocator. It is as much the parent's as the rest of its memory.
                std::mem::forget(keep);
            }
        }
    }
}

/// Keeps something until this thread ends. Then `abandon` says whether it is handed on as an orphan. `false`: the thread
/// is being torn down already, and nothing is kept.
pub(crate) fn keep_until_thread_ends(orphan: Box<Orphan>, abandon: fn(&Orphan) -> bool) -> bool {
    let mut keep = Box::new(Keep {
        orphan,
        abandon,
        generation: fork::generation(),
        next: None,
    });
    let kept = OWNED.try_with(|owned| {
        keep.next = owned.0.take();
        owned.0.set(Some(keep));
    });
    kept.is_ok()
}

/// Whether this thread is being torn down: what it keeps is gone, and it can keep nothing more.
pub(crate) fn is_torn_down() -> bool {
    OWNED.try_with(|_| ()).is_err()
}

/// A model of this thread. Boxed in an orphan node from the beginning, so that the thread's end
/// allocates nothing.
struct Local<T>(Stats<T>);

/// The first use of a model in a thread, or after groups were removed; and every use that cannot have a file.
#[cold]
fn first<T: MmStats, R>(cell: &LocalCell<T>, f: impl FnOnce(&T) -> R) -> R {
    /// Not busy any more, also after a panic in the user's `value = …`.
    struct Done<'a>(&'a Cell<bool>);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.set(false);
        }
    }
    if let Some(model) = NonNull::new(cell.cell.parked.get().cast_mut().cast::<T>()) {
        // SAFETY: set together with the model, and still there: see `with`.
        let file = unsafe { &*cell.file.get() };
        // SAFETY: as above.
        let lent = unsafe { &*cell.lent.get() };
        // Else a call around this one may hold a group, and a later one does this.
        if !lent.get() {
            // The cell first: the `Drop` of what is dropped may come back here.
            cell.cell.model.set(cell.cell.parked.replace(ptr::null()));
            // SAFETY: references to its groups are only lent within `local`, and none is.
            unsafe { file.reclaim() };
        }
        // SAFETY: as in `with`.
        return unsafe { run(model, lent, f) };
    }
    // Busy: an allocator or a logger that uses the model while its file is being made.
    if cell.busy.replace(true) {
        return with_private(f);
    }
    let busy = Done(&cell.busy);
    let Some((orphan, model, file, error)) = adopt_or_create::<T>() else {
        drop(busy);
        return with_private(f);
    };
    if keep_until_thread_ends(orphan, abandon::<T>) {
        // SAFETY: the cell is a thread-local of this thread without a destructor: only the derive
        // makes cells, in `with_local`.
        unsafe { cell.cell.enter() };
        cell.file.set(file);
        // SAFETY: of the file that was made or adopted just now.
        cell.lent.set(Rc::as_ptr(unsafe { &*file }.lent()));
        cell.cell.model.set(model.cast());
    }
    drop(busy);
    // Only now: a logger may use the model itself.
    report::tell_all();
    if let Some(error) = error {
        let text = format_args!("{error}; what it counts is not recorded");
        report::once(T::NAME, "no file", &text);
    }
    match cell.model() {
        // SAFETY: as in `with`.
        Some(model) => unsafe { run(model, cell.lent.get(), f) },
        None => with_private(f),
    }
}

/// What a thread keeps for a model, where the model and its file lie, and why it has none that can be seen.
type Made<T> = (Box<Orphan>, *const T, *const StatsFile, Option<Error>);

/// An orphan of this model, a new file or, where there can be none, private memory; where its model
/// lies, and its file; and why there is no file. `None` while this thread is being torn down.
fn adopt_or_create<T: MmStats>() -> Option<Made<T>> {
    if is_torn_down() {
        return None;
    }
    let key = TypeId::of::<Local<T>>();
    let mut refused = None;
    let root = thread_root::get();
    // A test counts in files of its own, and from zero.
    let orphan = match root.map_or_else(|| orphans::take(key), |_| None) {
        Some(orphan) => {
            orphan.value.downcast_ref::<Local<T>>()?.0.file().adopt();
            orphan
        }
        None => {
            let builder = match root {
                Some(root) => T::builder().path(root),
                None => T::builder(),
            };
            let stats = builder.make().or_else(|error| {
                refused = Some(error);
                // What fails in a file for its labels fails without one, too. There must be a model all
                // the same, or each call would try again and map memory of its own.
                T::builder()
                    .anonymous()
                    .make()
                    .or_else(|_| T::builder().unseen())
            });
            Orphan::new(key, Box::new(Local(stats.ok()?)))
        }
    };
    let stats = &orphan.value.downcast_ref::<Local<T>>()?.0;
    stats.file().set_local();
    let (model, file): (*const T, *const StatsFile) = (&**stats, stats.file());
    Some((orphan, model, file, refused))
}

/// The thread of this model's file ends. Private memory is not handed on: the next thread may have a file again. Nor is
/// the file of a test, which is in a root of its own.
fn abandon<T: MmStats>(orphan: &Orphan) -> bool {
    let local = orphan.value.downcast_ref::<Local<T>>();
    local.is_some_and(|local| {
        local.0.file().abandon();
        !local.0.file().is_anonymous() && local.0.file().config().root.is_none()
    })
}

/// Runs `f` against a model over memory that nobody sees, and that goes afterwards. Nothing is
/// allocated: an instrumented allocator may be the caller.
fn with_private<T: MmStats, R>(f: impl FnOnce(&T) -> R) -> R {
    let private = Private::<T>::new();
    f(&private.model)
}

/// A model over private memory, without a file.
#[derive(Debug)]
pub(super) struct Private<T> {
    // The order matters: the handles are dropped before their memory.
    pub(super) model: T,
    _memory: Region,
}

impl<T: MmStats> Private<T> {
    pub(super) fn new() -> Private<T> {
        let bind = T::prepare_fields();
        let memory = Region::private(PRIVATE);
        // SAFETY: the model, which has all views, is dropped before the region, and all of the region
        // can be touched.
        let words = unsafe { memory.words() };
        let model = bind(&mut Binder::new(None, words, 0, ""));
        Private {
            model,
            _memory: memory,
        }
    }
}

/// Bytes of private memory for a model: more than any model's block. Only addresses, until touched.
pub(super) const PRIVATE: usize = 16 << 20;
