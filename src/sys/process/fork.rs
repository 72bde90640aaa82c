//! Forks: a number that tells a child from its parent, and what runs before and after.
//!
//! A fork takes the locks first under which something is made that a process has once, so that the child finds
//! nothing half made. [`SETUP`] is the lock of this module; what else a fork has to hold and a child to forget,
//! `lifecycle::handlers` says.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::lock::{self, RawLock};
pub use super::thread_cells::{ThreadCell, clear_thread_cells, park_thread_cells};
use crate::sync::{FIND, PUBLISH};

/// Held while the clock is calibrated, and while a root's lock is taken. Nothing is allocated under
/// it: an instrumented allocator may come back here. Before all other locks that a fork takes.
pub static SETUP: RawLock = RawLock::new();

/// How many forks lie between this process and the first. A handle of an older generation is the
/// parent's: its drop only unmaps.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The generation of this process.
pub fn generation() -> u64 {
    // Relaxed: it changes only in a child that has one thread.
    GENERATION.load(Ordering::Relaxed)
}

/// What a fork does beside [`SETUP`] and the generation. All run under [`SETUP`].
#[derive(Debug)]
pub struct Handlers {
    /// Before the fork, in the thread that forks: takes locks.
    pub prepare: fn(),
    /// After it, in the parent: opens them.
    pub in_parent: fn(),
    /// After it, in the child, which has one thread: forgets what is the parent's, and opens the locks. It is told
    /// the parent's generation.
    pub in_child: fn(u64),
}

/// Set once, under [`SETUP`], to a static. So it does not change while a fork is on its way.
static HANDLERS: AtomicPtr<Handlers> = AtomicPtr::new(ptr::null_mut());

fn handlers() -> Option<&'static Handlers> {
    // SAFETY: null or a static. Pairs with the PUBLISH in `register_with`.
    unsafe { HANDLERS.load(FIND).as_ref() }
}

/// [`register`], and has `handlers` run, too; all calls name the same ones. `then` runs once, with them set.
pub fn register_with(handlers: &'static Handlers, then: fn()) {
    if self::handlers().is_some() {
        return;
    }
    register();
    lock::with(&SETUP, || {
        if self::handlers().is_none() {
            then();
            HANDLERS.store(ptr::from_ref(handlers).cast_mut(), PUBLISH);
        }
    });
}

/// 0: not registered; else the pid that registers, or has.
static REGISTERING: AtomicU32 = AtomicU32::new(0);
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Has forks take [`SETUP`] and count generations, once.
pub fn register() {
    let pid = std::process::id();
    // Pairs with the PUBLISH below.
    let mut tries = 0;
    while !REGISTERED.load(FIND) {
        let holder = REGISTERING.load(Ordering::Relaxed);
        // A holder with another pid was caught by a fork in the middle: this child takes over. The
        // handlers may then be in twice, which they allow (see `DEPTH`).
        if holder != pid
            && REGISTERING
                .compare_exchange(holder, pid, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            // SAFETY: handlers that stay valid for the life of the process.
            unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
            REGISTERED.store(true, PUBLISH);
        } else {
            lock::wait(&mut tries);
        }
    }
}

thread_local! {
    /// How deep in fork handlers this thread is: they may be registered twice.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

extern "C" fn prepare() {
    if DEPTH.replace(DEPTH.get() + 1) == 0 {
        SETUP.lock();
        if let Some(handlers) = handlers() {
            (handlers.prepare)();
        }
    }
}

extern "C" fn in_parent() {
    DEPTH.set(DEPTH.get() - 1);
    if DEPTH.get() == 0 {
        if let Some(handlers) = handlers() {
            (handlers.in_parent)();
        }
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
    clear_thread_cells();
    if let Some(handlers) = handlers() {
        (handlers.in_child)(old);
    }
    SETUP.unlock();
}
