//! What runs when the program is loaded, when it forks, and when it exits, for everything that a process has of its
//! files.
//!
//! A fork takes, in this order, the locks of [`fork`], of the [`ticker`], of the list of [`files`] and of the list
//! of [`orphans`], so that the child finds the lists consistent. They are held for a few assignments: nothing is
//! allocated and no file is touched under them.
//!
//! The handlers are registered when the program is loaded, before it can have a second thread. If they were
//! registered at first use, a fork could already be in progress. Its child would find the locks taken by a thread
//! that it does not have, no handler would have run in it, and it would take its parent's pid for its own.

use super::ticker::{self, TICKS, TicksLocked};
use super::{ending, exit, files, held_locks, idle, orphans};
use crate::sys::process::fork::{self, Handlers};
use crate::sys::process::identity;

/// Runs before `main`; see the module documentation.
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
// SAFETY: the section holds pointers to functions that the loader calls once, before `main`; this one uses only
// libc and atomics, which need no runtime.
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

/// Registers the handlers for fork and exit, once. On systems where this cannot be done before `main`, the thread
/// that creates the first file calls it.
pub fn register() {
    fork::register_with(&HANDLERS, exit::register);
}

static HANDLERS: Handlers = Handlers {
    prepare: lock_all,
    in_parent: unlock_all,
    in_child,
};

fn lock_all() {
    TICKS.lock();
    files::LIST.lock();
    orphans::LIST.lock();
}

fn unlock_all() {
    orphans::LIST.unlock();
    files::LIST.unlock();
    TICKS.unlock();
}

fn in_child(old: u64) {
    // SAFETY: `lock_all` took the list's lock, and this thread is the only one.
    unsafe { files::replace_in_child(old) };
    ending::forget_in_child();
    // SAFETY: as above.
    unsafe { orphans::forget_in_child() };
    // SAFETY: TICKS is held until `unlock_all` below.
    let locked = unsafe { TicksLocked::assume() };
    ticker::forget_in_child(&locked);
    idle::forget_in_child(&locked);
    identity::forget_in_child();
    held_locks::forget_in_child();
    unlock_all();
}
