//! Children created by fork, and how they end.

use std::time::{Duration, Instant};

/// Longer than any child may take, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Forks; the child runs `work` and leaves through `_exit` with the result.
pub fn fork(work: impl FnOnce() -> i32) -> libc::pid_t {
    // SAFETY: the child does what its test is about, and never returns from here. A panic in it would continue in the
    // parent's code, so it ends the child instead.
    unsafe {
        match libc::fork() {
            0 => {
                let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                libc::_exit(code.unwrap_or(101))
            }
            pid => {
                assert!(pid > 0, "cannot fork");
                pid
            }
        }
    }
}

/// Waits for a child and returns its status. A child that hangs is described and killed by its id, and the test fails.
pub fn wait(pid: libc::pid_t) -> i32 {
    let start = Instant::now();
    let mut status = 0;
    loop {
        // SAFETY: our child, and a pointer to our integer.
        match unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } {
            0 => {}
            found => {
                assert_eq!(found, pid);
                return status;
            }
        }
        if start.elapsed() > PATIENCE {
            let read = |what: &str| {
                std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default()
            };
            let report = ["stack", "wchan", "status"].map(read).join("\n");
            // SAFETY: our child, which has not been waited for yet.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, &mut status, 0);
            }
            panic!("child {pid} hangs:\n{report}");
        }
        // Not a wait for an event: it only leaves the processor to the child.
        std::thread::yield_now();
    }
}

/// Waits for a child and asserts that it succeeded.
pub fn wait_well(pid: libc::pid_t) {
    let status = wait(pid);
    assert_eq!(status, 0, "child {pid}: status {status:#x}");
}
