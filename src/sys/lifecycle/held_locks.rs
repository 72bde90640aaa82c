//! The locks that this process holds: in a root, so that others see that it lives; on files and directories, so
//! that cleaners leave them alone.
//!
//! A writer holds an open-file-description lock on one byte of `<root>/.lock`, at an offset that is its random
//! token. The kernel releases the lock when the process dies or calls exec, and any process, in whatever pid
//! namespace, can query it. Where the file system has no such locks, readers rely on pid, start time, boot id, pid
//! namespace and machine id.
//!
//! On most file systems, a mapping keeps the lock. Where it does not (overlayfs), a descriptor does, and a service
//! that closes all descriptors loses the lock while it lives. The header tells which of the two it is.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use memmap2::MmapOptions;
use rustix::fs::OFlags;

use super::directory::permissions;
use super::retained;
use crate::format::header::LockToken;
use crate::sync::{FIND, PUBLISH};
use crate::sys::process::file_lock::{ask_lock, is_local, set_lock};
use crate::sys::process::fork;
use crate::sys::process::identity::{LOCK_FILE, random};
use crate::sys::process::lock;

/// A lock that this process holds in a root, or on a directory (token 0). Leaked and linked: a process has few
/// roots.
struct HeldLock {
    lock: LockToken,
    /// Kept open if a mapping does not keep the lock.
    fd: Option<RawFd>,
    next: *const HeldLock,
}

/// The locks that this process holds. Entries are added under [`SETUP`](fork::SETUP).
static HELD: AtomicPtr<HeldLock> = AtomicPtr::new(ptr::null_mut());

/// Returns the token of this process's lock in `root`; takes the lock if this is the first file there. Returns no
/// lock (token 0) if the file system has none.
pub fn hold_lock(root: &Path, mode: u32) -> io::Result<LockToken> {
    let path = CString::new(root.join(LOCK_FILE).into_os_string().into_encoded_bytes())?;
    match find_or_take(&path, mode) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(LockToken::default()),
        result => result,
    }
}

fn find_or_take(path: &CStr, mode: u32) -> io::Result<LockToken> {
    let metadata = open_lock(path, mode)?.metadata()?;
    if let Some(lock) = find_held(metadata.dev(), metadata.ino()) {
        return Ok(lock);
    }
    with_new(|new| take_lock(path, mode, new))
}

/// Calls `take` with a new entry for the list, under the lock that a fork takes first: a child with a copy of a
/// descriptor, or of a mapping that is not yet marked, would keep the lock of a dead parent. Nothing is allocated
/// meanwhile.
fn with_new<T>(take: impl FnOnce(&mut Option<Box<HeldLock>>) -> T) -> T {
    let mut new = Some(Box::new(HeldLock {
        lock: LockToken::default(),
        fd: None,
        next: ptr::null(),
    }));
    lock::with(&fork::SETUP, || take(&mut new))
}

/// Enters a lock into the list. Called under [`SETUP`](fork::SETUP).
fn enter(new: &mut Option<Box<HeldLock>>, lock: LockToken, kept: Option<File>) {
    if let Some(mut held) = new.take() {
        *held = HeldLock {
            lock,
            fd: kept.map(IntoRawFd::into_raw_fd),
            next: HELD.load(Ordering::Relaxed),
        };
        // Release: a thread that sees the entry sees its contents.
        HELD.store(Box::into_raw(held), PUBLISH);
    }
}

/// Takes the lock and enters it into the list, as `new`. Called under [`SETUP`](fork::SETUP).
fn take_lock(path: &CStr, mode: u32, new: &mut Option<Box<HeldLock>>) -> io::Result<LockToken> {
    let file = open_lock(path, mode)?;
    let metadata = file.metadata()?;
    let (device, inode) = (metadata.dev(), metadata.ino());
    // Another thread may have been faster.
    if let Some(lock) = find_held(device, inode) {
        return Ok(lock);
    }
    let token = random_token();
    if !set_lock(&file, token) {
        return Ok(LockToken::default());
    }
    let is_local = is_local(&file);
    keep_from_cleaners(&file);
    // On tmpfs and ext4, a mapping keeps the open file description and hence the lock, without using a descriptor.
    // A fork does not inherit it.
    let probe = open_lock(path, mode)?;
    let kept = if map_one_page(&file).is_err() {
        Some(file)
    } else {
        drop(file);
        if matches!(ask_lock(&probe, token), Some(true)) {
            None
        } else {
            // The lock went with the descriptor (overlayfs): take it again and keep the descriptor.
            if !set_lock(&probe, token) {
                return Ok(LockToken::default());
            }
            keep_from_cleaners(&probe);
            Some(probe)
        }
    };
    let lock = LockToken {
        token,
        device,
        inode,
        // Just tested. A server may lose the locks that it keeps for others.
        pinned: kept.is_none() && is_local,
    };
    enter(new, lock, kept);
    Ok(lock)
}

/// Takes a shared flock(2) on a directory that holds files of this process. A descriptor keeps it as long as the
/// process lives, because a directory cannot be mapped. systemd-tmpfiles skips such a directory with everything in
/// it; before version 253, it does not check the locks of files.
///
/// Nothing depends on this lock, nor on that of [`keep_from_cleaners`].
pub fn hold_directory(path: &Path) {
    let is_held =
        fs::metadata(path).is_ok_and(|found| find_held(found.dev(), found.ino()).is_some());
    let Ok(path) = CString::new(path.as_os_str().as_encoded_bytes()) else {
        return;
    };
    if !is_held {
        // If it fails, a cleaner may remove the directory as old.
        let _ = with_new(|new| take_directory(&path, new));
    }
}

/// The most directories that a process keeps locked: it may have any number, and descriptors are few.
const DIRECTORIES_MOST: usize = 16;

fn directories_held() -> usize {
    held().filter(|held| held.lock.token == 0).count()
}

/// Locks a directory. Called under [`SETUP`](fork::SETUP).
fn take_directory(path: &CStr, new: &mut Option<Box<HeldLock>>) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
    let directory = open(path, flags, 0)?;
    let metadata = directory.metadata()?;
    let lock = LockToken {
        device: metadata.dev(),
        inode: metadata.ino(),
        ..LockToken::default()
    };
    // Another thread may have been faster.
    let wanted = find_held(lock.device, lock.inode).is_none() && is_local(&directory);
    if wanted && directories_held() < DIRECTORIES_MOST {
        keep_from_cleaners(&directory);
        enter(new, lock, Some(directory));
    }
    Ok(())
}

/// Returns the lock on the file with this device and inode, if it is in the list.
fn find_held(device: u64, inode: u64) -> Option<LockToken> {
    let mut found = held().map(|held| held.lock);
    found.find(|lock| (lock.device, lock.inode) == (device, inode))
}

/// Iterates over the list.
fn held() -> impl Iterator<Item = &'static HeldLock> {
    // SAFETY: null or leaked, and never written after it was shared. (The child of a fork empties the list, but
    // does not free it.) Pairs with the PUBLISH in `enter`.
    let shared = |held: *const HeldLock| unsafe { held.as_ref() };
    let first = shared(HELD.load(FIND));
    std::iter::successors(first, move |held| shared(held.next))
}

/// The sticky bit of a file tells any version of systemd-tmpfiles to keep it. It does so even after all processes
/// have ended, but the file is a single empty one per root. On BSD, only root may set it.
pub const STICKY: u32 = if cfg!(target_os = "linux") { 0o1000 } else { 0 };

/// Opens the lock file; creates it if need be. Allocates nothing.
fn open_lock(path: &CStr, mode: u32) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
    open(path, flags, mode | STICKY)
}

/// Opens a file or directory. Allocates nothing.
fn open(path: &CStr, flags: OFlags, mode: u32) -> io::Result<File> {
    Ok(rustix::fs::open(path, flags | OFlags::CLOEXEC, permissions(mode))?.into())
}

/// Forgets the locks in the child of a fork, which holds none.
pub fn forget_in_child() {
    // Relaxed: the child has one thread.
    let mut held = HELD.swap(ptr::null_mut(), Ordering::Relaxed).cast_const();
    // SAFETY: null or leaked, and never written again.
    while let Some(this) = unsafe { held.as_ref() } {
        // The open file description is shared with the parent: a descriptor kept open would keep the parent's lock.
        // A program that closes all descriptors has already closed it, and the number may be another file's.
        if let Some(fd) = this.fd {
            retained::close_in_child(fd, (this.lock.device, this.lock.inode));
        }
        held = this.next;
    }
}

/// Takes a shared flock(2) on a file that is about to be mapped; the mapping keeps it. Some cleaners of temporary
/// directories (systemd-tmpfiles) leave locked files alone. Others only see the age of files: a store through a
/// mapping does not count as a change.
///
/// Nothing depends on this lock. It is not taken on network file systems, which may turn it into a lock on all
/// bytes of the file, and overlayfs drops it with the descriptor.
pub fn keep_from_cleaners(file: &File) {
    if is_local(file) {
        // A process with an exclusive lock does not wait for us, and we do not wait for it.
        let _ = file.try_lock_shared();
    }
}

/// Maps one page of a file for the life of the process; the page is never touched.
fn map_one_page(file: &File) -> io::Result<()> {
    let map = MmapOptions::new().len(1).map_raw_read_only(file)?;
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::DontFork);
    std::mem::forget(map);
    Ok(())
}

fn random_token() -> u64 {
    // An offset in a file: positive, and not 0, which means "no lock".
    random() & (i64::MAX as u64 - 1) | 1
}
