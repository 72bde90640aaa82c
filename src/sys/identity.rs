//! Who a process is, and the locks by which others see that it lives (`life`).
//!
//! A writer holds an open-file-description lock on one byte of `<root>/.lock`, at an offset that is
//! its random token. The kernel releases it at death and at exec, and any process, in whatever pid
//! namespace, can ask for it. Where the file system has no such locks, pid, start time, boot id, pid
//! namespace and machine id have to do.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::{fork, lock};
use crate::format::header::{Header, LockToken};

/// Name of the lock file in a root.
pub const LOCK_FILE: &str = ".lock";

/// What a header says of its process: the part that does not change while it lives.
#[derive(Clone, Debug, Default)]
pub struct Process {
    pub(super) pid: u32,
    pub(super) start_time: u64,
    pub(super) boot_id: [u8; 16],
    pub(super) pid_namespace: u64,
    pub(super) machine_id: [u8; 16],
    pub(super) exe: String,
}

/// This process, once asked for; null in a fresh fork. Leaked: a few hundred bytes per fork.
static PROCESS: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());

impl Process {
    /// This process. The first call reads /proc.
    pub fn this() -> &'static Process {
        // Acquire and Release: who sees the pointer sees the struct. Two threads may both read
        // /proc at first; one result is kept. No lock: a fork could catch it.
        let known = PROCESS.load(Ordering::Acquire);
        // SAFETY: null or leaked below, and never written again.
        if let Some(known) = unsafe { known.as_ref() } {
            return known;
        }
        let this = Box::into_raw(Box::new(Process::read()));
        let first = ptr::null_mut();
        match PROCESS.compare_exchange(first, this, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: leaked, by storing it.
            Ok(_) => unsafe { &*this },
            Err(known) => {
                // SAFETY: from `into_raw`, and never shared.
                drop(unsafe { Box::from_raw(this) });
                // SAFETY: leaked by the thread that was first.
                unsafe { &*known }
            }
        }
    }

    fn read() -> Process {
        let pid = std::process::id();
        Process {
            pid,
            start_time: Stat::of(pid).map_or(0, |stat| stat.start_time),
            boot_id: boot_id().unwrap_or_default(),
            pid_namespace: pid_namespace().unwrap_or(0),
            machine_id: machine_id().unwrap_or_default(),
            exe: fs::read_link("/proc/self/exe")
                .or_else(|_| std::env::current_exe())
                .map_or_else(
                    |_| String::new(),
                    |path| path.to_string_lossy().into_owned(),
                ),
        }
    }

    /// The header of a file that this process makes now.
    pub fn header(&self, model: &str, lock: LockToken) -> Header {
        Header {
            len: 0,
            model: model.to_owned(),
            exe: self.exe.clone(),
            created: super::clock::unix_nanos(),
            pid: self.pid,
            tid: thread_id(),
            uid: self.uid(),
            gid: self.gid(),
            start_time: self.start_time,
            boot_id: self.boot_id,
            pid_namespace: self.pid_namespace,
            lock,
            machine_id: self.machine_id,
        }
    }

    /// Its group, likewise.
    fn gid(&self) -> u32 {
        // Miri does not know the call.
        if cfg!(miri) {
            return 0;
        }
        // SAFETY: cannot fail.
        unsafe { libc::getegid() }
    }

    /// The user whose rights this process has now: a service may give up those it began with.
    pub fn uid(&self) -> u32 {
        // SAFETY: cannot fail.
        unsafe { libc::geteuid() }
    }
}

/// The calling thread, as the kernel numbers it.
pub fn thread_id() -> u32 {
    #[cfg(target_os = "linux")]
    // SAFETY: cannot fail.
    let id = unsafe { libc::gettid() } as u32;
    #[cfg(not(target_os = "linux"))]
    let id = std::process::id();
    id
}

/// What the kernel's table says of a process.
pub(super) struct Stat {
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// It has ended and only waits for its parent to ask how.
    pub ended: bool,
}

impl Stat {
    pub fn of(pid: u32) -> Option<Stat> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The second field is a name in parentheses, which may contain anything.
        let after = stat.iter().rposition(|&byte| byte == b')')? + 2;
        let fields = std::str::from_utf8(stat.get(after..)?).ok()?;
        let mut fields = fields.split(' ');
        let state = fields.next()?;
        let threads: u64 = fields.nth(20 - 4)?.parse().ok()?;
        Some(Stat {
            start_time: fields.nth(22 - 21)?.parse().ok()?,
            // The first thread of a process may be a zombie while others go on.
            ended: matches!(state, "Z" | "X") && threads <= 1,
        })
    }
}

/// Whether a file was made on this machine since it was started: then its monotonic clock is ours.
pub fn is_of_this_boot(header: &Header) -> bool {
    header.boot_id == Process::this().boot_id
}

fn boot_id() -> Option<[u8; 16]> {
    hexadecimal(&fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?)
}

fn machine_id() -> Option<[u8; 16]> {
    hexadecimal(&fs::read_to_string("/etc/machine-id").ok()?)
}

/// An id of 32 hexadecimal digits, dashes between them or not. (/etc/machine-id may be empty, or say
/// "uninitialized".)
fn hexadecimal(text: &str) -> Option<[u8; 16]> {
    let digits = text.trim_end().replace('-', "");
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}

fn pid_namespace() -> Option<u64> {
    Some(fs::metadata("/proc/self/ns/pid").ok()?.ino())
}

/// A lock that this process holds in a root. Leaked and linked: a process has few roots.
struct Held {
    lock: LockToken,
    /// Kept open where a mapping does not keep the lock, else -1.
    fd: RawFd,
    next: *const Held,
}

/// The locks that this process holds; added to under [`SETUP`](fork::SETUP).
static HELD: AtomicPtr<Held> = AtomicPtr::new(ptr::null_mut());

/// The token of this process's lock in `root`, taking it if this is the first file there. No lock
/// (token 0) where the file system has none.
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
    let new = Box::new(Held {
        lock: LockToken::default(),
        fd: -1,
        next: ptr::null(),
    });
    // Under the lock that a fork takes first: a child with a copy of the descriptor, or of the mapping
    // before it is marked, would keep the lock of a parent that has died. Nothing is allocated.
    let mut left = Some(new);
    let taken = lock::with(&fork::SETUP, || take_lock(path, mode, &mut left));
    drop(left);
    taken
}

/// Takes the lock and enters it into the list, as `new`. Under [`SETUP`](fork::SETUP).
fn take_lock(path: &CStr, mode: u32, new: &mut Option<Box<Held>>) -> io::Result<LockToken> {
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
    // On tmpfs and ext4 a mapping keeps the open file description, hence the lock, and costs no
    // descriptor. It is not inherited by a fork.
    let probe = open_lock(path, mode)?;
    let mapped = map_one_page(&file);
    let mut fd = file.into_raw_fd();
    if mapped {
        // SAFETY: the descriptor is ours and used no more.
        unsafe { libc::close(fd) };
        fd = -1;
        if !matches!(ask_lock(&probe, token), Some(true)) {
            // It went with the descriptor (overlayfs): take it again and keep the descriptor.
            if !set_lock(&probe, token) {
                return Ok(LockToken::default());
            }
            fd = probe.into_raw_fd();
        }
    }
    let lock = LockToken {
        token,
        device,
        inode,
    };
    if let Some(mut held) = new.take() {
        *held = Held {
            lock,
            fd,
            next: HELD.load(Ordering::Relaxed),
        };
        // Release: who sees the entry sees what is in it.
        HELD.store(Box::into_raw(held), Ordering::Release);
    }
    Ok(lock)
}

/// The lock on the file of this device and inode, if it is in the list.
fn find_held(device: u64, inode: u64) -> Option<LockToken> {
    let mut held = HELD.load(Ordering::Acquire).cast_const();
    // SAFETY: null or leaked, and never written after it was shared.
    while let Some(this) = unsafe { held.as_ref() } {
        if (this.lock.device, this.lock.inode) == (device, inode) {
            return Some(this.lock);
        }
        held = this.next;
    }
    None
}

/// Opens the lock file, making it if need be. Allocates nothing.
fn open_lock(path: &CStr, mode: u32) -> io::Result<File> {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    // SAFETY: a C string that outlives the call; the descriptor is new, hence only ours.
    unsafe {
        match libc::open(path.as_ptr(), flags, mode as libc::c_uint) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(File::from_raw_fd(fd)),
        }
    }
}

/// In the child of a fork: it is another process, and holds no locks.
pub fn forget_in_child() {
    PROCESS.store(ptr::null_mut(), Ordering::Release);
    let mut held = HELD.swap(ptr::null_mut(), Ordering::AcqRel).cast_const();
    // SAFETY: null or leaked, and never written again.
    while let Some(this) = unsafe { held.as_ref() } {
        if this.fd >= 0 {
            // The description is shared with the parent: kept open, it would keep the parent's lock.
            // SAFETY: the child's copy of a descriptor that only `Held` uses.
            unsafe { libc::close(this.fd) };
        }
        held = this.next;
    }
}

fn map_one_page(file: &File) -> bool {
    // SAFETY: a new mapping of one page, never touched; it stays for the life of the process.
    unsafe {
        let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let map = libc::mmap(
            ptr::null_mut(),
            page,
            libc::PROT_READ,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        if map == libc::MAP_FAILED {
            return false;
        }
        #[cfg(target_os = "linux")]
        libc::madvise(map, page, libc::MADV_DONTFORK);
    }
    true
}

/// A random number; not 0.
pub fn random() -> u64 {
    #[allow(unused_mut)] // Where nothing below is there to fill it.
    let mut bytes = [0; 8];
    // SAFETY: the buffer is as long as said. A failure leaves zeros, which the time and pid make up for.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK);
    }
    // SAFETY: as above.
    #[cfg(target_vendor = "apple")]
    unsafe {
        libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len());
    }
    match u64::from_le_bytes(bytes) {
        0 => super::clock::unix_nanos() ^ (u64::from(std::process::id()) << 32) | 1,
        random => random,
    }
}

fn random_token() -> u64 {
    // An offset in a file: positive, and not 0, which means "no lock".
    random() & (i64::MAX as u64 - 1) | 1
}

#[cfg(target_os = "linux")]
fn lock_of(token: u64) -> libc::flock {
    // SAFETY: zeros are a valid `flock`.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = token as libc::off_t;
    lock.l_len = 1;
    lock
}

#[cfg(target_os = "linux")]
fn set_lock(file: &File, token: u64) -> bool {
    let mut lock = lock_of(token);
    // SAFETY: the struct is ours.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &mut lock) == 0 }
}

/// Whether somebody holds the byte; `None`: the file system cannot say.
#[cfg(target_os = "linux")]
pub(super) fn ask_lock(file: &File, token: u64) -> Option<bool> {
    let mut lock = lock_of(token);
    // SAFETY: the struct is ours.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) } {
        0 => Some(lock.l_type != libc::F_UNLCK as libc::c_short),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn set_lock(_: &File, _: u64) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(super) fn ask_lock(_: &File, _: u64) -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_thirty_two_digits() {
        let id = hexadecimal("601db007-0000-4000-8000-c0ffeec0ffee\n").unwrap();
        assert_eq!(id[..4], [0x60, 0x1d, 0xb0, 0x07]);
        assert_eq!(hexadecimal("601db007000040008000c0ffeec0ffee\n"), Some(id));
        for wrong in [
            "",
            "uninitialized\n",
            "601db007",
            "+01db007000040008000c0ffeec0ffee",
        ] {
            assert_eq!(hexadecimal(wrong), None, "{wrong:?}");
        }
    }
}
