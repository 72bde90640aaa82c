//! How far the process is in ending, and whether it is crashing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::naming::{Names, Naming};
use crate::sys::process::identity;

/// The threads that name files, until the exit handler has run.
static NAMES: Names = Names::new();

/// Returns whether the exit handler has begun. After that, no more files are created.
pub fn exited() -> bool {
    NAMES.are_over()
}

/// Marks the start of the exit handler. After this, no file is given a name.
pub(super) fn begin() {
    NAMES.end();
}

/// Must be held while a file is given a name. `None` once the process is exiting: no more names then.
pub fn giving_name() -> Option<Naming<'static>> {
    NAMES.begin().unless_over()
}

/// Must be held while a file's name is removed.
pub(in crate::sys) fn taking_name() -> Naming<'static> {
    NAMES.begin()
}

/// Makes the exit handler wait for the threads that give or remove names.
pub(super) fn wait_for_names() {
    /// A thread that takes longer is stopped, or its file system is.
    const PATIENCE: Duration = Duration::from_secs(1);
    NAMES.wait_for_all(PATIENCE);
}

/// Whether the main thread has panicked (according to the panic hook, if there is one).
static MAIN_PANICKED: AtomicBool = AtomicBool::new(false);
/// Whether the process exits with the status of a panic in the main thread, as far as is known.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Records a panic of this thread.
pub fn note_panic() {
    if identity::is_main_thread() {
        // Relaxed: read by this thread, in drops and at the exit.
        MAIN_PANICKED.store(true, Ordering::Relaxed);
    }
}

/// Returns whether the process is ending because its main thread panicked. Its files are then left for inspection.
/// (A caught panic does not end the process.)
pub fn is_crash() -> bool {
    MAIN_PANICKED.load(Ordering::Relaxed)
        && (FAILED.load(Ordering::Relaxed) || std::thread::panicking())
}

/// Makes the exit record its status before the files are ended. For programs that have a panic hook.
pub fn watch_status() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The status with which a Rust program exits after its main thread panicked.
        const OF_A_PANIC: libc::c_int = 101;
        unsafe extern "C" {
            // glibc's variant of atexit(3) that passes the status. (The libc crate does not have it.)
            fn on_exit(
                handler: extern "C" fn(libc::c_int, *mut libc::c_void),
                argument: *mut libc::c_void,
            ) -> libc::c_int;
        }
        extern "C" fn note(status: libc::c_int, _: *mut libc::c_void) {
            FAILED.store(status == OF_A_PANIC, Ordering::Relaxed);
        }
        if crate::sys::process::loaded::stay() {
            // Handlers are called in reverse order: this one runs before that of `exit`.
            // SAFETY: the code of the handler stays loaded, as just ensured, and it ignores its argument.
            unsafe { on_exit(note, std::ptr::null_mut()) };
            return;
        }
    }
    // Where the status cannot be read, any panic of the main thread counts as the end.
    FAILED.store(true, Ordering::Relaxed);
}

/// Resets the state in the child of a fork: a thread that was naming a file, or that panicked, is the parent's.
pub fn forget_in_child() {
    NAMES.forget_in_child();
    MAIN_PANICKED.store(false, Ordering::Relaxed);
}
