//! What the kernel knows about processes and itself, from /proc. Without /proc, nothing is known.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::hexadecimal;

/// What the kernel's process table says about a process.
pub(in crate::sys) struct ProcessStat {
    /// The start time, in clock ticks since boot, as counted in the reading process's time namespace.
    pub start_time: u64,
    /// Whether the process has ended and only waits to be reaped by its parent.
    pub ended: bool,
}

impl ProcessStat {
    /// Reads another process; valid only if [`ProcessIdentity::proc_is_own`] holds.
    pub fn of(pid: u32) -> Option<ProcessStat> {
        ProcessStat::read(&format!("/proc/{pid}/stat"))
    }

    /// Reads this process, whatever its number in /proc.
    pub(super) fn this() -> Option<ProcessStat> {
        ProcessStat::read("/proc/self/stat")
    }

    fn read(path: &str) -> Option<ProcessStat> {
        let stat = fs::read(path).ok()?;
        // The second field is a name in parentheses, which may contain anything.
        let after = stat.iter().rposition(|&byte| byte == b')')? + 2;
        let fields = std::str::from_utf8(stat.get(after..)?).ok()?;
        let mut fields = fields.split(' ');
        let state = fields.next()?;
        let threads: u64 = fields.nth(20 - 4)?.parse().ok()?;
        Some(ProcessStat {
            start_time: fields.nth(22 - 21)?.parse().ok()?,
            // The first thread of a process may be a zombie while others keep running.
            ended: matches!(state, "Z" | "X") && threads <= 1,
        })
    }
}

pub(super) fn boot_id() -> Option<[u8; 16]> {
    hexadecimal(&fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?)
}

pub(super) fn machine_id() -> Option<[u8; 16]> {
    hexadecimal(&fs::read_to_string("/etc/machine-id").ok()?)
}

/// Returns what distinguishes the numbers of processes from those of other pid namespaces.
pub(super) fn pid_namespace() -> Option<u64> {
    namespace("pid")
}

/// Returns the same for clocks and time namespaces.
pub(super) fn time_namespace() -> Option<u64> {
    namespace("time")
}

/// Returns the path of this process's program.
pub(super) fn executable() -> io::Result<PathBuf> {
    fs::read_link("/proc/self/exe").or_else(|_| std::env::current_exe())
}

fn namespace(kind: &str) -> Option<u64> {
    Some(fs::metadata(format!("/proc/self/ns/{kind}")).ok()?.ino())
}

/// Returns whether /proc belongs to this process's own pid namespace, not to one above it (`unshare --pid` without
/// mounting another /proc). `NSpid` has a number for each namespace from that of /proc down to the process's.
pub(super) fn proc_is_own() -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    // A kernel without pid namespaces does not have this line.
    pids.is_none_or(|pids| pids.split_ascii_whitespace().count() == 1)
}
