//! Forks: what a child finds in the place of its parent's files.
//!
//! One lock, [`LIST`], guards the list of files (`lifecycle::files`) and the list of orphans
//! (`lifecycle::orphans`). It is held for a few assignments: nothing is allocated and no file touched under it.
//! Another, [`SETUP`], is held while something is made that a process has once, a third guards the list of
//! `lifecycle::ticker`. A fork takes all first, so that the child finds the lists whole and nothing half made.
//!
//! The handlers are registered when the program is loaded, before it can have a second thread. Were
//! they registered at first use, a fork could be on its way by then: its child would find the locks
//! taken by a thread that it does not have, no handler would have run in it, and it would take its
//! parent's pid for its own.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::identity;
use super::lock::{self, RawLock};
pub use super::thread_cells::{ThreadCell, clear_thread_cells, park_thread_cells};
use crate::sync::{FIND, PUBLISH};
use crate::sys::lifecycle::ending;
use crate::sys::lifecycle::exit;
use crate::sys::lifecycle::files;
use crate::sys::lifecycle::idle;
use crate::sys::lifecycle::orphans;
use crate::sys::lifecycle::ticker::{self, Locked, TICKS};

/// Guards the lists of files and orphans.
pub static LIST: RawLock = RawLock::new();

/// Held while the clock is calibrated, and while a root's lock is taken. Nothing is allocated under
/// it either: an instrumented allocator may come back here. Before [`LIST`], where both are held.
pub static SETUP: RawLock = RawLock::new();

/// How many forks lie between this process and the first. A handle of an older generation is the
/// parent's: its drop only unmaps.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The generation of this process.
pub fn generation() -> u64 {
    // Relaxed: it changes only in a child that has one thread.
    GENERATION.load(Ordering::Relaxed)
}

/// 0: handlers not registered; else the pid that registers, or has.
static REGISTERING: AtomicU32 = AtomicU32::new(0);
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Before `main`; see the module.
#[cfg(all(
    any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "netbsd",
        target_vendor = "apple"
    ),
    not(miri)
))]
#[used]
// SAFETY: the section holds pointers to functions that the loader calls once, before `main`; this one
// uses only libc and atomics, which need no runtime.
#[cfg_attr(
    target_vendor = "apple",
    unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs")
)]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
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
            exit::register();
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
        TICKS.lock();
        LIST.lock();
    }
}

extern "C" fn in_parent() {
    DEPTH.set(DEPTH.get() - 1);
    if DEPTH.get() == 0 {
        LIST.unlock();
        TICKS.unlock();
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
    // SAFETY: LIST is held (by `prepare`), and this thread is the only one.
    unsafe { files::replace_in_child(old) };
    ending::forget_in_child();
    clear_thread_cells();
    // SAFETY: LIST is held, and this thread is the only one.
    unsafe { orphans::forget_in_child() };
    // SAFETY: TICKS is held, until below.
    let locked = unsafe { Locked::assume() };
    ticker::forget_in_child(&locked);
    idle::forget_in_child(&locked);
    identity::forget_in_child();
    LIST.unlock();
    TICKS.unlock();
    SETUP.unlock();
}
