//! What the kernel says of processes and of itself: by /proc. Where there is none, nothing is known.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::hexadecimal;

/// What the kernel's table says of a process.
pub(in crate::sys) struct ProcessStat {
    /// When it started, in clock ticks since boot, as the reading process's time namespace counts them.
    pub start_time: u64,
    /// It has ended and only waits for its parent to ask how.
    pub ended: bool,
}

impl ProcessStat {
    /// That of another process; [`ProcessIdentity::proc_is_own`] has to hold.
    pub fn of(pid: u32) -> Option<ProcessStat> {
        ProcessStat::read(&format!("/proc/{pid}/stat"))
    }

    /// That of this process, however /proc numbers it.
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
            // The first thread of a process may be a zombie while others go on.
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

/// What tells the numbers of processes apart from those of other namespaces.
pub(super) fn pid_namespace() -> Option<u64> {
    namespace("pid")
}

/// Likewise for clocks.
pub(super) fn time_namespace() -> Option<u64> {
    namespace("time")
}

/// The program of this process.
pub(super) fn executable() -> io::Result<PathBuf> {
    fs::read_link("/proc/self/exe").or_else(|_| std::env::current_exe())
}

fn namespace(kind: &str) -> Option<u64> {
    Some(fs::metadata(format!("/proc/self/ns/{kind}")).ok()?.ino())
}

/// Whether /proc is of this process's own pid namespace, and not of one above (`unshare --pid` without a
/// mount of its own): `NSpid` has a number for each namespace from that of /proc down to the process's.
pub(super) fn proc_is_own() -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    // A kernel without pid namespaces does not have the line.
    pids.is_none_or(|pids| pids.split_ascii_whitespace().count() == 1)
}
