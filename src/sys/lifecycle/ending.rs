//! How far the process has come to its end, and whether that is a crash.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::sync::told_before_looking;
use crate::sys::process::identity;
use crate::sys::process::lock;

/// Whether the exit handler has run: no more files then.
static EXITED: AtomicBool = AtomicBool::new(false);

/// Whether the process has run its exit handler.
pub fn exited() -> bool {
    EXITED.load(Ordering::Relaxed)
}

/// The exit handler begins: from here on no file is given a name.
pub(super) fn begin() {
    EXITED.store(true, Ordering::Relaxed);
    // Pairs with the one in `Naming::begin`: either the other thread sees the exit, or the exit waits for it.
    told_before_looking();
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

/// How many threads are between giving a file its name and entering it, or between taking it out
/// and removing it. The exit handler waits for them: nobody else would remove what they leave.
static NAMING: AtomicUsize = AtomicUsize::new(0);
/// How long it waits. A thread that takes longer is stopped, or its file system is.
const PATIENCE: Duration = Duration::from_secs(1);

/// One of [`NAMING`], until it is dropped.
#[derive(Debug)]
pub struct Naming(());

impl Naming {
    pub(in crate::sys) fn begin() -> Naming {
        NAMING.fetch_add(1, Ordering::Relaxed);
        // Pairs with the one in `begin`.
        told_before_looking();
        Naming(())
    }

    /// For giving a name to a file; `None` once the process exits: no more names then.
    pub fn new() -> Option<Naming> {
        let naming = Naming::begin();
        (!EXITED.load(Ordering::Relaxed)).then_some(naming)
    }

    pub(super) fn wait_for_all() {
        let start = Instant::now();
        let mut tries = 0;
        // Acquire: sees what the others have named.
        while NAMING.load(Ordering::Acquire) > 0 && start.elapsed() < PATIENCE {
            lock::wait(&mut tries);
        }
    }
}

impl Drop for Naming {
    fn drop(&mut self) {
        // Release: see `wait_for_all`. All changes are read-modify-writes, so each that came before is seen, too.
        NAMING.fetch_sub(1, Ordering::Release);
    }
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
    NAMING.store(0, Ordering::Relaxed);
    MAIN_PANICKED.store(false, Ordering::Relaxed);
}
