//! What the kernel knows about processes and itself, from sysctl(3) and libproc.
//!
//! Written from Apple's manuals and headers (sys/sysctl.h, libproc.h, sys/proc_info.h). Compiled, but never run.

use std::io;
use std::path::PathBuf;

use super::hexadecimal;

/// What the kernel's process table says about a process.
pub(in crate::sys) struct ProcessStat {
    /// The start time, in microseconds since 1970.
    pub start_time: u64,
    /// Whether the process has ended and only waits to be reaped by its parent.
    pub ended: bool,
}

impl ProcessStat {
    /// Reads another process; `None` if this user may not look at it.
    pub fn of(pid: u32) -> Option<ProcessStat> {
        let size = size_of::<libc::proc_bsdinfo>() as libc::c_int;
        let pid = libc::c_int::try_from(pid).ok()?;
        // SAFETY: a struct of integers, for which zeros are a value.
        let mut info: libc::proc_bsdinfo = unsafe { std::mem::zeroed() };
        let place = (&raw mut info).cast();
        // SAFETY: the memory is ours and has the given size.
        let written = unsafe { libc::proc_pidinfo(pid, libc::PROC_PIDTBSDINFO, 0, place, size) };
        (written == size).then_some(ProcessStat {
            start_time: info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec,
            ended: info.pbi_status == libc::SZOMB,
        })
    }

    /// Reads this process.
    pub(super) fn this() -> Option<ProcessStat> {
        ProcessStat::of(super::process_id())
    }
}

/// Returns `kern.bootsessionuuid`, which changes at each start of the machine.
pub(super) fn boot_id() -> Option<[u8; 16]> {
    let mut text = [0u8; 64];
    let mut len = text.len();
    // SAFETY: a C string, and a buffer of the given length; no new value is set.
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

/// Not needed: no file system is known to be local.
pub(super) fn machine_id() -> Option<[u8; 16]> {
    None
}

/// All processes of the machine share one set of numbers.
pub(super) fn pid_namespace() -> Option<u64> {
    Some(1)
}

/// They also share the same clocks.
pub(super) fn time_namespace() -> Option<u64> {
    None
}

/// Returns whether [`ProcessStat::of`] uses the same numbers.
pub(super) fn proc_is_own() -> bool {
    true
}

/// Returns the path of this process's program.
pub(super) fn executable() -> io::Result<PathBuf> {
    std::env::current_exe()
}
