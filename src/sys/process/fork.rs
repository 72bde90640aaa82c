//! Forks: a number that tells a child from its parent, and what runs before and after.
//!
//! A fork first takes the locks under which per-process state is set up, so that the child finds nothing half made.
//! [`SETUP`] is the lock of this module; `lifecycle::handlers` lists what else a fork must hold and a child must
//! forget.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::lock::{self, RawLock};
pub use super::thread_cells::{ThreadCell, clear_thread_cells, park_thread_cells};
use crate::sync::{FIND, PUBLISH};

/// Held while the clock is calibrated, and while a root's lock is taken. Nothing is allocated under it, because an
/// instrumented allocator may call back here. Taken before all other locks that a fork takes.
pub static SETUP: RawLock = RawLock::new();

/// The number of forks between the first process and this one. A handle of an older generation is the parent's:
/// dropping it only unmaps.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Returns the generation of this process.
pub fn generation() -> u64 {
    // Relaxed: it changes only in a child that has one thread.
    GENERATION.load(Ordering::Relaxed)
}

/// What a fork does besides [`SETUP`] and the generation. All handlers run under [`SETUP`].
#[derive(Debug)]
pub struct Handlers {
    /// Runs before the fork, in the forking thread: takes locks.
    pub prepare: fn(),
    /// Runs after the fork, in the parent: releases them.
    pub in_parent: fn(),
    /// Runs after the fork, in the child, which has one thread: forgets the parent's state and releases the locks.
    /// The argument is the parent's generation.
    pub in_child: fn(u64),
}

/// Set once to a static, under [`SETUP`], so it does not change during a fork.
static HANDLERS: AtomicPtr<Handlers> = AtomicPtr::new(ptr::null_mut());

fn handlers() -> Option<&'static Handlers> {
    // SAFETY: null or a static. Pairs with the PUBLISH in `register_with`.
    unsafe { HANDLERS.load(FIND).as_ref() }
}

/// Does what [`register`] does, and also makes forks run `handlers`; all calls must pass the same ones. `then` runs
/// once, just before they are set.
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

/// 0: not registered; else the pid of the process that registers or has registered.
static REGISTERING: AtomicU32 = AtomicU32::new(0);
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Makes forks take [`SETUP`] and count generations. Takes effect once.
pub fn register() {
    let pid = std::process::id();
    // Pairs with the PUBLISH below.
    let mut tries = 0;
    while !REGISTERED.load(FIND) {
        let holder = REGISTERING.load(Ordering::Relaxed);
        // A holder with another pid was interrupted by a fork: this child takes over. The handlers may then be
        // registered twice, which they tolerate (see `DEPTH`).
        if holder != pid
            && REGISTERING
                .compare_exchange(holder, pid, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            // SAFETY: the handlers stay valid for the life of the process.
            unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
            REGISTERED.store(true, PUBLISH);
        } else {
            lock::wait(&mut tries);
        }
    }
}

thread_local! {
    /// How deep this thread is in fork handlers, which may be registered twice.
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
