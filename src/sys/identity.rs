//! Who a process is, and the locks by which others see that it lives (`life`).
//!
//! A writer holds an open-file-description lock on one byte of `<root>/.lock`, at an offset that is
//! its random token. The kernel releases it at death and at exec, and any process, in whatever pid
//! namespace, can ask for it. Where the file system has no such locks, pid, start time, boot id, pid
//! namespace and machine id have to do.
//!
//! A mapping keeps the lock on most file systems. Where it does not (overlayfs), a descriptor does, and
//! a service that closes all descriptors loses the lock while it lives. The header says which it is.

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
    pub(super) time_namespace: u64,
    /// Whether /proc numbers processes as this one's pid namespace does.
    pub(super) proc_is_own: bool,
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
            start_time: Stat::this().map_or(0, |stat| stat.start_time),
            boot_id: boot_id().unwrap_or_default(),
            pid_namespace: namespace("pid").unwrap_or(0),
            machine_id: machine_id().unwrap_or_default(),
            time_namespace: namespace("time").unwrap_or(0),
            proc_is_own: proc_is_own(),
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
            time_namespace: self.time_namespace,
        }
    }

    /// Whether a file was made since this machine was started, by a process of its kernel. False where
    /// that is not known.
    pub(super) fn is_of_this_boot(&self, header: &Header) -> bool {
        self.boot_id != [0; 16] && self.boot_id == header.boot_id
    }

    /// Whether a file's start time and the times of its windows are by this process's clocks. (A time
    /// namespace shifts the monotonic clock and the time since boot.)
    ///
    /// Where neither side knows its time namespace, but both know the boot, the kernel has none. The
    /// inode is enough: it is not used again while a process lives in the namespace.
    pub(super) fn shares_clock(&self, header: &Header) -> bool {
        self.is_of_this_boot(header) && self.time_namespace == header.time_namespace
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
    /// When it started, in clock ticks since boot, as the reading process's time namespace counts them.
    pub start_time: u64,
    /// It has ended and only waits for its parent to ask how.
    pub ended: bool,
}

impl Stat {
    /// That of another process; [`Process::proc_is_own`] has to hold.
    pub fn of(pid: u32) -> Option<Stat> {
        Stat::read(&format!("/proc/{pid}/stat"))
    }

    /// That of this process, however /proc numbers it.
    fn this() -> Option<Stat> {
        Stat::read("/proc/self/stat")
    }

    fn read(path: &str) -> Option<Stat> {
        let stat = fs::read(path).ok()?;
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

/// Whether the times in a file's windows can be compared with this process's monotonic clock.
pub fn shares_clock(header: &Header) -> bool {
    Process::this().shares_clock(header)
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

fn namespace(kind: &str) -> Option<u64> {
    Some(fs::metadata(format!("/proc/self/ns/{kind}")).ok()?.ino())
}

/// Whether /proc is of this process's own pid namespace, and not of one above (`unshare --pid` without a
/// mount of its own): `NSpid` has a number for each namespace from that of /proc down to the process's.
fn proc_is_own() -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    // A kernel without pid namespaces does not have the line.
    pids.is_none_or(|pids| pids.split_ascii_whitespace().count() == 1)
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
    let is_local = is_local(&file);
    keep_from_cleaners(&file);
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
            keep_from_cleaners(&probe);
            fd = probe.into_raw_fd();
        }
    }
    let lock = LockToken {
        token,
        device,
        inode,
        // Tried, just now. A server may lose the locks that it keeps for others.
        pinned: fd == -1 && is_local,
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
        // The description is shared with the parent: kept open, it would keep the parent's lock. A program
        // that closes all descriptors has closed it already, and the number may be another file's.
        if this.fd >= 0 && is_open(this) {
            // SAFETY: the child's copy of a descriptor that only `Held` uses, as was just seen. No other
            // thread of the child can have closed it since: there is none.
            unsafe { libc::close(this.fd) };
        }
        held = this.next;
    }
}

/// Whether the descriptor still is that of the lock file. Allocates nothing.
fn is_open(held: &Held) -> bool {
    let mut found = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the place for a stat is valid for writing. It is one before the call, too: its fields are
    // integers. The number need not be that of an open descriptor.
    let (result, found) = unsafe {
        let result = libc::fstat(held.fd, found.as_mut_ptr());
        (result, found.assume_init())
    };
    result == 0 && (found.st_dev as u64, found.st_ino as u64) == (held.lock.device, held.lock.inode)
}

/// Takes a shared flock(2) on a file that is about to be mapped: the mapping keeps it. Cleaners of
/// temporary directories (systemd-tmpfiles) leave files that are locked. Others see their age only: a
/// store through a mapping does not count as a change.
///
/// Nothing depends on it. It is not taken on network file systems, which may turn it into a lock on all
/// bytes of the file, and overlayfs drops it with the descriptor.
pub fn keep_from_cleaners(file: &File) {
    if is_local(file) {
        // Who has it exclusively does not wait for us, and we do not wait for him.
        let _ = file.try_lock_shared();
    }
}

/// Whether a file is on a file system whose only user is this machine's kernel, which keeps the locks on
/// its files, too. Only those count that are known to be.
#[cfg(target_os = "linux")]
pub(super) fn is_local(file: &File) -> bool {
    const RAMFS: u32 = 0x8584_58f6;
    const BCACHEFS: u32 = 0xca45_1a4e;
    const ZFS: u32 = 0x2fc1_2fc1;
    let mut found = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the place for a statfs is valid for writing. It is one before the call, too: its fields
    // are integers.
    let (result, found) = unsafe {
        let result = libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr());
        (result, found.assume_init())
    };
    // The numbers have 32 bits, in a field whose type differs between architectures.
    let kind = found.f_type as u32;
    let known = [
        libc::TMPFS_MAGIC as u32,
        libc::EXT4_SUPER_MAGIC as u32,
        libc::XFS_SUPER_MAGIC as u32,
        libc::BTRFS_SUPER_MAGIC as u32,
        libc::F2FS_SUPER_MAGIC as u32,
        libc::OVERLAYFS_SUPER_MAGIC as u32,
        RAMFS,
        BCACHEFS,
        ZFS,
    ];
    result == 0 && known.contains(&kind)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_local(_: &File) -> bool {
    false
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
fn lock_of(token: u64, kind: libc::c_int) -> libc::flock {
    // SAFETY: zeros are a valid `flock`.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = token as libc::off_t;
    lock.l_len = 1;
    lock
}

#[cfg(target_os = "linux")]
fn set_lock(file: &File, token: u64) -> bool {
    let mut lock = lock_of(token, libc::F_WRLCK);
    // SAFETY: the struct is ours.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &mut lock) == 0 }
}

/// Whether somebody holds the byte for writing; `None`: the file system cannot say. A lock for reading is
/// no writer's: whoever may read the file could take it.
#[cfg(target_os = "linux")]
pub(super) fn ask_lock(file: &File, token: u64) -> Option<bool> {
    // Only a lock for writing is in the way of one for reading.
    let mut lock = lock_of(token, libc::F_RDLCK);
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
