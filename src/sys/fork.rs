//! Forks and exits: the list of the process's files, and what is done with it then.
//!
//! One lock, [`LIST`], guards the list of files and the list of orphans (`sys::orphans`). It is held
//! for a few assignments: nothing is allocated and no file touched under it. Another, [`SETUP`], is
//! held while something is made that a process has once. A fork takes both first, so that the child
//! finds the lists whole and nothing half made.
//!
//! The handlers are registered when the program is loaded, before it can have a second thread. Were
//! they registered at first use, a fork could be on its way by then: its child would find the locks
//! taken by a thread that it does not have, no handler would have run in it, and it would take its
//! parent's pid for its own.

use std::cell::{Cell, UnsafeCell};
use std::ffi::CString;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::lock::{self, RawLock};
use super::{identity, orphans, region};
use crate::format::header::{OWNER, Owner, OwnerState};

/// Guards the lists of files and orphans.
pub static LIST: RawLock = RawLock::new();

/// Held while the clock is calibrated, and while a root's lock is taken. Nothing is allocated under
/// it either: an instrumented allocator may come back here. Before [`LIST`], where both are held.
pub static SETUP: RawLock = RawLock::new();

/// How many forks lie between this process and the first. A handle of an older generation is the
/// parent's: its drop only unmaps.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Whether the exit handler has run: no more files then.
static EXITED: AtomicBool = AtomicBool::new(false);

/// The generation of this process.
pub fn generation() -> u64 {
    // Relaxed: it changes only in a child that has one thread.
    GENERATION.load(Ordering::Relaxed)
}

/// Whether the process has run its exit handler.
pub fn exited() -> bool {
    EXITED.load(Ordering::Relaxed)
}

/// How many threads are between giving a file its name and entering it, or between taking it out
/// and removing it. The exit handler waits for them: nobody else would remove what they leave.
static NAMING: AtomicUsize = AtomicUsize::new(0);
/// How long it waits. A thread that takes longer is stopped, or its file system is.
const PATIENCE: Duration = Duration::from_secs(1);

/// One of [`NAMING`], until it is dropped.
#[derive(Debug)]
pub struct Naming(());

impl Naming {
    fn begin() -> Naming {
        // SeqCst, with EXITED: either this thread sees the exit, or the exit waits for it.
        NAMING.fetch_add(1, Ordering::SeqCst);
        Naming(())
    }

    /// For giving a name to a file; `None` once the process exits: no more names then.
    pub fn new() -> Option<Naming> {
        let naming = Naming::begin();
        (!EXITED.load(Ordering::SeqCst)).then_some(naming)
    }

    fn wait_for_all() {
        let start = Instant::now();
        while NAMING.load(Ordering::SeqCst) > 0 && start.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
    }
}

impl Drop for Naming {
    fn drop(&mut self) {
        NAMING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A published file: what is needed to remove it, if it still is the same.
#[derive(Debug)]
pub struct FileName {
    /// Its path, absolute.
    pub path: CString,
    /// Its device.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// What becomes of it at a clean end.
    pub end: End,
}

/// What becomes of a file when it is dropped or the process exits.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// It is removed.
    Remove,
    /// It stays.
    Keep,
    /// This is done with it and others, when nobody writes them any more.
    Fold(fn(&[FileName])),
}

impl FileName {
    /// Removes the file, if the path still leads to it. Touches no lock and allocates nothing.
    pub fn remove(&self) {
        // SAFETY: zeros are a valid `stat`; the path is a C string; both outlive the calls.
        unsafe {
            let mut found: libc::stat = std::mem::zeroed();
            if libc::lstat(self.path.as_ptr(), &mut found) == 0
                && (found.st_dev as u64, found.st_ino as u64) == (self.device, self.inode)
            {
                libc::unlink(self.path.as_ptr());
            }
        }
    }
}

/// A region in the list. It stays at its address (boxed) while it is in.
#[derive(Debug)]
pub struct Registered {
    start: usize,
    len: usize,
    generation: u64,
    file: FileName,
    /// Neighbours in the list; guarded by [`LIST`].
    next: Cell<*const Registered>,
    previous: Cell<*const Registered>,
    /// Whether the exit handler has dealt with it; guarded by [`LIST`].
    done: Cell<bool>,
}

/// The first entry of the list; guarded by [`LIST`].
struct Head(UnsafeCell<*const Registered>);
// SAFETY: only touched under LIST.
unsafe impl Sync for Head {}
static HEAD: Head = Head(UnsafeCell::new(ptr::null()));

/// Enters a region.
pub fn enter(start: usize, len: usize, file: FileName) -> Box<Registered> {
    register();
    let entry = Box::new(Registered {
        start,
        len,
        generation: generation(),
        file,
        next: Cell::new(ptr::null()),
        previous: Cell::new(ptr::null()),
        done: Cell::new(false),
    });
    lock::with(&LIST, || {
        // SAFETY: under LIST; entries in the list are alive, since `leave` takes them out first.
        unsafe {
            let first = *HEAD.0.get();
            entry.next.set(first);
            if let Some(first) = first.as_ref() {
                first.previous.set(&*entry);
            }
            *HEAD.0.get() = &*entry;
        }
    });
    entry
}

/// Takes a region out of the list, and removes its file unless it is kept or not this process's.
#[allow(clippy::boxed_local, reason = "the list has its address until here")]
pub fn leave(entry: Box<Registered>) {
    let _naming = Naming::begin();
    lock::with(&LIST, || {
        let (next, previous) = (entry.next.get(), entry.previous.get());
        // SAFETY: under LIST; neighbours are in the list, hence alive.
        unsafe {
            match previous.as_ref() {
                Some(previous) => previous.next.set(next),
                None => *HEAD.0.get() = next,
            }
            if let Some(next) = next.as_ref() {
                next.previous.set(previous);
            }
        }
    });
    let Registered {
        generation: own,
        file,
        done,
        ..
    } = &*entry;
    if *own != generation() || done.get() {
        return;
    }
    match file.end {
        End::Remove => file.remove(),
        End::Keep => entry.mark_ended(),
        End::Fold(fold) => {
            entry.mark_ended();
            fold(std::slice::from_ref(file));
        }
    }
}

impl Registered {
    /// The end of a file in good order that stays, for now or for good.
    fn mark_ended(&self) {
        // SAFETY: the entry is only in use while its region is mapped, and a header is written there
        // before a region is registered; aligned to 8, and only accessed atomically.
        let owner = unsafe { &*ptr::with_exposed_provenance::<AtomicU64>(self.start + OWNER) };
        let word = Owner::unpack(owner.load(Ordering::Relaxed));
        owner.store(
            Owner {
                state: OwnerState::Ended,
                ..word
            }
            .pack(),
            Ordering::Release,
        );
    }
}

/// At exit: every file of this process that is left is ended as by a drop.
extern "C" fn at_exit() {
    EXITED.store(true, Ordering::SeqCst);
    Naming::wait_for_all();
    end_all();
    Naming::wait_for_all();
}

fn end_all() {
    let mut to_fold: Vec<FileName> = Vec::new();
    let mut fold: Option<fn(&[FileName])> = None;
    // The path is copied under the lock and the file removed outside it.
    let mut path = [0u8; libc::PATH_MAX as usize];
    while let Some((device, inode, end)) = end_next(&mut path) {
        let Ok(path) = std::ffi::CStr::from_bytes_until_nul(&path) else {
            continue;
        };
        let file = FileName {
            path: path.to_owned(),
            device,
            inode,
            end,
        };
        match end {
            End::Fold(with) => {
                fold = Some(with);
                to_fold.push(file);
            }
            End::Remove | End::Keep => file.remove(),
        }
    }
    // All at once: one step for each model.
    if let Some(fold) = fold {
        fold(&to_fold);
    }
}

/// Ends the next file of the list as far as that can be done under the lock; gives what is left to do.
/// `None`: none is left.
fn end_next(path: &mut [u8]) -> Option<(u64, u64, End)> {
    lock::with(&LIST, || {
        // SAFETY: under LIST; entries in the list are alive.
        let mut entry = unsafe { (*HEAD.0.get()).as_ref() };
        while let Some(this) = entry {
            // SAFETY: as above.
            entry = unsafe { this.next.get().as_ref() };
            if this.generation != generation() || this.done.replace(true) {
                continue;
            }
            let FileName {
                device, inode, end, ..
            } = this.file;
            let bytes = this.file.path.as_bytes_with_nul();
            if matches!(end, End::Keep) || bytes.len() > path.len() {
                this.mark_ended();
                continue;
            }
            path[..bytes.len()].copy_from_slice(bytes);
            if matches!(end, End::Fold(_)) {
                this.mark_ended();
                // Threads may still be writing. From here on they write to private memory, so that what
                // is folded is what a reader saw last.
                // SAFETY: the entry is in the list, so its region is alive; its handles are views of
                // atomic words, for which memory of zeros is as good (as in the child of a fork).
                unsafe { region::replace(this.start, this.len) };
            }
            return Some((device, inode, end));
        }
        None
    })
}

/// 0: handlers not registered; else the pid that registers, or has.
static REGISTERING: AtomicU32 = AtomicU32::new(0);
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Before `main`; see the module.
#[cfg(all(target_os = "linux", not(miri)))]
#[used]
// SAFETY: the section holds pointers to functions that the loader calls once, before `main`; this one
// uses only libc and atomics, which need no runtime.
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn at_load() {
        register();
    }
    at_load
};

/// Registers the handlers for fork and exit, once. Where there is no way to do so before `main`, the
/// first use does it.
pub fn register() {
    let pid = std::process::id();
    // Acquire: pairs with the Release below.
    while !REGISTERED.load(Ordering::Acquire) {
        let holder = REGISTERING.load(Ordering::Relaxed);
        // A holder with another pid was caught by a fork in the middle: this child takes over. The
        // handlers may then be in twice, which they allow (see `DEPTH`).
        if holder != pid
            && REGISTERING
                .compare_exchange(holder, pid, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            // SAFETY: handlers that stay valid for the life of the process.
            unsafe {
                libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child));
                libc::atexit(at_exit);
            }
            REGISTERED.store(true, Ordering::Release);
        } else {
            std::thread::yield_now();
        }
    }
}

/// The cells of a thread's `local` files, in a list that lives in the thread's own storage.
#[derive(Debug)]
pub struct ThreadCell {
    /// What `local` uses; null: nothing.
    pub model: Cell<*const ()>,
    next: Cell<*const ThreadCell>,
    entered: Cell<bool>,
}

thread_local! {
    /// How deep in fork handlers this thread is: they may be registered twice.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The first of this thread's cells.
    static CELLS: Cell<*const ThreadCell> = const { Cell::new(ptr::null()) };
}

impl ThreadCell {
    /// An empty cell.
    pub const fn new() -> ThreadCell {
        ThreadCell {
            model: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            entered: Cell::new(false),
        }
    }

    /// Enters the cell into its thread's list, once.
    ///
    /// # Safety
    /// The cell is a thread-local of this thread that needs no drop: it lives as long as the thread.
    pub unsafe fn enter(&self) {
        if !self.entered.replace(true) {
            self.next.set(CELLS.replace(self));
        }
    }
}

/// Empties every cell of this thread.
pub fn clear_thread_cells() {
    let mut cell = CELLS.get();
    // SAFETY: by the contract of `enter`, cells in the list live as long as this thread.
    while let Some(this) = unsafe { cell.as_ref() } {
        this.model.set(ptr::null());
        cell = this.next.get();
    }
}

extern "C" fn prepare() {
    if DEPTH.replace(DEPTH.get() + 1) == 0 {
        SETUP.lock();
        LIST.lock();
    }
}

extern "C" fn in_parent() {
    DEPTH.set(DEPTH.get() - 1);
    if DEPTH.get() == 0 {
        LIST.unlock();
        SETUP.unlock();
    }
}

extern "C" fn in_child() {
    DEPTH.set(DEPTH.get() - 1);
    if DEPTH.get() > 0 {
        return;
    }
    let old = generation();
    GENERATION.store(old + 1, Ordering::Relaxed);
    // SAFETY: LIST is held (by `prepare`), and this thread is the only one; entries are alive, as
    // their boxes were copied with the rest of the memory. Regions of an older generation than the
    // parent's are private memory already, and were inherited.
    unsafe {
        let mut entry = *HEAD.0.get();
        while let Some(this) = entry.as_ref() {
            if this.generation == old {
                region::replace(this.start, this.len);
            }
            entry = this.next.get();
        }
    }
    // Whoever was at it is a thread of the parent.
    NAMING.store(0, Ordering::Relaxed);
    clear_thread_cells();
    // SAFETY: LIST is held, and this thread is the only one.
    unsafe { orphans::forget_in_child() };
    identity::forget_in_child();
    LIST.unlock();
    SETUP.unlock();
}
