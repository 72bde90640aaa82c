//! What the kernel says of processes and of itself: by sysctl(3) and libproc.
//!
//! Written after Apple's manuals and headers (sys/sysctl.h, libproc.h, sys/proc_info.h), and compiled; never run.

use std::io;
use std::path::PathBuf;

use super::hexadecimal;

/// What the kernel's table says of a process.
pub(in crate::sys) struct ProcessStat {
    /// When it started, in microseconds since 1970.
    pub start_time: u64,
    /// It has ended and only waits for its parent to ask how.
    pub ended: bool,
}

impl ProcessStat {
    /// That of another process; `None` if it is not for this user to look at.
    pub fn of(pid: u32) -> Option<ProcessStat> {
        let size = size_of::<libc::proc_bsdinfo>() as libc::c_int;
        let pid = libc::c_int::try_from(pid).ok()?;
        // SAFETY: a struct of integers, for which zeros are a value.
        let mut info: libc::proc_bsdinfo = unsafe { std::mem::zeroed() };
        let place = (&raw mut info).cast();
        // SAFETY: the place is ours, and has the size that is said.
        let written = unsafe { libc::proc_pidinfo(pid, libc::PROC_PIDTBSDINFO, 0, place, size) };
        (written == size).then_some(ProcessStat {
            start_time: info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec,
            ended: info.pbi_status == libc::SZOMB,
        })
    }

    /// That of this process.
    pub(super) fn this() -> Option<ProcessStat> {
        ProcessStat::of(super::process_id())
    }
}

/// kern.bootsessionuuid, which is another one after each start of the machine.
pub(super) fn boot_id() -> Option<[u8; 16]> {
    let mut text = [0u8; 64];
    let mut len = text.len();
    // SAFETY: a C string, and a place of the length that is said; no new value is set.
    let result = unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            text.as_mut_ptr().cast(),
            &mut len,
            std::ptr::null_mut(),
            0,
        )
    };
    let text = text.get(..len).filter(|_| result == 0)?;
    hexadecimal(std::str::from_utf8(text).ok()?.trim_end_matches('\0'))
}

/// Nothing is done by it: no file system is known to be local.
pub(super) fn machine_id() -> Option<[u8; 16]> {
    None
}

/// All processes of the machine are numbered together.
pub(super) fn pid_namespace() -> Option<u64> {
    Some(1)
}

/// And have the same clocks.
pub(super) fn time_namespace() -> Option<u64> {
    None
}

/// Whether [`ProcessStat::of`] is about the same numbers.
pub(super) fn proc_is_own() -> bool {
    true
}

/// The program of this process.
pub(super) fn executable() -> io::Result<PathBuf> {
    std::env::current_exe()
}
