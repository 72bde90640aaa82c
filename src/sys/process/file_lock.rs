//! Locks on one byte of a file, which show that a process lives; and the file systems that keep such locks.
//!
//! They belong to the open file description (`F_OFD_SETLK`). Only Linux has them.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

/// Returns whether a file is on a file system that only this machine's kernel uses, so that the same kernel keeps
/// the locks on its files. True only for known types of file systems.
#[cfg(target_os = "linux")]
pub fn is_local(file: &File) -> bool {
    const RAMFS: u32 = 0x8584_58f6;
    const BCACHEFS: u32 = 0xca45_1a4e;
    const ZFS: u32 = 0x2fc1_2fc1;
    let Ok(found) = rustix::fs::fstatfs(file) else {
        return false;
    };
    // The numbers have 32 bits, in a field whose type differs between architectures.
    let kind = found.f_type as u32;
    [
        libc::TMPFS_MAGIC as u32,
        libc::EXT4_SUPER_MAGIC as u32,
        libc::XFS_SUPER_MAGIC as u32,
        libc::BTRFS_SUPER_MAGIC as u32,
        libc::F2FS_SUPER_MAGIC as u32,
        libc::OVERLAYFS_SUPER_MAGIC as u32,
        RAMFS,
        BCACHEFS,
        ZFS,
    ]
    .contains(&kind)
}

/// No file system is known to be local.
#[cfg(not(target_os = "linux"))]
pub fn is_local(_: &File) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn lock_of(token: u64, kind: libc::c_int) -> libc::flock {
    // SAFETY: zeros are a valid `flock`.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = token as libc::off_t;
    lock.l_len = 1;
    lock
}

/// Locks the byte for writing. Returns false if it is locked already, or if the file system has no such locks.
#[cfg(target_os = "linux")]
pub fn set_lock(file: &File, token: u64) -> bool {
    let mut lock = lock_of(token, libc::F_WRLCK);
    // SAFETY: the struct is ours.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &mut lock) == 0 }
}

/// Returns whether the byte is locked for writing; `None` if the file system cannot tell. A lock for reading is not
/// a writer's: anybody who may read the file could take one.
#[cfg(target_os = "linux")]
pub fn ask_lock(file: &File, token: u64) -> Option<bool> {
    // Only a lock for writing conflicts with one for reading.
    let mut lock = lock_of(token, libc::F_RDLCK);
    // SAFETY: the struct is ours.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) } {
        0 => Some(lock.l_type != libc::F_UNLCK as libc::c_short),
        _ => None,
    }
}

/// There are no such locks.
#[cfg(not(target_os = "linux"))]
pub fn set_lock(_: &File, _: u64) -> bool {
    false
}

/// There are no such locks.
#[cfg(not(target_os = "linux"))]
pub fn ask_lock(_: &File, _: u64) -> Option<bool> {
    None
}
