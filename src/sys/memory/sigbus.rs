//! The guard against SIGBUS: truncating or overwriting a mapped stats file must not end its reader.
//!
//! A load from a mapping beyond the end of its file raises SIGBUS. Readers compare the length before each pass, but
//! a file can be truncated in between. The guard is opt-in, because signal handlers are the program's business, not
//! a library's. Where it is installed, a fault inside one of the reader's own views marks the view and puts pages
//! of zeros under the rest of it. The load then returns zero, the pass ends, and the reader discards its result.
//! Every other fault goes to the previous handler.
//!
//! # What the handler may do
//! It may interrupt anything, so it takes no lock and allocates nothing: it reads a table of atomics in static
//! memory, calls mmap (a plain system call) and restores errno. The thread that faults is the one that reads the
//! view, and it holds a borrow of it: so the entry of its view is in the table, complete, and stays there. Entries
//! of other views may change meanwhile. Each has a generation that is odd while it changes, and the handler skips
//! an entry that it could not read consistently: that is never the one it looks for. [`table`] has the proof.
//!
//! If a process forks while another of its threads makes or drops a view, the child must not read stats before
//! exec: the table's lock may be held there forever.

use super::region::page_size;
use crate::sync::{FIND, PUBLISH};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use table::ViewTable;

pub mod table;

/// The number of views that the table has space for. Each costs 32 bytes of zeroed static memory, which takes no
/// memory until it is used.
const VIEWS: usize = 16_384;

static TABLE: ViewTable<VIEWS> = ViewTable::new();
/// Free places of the table. Its lock also ensures that only one thread at a time changes entries; the handler does
/// not take it.
static FREE: Mutex<Vec<u16>> = Mutex::new(Vec::new());
/// Whether the handler is installed.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// A view's place in the table, freed on drop.
#[derive(Debug)]
pub struct ViewEntry(u16);

/// Enters a view. Returns `None` if the table is full.
pub fn register(start: usize, len: usize) -> Option<ViewEntry> {
    let mut free = FREE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    TABLE.enter(&mut free, start, len).map(ViewEntry)
}

impl ViewEntry {
    /// Returns whether the handler put pages of zeros under the view.
    pub fn is_cut(&self) -> bool {
        TABLE.entry(self.0).is_cut()
    }
}

impl Drop for ViewEntry {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        TABLE.leave(&mut free, self.0);
    }
}

/// Returns whether the handler is installed.
pub fn is_installed() -> bool {
    INSTALLED.load(FIND)
}

/// Installs the handler; later calls do nothing.
///
/// # Errors
/// Those of sigaction.
pub fn install() -> io::Result<()> {
    platform::install()
}

mod platform {
    use super::*;
    use std::sync::OnceLock;

    /// The action that was installed before ours. Set before our handler is installed.
    static PREVIOUS: OnceLock<Previous> = OnceLock::new();

    struct Previous(libc::sigaction);
    // SAFETY: a sigaction is plain data: an address of a function, a mask and flags.
    unsafe impl Send for Previous {}
    // SAFETY: as above; it is never changed.
    unsafe impl Sync for Previous {}

    pub fn install() -> io::Result<()> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _lock = ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if is_installed() {
            return Ok(());
        }
        if PREVIOUS.get().is_none() {
            // SAFETY: all zeros is a valid sigaction (SIG_DFL, empty mask).
            let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
            // SAFETY: no new action is passed; `previous` is valid for writing.
            if unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &mut previous) } != 0 {
                return Err(io::Error::last_os_error());
            }
            let _ = PREVIOUS.set(Previous(previous));
        }
        // SAFETY: all zeros is a valid sigaction.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = handle;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: `action` is complete: `handle` has the signature that SA_SIGINFO requires, does only what is
        // async-signal-safe, and lives as long as the program.
        if unsafe { libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        INSTALLED.store(true, PUBLISH);
        Ok(())
    }

    extern "C" fn handle(
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        // SAFETY: with SA_SIGINFO, the kernel passes a valid siginfo that belongs to this call alone.
        let said = unsafe { &*info };
        let code = said.si_code;
        // A code above 0 means a fault of this thread, with an address; other signals were sent by a process.
        if code > 0 {
            // SAFETY: for a fault, si_addr is the valid member.
            let address = unsafe { said.si_addr() } as usize;
            if put_zeros(address) {
                return;
            }
        }
        pass_on(signal, code, info, context);
    }

    /// Puts zeros under the page of `address` and all later pages of the same view. Returns whether `address` is in
    /// one of our views and the zeros are in place.
    fn put_zeros(address: usize) -> bool {
        let Some((entry, start, len)) = TABLE.find(address) else {
            return false;
        };
        let page = page_size();
        let first = address & !(page - 1);
        let end = (start + len + page - 1) & !(page - 1);
        // Marked before the zeros are in place. If mmap fails, the file is short all the same.
        entry.cut();
        let errno = errno();
        // SAFETY: this thread's errno, which always exists.
        let before = unsafe { errno.read() };
        // SAFETY: `first..end` lies within the pages of a view that is mapped now: the thread that faulted holds a
        // borrow of it (see the module documentation). Replacing the pages is sound, because they are only accessed
        // by atomic loads, which may see any value. The view unmaps them with its own pages.
        let mapped = unsafe {
            libc::mmap(
                first as *mut libc::c_void,
                end - first,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        // SAFETY: as above.
        unsafe { errno.write(before) };
        mapped != libc::MAP_FAILED
    }

    /// Returns the address of this thread's errno.
    #[cfg(any(target_os = "linux", target_os = "emscripten"))]
    fn errno() -> *mut libc::c_int {
        // SAFETY: no preconditions.
        unsafe { libc::__errno_location() }
    }

    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    fn errno() -> *mut libc::c_int {
        // SAFETY: no preconditions.
        unsafe { libc::__error() }
    }

    #[cfg(any(target_os = "illumos", target_os = "solaris"))]
    fn errno() -> *mut libc::c_int {
        // SAFETY: no preconditions.
        unsafe { libc::___errno() }
    }

    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    fn errno() -> *mut libc::c_int {
        // SAFETY: no preconditions.
        unsafe { libc::__errno() }
    }

    /// Handles a fault that is not ours: does what would have happened without the guard.
    fn pass_on(
        signal: libc::c_int,
        code: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        let Some(Previous(previous)) = PREVIOUS.get() else {
            return;
        };
        match previous.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                if previous.sa_sigaction == libc::SIG_IGN && code <= 0 {
                    return;
                }
                // Restores the old action; a fault then happens again. A signal that was sent does not, so it is
                // raised; it is delivered when this handler returns, because the signal is blocked until then.
                // SAFETY: `previous` is what sigaction returned.
                unsafe { libc::sigaction(signal, previous, std::ptr::null_mut()) };
                if code <= 0 {
                    // SAFETY: no preconditions; async-signal-safe.
                    unsafe { libc::raise(signal) };
                }
            }
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                // SAFETY: sigaction returned this address with SA_SIGINFO, so it is a function of this type.
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    unsafe { std::mem::transmute(handler) };
                handler(signal, info, context);
            }
            handler => {
                // SAFETY: sigaction returned this address without SA_SIGINFO, so it is a function of this type.
                let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(handler) };
                handler(signal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::read_map::{View, open};

    #[test]
    fn a_file_cut_short_under_a_guarded_view_reads_as_zeros_and_is_marked() {
        install().unwrap();
        install().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![7; 4 * 4096]).unwrap();
        let view = View::new(&open(&path).unwrap().file, 4 * 4096).unwrap();
        let other = View::new(&open(&path).unwrap().file, 4096).unwrap();
        assert_eq!(view.acquire(3 * 512), 0x0707_0707_0707_0707);
        assert!(!view.is_cut());
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(4096).unwrap();
        assert_eq!(view.acquire(3 * 512), 0);
        assert_eq!(view.acquire(512), 0);
        assert_eq!(view.acquire(0), 0x0707_0707_0707_0707);
        assert!(view.is_cut());
        assert!(!other.is_cut());
    }

    #[test]
    fn an_address_is_found_only_while_its_view_is_entered() {
        // Addresses that no program has.
        let (start, len) = (usize::MAX - 0xffff, 8192);
        let entry = register(start, len).unwrap();
        assert!(TABLE.find(start).is_some());
        assert!(TABLE.find(start + len - 1).is_some());
        assert!(TABLE.find(start + len).is_none());
        assert!(TABLE.find(start - 1).is_none());
        drop(entry);
        assert!(TABLE.find(start).is_none());
    }
}
