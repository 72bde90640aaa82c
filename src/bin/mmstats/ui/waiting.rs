//! Waiting between two outputs, as long as they can be read.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How often the clock is looked at while nothing happens: a timeout of poll(2) stands still while the
/// machine sleeps.
const STEP: Duration = Duration::from_secs(1);

/// Waits until then. Returns false as soon as nothing can be read from stdout any more: its pipe is closed,
/// or its terminal is gone.
pub fn until(end: Instant) -> bool {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if is_gone(left.min(STEP)) {
            return false;
        }
        if left <= STEP && Instant::now() >= end {
            return true;
        }
    }
}

/// Whether stdout has no reader any more; waits for that so long.
pub fn is_gone(wait: Duration) -> bool {
    let stdout = io::stdout();
    // Errors and the end of a terminal are reported without being asked for.
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let wait = Timespec {
        tv_sec: wait.as_secs() as i64,
        tv_nsec: i64::from(wait.subsec_nanos()) as _,
    };
    match poll(&mut asked, Some(&wait)) {
        Ok(_) => !asked[0].revents().is_empty(),
        Err(Errno::INTR) => false,
        // Unable to tell: the next write will.
        Err(_) => {
            std::thread::sleep(Duration::new(wait.tv_sec as u64, wait.tv_nsec as u32));
            false
        }
    }
}
