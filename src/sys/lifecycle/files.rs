//! The stats files that this process writes: a list of their mappings and names, for forks and exits.

use std::cell::Cell;
use std::ffi::{CStr, CString, OsStr};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ended_groups;
use super::ending;
use super::retained;
use crate::format::header::{COMMITTED, FIXED, OWNER, OwnerState};
use crate::format::owner;
use crate::format::removal::{EndedGroup, end_in};
use crate::sync::FIND;
use crate::sys::memory::region;
use crate::sys::process::fork;
use crate::sys::process::lock::{self, RawLock};

/// Guards the list. Nothing is allocated and no file touched under it. A fork takes it first (`handlers`).
pub static LIST: RawLock = RawLock::new();

/// A published file: what is needed to remove it, if it still is the same file.
#[derive(Debug)]
pub struct FileName {
    /// The absolute path.
    pub path: CString,
    /// The device.
    pub device: u64,
    /// The inode.
    pub inode: u64,
    /// What happens to the file at a clean end.
    pub end: End,
}

/// What happens to a file when it is dropped or the process exits.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// It is removed.
    Remove,
    /// It stays.
    Keep,
    /// The function is called with this file, and perhaps others, when nobody writes them any more.
    Fold(fn(&[FileName])),
}

impl FileName {
    /// Returns the path.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path.to_bytes()))
    }

    /// Removes the file if the path still leads to it. Takes no lock and allocates nothing.
    pub fn remove(&self) {
        // An error is ignored: a later clean-up by another process deals with it.
        let _ = self.try_remove();
    }

    fn try_remove(&self) -> rustix::io::Result<()> {
        use rustix::fs::{Mode, OFlags};
        let path = self.path.to_bytes_with_nul();
        let end = path.iter().rposition(|&byte| byte == b'/');
        let end = end.ok_or(rustix::io::Errno::INVAL)?;
        let name = CStr::from_bytes_with_nul(&path[end + 1..]).expect("the end of a C string");
        // The directory is opened first, so that nobody can replace it between the check of the file and its
        // removal.
        let mut above = [0u8; libc::PATH_MAX as usize];
        let bytes = above.get_mut(..end).ok_or(rustix::io::Errno::NAMETOOLONG)?;
        bytes.copy_from_slice(&path[..end]);
        let above =
            CStr::from_bytes_until_nul(&above).map_err(|_| rustix::io::Errno::NAMETOOLONG)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // O_PATH also opens a directory that may not be listed.
        #[cfg(target_os = "linux")]
        let flags = flags | OFlags::PATH;
        match rustix::fs::open(above, flags, Mode::empty()) {
            Ok(directory) => self.remove_at(directory.as_fd(), name),
            // A process that has used up its descriptors must not leave files either.
            Err(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                self.remove_at(rustix::fs::CWD, &self.path)
            }
            Err(error) => Err(error),
        }
    }

    #[allow(clippy::unnecessary_cast, reason = "signed numbers on macOS")]
    fn remove_at(&self, directory: BorrowedFd, name: &CStr) -> rustix::io::Result<()> {
        use rustix::fs::{AtFlags, statat, unlinkat};
        let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if (found.st_dev as u64, found.st_ino as u64) == (self.device, self.inode) {
            unlinkat(directory, name, AtFlags::empty())?;
        }
        Ok(())
    }
}

/// A region in the list. It stays at its address (boxed) while it is listed.
#[derive(Debug)]
pub struct Registered {
    start: usize,
    len: usize,
    generation: u64,
    file: FileName,
    /// A descriptor of the file that stays open: see [`retained`].
    retained: Option<RawFd>,
    /// Neighbours in the list; guarded by [`LIST`].
    next: Cell<*const Registered>,
    previous: Cell<*const Registered>,
    /// Whether the exit handler has handled it; guarded by [`LIST`].
    done: Cell<bool>,
}

/// The first entry of the list; guarded by [`LIST`].
struct ListHead(Cell<*const Registered>);
// SAFETY: only touched under LIST.
unsafe impl Sync for ListHead {}
static HEAD: ListHead = ListHead(Cell::new(ptr::null()));

/// Iterates over the entries of the list while [`LIST`] is held.
struct FileList<'a> {
    next: *const Registered,
    /// The lock is held for this lifetime.
    held: PhantomData<&'a Registered>,
}

impl FileList<'_> {
    /// For callers that took the lock in another way.
    ///
    /// # Safety
    /// This thread must hold [`LIST`] as long as it has the iterator or an entry.
    unsafe fn assume() -> Self {
        FileList {
            next: HEAD.0.get(),
            held: PhantomData,
        }
    }
}

impl<'a> Iterator for FileList<'a> {
    type Item = &'a Registered;

    fn next(&mut self) -> Option<&'a Registered> {
        // SAFETY: null, or in the list. Entries in the list are alive: `leave` first takes them out, under the
        // lock, which is held as long as this iterator may be used.
        let entry = unsafe { self.next.as_ref() }?;
        self.next = entry.next.get();
        Some(entry)
    }
}

/// Runs `work` on the entries, under the lock.
fn with_listed<R>(work: impl FnOnce(FileList) -> R) -> R {
    // SAFETY: under LIST; `work` cannot keep an entry, since it must accept any lifetime.
    lock::with(&LIST, || work(unsafe { FileList::assume() }))
}

/// Enters a region. [`handlers`](super::handlers) must be registered.
pub fn enter(start: usize, len: usize, file: FileName, retained: Option<RawFd>) -> Box<Registered> {
    let entry = Box::new(Registered {
        start,
        len,
        generation: fork::generation(),
        file,
        retained,
        next: Cell::new(ptr::null()),
        previous: Cell::new(ptr::null()),
        done: Cell::new(false),
    });
    lock::with(&LIST, || {
        let first = HEAD.0.replace(&*entry);
        entry.next.set(first);
        // SAFETY: null, or in the list and hence alive, under LIST.
        if let Some(first) = unsafe { first.as_ref() } {
            first.previous.set(&*entry);
        }
    });
    entry
}

/// Takes a region out of the list. Removes its file, unless the file is to be kept or is not this process's.
#[allow(clippy::boxed_local, reason = "the list has its address until here")]
pub fn leave(entry: Box<Registered>) {
    let _naming = ending::taking_name();
    lock::with(&LIST, || {
        let (next, previous) = (entry.next.get(), entry.previous.get());
        // SAFETY: null, or in the list and hence alive, under LIST.
        match unsafe { previous.as_ref() } {
            Some(previous) => previous.next.set(next),
            None => HEAD.0.set(next),
        }
        // SAFETY: as above.
        if let Some(next) = unsafe { next.as_ref() } {
            next.previous.set(previous);
        }
    });
    let Registered {
        generation: own,
        file,
        done,
        ..
    } = &*entry;
    if *own != fork::generation() || done.get() {
        return;
    }
    match file.end {
        _ if ending::is_crash() => entry.mark(OwnerState::Panicked),
        End::Remove => file.remove(),
        End::Keep => entry.mark(OwnerState::Ended),
        End::Fold(fold) => {
            entry.mark(OwnerState::Ended);
            fold(std::slice::from_ref(file));
        }
    }
}

impl Registered {
    /// Marks the end of a file that stays, for now or for good.
    fn mark(&self, state: OwnerState) {
        // SAFETY: the entry is in use only while its region is mapped, and a header is written there before the
        // region is registered; the word is aligned to 8 and only accessed atomically.
        let owner = unsafe { &*ptr::with_exposed_provenance::<AtomicU64>(self.start + OWNER) };
        owner::end(owner, state);
    }
}

/// Ends the next file of the list as far as possible under the lock, and returns what is left to do; `None` if no
/// file is left.
pub fn end_next(path: &mut [u8]) -> Option<(u64, u64, End)> {
    with_listed(|listed| {
        for this in listed {
            if this.generation != fork::generation() || this.done.replace(true) {
                continue;
            }
            let FileName {
                device, inode, end, ..
            } = this.file;
            let bytes = this.file.path.as_bytes_with_nul();
            if ending::is_crash() {
                this.mark(OwnerState::Panicked);
                continue;
            }
            if matches!(end, End::Keep) || bytes.len() > path.len() {
                this.mark(OwnerState::Ended);
                continue;
            }
            path[..bytes.len()].copy_from_slice(bytes);
            if matches!(end, End::Fold(_)) {
                this.mark(OwnerState::Ended);
                // Threads may still be writing. From here on they write to private memory, so that what is folded
                // is what a reader saw last.
                // SAFETY: the entry is in the list, so its region is alive; its handles are views of atomic words,
                // for which memory of zeros is just as good (as in the child of a fork).
                unsafe { region::replace(this.start, this.len) };
            }
            return Some((device, inode, end));
        }
        None
    })
}

/// Ends a group in the files that this process writes in a directory, except the one whose region begins at `own`.
/// Returns whether any of them had the group.
pub fn end_group(own: usize, directory: &[u8], ended: &EndedGroup) -> bool {
    with_listed(|listed| {
        let mut any = false;
        for this in listed {
            let path = this.file.path.as_bytes();
            let above = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            if this.start == own
                || this.generation != fork::generation()
                || this.done.get()
                || path[..above] != *directory
            {
                continue;
            }
            let first = ptr::with_exposed_provenance::<AtomicU64>(this.start);
            // SAFETY: the entry is in use only while its region is mapped, at a multiple of 8, and its words are
            // only accessed atomically. Only what is committed is touched, for which the writer had reserved blocks
            // before.
            let words = |len| unsafe { std::slice::from_raw_parts(first, len) };
            let fixed = words(FIXED / 8);
            // Acquire: a thread that sees the length sees the records below it.
            let committed = fixed[COMMITTED / 8].load(FIND) as usize;
            let committed = committed.min(this.len);
            let header = (fixed[1].load(Ordering::Relaxed) as u32 as usize).max(FIXED);
            any |= end_in(words(committed / 8), header, committed, ended);
        }
        if any {
            ended_groups::count();
        }
        any
    })
}

/// A file that this process writes, or inherited.
#[derive(Debug)]
pub struct WrittenFile {
    /// The path.
    pub path: PathBuf,
    /// Whether it is a parent's file: what is counted here goes to private memory.
    pub inherited: bool,
}

/// Returns all files, as of now: files that are added or removed meanwhile may be missing or appear twice.
pub fn all() -> Vec<WrittenFile> {
    let mut all = Vec::new();
    // Copied one by one, because nothing is allocated under the lock.
    let mut buffer = [0u8; libc::PATH_MAX as usize];
    while let Some((len, inherited)) = nth(all.len(), &mut buffer) {
        let path = PathBuf::from(OsStr::from_bytes(&buffer[..len]));
        all.push(WrittenFile { path, inherited });
    }
    all
}

/// Copies the path of the file with index `n`. Returns its length, and whether the file is inherited.
fn nth(n: usize, buffer: &mut [u8]) -> Option<(usize, bool)> {
    with_listed(|mut listed| {
        let this = listed.nth(n)?;
        let path = this.file.path.as_bytes();
        let len = path.len().min(buffer.len());
        buffer[..len].copy_from_slice(&path[..len]);
        Some((len, this.generation != fork::generation()))
    })
}

/// Maps private memory over the files of the parent, which has the generation `old`, in the child of a fork.
///
/// # Safety
/// The calling thread must hold LIST and be the only thread.
pub unsafe fn replace_in_child(old: u64) {
    // SAFETY: the caller's promise. (Entries are alive, because their boxes were copied with the rest of the
    // memory.)
    let listed = unsafe { FileList::assume() };
    for this in listed {
        // Regions older than the parent's generation are already private memory, and were inherited.
        if this.generation != old {
            continue;
        }
        // SAFETY: the entry is in the list, so its region is one of the parent's, which all have the same addresses
        // here.
        unsafe { region::replace(this.start, this.len) };
        if let Some(descriptor) = this.retained {
            // A copy of the descriptor would keep the parent's lock on the file.
            retained::close_in_child(descriptor, (this.file.device, this.file.inode));
        }
    }
}
