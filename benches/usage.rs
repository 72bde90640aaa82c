//! The memory and the processor time that another process uses.

use std::time::Duration;

/// Returns the resident memory in bytes.
pub fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// Returns the peak of the resident memory so far, in bytes.
#[allow(dead_code, reason = "not every bench wants it")]
pub fn peak(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

fn status(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: u64 = word.and_then(|word| word.parse().ok()).expect("a number");
    kilobytes << 10
}

/// Returns the time in user and kernel mode, of the threads that the process has now.
pub fn processor_time(pid: u32) -> Duration {
    // schedstat has nanoseconds, for each thread; /proc/<pid>/stat has ticks of 10 ms.
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let of = |task: std::fs::DirEntry| -> Option<u64> {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    Duration::from_nanos(tasks.flatten().filter_map(of).sum())
}
