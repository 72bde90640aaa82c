//! One file for each thread and model, made at first use.
//!
//! A thread's cell for a model points to the model of a [`Stats`] that [`ThreadModels`] keeps. At the end of the thread its
//! files become orphans, and the next thread that needs the model adopts one. So a model never has more files than
//! the largest number of threads that were alive at once.

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

/// A thread's cell for a model. The derive declares it as a thread-local without a destructor, so finding the model
/// is one load.
#[doc(hidden)]
#[derive(Debug)]
pub struct LocalCell<T> {
    cell: ThreadCell,
    busy: Cell<bool>,
    /// Points to the flag that says whether a reference to a group of the model's file may be held. Valid as long as
    /// the file.
    lent: Cell<*const Cell<bool>>,
    /// The model's file. Valid as long as the model.
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

    /// Returns the model, if this thread has it.
    #[inline(always)]
    fn model(&self) -> Option<NonNull<T>> {
        NonNull::new(self.cell.model.get().cast_mut().cast())
    }
}

/// Runs `f` with this thread's model.
#[inline(always)]
pub(super) fn with<T: MmStats, R>(f: impl FnOnce(&T) -> R) -> R {
    // Only pointers are read within the access to the thread-local. That is so little code that it is always inlined
    // into the caller. With all of `f` within it, the access remained a call where `f` is long.
    match T::with_local(|cell| Some((cell.model()?, cell.lent.get()))) {
        // SAFETY: `first` sets the pointers to the model of a boxed `Stats` that this thread's `OWNED` keeps, and to
        // a flag of its file. `OWNED` empties the cells before it gives these up, and a fork empties the cells, too.
        // The references live no longer than this call on this thread, and no such call is running when `OWNED` is
        // destroyed.
        Some((model, lent)) => unsafe { run(model, lent, f) },
        None => T::with_local(|cell| first(cell, f)),
    }
}

/// Runs `f`, and then notes that the references to groups that were lent to it have ended.
///
/// # Safety
/// The model and the flag of its file must be valid while `f` runs.
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

/// A running call of `local` for a model with groups; dropped when the call returns or panics. It lets `first` know
/// when no reference to a group is left.
///
/// A lookup notes that it lends one. A call that lends none costs two loads and a branch. (Noting each outermost
/// call instead took two stores, and an increment has only one.)
struct Lending<'a> {
    lent: &'a Cell<bool>,
    /// Whether an enclosing call, or its caller, may hold one.
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

/// What a thread keeps for its cells; dropped at its end. It is a list of nodes that are allocated beforehand,
/// because an allocation while a node is entered could reenter this code through the allocator.
#[derive(Default)]
struct ThreadModels(Cell<Option<Box<KeptModel>>>);

/// A thread's file of one model, of any type.
struct KeptModel {
    orphan: Box<Orphan>,
    /// Marks the file as an orphan. Returns whether it is handed on.
    abandon: fn(&Orphan) -> bool,
    /// The generation of the process that it belongs to.
    generation: u64,
    next: Option<Box<KeptModel>>,
}

thread_local! {
    static OWNED: ThreadModels = ThreadModels::default();
}

impl Drop for ThreadModels {
    fn drop(&mut self) {
        // First: no later destructor of this thread may find a model that another thread has by then.
        fork::clear_thread_cells();
        let mut first = self.0.take();
        while let Some(mut keep) = first {
            first = keep.next.take();
            if keep.generation == fork::generation() && !ending::exited() {
                if (keep.abandon)(&keep.orphan) {
                    orphans::push(keep.orphan);
                }
            } else if keep.generation != fork::generation() {
                // In a child, this belongs to the parent. Dropping it would do no harm, but would take locks of the
                // allocator. It stays allocated, like the rest of the parent's memory.
                std::mem::forget(keep);
            }
        }
    }
}

/// Keeps an orphan's node until this thread ends. Then `abandon` says whether it is handed on as an orphan. Returns
/// `false`, and keeps nothing, if the thread is already being torn down.
pub(crate) fn keep_until_thread_ends(orphan: Box<Orphan>, abandon: fn(&Orphan) -> bool) -> bool {
    let mut keep = Box::new(KeptModel {
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

/// Returns whether this thread is being torn down: what it kept is gone, and it can keep nothing more.
pub(crate) fn is_torn_down() -> bool {
    OWNED.try_with(|_| ()).is_err()
}

/// A model of this thread. It is boxed in an orphan node from the beginning, so the thread's end allocates nothing.
struct LocalModel<T>(Stats<T>);

/// Handles the first use of a model in a thread, the first use after groups were removed, and every use for which no
/// model can be kept.
#[cold]
fn first<T: MmStats, R>(cell: &LocalCell<T>, f: impl FnOnce(&T) -> R) -> R {
    /// Clears `busy` when dropped, also after a panic in the user's `value = …`.
    struct BusyGuard<'a>(&'a Cell<bool>);
    impl Drop for BusyGuard<'_> {
        fn drop(&mut self) {
            self.0.set(false);
        }
    }
    if let Some(model) = NonNull::new(cell.cell.parked.get().cast_mut().cast::<T>()) {
        // SAFETY: set together with the model, and still valid: see `with`.
        let file = unsafe { &*cell.file.get() };
        // SAFETY: as above.
        let lent = unsafe { &*cell.lent.get() };
        // Otherwise an enclosing call may hold a group, and a later call reclaims the spaces.
        if !lent.get() {
            // The cell is set first, because the `Drop` of what is reclaimed may reenter this function.
            cell.cell.model.set(cell.cell.parked.replace(ptr::null()));
            // SAFETY: references to its groups are lent only within `local`, and none is lent now.
            unsafe { file.reclaim() };
        }
        // SAFETY: as in `with`.
        return unsafe { run(model, lent, f) };
    }
    // Busy: an allocator or a logger uses the model while its file is being made.
    if cell.busy.replace(true) {
        return with_private(f);
    }
    let busy = BusyGuard(&cell.busy);
    let Some((orphan, model, file, error)) = adopt_or_create::<T>() else {
        drop(busy);
        return with_private(f);
    };
    if keep_until_thread_ends(orphan, abandon::<T>) {
        // SAFETY: the cell is a thread-local of this thread without a destructor: only the derive and `by_name` make
        // cells, in `with_local`.
        unsafe { cell.cell.enter() };
        cell.file.set(file);
        // SAFETY: it points to the file that was just made or adopted, which is kept now.
        cell.lent.set(Rc::as_ptr(unsafe { &*file }.lent()));
        cell.cell.model.set(model.cast());
    }
    drop(busy);
    // Only now, because a logger may use the model itself.
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

/// What a thread keeps for a model, pointers to the model and its file, and the error if there is no file that
/// readers see.
type MadeModel<T> = (Box<Orphan>, *const T, *const StatsFile, Option<Error>);

/// Takes an orphan of this model, makes a new file or, if there can be none, uses private memory. Returns pointers
/// to the model and its file, and the error if there is no file. Returns `None` while this thread is being torn
/// down, or if there is no memory either.
fn adopt_or_create<T: MmStats>() -> Option<MadeModel<T>> {
    if is_torn_down() {
        return None;
    }
    let key = TypeId::of::<LocalModel<T>>();
    let mut refused = None;
    let root = thread_root::get();
    // A test counts in its own files, from zero.
    let orphan = match root.map_or_else(|| orphans::take(key), |_| None) {
        Some(orphan) => {
            orphan
                .value
                .downcast_ref::<LocalModel<T>>()?
                .0
                .file()
                .adopt();
            orphan
        }
        None => {
            let builder = match root {
                Some(root) => T::builder().path(root),
                None => T::builder(),
            };
            let stats = builder.make().or_else(|error| {
                refused = Some(error);
                // A model that fails in a file because of its labels fails without a file, too. There must be a
                // model all the same. Otherwise each call would try again and map memory of its own.
                T::builder()
                    .anonymous()
                    .make()
                    .or_else(|_| T::builder().unseen())
            });
            Orphan::new(key, Box::new(LocalModel(stats.ok()?)))
        }
    };
    let stats = &orphan.value.downcast_ref::<LocalModel<T>>()?.0;
    stats.file().set_local();
    let (model, file): (*const T, *const StatsFile) = (&**stats, stats.file());
    Some((orphan, model, file, refused))
}

/// Called when the thread of this model's file ends. Returns whether the file is handed on. Private memory is not,
/// because the next thread may get a file again. Nor is the file of a test, which is in a root of its own.
fn abandon<T: MmStats>(orphan: &Orphan) -> bool {
    let local = orphan.value.downcast_ref::<LocalModel<T>>();
    local.is_some_and(|local| {
        local.0.file().abandon();
        !local.0.file().is_anonymous() && local.0.file().config().root.is_none()
    })
}

/// Runs `f` against a model over private memory, which is released afterwards. Nothing is allocated, because an
/// instrumented allocator may be the caller.
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
        // SAFETY: the model, which holds all views, is dropped before the region. All of the region may be accessed.
        let words = unsafe { memory.words() };
        let model = bind(&mut Binder::new(None, words, 0, ""));
        Private {
            model,
            _memory: memory,
        }
    }
}

/// Bytes of private memory for a model: more than any model's block. They take only address space until touched.
pub(super) const PRIVATE: usize = 16 << 20;
