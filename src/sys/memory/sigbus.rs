//! The guard against SIGBUS: someone who copies over a mapped stats file must not end its reader.
//!
//! A load from a mapping beyond the end of its file is SIGBUS. Readers compare the length before each
//! pass, but a file can be cut short in between. Where the guard is installed (opt-in, for a signal
//! handler is the program's, not a library's) a fault inside one of the reader's own views marks
//! it and puts zero pages under the rest of it; the load then gives zero, the pass ends, and the
//! reader throws its result away. Every other fault goes to the handler that was there before.
//!
//! # What the handler may do
//! It runs in the middle of anything, so it takes no lock and allocates nothing: it reads a table of
//! atomics in static memory, calls mmap (a plain system call) and restores errno. The thread that
//! faults is the one that reads the view, and it holds a borrow of it: so the entry of its view is in
//! the table, complete, and stays there. Entries of other views may change meanwhile; each has a
//! generation that is odd while it changes, and the handler passes over an entry that it did not read in
//! one piece: that is never the one it looks for. [`table`] has the proof.
//!
//! A process that forks while another of its threads makes or drops a view must not read stats in the
//! child before exec: the table's lock may be held there for ever.

use super::region::page_size;
use crate::sync::{FIND, PUBLISH};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use table::ViewTable;

pub mod table;

/// Views that the table has room for. One more costs 32 bytes of zeroed static memory, which takes no
/// memory until it is used.
const VIEWS: usize = 16_384;

static TABLE: ViewTable<VIEWS> = ViewTable::new();
/// Free places of the table. Its lock also lets only one thread at a time change entries; the handler
/// does not take it.
static FREE: Mutex<Vec<u16>> = Mutex::new(Vec::new());
/// Whether the handler is installed.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// A view's place in the table; free again when dropped.
#[derive(Debug)]
pub struct ViewEntry(u16);

/// Enters a view. `None`: the table is full.
pub fn register(start: usize, len: usize) -> Option<ViewEntry> {
    let mut free = FREE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    TABLE.enter(&mut free, start, len).map(ViewEntry)
}

impl ViewEntry {
    /// Whether the handler put pages of zeros under the view.
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

/// Whether the handler is there.
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

    /// What was installed before us. Set before our handler is.
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
            // SAFETY: no new action is given; `previous` is valid for writing.
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
        // SAFETY: `action` is complete: `handle` has the signature that SA_SIGINFO asks for, does only
        // what is async-signal-safe, and lives as long as the program.
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
        // SAFETY: SA_SIGINFO: the kernel gives a valid siginfo, of this call alone.
        let said = unsafe { &*info };
        let code = said.si_code;
        // A code above 0 is a fault of this thread with an address; others were sent by someone.
        if code > 0 {
            // SAFETY: of a fault si_addr is the valid member.
            let address = unsafe { said.si_addr() } as usize;
            if put_zeros(address) {
                return;
            }
        }
        pass_on(signal, code, info, context);
    }

    /// Puts zeros under the page of `address` and all pages after it in the same view of ours.
    fn put_zeros(address: usize) -> bool {
        let Some((entry, start, len)) = TABLE.find(address) else {
            return false;
        };
        let page = page_size();
        let first = address & !(page - 1);
        let end = (start + len + page - 1) & !(page - 1);
        // Before the zeros are there. Where there will be none, the file is short all the same.
        entry.cut();
        let errno = errno();
        // SAFETY: this thread's errno, which is always there.
        let before = unsafe { errno.read() };
        // SAFETY: `first..end` lies within the pages of a view that is mapped now: the thread that
        // faulted holds a borrow of it (see the module's text). Replacing them is what we are for: they
        // are only ever accessed by atomic loads, which may see any value. The view unmaps them with
        // its own pages.
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

    /// Where this thread's errno is.
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

    /// Not ours: does what would have happened without us.
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
                // The old action back, and the fault happens again. What was sent does not, so it is
                // raised: it comes when this handler returns, for the signal is blocked until then.
                // SAFETY: `previous` is what sigaction gave.
                unsafe { libc::sigaction(signal, previous, std::ptr::null_mut()) };
                if code <= 0 {
                    // SAFETY: no preconditions; async-signal-safe.
                    unsafe { libc::raise(signal) };
                }
            }
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                // SAFETY: sigaction gave this address with SA_SIGINFO, so it is a function of this type.
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    unsafe { std::mem::transmute(handler) };
                handler(signal, info, context);
            }
            handler => {
                // SAFETY: sigaction gave this address without SA_SIGINFO, so it is a function of this
                // type.
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
