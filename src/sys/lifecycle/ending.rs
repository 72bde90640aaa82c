//! How far the process has come to its end, and whether that is a crash.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::naming::{Names, Naming};
use crate::sys::process::identity;

/// Who names files, until the exit handler has run.
static NAMES: Names = Names::new();

/// Whether the process has run its exit handler: no more files then.
pub fn exited() -> bool {
    NAMES.are_over()
}

/// The exit handler begins: from here on no file is given a name.
pub(super) fn begin() {
    NAMES.end();
}

/// For giving a name to a file; `None` once the process exits: no more names then.
pub fn giving_name() -> Option<Naming<'static>> {
    NAMES.begin().unless_over()
}

/// For taking the name of a file away.
pub(in crate::sys) fn taking_name() -> Naming<'static> {
    NAMES.begin()
}

/// The exit handler waits for those who give or take names.
pub(super) fn wait_for_names() {
    /// A thread that takes longer is stopped, or its file system is.
    const PATIENCE: Duration = Duration::from_secs(1);
    NAMES.wait_for_all(PATIENCE);
}

/// Whether the main thread has panicked (as the panic hook says, if there is one).
static MAIN_PANICKED: AtomicBool = AtomicBool::new(false);
/// Whether the process exits with the status of a panic in the main thread, as far as is known.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Notes a panic of this thread.
pub fn note_panic() {
    if identity::is_main_thread() {
        // Relaxed: read by this thread, in drops and at the exit.
        MAIN_PANICKED.store(true, Ordering::Relaxed);
    }
}

/// Whether the process is ending by a panic in its main thread: then its files are left to be looked at.
/// (A panic that is caught is not the end.)
pub fn is_crash() -> bool {
    MAIN_PANICKED.load(Ordering::Relaxed)
        && (FAILED.load(Ordering::Relaxed) || std::thread::panicking())
}

/// Has the status noted at the exit, before the files are ended. For programs that have a panic hook.
pub fn watch_status() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// With which a Rust program ends whose main thread has panicked.
        const OF_A_PANIC: libc::c_int = 101;
        unsafe extern "C" {
            // glibc's atexit(3) that is told the status. (The libc crate does not have it.)
            fn on_exit(
                handler: extern "C" fn(libc::c_int, *mut libc::c_void),
                argument: *mut libc::c_void,
            ) -> libc::c_int;
        }
        extern "C" fn note(status: libc::c_int, _: *mut libc::c_void) {
            FAILED.store(status == OF_A_PANIC, Ordering::Relaxed);
        }
        if crate::sys::process::loaded::stay() {
            // Handlers are called in the reverse order: this one comes before that of `exit`.
            // SAFETY: a handler whose code stays loaded, as was just seen to, and which ignores its
            // argument.
            unsafe { on_exit(note, std::ptr::null_mut()) };
            return;
        }
    }
    // Where the status cannot be read, a panic of the main thread counts as the end.
    FAILED.store(true, Ordering::Relaxed);
}

/// In the child of a fork: whoever was naming a file is a thread of the parent, and so is who panicked.
pub fn forget_in_child() {
    NAMES.forget_in_child();
    MAIN_PANICKED.store(false, Ordering::Relaxed);
}
