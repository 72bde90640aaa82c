//! The identity of a process.

#[cfg_attr(target_os = "macos", path = "identity/macos.rs")]
mod kernel;

pub(in crate::sys) use kernel::ProcessStat;

use crate::format::header::{Header, LockToken};
use crate::sys::memory::race_cell::RaceCell;

/// The name of the lock file in a root.
pub const LOCK_FILE: &str = ".lock";

/// What a header records about its process: the part that does not change while the process lives.
#[derive(Clone, Debug, Default)]
pub struct ProcessIdentity {
    pub(in crate::sys) pid: u32,
    pub(in crate::sys) start_time: u64,
    pub(in crate::sys) boot_id: [u8; 16],
    pub(in crate::sys) pid_namespace: u64,
    pub(in crate::sys) machine_id: [u8; 16],
    pub(in crate::sys) time_namespace: u64,
    /// Whether /proc uses the numbers of this process's own pid namespace.
    pub(in crate::sys) proc_is_own: bool,
    pub(in crate::sys) exe: String,
}

/// This process, once it has been read; empty in a fresh fork. Leaks a few hundred bytes per fork.
static PROCESS: RaceCell<ProcessIdentity> = RaceCell::new();

impl ProcessIdentity {
    /// Returns the identity of this process. The first call reads /proc.
    pub fn this() -> &'static ProcessIdentity {
        PROCESS.get_or_box(ProcessIdentity::read)
    }

    fn read() -> ProcessIdentity {
        ProcessIdentity {
            pid: process_id(),
            start_time: ProcessStat::this().map_or(0, |stat| stat.start_time),
            boot_id: kernel::boot_id().unwrap_or_default(),
            pid_namespace: kernel::pid_namespace().unwrap_or(0),
            machine_id: kernel::machine_id().unwrap_or_default(),
            time_namespace: kernel::time_namespace().unwrap_or(0),
            proc_is_own: kernel::proc_is_own(),
            exe: kernel::executable().map_or_else(
                |_| String::new(),
                |path| path.to_string_lossy().into_owned(),
            ),
        }
    }

    /// Returns the header for a file that this process creates now.
    pub fn header(&self, model: &str, lock: LockToken) -> Header {
        Header {
            len: 0,
            model: model.to_owned(),
            exe: self.exe.clone(),
            created: super::clock::creation_nanos(),
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

    /// Returns whether a file was created since this machine was started, by a process of the same kernel. False
    /// where that is not known.
    pub(in crate::sys) fn is_of_this_boot(&self, header: &Header) -> bool {
        self.boot_id != [0; 16] && self.boot_id == header.boot_id
    }

    /// Returns whether a file's start time and the times of its windows are by this process's clocks. (A time
    /// namespace shifts the monotonic clock and the time since boot.)
    ///
    /// If neither side knows its time namespace, but both know the boot, the kernel has no time namespaces.
    /// Comparing the inode is enough: it is not reused while a process lives in the namespace.
    pub(in crate::sys) fn shares_clock(&self, header: &Header) -> bool {
        self.is_of_this_boot(header) && self.time_namespace == header.time_namespace
    }

    /// Returns the effective group of this process.
    fn gid(&self) -> u32 {
        // Miri does not support the call.
        if cfg!(miri) {
            return 0;
        }
        // SAFETY: getegid has no preconditions and cannot fail.
        unsafe { libc::getegid() }
    }

    /// Returns the effective user of this process: a service may give up the user it started with.
    ///
    /// Asked of the C library, like the owners of files that it is compared with: under fakeroot(1), both are
    /// faked.
    pub fn uid(&self) -> u32 {
        // SAFETY: geteuid has no preconditions and cannot fail.
        unsafe { libc::geteuid() }
    }
}

/// Returns the kernel's number of this process.
pub fn process_id() -> u32 {
    std::process::id()
}

/// Returns the kernel's number of the calling thread; that of the process on systems where the thread's is not
/// available. (The lower 32 bits, if the number has more.)
pub fn thread_id() -> u32 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return rustix::thread::gettid().as_raw_nonzero().get() as u32;
    #[cfg(target_vendor = "apple")]
    {
        let mut id = 0;
        // SAFETY: 0 stands for the calling thread, and the number is ours. It fails only for other threads.
        unsafe { libc::pthread_threadid_np(0, &mut id) };
        return id as u32;
    }
    #[cfg(target_os = "freebsd")]
    // SAFETY: cannot fail.
    return unsafe { libc::pthread_getthreadid_np() } as u32;
    #[cfg(target_os = "netbsd")]
    // SAFETY: cannot fail.
    return unsafe { libc::_lwp_self() } as u32;
    #[allow(unreachable_code)]
    process_id()
}

/// Returns whether the calling thread is the first of its process; `false` on systems where that is not known.
pub fn is_main_thread() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return thread_id() == process_id();
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    // SAFETY: cannot fail.
    return unsafe { libc::pthread_main_np() } == 1;
    // The first LWP of a process has the number 1.
    #[cfg(target_os = "netbsd")]
    return thread_id() == 1;
    #[allow(unreachable_code)]
    false
}

/// Returns whether the times in a file's windows can be compared with this process's monotonic clock.
pub fn shares_clock(header: &Header) -> bool {
    ProcessIdentity::this().shares_clock(header)
}

/// Parses an id of 32 hexadecimal digits, with or without dashes. (/etc/machine-id may be empty or contain
/// "uninitialized".)
fn hexadecimal(text: &str) -> Option<[u8; 16]> {
    let digits = text.trim_end().replace('-', "");
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}

/// Forgets the identity in the child of a fork, which is another process.
pub fn forget_in_child() {
    PROCESS.forget_in_child();
}

/// Returns a random number other than 0.
pub fn random() -> u64 {
    #[allow(unused_mut)] // On systems where nothing below fills it.
    let mut bytes = [0; 8];
    // A failure leaves zeros; the time and pid are used then.
    #[cfg(target_os = "linux")]
    let _ = {
        use rustix::rand::{GetRandomFlags, getrandom};
        getrandom(&mut bytes, GetRandomFlags::NONBLOCK)
    };
    // SAFETY: the buffer has the given length. A failure leaves zeros, as above.
    #[cfg(target_vendor = "apple")]
    unsafe {
        libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len());
    }
    // SAFETY: the buffer has the given length. The call cannot fail.
    #[cfg(any(target_os = "android", target_os = "freebsd", target_os = "netbsd"))]
    unsafe {
        libc::arc4random_buf(bytes.as_mut_ptr().cast(), bytes.len());
    }
    match u64::from_le_bytes(bytes) {
        0 => super::clock::unix_nanos() ^ (u64::from(process_id()) << 32) | 1,
        random => random,
    }
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
